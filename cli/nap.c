/* nap.c -- waiting while the library has work of its own to do. */
#include "cli/nap.h"

#include <limits.h>
#include <string.h>

#include "cli/now.h"

static int timeout_of(int64_t ms) {
    if (ms == INT64_MAX) {
        return -1;
    }
    return ms > INT_MAX ? INT_MAX : ms > 0 ? (int)ms : 0;
}

int redlock_nap_poll(redlock_client *client, struct pollfd *fds, nfds_t count, int64_t timeout_ms) {
    struct pollfd all[REDLOCK_NAP_FDS_MAX + 1] = {{.fd = -1}};
    const int64_t due_ms = redlock_client_deadline_ms(client); /* FOREVER is INT64_MAX */

    count = count < REDLOCK_NAP_FDS_MAX ? count : REDLOCK_NAP_FDS_MAX;
    if (count > 0) {
        memcpy(all, fds, count * sizeof(all[0]));
    }
    all[count] = (struct pollfd){.fd = redlock_client_fd(client), .events = POLLIN};
    int ready = poll(all, count + 1, timeout_of(due_ms < timeout_ms ? due_ms : timeout_ms));
    (void)redlock_client_process(client); /* or there is none, or it has a thread */
    if (count > 0) {
        memcpy(fds, all, count * sizeof(all[0]));
    }
    return ready > 0 && all[count].revents != 0 ? ready - 1 : ready;
}

void redlock_nap(redlock_client *client, int64_t ms) {
    const int64_t end_ms = redlock_now_ms() + ms;

    for (int64_t left_ms = ms; left_ms > 0; left_ms = end_ms - redlock_now_ms()) {
        (void)redlock_nap_poll(client, NULL, 0, left_ms);
    }
}
