/* peer.h -- other clients as contenders: programs that do the same work and tell their figures. */
#ifndef REDLOCK_BENCH_PEER_H
#define REDLOCK_BENCH_PEER_H

#include "meter.h"

#define PEERS_MAX 4
#define PEER_URLS_MAX 5

typedef struct bench_peer {
    const bench_options *options;
    const char *client; /* as the programs call it */
    const char *verb;   /* "cycles" or "handoff" */
    int concurrency;
    test_server *const *servers; /* NULL: one of its own, for each round */
    size_t server_count;
    const char *urls[PEER_URLS_MAX];
    size_t url_count;
} bench_peer;

/* Adds the clients that can do it behind `count` contenders, as copies of `like` in `peers`
 * (PEERS_MAX of them); returns the new count.  None, unless the options ask for them. */
size_t bench_peers_add(bench_contender *contenders, size_t count, bench_peer *peers,
                       const bench_peer *like, const char *limit);

#endif
