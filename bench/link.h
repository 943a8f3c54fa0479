/* link.h -- a bare connection: bytes out, whole replies in.  It believes the server, and ends the
 * program when the connection does, unless a case expects that. */
#ifndef REDLOCK_BENCH_LINK_H
#define REDLOCK_BENCH_LINK_H

#include "meter.h"

#define LINK_IN_BYTES (1024 * 1024)

typedef struct bench_link {
    int fd; /* -1: nobody there */
    char *in;
    size_t from, to; /* what has been read and not taken */
} bench_link;

/* "unix:///path" or "redis://127.0.0.1:port".  fd is -1 when it is refused. */
void bench_link_open(bench_link *link, const char *url);
void bench_link_close(bench_link *link);
/* All of it; false when the connection is gone or stuffed. */
bool bench_link_send(bench_link *link, const char *bytes, size_t len);
/* The next whole reply that was read already, or NULL.  Valid until the next call. */
const char *bench_link_take(bench_link *link);
/* Reads what is there.  Blocks until something is, if asked to.  False: the connection is gone. */
bool bench_link_fill(bench_link *link, bool is_blocking);
/* The next whole reply, waited for.  NULL: the connection is gone. */
const char *bench_link_reply(bench_link *link);

/* Median round trip of so many PINGs to a server that has nothing else to do, with a pause before
 * each: after a pause both sides have to be woken, and that is most of what a round trip takes. */
double bench_round_trip_us(const char *url, int pings, int64_t pause_ns);

#endif
