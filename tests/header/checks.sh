# shellcheck shell=bash
# checks.sh -- what the scripts beside it share: a folder of their own, and TAP.  Sourced from the project's
# root by a script that ends with checks_end.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
bad=0

check() { # check NAME COMMAND...: what it says is shown when it fails
    local name=$1
    shift
    number=$((number + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $number - $name"
    else
        bad=$((bad + 1))
        echo "not ok $number - $name"
        [ -s "$work/said" ] || echo "$*" >"$work/said"
        sed 's/^/# /' "$work/said"
    fi
}

checks_end() {
    echo "1..$number"
    exit $((bad > 0))
}
