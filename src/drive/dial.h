/* dial.h -- from a URL to a socket that connects: the server's addresses, tried one after the other. */
#ifndef REDLOCK_DRIVE_DIAL_H
#define REDLOCK_DRIVE_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "drive/resolve.h"
#include "wire/url.h"

typedef struct redlock_dial {
    redlock_lookup *lookup; /* under way, else NULL */
    uint32_t next;          /* address to try */
    int sys_errno;          /* of the last address that failed */
    redlock_addresses
        addresses; /* large, and not initialised: none is read before it was written */
} redlock_dial;

typedef struct redlock_dial_fault { /* for REDLOCK_DIAL_FAILED */
    redlock_status status;
    int sys_errno;
    const char *words; /* static */
} redlock_dial_fault;

typedef enum redlock_dial_result {
    REDLOCK_DIAL_LOOKS = 0, /* a name is being looked up */
    REDLOCK_DIAL_KNOWS,     /* there are addresses */
    REDLOCK_DIAL_FAILED
} redlock_dial_result;

void redlock_dial_init(redlock_dial *dial);
/* Nobody waits for the lookup any more. */
void redlock_dial_stop(redlock_dial *dial);
/* Begins anew. */
redlock_dial_result redlock_dial_start(redlock_dial *dial, const redlock_url *url,
                                       redlock_resolver *resolver, redlock_dial_fault *ret_fault);
/* What has become of the lookup. */
redlock_dial_result redlock_dial_look(redlock_dial *dial, redlock_dial_fault *ret_fault);
/* Tries addresses until one connects or is under way: KNOWS, and *ret_fd; or none is left: FAILED. */
redlock_dial_result redlock_dial_try(redlock_dial *dial, int *ret_fd, bool *ret_connected,
                                     redlock_dial_fault *ret_fault);
/* The address tried last has failed later.  KNOWS: try the next one; FAILED: it was the last. */
redlock_dial_result redlock_dial_refused(redlock_dial *dial, int sys_errno,
                                         redlock_dial_fault *ret_fault);

#endif
