#!/usr/bin/env bash
# What the hardening flags of cmake/flags.cmake have made of the command and the shared library.
# REDLOCK_BUILD is the build folder.
set -u
cd "$(dirname "$0")/../.." || exit 71
build=${REDLOCK_BUILD:-build/release}
library=$(find "$build/lib" -name 'libredlock.so.*.*' -type f | head -n 1)
# shellcheck source=tests/header/checks.sh
. tests/header/checks.sh

segments() { readelf -lW "$1"; }
dynamic() { readelf -dW "$1"; }
calls() { nm -D --undefined-only "$1"; }

has() { # has KIND FILE PATTERN
    "$1" "$2" | grep -Eq "$3"
}

lacks() {
    ! "$1" "$2" | grep -E "$3"
}

for file in "$build/bin/redlock" "$library"; do
    name=$(basename "$file")
    check "$name: relocations are read-only once they are made" has segments "$file" GNU_RELRO
    check "$name: and all are made at the start" has dynamic "$file" 'BIND_NOW|FLAGS.*NOW'
    check "$name: the stack is not executable" has segments "$file" 'GNU_STACK.* RW '
    check "$name: nothing is writable and executable" lacks segments "$file" 'LOAD.* RWE '
    check "$name: it can lie anywhere" has segments "$file" 'file type is DYN'
    check "$name: no code is patched, nor is a folder of this machine searched" lacks dynamic "$file" 'TEXTREL|RPATH|RUNPATH'
    check "$name: stacks are protected" has calls "$file" __stack_chk_fail
    check "$name: libc checks sizes" has calls "$file" '__[a-z]+_chk'
done
checks_end
