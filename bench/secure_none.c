/* secure_none.c -- a build without TLS has nothing to measure there. */
#include "secure.h"
#include "work.h"

bench_secure *bench_secure_start(void) {
    return NULL;
}

void bench_secure_stop(bench_secure *secure) {
    (void)secure;
}

test_server *bench_secure_server(const bench_secure *secure) {
    (void)secure;
    return NULL;
}

const char *bench_secure_url(const bench_secure *secure) {
    (void)secure;
    return NULL;
}

const char *bench_secure_ca_file(const bench_secure *secure) {
    (void)secure;
    return NULL;
}

void bench_loop_secure(const bench_work *work, int number, int64_t until_ns,
                       bench_samples *samples) {
    (void)work, (void)number, (void)until_ns, (void)samples;
}
