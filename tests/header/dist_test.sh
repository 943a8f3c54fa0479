#!/usr/bin/env bash
# The tarball of a commit has the same bytes whoever makes it, and has in it what is needed to build.
set -u
cd "$(dirname "$0")/../.." || exit 71
# shellcheck source=tests/header/checks.sh
. tests/header/checks.sh

# As somebody else would make it: another umask, language, time zone and configuration, from a clone
# elsewhere, a second later.
made_elsewhere() {
    sleep 1.1 # the time of making must not be in it, and gzip knows whole seconds
    umask 077
    export TZ=Asia/Tokyo LC_ALL=C GZIP='' HOME=$work/home GIT_CONFIG_GLOBAL=$work/config
    mkdir -p "$HOME"
    printf '[tar]\n\tumask = 0007\n[core]\n\tautocrlf = true\n' >"$work/config"
    git -c core.autocrlf=false clone --quiet --no-hardlinks . "$work/clone" && cp tools/dist "$work/clone/tools/" &&
        "$work/clone/tools/dist" --commit "$(git rev-parse HEAD)" "$work/two"
}

same_bytes() {
    tools/dist "$work/one" && (made_elsewhere) && cmp "$work"/one/*.tar.gz "$work"/two/*.tar.gz
}

lists() { # what is in it, one a line
    tar -tzf "$work"/one/*.tar.gz
}

well_formed() {
    local top strange
    top=$(lists | cut -d/ -f1 | sort -u)
    strange=$(lists | grep -E '/(build|\.git)/' | head -n 3)
    echo "$top $strange"
    [[ $top = redlock-[0-9]* ]] && [ "$(echo "$top" | wc -l)" -eq 1 ] && [ -z "$strange" ] &&
        [ "redlock-$(sed -n 's/^#define REDLOCK_VERSION .*"\([0-9.]*\)".*/\1/p' include/redlock/redlock.h)" = "$top" ]
}

normal() { # owner, and one time for all
    tar -tvzf "$work"/one/*.tar.gz --numeric-owner --full-time | awk '{ print $2, $4, $5 }' | sort -u | tee "$work/times"
    [ "$(wc -l <"$work/times")" -eq 1 ] && grep -q '^0/0 ' "$work/times"
}

configures() {
    tar -xzf "$work"/one/*.tar.gz -C "$work" &&
        cmake -S "$work"/redlock-* -B "$work/build" -DCMAKE_BUILD_TYPE=Release >/dev/null
}

if ! git rev-parse --verify --quiet HEAD >/dev/null; then
    echo "ok 1 - tarballs # SKIP this is no clone made by git"
    echo 1..1
    exit 0
fi
check "a tarball has the same bytes wherever and whenever it is made" same_bytes
check "it unpacks into one folder with the version in its name" well_formed
check "its files have one time and no owner" normal
check "what is in it can be configured" configures
checks_end
