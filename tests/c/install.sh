#!/usr/bin/env bash
# Installs into a prefix, builds the examples against it as a project would, and sends with them to a real server; then
# moves the prefix and does it again; then uninstalls.
set -u
. "$(dirname "$0")/steps.sh"

folder=$(mktemp -d)
python=$root/target/venv/bin/python
server_pid=
cleanup() {
    # It removes its own folder before it ends.
    [ -z "$server_pid" ] || { kill "$server_pid" 2>/dev/null; wait "$server_pid" 2>/dev/null; }
    rm -rf "$folder"
}
trap cleanup EXIT

make_() { make --no-print-directory -C "$root" "$@"; }
is_stripped() { ! readelf -SW "$1" | grep -q -e '\.symtab' -e '\.debug_'; }
needs_us() { readelf -d "$1" | grep -q 'NEEDED.*libmailbutton'; }
needs_us_not() { ! needs_us "$1"; }
nothing_left() { [ -z "$(find "$1" ! -type d)" ]; }

# Sets port, options and settings from what the server says of itself.
start_server() {
    [ -x "$python" ] || return 1
    coproc SERVER { cd "$root/tests" && exec "$python" -m servers aiosmtpd 2>"$folder/server.log"; }
    server_pid=$SERVER_PID
    IFS= read -r about <&"${SERVER[0]}" && printf '%s' "$about" | "$python" -c '
import json, sys
about, folder = json.load(sys.stdin), sys.argv[1]
settings = dict(smtp_host=about["host"], smtp_port=about["port_starttls"], username=about["user"], password=about["password"])
json.dump(settings, open(folder + "/settings.json", "w"))
json.dump({"store": folder + "/store.json", "ca_file": about["ca_file"]}, open(folder + "/options.json", "w"))
' "$folder"
}

# The messages that arrived since the last time.
arrived() {
    local messages
    echo messages >&"${SERVER[1]}" && IFS= read -r messages <&"${SERVER[0]}"
    echo clear >&"${SERVER[1]}" && IFS= read -r _ <&"${SERVER[0]}"
    [ "$(grep -o '"envelope_from"' <<<"$messages" | wc -l)" = "$1" ]
}

email='{"to": "bogdan@example.test", "subject": "Invoice 7", "document": {"file_name": "Invoice 7.pdf"}}'
printf '%%PDF-1.4\n%%%%EOF\n' >"$folder/invoice.pdf"

# send PROGRAM: one that is built from send.c or send.cpp.
send() {
    "$@" "$(cat "$folder/options.json")" "$email" "$folder/invoice.pdf" >"$folder/said" 2>&1 \
        && grep -F '"status":0,"status_name":"OK","reason":"accepted"' "$folder/said" \
        || { cat "$folder/said" && false; }
}

# The library as it was built: what is installed has no names in it by which valgrind could tell ours from others'.
send_in_valgrind() {
    mkdir -p "$folder/named" && ln -sf "$built/libmailbutton.so" "$folder/named/libmailbutton.so.0" || return
    LD_LIBRARY_PATH=$folder/named send valgrind -q --fair-sched=try --leak-check=full --errors-for-leak-kinds=definite \
        --show-leak-kinds=definite --error-exitcode=99 --suppressions="$root/tests/c/valgrind.supp" "$1"
}

with_pkg_config() {
    local prefix=$1 out=$2 flags program
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    flags=$(pkg-config --cflags --libs mailbutton)
    for program in settings test send; do
        # shellcheck disable=SC2086 # the flags are several words
        step "pkg-config: $program.c" "$CC" -std=c99 "${strict[@]}" "$root/examples/c/$program.c" -o "$out/$program" $flags
    done
    # shellcheck disable=SC2086,SC2046
    step "pkg-config --static: send.c" "$CC" -std=c99 "$root/examples/c/send.c" -o "$out/send-whole" \
        $(pkg-config --static --cflags --libs mailbutton) -static
    # shellcheck disable=SC2086
    step "pkg-config: send.cpp" "$CXX" -std=c++17 "${strict[@]}" "$root/examples/cpp/send.cpp" -o "$out/send-cpp" $flags
    step "pkg-config: the version" pkg-config --exact-version="$version" mailbutton
    step "the shared library is used" needs_us "$out/send"
    step "the static library is used" needs_us_not "$out/send-whole"
}

with_cmake() {
    local prefix=$1 out=$2
    step "cmake: examples/cpp" cmake -S "$root/examples/cpp" -B "$out/cpp" -DCMAKE_PREFIX_PATH="$prefix"
    step "cmake --build: examples/cpp" cmake --build "$out/cpp"
    step "cmake: examples/c" cmake -S "$root/tests/c/cmake" -B "$out/c" -DCMAKE_PREFIX_PATH="$prefix" -DEXAMPLES="$root/examples/c"
    step "cmake --build: examples/c" cmake --build "$out/c"
    step "cmake: the shared library is used" needs_us "$out/c/send-shared"
    step "cmake: the static library is used" needs_us_not "$out/c/send-static"
}

run_all() {
    local prefix=$1 out=$2 options
    options=$(cat "$folder/options.json")
    export LD_LIBRARY_PATH=$prefix/lib
    step "settings.c saves" "$out/settings" "$options" "$folder/settings.json"
    step "settings.c shows the form" "$out/settings" "$options"
    step "test.c" "$out/test" "$options"
    step "send.c" send "$out/send"
    step "send.cpp" send "$out/send-cpp"
    if has valgrind; then step "send.c over TLS under valgrind" send_in_valgrind "$out/send"; else skip "valgrind: not installed"; fi
    unset LD_LIBRARY_PATH
    step "send.c, static" send "$out/send-whole"
    step "arrived" arrived "$(has valgrind && echo 5 || echo 4)"
    [ -d "$out/cpp" ] || return
    # Where the library is, CMake has written into the programs.
    step "cmake: settings.cpp" sh -c "'$out/cpp/settings' \"\$1\" <'$folder/settings.json'" - "$options"
    step "cmake: send.cpp" send "$out/cpp/send"
    step "cmake: send.c, shared" send "$out/c/send-shared"
    step "cmake: send.c, static" send "$out/c/send-static"
    step "cmake: arrived" arrived 4
}

all_with() {
    mkdir -p "$2"
    echo "the prefix is $1"
    if has pkg-config; then with_pkg_config "$1" "$2"; else skip "pkg-config is not installed"; return; fi
    if has cmake; then with_cmake "$1" "$2"; else skip "cmake is not installed"; fi
    if [ -n "$server_pid" ]; then run_all "$1" "$2"; else skip "running the examples: there is no $python (tests/install)"; fi
    rm -f "$folder/store.json"*
}

start_server || server_pid=
prefix=$folder/prefix
step "make install" make_ install PREFIX="$prefix"
step "the installed library is stripped" is_stripped "$prefix/lib/libmailbutton.so.$version"
all_with "$prefix" "$folder/first"
mv "$prefix" "$folder/moved prefix"
ln -s "moved prefix" "$folder/moved" # pkg-config and the shell disagree on spaces
all_with "$folder/moved" "$folder/second"
if [ -n "$server_pid" ]; then
    step "send.c: Ctrl-C cancels" env LD_LIBRARY_PATH="$folder/moved/lib" "$python" "$root/tests/c/interrupt.py" \
        "$folder/second/settings" "$folder/second/send" "$folder"
fi
step "make uninstall" make_ uninstall PREFIX="$folder/moved"
step "nothing is left of it" nothing_left "$folder/moved prefix"
step "make install DESTDIR" make_ install PREFIX=/usr DESTDIR="$folder/package"
step "it is below DESTDIR" test -e "$folder/package/usr/lib/pkgconfig/mailbutton.pc"
finish
