#!/usr/bin/env bash
# Installs a build into a temporary folder and uses it the two ways in which programs find libraries:
# pkg-config's file and find_package(redlock).  REDLOCK_BUILD is the build folder.
set -u
cd "$(dirname "$0")/../.." || exit 71
build=${REDLOCK_BUILD:-build/release}
# shellcheck source=tests/header/checks.sh
. tests/header/checks.sh

lacks() { # lacks FILE...: names what was not installed
    local file missing=0
    for file in "$@"; do
        [ -n "$(find "$work/prefix" -path "*/$file")" ] || { echo "not installed: $file"; missing=1; }
    done
    return $missing
}

needs_no_openssl() { # it is opened when a rediss:// URL asks for it
    ! readelf -d "$work/prefix/bin/redlock" "$(find "$work/prefix" -name libredlock.so)" |
        grep -E 'NEEDED.*lib(ssl|crypto)'
}

consumer_configure() {
    cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(consumer C)
find_package(redlock 0.1 REQUIRED)
add_executable(shared main.c)
target_link_libraries(shared PRIVATE redlock::redlock)
add_executable(static main.c)
target_link_libraries(static PRIVATE redlock::redlock_static)
END
    cat >"$work/main.c" <<'END'
#include <redlock/redlock.h>
#include <string.h>
int main(void) { return strcmp(redlock_version(), REDLOCK_VERSION); }
END
    cmake -S "$work" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$work/moved" &&
        cmake --build "$work/consumer"
}

pc_compile() { # the flags are read from the file itself: pkg-config need not be installed
    local pc folder cflags libs
    pc=$(find "$work/moved" -name redlock.pc)
    folder=$(dirname "$pc")
    cflags=$(pc_value Cflags "$pc" "$folder")
    libs=$(pc_value Libs "$pc" "$folder")
    # shellcheck disable=SC2086 # flags are words
    gcc "$work/main.c" $cflags $libs -o "$work/by-pc" && readelf -d "$work/by-pc" | grep libredlock.so.0
}

pc_value() { # pc_value KEY FILE FOLDER: its value with the variables filled in
    local prefix libdir includedir
    prefix=$(sed -n "s|^prefix=||p" "$2" | sed "s|\${pcfiledir}|$3|")
    libdir=$(sed -n "s|^libdir=||p" "$2" | sed "s|\${prefix}|$prefix|")
    includedir=$(sed -n "s|^includedir=||p" "$2" | sed "s|\${prefix}|$prefix|")
    sed -n "s|^$1: ||p" "$2" | sed "s|\${libdir}|$libdir|; s|\${includedir}|$includedir|"
}

check "cmake --install works" cmake --install "$build" --prefix "$work/prefix"
check "command, libraries, headers and package files are there" lacks bin/redlock \
    libredlock.so libredlock.so.0 libredlock.a include/redlock/redlock.h include/redlock/status.h \
    pkgconfig/redlock.pc cmake/redlock/redlock-config.cmake
check "the installed command says its version" "$work/prefix/bin/redlock" --version
check "neither the command nor the library is linked with OpenSSL" needs_no_openssl
mv "$work/prefix" "$work/moved"
check "find_package finds it where it was moved to, shared and static" consumer_configure
check "the program with the shared library runs" "$work/consumer/shared"
check "the program with the static library runs" "$work/consumer/static"
check "pkg-config's file gives the right flags there" pc_compile
checks_end
