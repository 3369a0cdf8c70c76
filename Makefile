# Builds mailbutton, tries it, tests it, and installs it for C and C++.
#
#   make demo       the whole feature, end to end, against a mail server of its own
#   make demo-native  a window to try it in by hand, built with Qt 6
#   make demo-web   a small invoicing program in the browser, with mail servers of its own, until Ctrl-C
#   make screens    makes the pictures of the demo in docs/screens
#   make test       installs what the tests need, and runs them all
#   make check      formatting, lints, licences and doubled crates
#   make figures    what the library costs a host
#   make bench      what it costs beside its peers: writes benches/RESULTS.md; about ten minutes
#   make build
#   make install PREFIX=/usr/local [DESTDIR=/tmp/package]
#   make uninstall PREFIX=/usr/local [DESTDIR=/tmp/package]
#   make header     writes include/mailbutton.h from src/ffi
#   make clean

PREFIX ?= /usr/local
LIBDIR ?= lib
CARGO ?= cargo
STRIP ?= strip
INSTALL ?= install

VERSION := $(shell sed -n '/^\[package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)
# The number in build.rs's soname.
ABI := 0
# CMake takes a version of the same number for compatible: the first one that is not 0, as 0.1 and 0.2 are not.
COMPATIBLE := $(shell echo $(VERSION) | sed 's/^\(0\.[0-9]*\|[1-9][0-9]*\)\..*/\1/')
DENY := target/tools/bin/cargo-deny
# What Rust's library needs from the system (rustc --print native-static-libs); the compiler adds its own unwinder.
SYSTEM_LIBS := -lpthread -ldl -lm

NATIVE := $(abspath $(or $(CARGO_TARGET_DIR),target))/native
BUILT := $(or $(CARGO_TARGET_DIR),target)/release
ROOT := $(DESTDIR)$(PREFIX)
LIB := $(ROOT)/$(LIBDIR)
CMAKE := $(LIB)/cmake/mailbutton
# From lib/pkgconfig and lib/cmake/mailbutton back to the prefix, so that the whole may be moved.
UP := $(shell echo $(LIBDIR) | sed 's,[^/][^/]*,..,g')
FILL := sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@ABI@|$(ABI)|g' -e 's|@COMPATIBLE@|$(COMPATIBLE)|g' \
	-e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@UP@|$(UP)|g' -e 's|@SYSTEM_LIBS@|$(SYSTEM_LIBS)|g'

INSTALLED := include/mailbutton.h include/mailbutton.hpp \
	$(LIBDIR)/libmailbutton.so.$(VERSION) $(LIBDIR)/libmailbutton.so.$(ABI) $(LIBDIR)/libmailbutton.so \
	$(LIBDIR)/libmailbutton.a $(LIBDIR)/pkgconfig/mailbutton.pc \
	$(LIBDIR)/cmake/mailbutton/mailbuttonConfig.cmake $(LIBDIR)/cmake/mailbutton/mailbuttonConfigVersion.cmake \
	$(LIBDIR)/cmake/mailbutton/mailbuttonTargets.cmake

.PHONY: demo demo-web demo-native screens test check figures bench build header install uninstall clean

demo: build
	examples/demo/run

demo-web: build
	examples/host-web/run

# OPTIONS="--locale ar" for another language.
demo-native: build
	$(MAKE) --no-print-directory install PREFIX=$(NATIVE)/prefix
	cmake -S examples/host-qt -B $(NATIVE)/host-qt -DCMAKE_PREFIX_PATH=$(NATIVE)/prefix
	cmake --build $(NATIVE)/host-qt
	examples/host-qt/demo $(NATIVE)/host-qt/host-qt $(OPTIONS)

screens: build
	tests/install
	MAILBUTTON_SCREENS=docs/screens target/venv/bin/python -m pytest -q tests/web/test_journey.py

test:
	tests/run

# cargo-deny is built from source the first time, which takes minutes.
check: $(DENY)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) clippy --all-features -- -D warnings
	$(DENY) check licenses bans sources

$(DENY):
	$(CARGO) install cargo-deny --locked --version 0.20.2 --root target/tools

figures: build
	benches/figures

# MAILBUTTON_LIBRARY=path measures another library than this source's.
bench: $(if $(MAILBUTTON_LIBRARY),,build)
	benches/bench

build:
	$(CARGO) build --release

header:
	MAILBUTTON_WRITE_HEADER=1 $(CARGO) test --test header

# Builds nothing, as it often runs as root: `make build` comes first.
install:
	@test -e $(BUILT)/libmailbutton.so || { echo 'run `make build` first' >&2; exit 1; }
	$(INSTALL) -d $(ROOT)/include $(LIB)/pkgconfig $(CMAKE)
	$(INSTALL) -m 644 include/mailbutton.h bindings/cpp/mailbutton.hpp $(ROOT)/include
	$(INSTALL) -m 755 $(BUILT)/libmailbutton.so $(LIB)/libmailbutton.so.$(VERSION)
	$(STRIP) --strip-unneeded $(LIB)/libmailbutton.so.$(VERSION)
	ln -sf libmailbutton.so.$(VERSION) $(LIB)/libmailbutton.so.$(ABI)
	ln -sf libmailbutton.so.$(ABI) $(LIB)/libmailbutton.so
	$(INSTALL) -m 644 $(BUILT)/libmailbutton.a $(LIB)
	$(STRIP) --strip-debug $(LIB)/libmailbutton.a
	$(FILL) bindings/cpp/mailbutton.pc.in >$(LIB)/pkgconfig/mailbutton.pc
	for name in Config ConfigVersion Targets; do \
	    $(FILL) bindings/cpp/mailbutton$$name.cmake.in >$(CMAKE)/mailbutton$$name.cmake || exit 1; \
	done
	chmod 644 $(LIB)/pkgconfig/mailbutton.pc $(CMAKE)/*.cmake

uninstall:
	rm -f $(addprefix $(ROOT)/,$(INSTALLED))
	-rmdir $(CMAKE) 2>/dev/null

clean:
	$(CARGO) clean
