#!/bin/sh
# counter.sh -- counter.c for the shell: counts in a file that many processes share, each increment
# under `redlock run`, each access guarded by the fence.  See counter.c for the file and its log.
#
#   counter.sh FILE WORKER COUNT      increments FILE by one, COUNT times; servers: REDLOCK_URL
#   counter.sh FILE WORKER            increments it once, under the lock that REDLOCK_FENCE is of
set -eu

file=$1 worker=$2
refused=3 # our exit code when a higher fence was here first

# note WHAT VALUE: one line for the log.
note() {
    printf '%s %s %s %s %s\n' "$(date +%s.%N)" "$worker" "$1" "$REDLOCK_FENCE" "$2" >>"$file.log"
}

# access read, or access write VALUE: the value, unless a higher fence has been here.
access() (
    flock 9 # accesses come one at a time; the lock lasts from the read to the write
    read -r value highest <"$file"
    if [ "$REDLOCK_FENCE" -lt "$highest" ]; then
        note refused "$highest"
        exit $refused
    fi
    value=${2-$value}
    echo "$value $REDLOCK_FENCE" >"$file.new"
    mv "$file.new" "$file" # nobody ever meets half a line
    note "$1" "$value"
    echo "$value"
) 9>>"$file.lock"

# What runs under the lock.
increment() {
    value=$(access read)
    access write $((value + 1)) >/dev/null
}

# How many increments of ours got through, which only the log of the file knows for certain.
written() {
    grep -c " $worker write " "$file.log" || true
}

# Refused (3) or lost (79, see `redlock help run`): once more, with a new lock.
count() {
    code=0
    while [ "$(written)" -lt "$1" ] && { [ $code -eq 0 ] || [ $code -eq $refused ] || [ $code -eq 79 ]; }; do
        code=0
        redlock run -v -t 2 -w 20 counter -- "$0" "$file" "$worker" || code=$?
    done
    [ "$(written)" -eq "$1" ]
}

if [ $# -eq 2 ]; then increment; else count "$3"; fi
