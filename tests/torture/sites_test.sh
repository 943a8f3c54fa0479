#!/usr/bin/env bash
# tests/torture/sites_test.sh OBJECT... -- whether tests/torture/seam.h knows every call of src/drive and
# src/api that can fail: what the tortured objects still call directly must be on the list below.
set -u
export LC_ALL=C

# They have no way to fail, or only by a mistake of ours: a clock that Linux always has, a mutex and a
# condition that are there and ours, a semaphore that never counts far, a mask
# that is one, a name of ours to look up.
never_fail='clock_gettime|getpid|geteuid|gai_strerror|inet_pton|__errno_location|freeaddrinfo
|pthread_(mutex|mutexattr|cond|condattr)_[a-z]+
|sched_yield|sem_(init|destroy|post|wait)|pthread_join|pthread_sigmask|pthread_attr_destroy|sigfillset
|(mem|str|strn)[a-z]+|explicit_bzero|snprintf|__stack_chk_fail|__[a-z]+_chk|__isoc[0-9]+_[a-z]+
|bcmp|dlclose|dlerror|atexit|pthread_once|timegm'
# OpenSSL is another house; its allocations fail in torture too, by its own hook.
foreign='(SSL|BIO|ERR|X509|EVP|PEM|OPENSSL|TLS|CRYPTO|OSSL)_?[A-Za-z0-9_]*'
tools='__(asan|ubsan|lsan|tsan|sanitizer|sancov|start|stop|gcov|tls)[A-Za-z0-9_]*|_GLOBAL_OFFSET_TABLE_'

IFS=';' read -r -a objects <<<"$(IFS=';'; echo "$*")"
if [ ${#objects[@]} -lt 20 ]; then
    echo "not ok 1 - there are only ${#objects[@]} objects to look at"
    echo 1..1
    exit 1
fi
strange=$(nm -u "${objects[@]}" | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u |
    grep -vE "^(redlock_.*|torture_.*|${never_fail//$'\n'/}|$foreign|$tools)\$")
if [ -n "$strange" ]; then
    echo "# neither in tests/torture/seam.h nor known never to fail:"
    echo "#   ${strange//$'\n'/ }"
    echo "not ok 1 - a call is left out"
else
    echo "ok 1 - every call that can fail is known"
fi
echo 1..1
[ -z "$strange" ]
