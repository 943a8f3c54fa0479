/* exam.h -- what one server says about itself when a doctor asks: facts, no judgement.
 *
 * Nothing is changed on the server: commands that would write are given a key that is not there. */
#ifndef REDLOCK_CLI_EXAM_H
#define REDLOCK_CLI_EXAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/peers.h"

enum { REDLOCK_SAMPLES_MAX = 50, REDLOCK_SAMPLE_EVERY_MS = 50 };

typedef struct redlock_sample {
    int64_t at_us;     /* of this host's clock that is never set; the middle of the round trip */
    int64_t offset_us; /* the server's wall clock less this host's */
    int64_t trip_us;
} redlock_sample;

typedef struct redlock_exam {
    bool is_up;
    int status;
    char where[96];
    char why[128]; /* when it is not up */

    char version[24];
    bool is_valkey;
    char mode[16]; /* standalone, cluster, sentinel */
    char run_id[48];
    int64_t uptime_s;
    char role[16];
    char master[96]; /* HOST:PORT of a replica's master */
    char replid[48]; /* shared by a master and all its replicas */
    char policy[32];
    int64_t maxmemory, used_memory;
    bool has_aof;
    char fsync[16]; /* empty: it may not be asked */
    char aof_state[16];
    int64_t is_loading;

    char boot[128];      /* the restart guard's key; empty: there is none */
    int64_t time_ms;     /* the server's clock, when boot was read */
    char tls[16];        /* "TLSv1.3"; empty: not over TLS */
    int64_t tls_until_s; /* the end of its certificate, since 1970 */
    char user[64];       /* empty: the server does not tell */
    char lacks[256];     /* rules that the user needs and does not have, for ACL SETUSER */
    char lacks_key[192]; /* the same for the key that only this looks at */
    char lacks_wake[64]; /* the same for publish and subscribe */
    char refusal[128];   /* the server's words about a write that it may not do now */

    redlock_sample sample[REDLOCK_SAMPLES_MAX];
    size_t sample_count;
} redlock_exam;

/* Connects and asks; blocks for about 3 seconds, or until the server does not answer. */
void redlock_exam_take(redlock_exam *exam, redlock_peer *peer, const char *prefix);

#endif
