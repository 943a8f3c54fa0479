/* request.h -- a client's command out of bytes, as a server reads it. */
#ifndef REDLOCK_SIM_REQUEST_H
#define REDLOCK_SIM_REQUEST_H

#include <stddef.h>

#include "base/bytes.h"

#define REDLOCK_SIM_REQUEST_WORDS_MAX 256u

typedef struct redlock_sim_request {
    redlock_bytes words[REDLOCK_SIM_REQUEST_WORDS_MAX]; /* borrowed from the bytes */
    size_t count;
    size_t used;           /* bytes that it took */
    const char *complaint; /* BAD: the error, after which a server hangs up */
} redlock_sim_request;

typedef enum redlock_sim_request_status {
    REDLOCK_SIM_REQUEST_WHOLE = 1, /* count may be 0: nothing to execute, nothing to say */
    REDLOCK_SIM_REQUEST_MORE,
    REDLOCK_SIM_REQUEST_BAD
} redlock_sim_request_status;

redlock_sim_request_status redlock_sim_request_read(redlock_sim_request *request,
                                                    redlock_bytes bytes);

#endif
