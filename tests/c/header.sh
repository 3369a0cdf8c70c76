#!/usr/bin/env bash
# The headers by themselves in every standard, and the names that the library exports.
set -u
. "$(dirname "$0")/steps.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compilers() {
    local compiler
    for compiler in "$@"; do has "$compiler" && echo "$compiler"; done
}

# compile NAME COMPILER STANDARD: the file of that name.
compile() {
    step "$1: $2 -std=$3" "$2" -std="$3" "${strict[@]}" -I"$root/include" -I"$root/bindings/cpp" -fsyntax-only "$folder/$1"
}

# An empty translation unit is no C; a use of both types shows that they are there.
use='mailbutton_reply *use(mailbutton_account **account); mailbutton_reply *use(mailbutton_account **account) { return mailbutton_open(0, account); }'
once='#include <mailbutton.h>'
printf '%s\n%s\n' "$once" "$use" | tee "$folder/alone.c" >"$folder/alone.cpp"
printf '%s\n%s\n%s\n' "$once" "$once" "$use" | tee "$folder/twice.c" >"$folder/twice.cpp"
plus='#include <mailbutton.hpp>'
use='mailbutton::reply use(); mailbutton::reply use() { return mailbutton::account().form(); }'
printf '%s\n%s\n' "$plus" "$use" >"$folder/hpp-alone.cpp"
printf '%s\n%s\n%s\n%s\n' "$once" "$plus" "$plus" "$use" >"$folder/hpp-twice.cpp"

for compiler in $(compilers "$CC" clang); do
    for standard in c89 c99 c11 c17 c2x; do
        for name in alone.c twice.c; do compile "$name" "$compiler" "$standard"; done
    done
done
for compiler in $(compilers "$CXX" clang++); do
    for standard in c++98 c++11 c++17 c++20; do
        for name in alone.cpp twice.cpp; do compile "$name" "$compiler" "$standard"; done
    done
    for standard in c++17 c++20 c++2b; do
        for name in hpp-alone.cpp hpp-twice.cpp; do compile "$name" "$compiler" "$standard"; done
    done
done
has clang++ || skip "clang and clang++: not installed"

exported() { nm -D --defined-only "$built/libmailbutton.so" | awk '{print $3}' | LC_ALL=C sort | diff "$root/tests/c/exported-symbols.txt" -; }
declared() { grep -o '\bmailbutton_[a-z_]*(' "$root/include/mailbutton.h" | tr -d '(' | LC_ALL=C sort -u | diff "$root/tests/c/exported-symbols.txt" -; }
soname() { readelf -d "$built/libmailbutton.so" | grep -F 'Library soname: [libmailbutton.so.0]'; }
step "the library exports what tests/c/exported-symbols.txt lists" exported
step "the header declares what tests/c/exported-symbols.txt lists" declared
step "the soname is libmailbutton.so.0" soname
finish
