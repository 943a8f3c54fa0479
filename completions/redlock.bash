# redlock.bash -- completion for bash; made by tools/completions from what --help prints; don't edit
# shellcheck shell=bash
_redlock() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} names=''
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        names='run acquire hold watch wait break init local status ls top doctor help --help --version'
    else
        case ${COMP_WORDS[1]}:$before in
        run:--url) return ;;
        run:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        run:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        run:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        run:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        run:-t|run:--ttl) return ;;
        run:-w|run:--wait) return ;;
        run:-E|run:--conflict-exit-code) return ;;
        run:--min-hold) return ;;
        run:--max-hold) return ;;
        run:--grace) return ;;
        run:--on-lost) return ;;
        run:--lost-exit-code) return ;;
        run:--label) return ;;
        run:--metrics) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        run:--key-prefix) return ;;
        acquire:--url) return ;;
        acquire:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        acquire:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        acquire:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        acquire:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        acquire:-t|acquire:--ttl) return ;;
        acquire:-w|acquire:--wait) return ;;
        acquire:-E|acquire:--conflict-exit-code) return ;;
        acquire:--label) return ;;
        acquire:--key-prefix) return ;;
        hold:--url) return ;;
        hold:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        hold:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        hold:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        hold:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        hold:-t|hold:--ttl) return ;;
        hold:-w|hold:--wait) return ;;
        hold:-E|hold:--conflict-exit-code) return ;;
        hold:--lost-exit-code) return ;;
        hold:--label) return ;;
        hold:--metrics) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        hold:--key-prefix) return ;;
        watch:--url) return ;;
        watch:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        watch:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        watch:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        watch:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        watch:--token) return ;;
        watch:--fence) return ;;
        watch:-t|watch:--ttl) return ;;
        watch:--on-error) return ;;
        watch:--on-end) return ;;
        watch:--lost-exit-code) return ;;
        watch:--metrics) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        watch:--key-prefix) return ;;
        wait:--url) return ;;
        wait:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        wait:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        wait:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        wait:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        wait:-w|wait:--wait) return ;;
        wait:-E|wait:--conflict-exit-code) return ;;
        wait:--key-prefix) return ;;
        break:--url) return ;;
        break:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        break:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        break:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        break:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        break:--key-prefix) return ;;
        init:--url) return ;;
        init:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        init:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        init:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        init:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        init:--key-prefix) return ;;
        status:--url) return ;;
        status:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        status:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        status:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        status:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        status:--key-prefix) return ;;
        status:--timeout) return ;;
        ls:--url) return ;;
        ls:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        ls:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        ls:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        ls:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        ls:--key-prefix) return ;;
        ls:--timeout) return ;;
        top:--url) return ;;
        top:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        top:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        top:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        top:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        top:--key-prefix) return ;;
        top:--timeout) return ;;
        top:-i|top:--interval) return ;;
        top:-n|top:--count) return ;;
        top:-s|top:--sort) names='name holder left fence' ;;
        doctor:--url) return ;;
        doctor:--password-file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        doctor:--tls-ca) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        doctor:--tls-cert) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        doctor:--tls-key) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        doctor:--key-prefix) return ;;
        doctor:--timeout) return ;;
        doctor:--ttl-max) return ;;
        run:*)
            case $word in -*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --ttl --nonblock --wait --conflict-exit-code --min-hold --max-hold --grace --on-lost --lost-exit-code --label --metrics --key-prefix --verbose --quiet --help' ;;
            *) mapfile -t COMPREPLY < <(compgen -c -- "$word"); return ;;
            esac ;;
        acquire:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --ttl --nonblock --wait --conflict-exit-code --export --label --key-prefix --verbose --quiet --help' ;;
        hold:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --ttl --nonblock --wait --conflict-exit-code --export --lost-exit-code --label --metrics --key-prefix --verbose --quiet --help' ;;
        watch:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --token --fence --ttl --on-error --on-end --release --lost-exit-code --metrics --key-prefix --verbose --quiet --help' ;;
        wait:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --nonblock --wait --conflict-exit-code --key-prefix --verbose --quiet --help' ;;
        break:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --yes --key-prefix --verbose --quiet --help' ;;
        init:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --key-prefix --force --quiet --help' ;;
        local:*) names='--help start status urls stop' ;;
        status:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --key-prefix --timeout --json --quiet --help' ;;
        ls:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --key-prefix --timeout --json --all --quiet --help' ;;
        top:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --key-prefix --timeout --json --all --interval --count --sort --quiet --help' ;;
        doctor:*) names='--url --password-file --tls-ca --tls-cert --tls-key --tls-insecure --key-prefix --timeout --json --acl --ttl-max --quiet --help' ;;
        help:*) names='run acquire hold watch wait break init local status ls top doctor help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}
complete -F _redlock redlock
