/* fan.c -- a link to each node, and poll(2). */
#include "fan.h"

#include <poll.h>
#include <unistd.h>

#define OWED_MAX 200 /* a node that is so far behind is left alone: its socket must not fill up */

void bench_fan_open(bench_fan *fan, int count, const char *const *urls,
                    const bench_recording *commands) {
    *fan = (bench_fan){.count = count};
    for (int i = 0; i < fan->count; i++) {
        bench_link_open(&fan->links[i], urls[i]);
        fan->commands[i] = bench_recording_copy(&commands[i], 0);
    }
}

void bench_fan_close(bench_fan *fan) {
    for (int i = 0; i < fan->count; i++) {
        bench_link_close(&fan->links[i]);
        bench_recording_free(&fan->commands[i]);
    }
}

static void fan_send(bench_fan *fan, size_t step) {
    for (int i = 0; i < fan->count; i++) {
        bench_command *command = &fan->commands[i].at[step];
        if (fan->links[i].fd < 0 || fan->owed[i] >= OWED_MAX) {
            continue;
        }
        bench_command_refresh(command);
        if (bench_link_send(&fan->links[i], command->bytes, command->len)) {
            fan->owed[i]++;
        }
    }
}

static void fan_read(bench_fan *fan, int i) {
    if (!bench_link_fill(&fan->links[i], false)) {
        (void)close(fan->links[i].fd);
        fan->links[i].fd = -1;
        return;
    }
    while (bench_link_take(&fan->links[i]) != NULL) {
        fan->owed[i]--;
    }
}

static int fan_answered(const bench_fan *fan) {
    int count = 0;

    for (int i = 0; i < fan->count; i++) {
        count += fan->links[i].fd >= 0 && fan->owed[i] == 0;
    }
    return count;
}

void bench_fan_ask(bench_fan *fan, size_t step) {
    struct pollfd fds[FAN_NODES_MAX];

    fan_send(fan, step);
    while (fan_answered(fan) <= fan->count / 2) {
        for (int i = 0; i < fan->count; i++) {
            bool is_owed = fan->owed[i] > 0;
            fds[i] = (struct pollfd){.fd = is_owed ? fan->links[i].fd : -1, .events = POLLIN};
        }
        if (poll(fds, (nfds_t)fan->count, 5000) <= 0) {
            bench_give_up("a quorum of servers is silent");
        }
        for (int i = 0; i < fan->count; i++) {
            if (fds[i].revents != 0) {
                fan_read(fan, i);
            }
        }
    }
}
