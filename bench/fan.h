/* fan.h -- the limit of a quorum: a loop that sends the same commands to all nodes at once and goes on
 * when a majority has answered.  What is slower is read when it comes. */
#ifndef REDLOCK_BENCH_FAN_H
#define REDLOCK_BENCH_FAN_H

#include "record.h"

#define FAN_NODES_MAX 15

typedef struct bench_fan {
    int count;
    bench_link links[FAN_NODES_MAX];
    bench_recording commands[FAN_NODES_MAX]; /* of each node; as many for each */
    int owed[FAN_NODES_MAX];                 /* answers under way */
} bench_fan;

void bench_fan_open(bench_fan *fan, int count, const char *const *urls,
                    const bench_recording *commands);
void bench_fan_close(bench_fan *fan);
/* Sends step number `step` to all nodes and returns when a quorum has answered it. */
void bench_fan_ask(bench_fan *fan, size_t step);

#endif
