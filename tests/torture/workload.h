/* workload.h -- what programs do with the library, small enough to be done a thousand times. */
#ifndef REDLOCK_TESTS_TORTURE_WORKLOAD_H
#define REDLOCK_TESTS_TORTURE_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <redlock/redlock.h>

#include "server.h"

#define TORTURE_TTL_MS 10000 /* at most */
#define TORTURE_MARGIN_MS 500

typedef struct torture_run {
    bool is_strict;        /* nothing is to fail: every call has to do what it is for */
    const char *complaint; /* the first thing that was wrong; static */
    int status;            /* the library's, with it */
    unsigned complaint_line;
} torture_run;

typedef struct torture_workload {
    const char *name;
    void (*run)(torture_run *run);
} torture_workload;

/* The servers of all workloads: one with a TCP port and a password, TLS in front of it. */
void torture_servers_start(void);
void torture_servers_stop(void);
/* What the server must not have: a key without an end, or a lock that outlives its time.  NULL, or a
 * sentence.  Empties the server. */
const char *torture_servers_wrong(void);

extern const torture_workload torture_workloads[];
extern const size_t torture_workload_count;

#endif
