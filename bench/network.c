/* network.c -- a relay for each server, all in one process. */
#include "network.h"

#include <stdio.h>
#include <sys/prctl.h>

#define PINGS 100

static void relays_delay(bench_network *network, test_proxy **relays) {
    for (int i = 0; i < network->plan.count; i++) {
        int64_t delay_us = network->plan.round_trip_us[i] - network->shared->own_us;
        int64_t there_us = delay_us > 0 ? delay_us / 2 : 0;
        test_proxy_delay(relays[i], there_us, there_us);
    }
}

static int network_main(void *ctx, int index, const bench_child *gate) {
    bench_network *network = ctx;
    test_proxy *relays[FAN_NODES_MAX];

    (void)index;
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* threads that are started inherit it */
    for (int i = 0; i < network->plan.count; i++) {
        relays[i] = test_proxy_start(test_server_socket(network->servers[i]));
        test_proxy_set_mode(relays[i], network->plan.mode[i]);
        network->shared->ports[i] = test_proxy_port(relays[i]);
    }
    relays_delay(network, relays);
    bench_gate_wait(gate);
    relays_delay(network, relays);
    bench_gate_wait(gate); /* nobody says go: it works until it is killed */
    return 0;
}

void bench_network_start(bench_network *network, const bench_network_plan *plan,
                         test_server *const *servers) {
    *network = (bench_network){.plan = *plan, .servers = servers};
    network->shared = bench_share(sizeof(*network->shared));
    bench_child_start(&network->child, network_main, network, 0);
    bool is_ready = bench_child_is_ready(&network->child, 10000);
    for (int i = 0; i < network->plan.count; i++) {
        (void)snprintf(network->urls[i], sizeof(network->urls[i]), "redis://127.0.0.1:%d",
                       network->shared->ports[i]);
    }
    double first_us = is_ready ? bench_round_trip_us(network->urls[0], PINGS, 0) : 0;
    network->shared->own_us = (int64_t)first_us - plan->round_trip_us[0];
    bench_child_go(&network->child);
    if (!is_ready || !bench_child_is_ready(&network->child, 10000)) {
        bench_give_up("the delaying relays did not start");
    }
    network->round_trip_us = bench_round_trip_us(network->urls[0], PINGS, 0);
}

void bench_network_stop(bench_network *network) {
    bench_child_kill(&network->child);
    bench_unshare(network->shared, sizeof(*network->shared));
}
