# shellcheck shell=bash
# tools/packages.sh -- finds out which packages are missing, and installs them by apt.
# Sourced by ./dev.  A need is looked for itself (a command, a header, a program that links), so what
# was installed in another way counts too.

missing=()

need() { # need PACKAGE PROBE...: the package is missing when the probe fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_command() {
    command -v "$1"
}

has_either() {
    command -v "$1" || command -v "$2"
}

compiles() { # compiles COMPILER CODE [FLAG...]
    local compiler=$1 code=$2
    shift 2
    printf '%s\n' "$code" | "$compiler" -x c - -o /dev/null "$@"
}

python_has() {
    /usr/bin/python3 -c "import $1"
}

# Formatting is judged by one version, the one that Debian 12 has.
clang_format_14() {
    local candidate
    for candidate in clang-format-14 clang-format; do
        if "$candidate" --version 2>/dev/null | grep -q 'version 14\.'; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

need_for_build() {
    need gcc has_command gcc
    need libc6-dev compiles gcc '#include <stdio.h>
int main(void) { return 0; }'
    need cmake has_command cmake
    need ninja-build has_either ninja ninja-build
    need_openssl
}

# Without it a build has no TLS (and needs -DREDLOCK_TLS=OFF where it was built with it before).
need_openssl() {
    need libssl-dev compiles gcc '#include <openssl/ssl.h>
int main(void) { return SSL_CTX_new(TLS_client_method()) == 0; }' -lssl -lcrypto
}

need_for_demo() {
    need_for_build
    need redis-server has_either redis-server valkey-server
    need python3 test -x /usr/bin/python3
}

need_for_tidy() {
    need gcc has_command gcc
    need cmake has_command cmake
    need binutils has_command nm
    need python3 test -x /usr/bin/python3
    need_openssl
    [ -e build/no-clang-format-14 ] || need clang-format-14 clang_format_14
}

need_for_deep_tidy() {
    need cppcheck has_command cppcheck
    need clang-tidy has_command clang-tidy
}

need_for_tests() {
    need_for_demo
    need_for_tidy
    need g++ has_command g++
    need openssl has_command openssl
    need clang has_command clang
    need libclang-rt-dev compiles clang 'int main(void) { return 0; }' -fsanitize=thread -pthread
    need libcmocka-dev compiles gcc '#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
int main(void) { return 0; }' -lcmocka
    need libhiredis-dev compiles gcc '#include <hiredis/hiredis.h>
int main(void) { return 0; }' -lhiredis
    need_for_sim
    need_for_chaos
    need python3-redis python_has redis.lock
    need util-linux has_command setarch
    need tmux has_command tmux
    need mandoc has_command mandoc
}

# Networks of their own for the servers: without iproute2 there are only relays.
need_for_chaos() {
    need_for_demo
    need util-linux has_command nsenter
    need iproute2 has_command ip
}

# The Lua that servers have inside, for the simulator's model servers.
need_for_sim() {
    need_for_build
    need liblua5.1-0-dev compiles gcc '#include <lua.h>
int main(void) { return luaL_newstate() == 0; }' -include lauxlib.h -I/usr/include/lua5.1 -llua5.1
}

need_for_interop() {
    need_for_demo
    need nodejs has_command node
    need npm has_command npm
}

need_for_bench() {
    need_for_build
    need redis-server has_either redis-server valkey-server
    need libhiredis-dev compiles gcc '#include <hiredis/hiredis.h>
int main(void) { return 0; }' -lhiredis
    need util-linux has_command flock
}

need_for_plots() {
    need gnuplot-nox has_command gnuplot
    need python3 test -x /usr/bin/python3
}

# Other clients to measure beside ours.
need_for_peers() {
    need python3-redis python_has redis.lock
    need nodejs has_command node
    need npm has_command npm
}

need_for_coverage() {
    need gcovr has_command gcovr
}

need_for_fuzz() {
    need_for_build
    need clang has_command clang
    need libclang-rt-dev compiles clang \
        'int LLVMFuzzerTestOneInput(const char *at, unsigned long len);
int LLVMFuzzerTestOneInput(const char *at, unsigned long len) { return !at && len; }' -fsanitize=fuzzer
    need libhiredis-dev compiles gcc '#include <hiredis/hiredis.h>
int main(void) { return redisReaderCreate() == 0; }' -lhiredis
}

# Cross compilers with their libc, and an emulator, for the architectures in `archs`.
need_for_archs() {
    local arch
    need redis-server has_either redis-server valkey-server
    need dpkg-dev has_command dpkg-source
    for arch in "${archs[@]}"; do
        case $arch in
        s390x) need_cross s390x-linux-gnu s390x ;;
        armhf) need_cross arm-linux-gnueabihf armhf ;;
        i386) need_cross i686-linux-gnu i386 ;;
        musl) need musl-tools has_command musl-gcc ;;
        esac
        case $arch in
        s390x) need qemu-user-static has_command qemu-s390x-static ;;
        armhf) need qemu-user-static has_command qemu-arm-static ;;
        esac
    done
}

need_cross() { # need_cross COMPILER ARCH
    need "gcc-$1" has_command "$1-gcc"
    need "libc6-dev-$2-cross" compiles "$1-gcc" '#include <stdio.h>
int main(void) { return 0; }'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Packages that some releases have under another name, or don't need: asked once the lists are fresh.
packages_settle() {
    local package version settled=()
    for package in "${missing[@]}"; do
        if [ "$package" = libclang-rt-dev ] && has_command clang >/dev/null; then
            version=$(clang -dumpversion)
            package=libclang-rt-${version%%.*}-dev # of the clang that is there
        fi
        if apt-cache show "$package" >/dev/null 2>&1; then
            settled+=("$package")
        elif [ "$package" = libclang-rt-dev ] || [[ $package = libclang-rt-*-dev ]]; then
            : # Debian 11, Ubuntu 22.04: comes with clang itself
        elif [ "$package" = clang-format-14 ]; then
            echo "dev: this release has no clang-format-14, so the format will not be checked" >&2
            mkdir -p build && touch build/no-clang-format-14
        else
            echo "dev: this release has no package $package" >&2
            return 1
        fi
    done
    missing=(${settled[@]+"${settled[@]}"})
}

# Installing redis-server must not start a service nobody asked for.  An answer that the machine
# already gives to that question is left alone.
services_stay_off() {
    [ -e /usr/sbin/policy-rc.d ] && return
    as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d'
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

services_as_before() {
    if [ -n "$(trap -p EXIT)" ]; then
        as_root rm -f /usr/sbin/policy-rc.d
        trap - EXIT
    fi
}

# packages_install MODE: "install" or "name".  Returns 69 when something stays missing.
packages_install() {
    [ ${#missing[@]} -eq 0 ] && return 0
    readarray -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    if [ "$1" = name ] || ! has_command apt-get >/dev/null; then
        echo "dev: missing, by their Debian names: ${missing[*]}" >&2
        return 69
    fi
    if [ "$(id -u)" -ne 0 ] && ! has_command sudo >/dev/null; then
        echo "dev: missing: ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
        return 69
    fi
    echo "dev: installing by apt-get$([ "$(id -u)" -eq 0 ] || echo ' with sudo'): ${missing[*]}" >&2
    as_root apt-get update -qq >&2 || echo "dev: apt-get update failed; trying the lists that are here" >&2
    packages_settle || return 69
    [ ${#missing[@]} -eq 0 ] && return 0
    services_stay_off
    mkdir -p build
    if ! as_root env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >build/apt.log 2>&1 </dev/null; then
        services_as_before
        tail -n 30 build/apt.log >&2
        echo "dev: apt-get could not install ${missing[*]}" >&2
        return 69
    fi
    services_as_before
    missing=()
}
