#!/usr/bin/env bash
# The public headers alone, in every dialect that they promise, and a C++ program linked with the
# shared library.  REDLOCK_BUILD is a build folder that has lib/libredlock.so in it.
set -u
cd "$(dirname "$0")/../.." || exit 71
build=${REDLOCK_BUILD:-build/release}
# shellcheck source=tests/header/checks.sh
. tests/header/checks.sh

strict=(-Wall -Wextra -Wpedantic -Wshadow -Wundef -Wcast-qual -Werror -Iinclude)

compile() { # compile COMPILER LANGUAGE STANDARD SOURCE
    local -a flags=("${strict[@]}")
    # C++98 has no long long and no variadic macros; the system's <stdint.h> has both.
    [ "$3" = c++98 ] && flags+=(-Wno-long-long -Wno-variadic-macros)
    [ "$2" = c ] && flags+=(-Wstrict-prototypes -Wconversion)
    "$1" -x "$2" -std="$3" "${flags[@]}" -fsyntax-only "$4"
}

links() { # links COMPILER STANDARD
    "$1" -std="$2" "${strict[@]}" -Wno-long-long -Wno-variadic-macros tests/header/use.cc \
        -o "$work/use" -L"$build/lib" -lredlock -Wl,-rpath,"$PWD/$build/lib" &&
        "$work/use"
}

exports() { # what the shared library exports is what the list says, with the version on it
    local library=$build/lib/libredlock.so
    nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort >"$work/exported"
    sed -n 's/^ *\(redlock_[a-z0-9_]*\);.*/\1@@REDLOCK_0/p' tools/abi.syms | sort >"$work/listed"
    diff "$work/listed" "$work/exported"
}

case $build in /*) build=$(realpath --relative-to=. "$build") ;; esac

for header in include/redlock/*.h; do
    name=redlock/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nextern int unused;\n' "$name" "$name" >"$work/alone.c"
    for compiler in gcc clang; do
        for standard in c11 c17; do
            check "$name alone, $compiler $standard" compile $compiler c $standard "$work/alone.c"
        done
    done
    for compiler in g++ clang++; do
        for standard in c++98 c++11 c++14 c++17 c++20; do
            check "$name alone, $compiler $standard" compile $compiler c++ $standard "$work/alone.c"
        done
    done
done
for header in include/redlock/*.hpp; do
    [ -e "$header" ] || continue
    name=redlock/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nextern int unused;\n' "$name" "$name" >"$work/alone.cc"
    for compiler in g++ clang++; do
        for standard in c++11 c++14 c++17 c++20; do
            check "$name alone, $compiler $standard" compile $compiler c++ $standard "$work/alone.cc"
        done
    done
done
for compiler in gcc clang; do
    for standard in c11 c17; do
        check "a C program uses the header, $compiler $standard" \
            compile $compiler c $standard tests/header/use.c
    done
done
for compiler in g++ clang++; do
    for standard in c++98 c++11 c++14 c++17 c++20; do
        check "a C++ program links and runs, $compiler $standard" links $compiler $standard
    done
done
check "the shared library exports what tools/abi.syms says, versioned" exports
check "its name for programs is libredlock.so.0" \
    sh -c "readelf -d '$build/lib/libredlock.so' | grep -q 'SONAME.*\[libredlock.so.0\]'"
checks_end
