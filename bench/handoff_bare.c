/* handoff_bare.c -- the least that a hand-over inside the server takes on this machine: one thread, one
 * connection that commands and one that listens; a script that gives the name to the next and
 * publishes, the message, a script that claims.  No queue, no lock logic, no other thread to wake. */
#include <stdio.h>
#include <string.h>

#include "handoff.h"
#include "link.h"

#define HOLD_NS BENCH_NS_PER_MS

static void say(bench_link *link, const char *bytes) {
    if (!bench_link_send(link, bytes, strlen(bytes)) || bench_link_reply(link) == NULL) {
        bench_give_up("the server of the bare hand-over is gone");
    }
}

/* The scripts go out whole once; the server knows them by their text afterwards too, so EVAL is as good
 * as EVALSHA but for a few hundred bytes. */
static const char release_bytes[] = "*6\r\n$4\r\nEVAL\r\n$88\r\n"
                                    "redis.call('SET',KEYS[1],ARGV[1],'PX',2000) "
                                    "redis.call('PUBLISH',ARGV[2],'1') return 1  \r\n"
                                    "$1\r\n1\r\n$3\r\njob\r\n$4\r\nnext\r\n$4\r\nwake\r\n";
static const char claim_bytes[] = "*4\r\n$4\r\nEVAL\r\n$46\r\n"
                                  "redis.call('PEXPIRE',KEYS[1],30000) return 1  \r\n"
                                  "$1\r\n1\r\n$3\r\njob\r\n";

void bench_handoff_bare(void *ctx, bench_figures *figures) {
    const int *waiters = ctx;
    test_server *server = bench_server_start_tcp();
    bench_link commands, messages;
    bench_samples gaps = {0};

    bench_link_open(&commands, test_server_url(server));
    bench_link_open(&messages, test_server_url(server));
    say(&messages, "*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nwake\r\n");
    say(&commands, release_bytes);
    (void)bench_link_reply(&messages);
    int64_t begun = bench_now_ns();
    for (int i = 0; i < *waiters; i++) {
        bench_hold_until(bench_now_ns() + HOLD_NS);
        int64_t releasing = bench_now_ns();
        say(&commands, release_bytes);
        (void)bench_link_reply(&messages);
        say(&commands, claim_bytes);
        bench_samples_add(&gaps, bench_now_ns() - releasing);
    }
    double total_ms = (double)(bench_now_ns() - begun) / BENCH_NS_PER_MS;
    bench_figures_add(figures, "served", *waiters);
    bench_figures_add(figures, "total_ms", total_ms);
    bench_figures_add(figures, "total_to_ideal",
                      total_ms / ((double)*waiters * HOLD_NS / BENCH_NS_PER_MS));
    bench_figures_add(figures, "handoff_p50_us", (double)bench_samples_at(&gaps, 0.5) / 1000);
    bench_figures_add(figures, "handoff_p99_us", (double)bench_samples_at(&gaps, 0.99) / 1000);
    bench_samples_free(&gaps);
    bench_link_close(&commands);
    bench_link_close(&messages);
    test_server_stop(server);
}
