# redlock.bash -- completion for bash; made by tools/completions from what --help prints; don't edit
# shellcheck shell=bash
_redlock() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} names=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        names='run init local status ls top doctor help --help --version'
    else
        case ${COMP_WORDS[1]}:$before in
        run:--url) return ;;
        run:-t|run:--ttl) return ;;
        run:-w|run:--wait) return ;;
        run:-E|run:--conflict-exit-code) return ;;
        run:--label) return ;;
        run:--key-prefix) return ;;
        init:--url) return ;;
        init:--key-prefix) return ;;
        status:--url) return ;;
        status:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        status:--key-prefix) return ;;
        status:--timeout) return ;;
        ls:--url) return ;;
        ls:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        ls:--key-prefix) return ;;
        ls:--timeout) return ;;
        top:--url) return ;;
        top:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        top:--key-prefix) return ;;
        top:--timeout) return ;;
        top:-i|top:--interval) return ;;
        top:-n|top:--count) return ;;
        top:-s|top:--sort) names='name holder left fence' ;;
        doctor:--url) return ;;
        doctor:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        doctor:--key-prefix) return ;;
        doctor:--timeout) return ;;
        doctor:--ttl-max) return ;;
        run:*)
            case $word in -*) names='--url --ttl --nonblock --wait --conflict-exit-code --label --key-prefix --verbose --quiet --help' ;;
            *) mapfile -t COMPREPLY < <(compgen -c -- "$word"); return ;;
            esac ;;
        init:*) names='--url --key-prefix --force --quiet --help' ;;
        local:*) names='--help start status urls stop' ;;
        status:*) names='--url --password-file --key-prefix --timeout --json --quiet --help' ;;
        ls:*) names='--url --password-file --key-prefix --timeout --json --all --quiet --help' ;;
        top:*) names='--url --password-file --key-prefix --timeout --json --all --interval --count --sort --quiet --help' ;;
        doctor:*) names='--url --password-file --key-prefix --timeout --json --ttl-max --quiet --help' ;;
        help:*) names='run init local status ls top doctor help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}
complete -F _redlock redlock
