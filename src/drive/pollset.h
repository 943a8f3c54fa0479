/* pollset.h -- what connections want to be polled for: by the leader, in poll(2), or by an application's
 * loop, through its one descriptor.
 *
 * Both ask redlock_conn_poll_want, which may close a descriptor, so both are for the time when nobody
 * polls: [locked], and with no leader or by the leader. */
#ifndef REDLOCK_DRIVE_POLLSET_H
#define REDLOCK_DRIVE_POLLSET_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/command.h"
#include "drive/conn.h"
#include "drive/loop.h"
#include "drive/wake.h"

#define REDLOCK_CONNS_MAX (2u * REDLOCK_NODE_MAX)

/* All that may have news. */
typedef struct redlock_sources {
    redlock_wake wake;
    redlock_conn
        *conns[REDLOCK_CONNS_MAX]; /* for commands, one a node; behind them those that listen */
    uint32_t conn_count;
    redlock_loop loop; /* the application's, if any */
} redlock_sources;

typedef struct redlock_pollset { /* the wake comes first */
    struct pollfd fds[REDLOCK_CONNS_MAX + 1];
    uint32_t conn_of[REDLOCK_CONNS_MAX + 1];
    nfds_t count;
} redlock_pollset;

typedef enum redlock_poll_manner {
    REDLOCK_POLL_LOOKS,  /* what is there already */
    REDLOCK_POLL_SLEEPS, /* until something comes, or the timeout */
    REDLOCK_POLL_SPINS   /* the same for a caller, who looks again and again before it sleeps */
} redlock_poll_manner;

/* A dispatch would yield facts without polling. */
bool redlock_sources_have_news(const redlock_sources *sources);
void redlock_pollset_fill(redlock_pollset *set, redlock_sources *sources);
/* [leader] As poll(2); *ret_paid: something was found without sleeping. */
int redlock_pollset_wait(redlock_pollset *set, redlock_poll_manner manner, int timeout_ms,
                         bool *ret_paid);
/* [leader] After a wait that found something.  The wake is left to the caller. */
void redlock_pollset_receive(const redlock_pollset *set, redlock_sources *sources);
/* Has the loop's descriptor tell the same; it is open.  False: it does not tell everything. */
bool redlock_sources_arm_loop(redlock_sources *sources);

#endif
