/* plan.h -- what kind of run a seed is: drawn first, printed, then run. */
#ifndef REDLOCK_SIM_PLAN_H
#define REDLOCK_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "sim/fault.h"
#include "sim/server.h"

#define REDLOCK_SIM_USERS_MAX 6u

typedef enum redlock_sim_kind {
    REDLOCK_SIM_REDLOCK = 1, /* the conditions of P1: at most one holder */
    REDLOCK_SIM_HOSTILE,     /* anything: fences, LOST in time, nothing left behind */
    REDLOCK_SIM_NOGUARD,     /* guard off and nodes that forget: double grants are to be seen */
    REDLOCK_SIM_JUMPS        /* clocks jump beyond the margin: double grants, and no inversion */
} redlock_sim_kind;

typedef struct redlock_sim_plan {
    uint64_t seed;
    redlock_sim_kind kind;
    uint32_t nodes, clients, users, names; /* users per client */
    bool is_old;                           /* servers from before 7.0 */
    redlock_sim_make make;        /* what the servers are; is_old: none of the later ones */
    redlock_sim_denial denial;    /* each so many of their native commands are refused ... */
    uint32_t denies_each;         /* ... on every other node; 0: none is */
    bool is_wired;                /* the real codec, with torn packets */
    bool is_guarded, is_declared; /* nodes were declared ready */
    bool loses_data;              /* marks too, so what theorem B asks for is kept */
    bool is_quiet;                /* nothing goes wrong, but that wakes may get lost */
    bool is_strict;               /* clocks are such that what is gone is gone: see check.c */
    redlock_ns ttl, margin, node_timeout, connect_timeout, silence_max, guard;
    redlock_ns latency, jitter, storm, fault_every;
    redlock_ns hold, think, poll, hand_off;
    uint32_t inflight_max, drift_ppm;
    int64_t skew_max_us;
    uint32_t fragment_max; /* bytes */
    bool has[REDLOCK_SIM_TROUBLE_COUNT];
} redlock_sim_plan;

const char *redlock_sim_kind_words(redlock_sim_kind kind);
/* False when there is no world of that name. */
bool redlock_sim_kind_of(const char *words, redlock_sim_kind *ret_kind);
void redlock_sim_plan_draw(redlock_sim_plan *plan, redlock_sim_kind kind, uint64_t seed);
void redlock_sim_plan_to_text(const redlock_sim_plan *plan, char *text, size_t size);

#endif
