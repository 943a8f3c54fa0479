/* pollset.c -- what connections want to be polled for. */
#include "drive/pollset.h"

#include "drive/clock.h"
#include "drive/spin.h"

/* Places in the loop's set. */
#define PLACE_WAKE 0u
#define PLACE_CONNS 1u

_Static_assert(PLACE_CONNS + REDLOCK_CONNS_MAX <= REDLOCK_LOOP_PLACES_MAX,
               "one for each connection");

bool redlock_sources_have_news(const redlock_sources *sources) {
    for (uint32_t i = 0; i < sources->conn_count; i++) {
        if (redlock_conn_has_news(sources->conns[i])) {
            return true;
        }
    }
    return false;
}

/* What a connection wants to be polled for.  It may close a descriptor for that. */
static int conn_want(redlock_sources *sources, uint32_t i, short *ret_events) {
    if (redlock_conn_is_doomed(sources->conns[i])) {
        redlock_loop_forget(&sources->loop, PLACE_CONNS + i);
    }
    return redlock_conn_poll_want(sources->conns[i], ret_events);
}

void redlock_pollset_fill(redlock_pollset *set, redlock_sources *sources) {
    set->fds[0] = (struct pollfd){.fd = sources->wake.read_fd, .events = POLLIN};
    set->count = 1;
    for (uint32_t i = 0; i < sources->conn_count; i++) {
        short events = 0;
        int fd = conn_want(sources, i, &events);
        if (fd >= 0) {
            set->fds[set->count] = (struct pollfd){.fd = fd, .events = events};
            set->conn_of[set->count++] = i;
        }
    }
}

/* As long as nothing is there, and no longer than a spin takes. */
static int wait_spinning(redlock_pollset *set) {
    redlock_ns begun = redlock_clock_now();
    int ready;
    do {
        ready = poll(set->fds, set->count, 0);
    } while (ready == 0 && redlock_spin_again(begun));
    return ready;
}

int redlock_pollset_wait(redlock_pollset *set, redlock_poll_manner manner, int timeout_ms,
                         bool *ret_paid) {
    int ready = manner == REDLOCK_POLL_SPINS ? wait_spinning(set) : 0;
    *ret_paid = ready != 0;
    return *ret_paid ? ready
                     : poll(set->fds, set->count, manner == REDLOCK_POLL_LOOKS ? 0 : timeout_ms);
}

void redlock_pollset_receive(const redlock_pollset *set, redlock_sources *sources) {
    for (nfds_t i = 1; i < set->count; i++) {
        if (set->fds[i].revents != 0) {
            redlock_conn_receive(sources->conns[set->conn_of[i]], set->fds[i].revents);
        }
    }
}

bool redlock_sources_arm_loop(redlock_sources *sources) {
    redlock_loop *loop = &sources->loop;
    bool hears = redlock_loop_watch(loop, PLACE_WAKE, sources->wake.read_fd, POLLIN);
    for (uint32_t i = 0; i < sources->conn_count; i++) {
        short events = 0;
        int fd = conn_want(sources, i, &events);
        hears = redlock_loop_watch(loop, PLACE_CONNS + i, fd, events) && hears;
    }
    return redlock_loop_arm(loop, true) && hears;
}
