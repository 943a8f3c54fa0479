/* secure.h -- a server that speaks TLS, and the bare loop beside it: a connection of OpenSSL for each
 * thread, that verifies the server as the library does and then only sends and reads. */
#ifndef REDLOCK_BENCH_SECURE_H
#define REDLOCK_BENCH_SECURE_H

#include "meter.h"

typedef struct bench_secure bench_secure;

/* Starts a server with a TLS port and a certificate of an authority of its own.  NULL: this build has
 * no TLS, or the server has none. */
bench_secure *bench_secure_start(void);
void bench_secure_stop(bench_secure *secure);
test_server *bench_secure_server(const bench_secure *secure);
const char *bench_secure_url(const bench_secure *secure);     /* rediss://127.0.0.1:port */
const char *bench_secure_ca_file(const bench_secure *secure); /* whom to trust */

#endif
