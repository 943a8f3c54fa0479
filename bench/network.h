/* network.h -- delays and holes between the benchmark and its servers, in a process of their own
 * so that they cost the contenders nothing.  A round trip is as long as asked for a PING alone: what
 * the relays take themselves is measured, and taken off their delays. */
#ifndef REDLOCK_BENCH_NETWORK_H
#define REDLOCK_BENCH_NETWORK_H

#include "child.h"
#include "fan.h"
#include "proxy.h"

typedef struct bench_network_plan {
    int count;
    int64_t round_trip_us[FAN_NODES_MAX];
    test_proxy_mode mode[FAN_NODES_MAX];
} bench_network_plan;

typedef struct bench_network_shared {
    int ports[FAN_NODES_MAX];
    int64_t own_us; /* what a relay takes itself, without a delay */
} bench_network_shared;

typedef struct bench_network {
    bench_network_plan plan;
    test_server *const *servers;
    bench_network_shared *shared;
    bench_child child;
    char urls[FAN_NODES_MAX][32];
    double round_trip_us; /* measured, of the first node */
} bench_network;

void bench_network_start(bench_network *network, const bench_network_plan *plan,
                         test_server *const *servers);
void bench_network_stop(bench_network *network);

#endif
