# Sourced by the tests that are shell scripts: counts steps, and ends with the line that says how many went well.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
built=${CARGO_TARGET_DIR:-$root/target}/release
version=$(sed -n '/^\[package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
CC=${CC:-cc} CXX=${CXX:-c++}
strict=(-Wall -Wextra -Werror -pedantic)
passed=0 failed=0 skipped=0

# step NAME COMMAND...: runs it, and shows what it said only if it fails.
step() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name: $*"
        printf '%s\n' "$said" | sed 's/^/    /'
        return 1
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "SKIPPED $*"
}

has() { command -v "$1" >/dev/null; }

finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
