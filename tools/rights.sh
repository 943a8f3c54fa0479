# shellcheck shell=bash
# tools/rights.sh -- ./dev test --acl: the tests of library and command as the user that redlock doctor
# --acl describes.  Sourced by ./dev, whose functions and variables it uses.

# Why a program is not run as the user of few rights, or nothing.
acl_exempt() { # acl_exempt SUITE/NAME
    case $1 in
    live/model | live/model_words | live/model_messages)
        echo "compares the model with a server, without the library" ;;
    cli/acl) echo "makes users of its own, with these rights and each fewer" ;;
    cli/bench) echo "redlock-bench starts servers of its own" ;;
    cli/docs) echo "has no server" ;;
    cli/rights) echo "runs one of these with fewer rights" ;;
    esac
}

# The names stand for all that don't begin with "red": a mere * would let every companion key pass, too.
acl_rights() {
    REDLOCK_CONFIG=/dev/null REDLOCK_USER=default build/asan/bin/redlock doctor --acl '[^r]*' 'r[^e]*' 're[^d]*' |
        sed -n 's/^ACL SETUSER default //p' | sed 's/^reset on >SECRET //' | tr '\n' ' '
}

# The live tests and those of the command with few rights: tests/support/server.h, tests/cli/support.py.
test_acl() {
    local rights=$root/build/rights one exempt=
    suite_begin "library and command as a user with the rights that doctor --acl prints"
    if build_as_test asan "gcc builds everything without a warning, with ASan and UBSan" build_asan; then
        acl_rights >"$rights"
        for one in tests/live/*_test.c tests/cli/*_test.py; do
            one=$(basename "$(dirname "$one")")/$(basename "${one%_test.*}")
            if [ -n "$(acl_exempt "$one")" ]; then
                echo "not run: $one ($(acl_exempt "$one"))"
                exempt+="${exempt:+|}$one"
            fi
        done
        REDLOCK_TEST_RIGHTS=$rights run_suite asan -L '^(live|cli)$' -E "^($exempt)\$"
    fi
    suite_end
}
