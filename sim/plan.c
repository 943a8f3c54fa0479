#include "sim/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/prng.h"

#define MS REDLOCK_NS_PER_MS

const char *redlock_sim_kind_words(redlock_sim_kind kind) {
    switch (kind) {
    case REDLOCK_SIM_REDLOCK:
        return "redlock";
    case REDLOCK_SIM_HOSTILE:
        return "hostile";
    case REDLOCK_SIM_NOGUARD:
        return "noguard";
    case REDLOCK_SIM_JUMPS:
        return "jumps";
    }
    return "?";
}

bool redlock_sim_kind_of(const char *words, redlock_sim_kind *ret_kind) {
    for (int i = REDLOCK_SIM_REDLOCK; i <= REDLOCK_SIM_JUMPS; i++) {
        if (strcmp(words, redlock_sim_kind_words((redlock_sim_kind)i)) == 0) {
            *ret_kind = (redlock_sim_kind)i;
            return true;
        }
    }
    return false;
}

static uint64_t upto(redlock_prng *prng, uint64_t bound) {
    return redlock_prng_upto(prng, bound);
}

static bool one_in(redlock_prng *prng, uint64_t n) {
    return upto(prng, n - 1) == 0;
}

/* base times 2^-steps .. 2^steps */
static redlock_ns around(redlock_prng *prng, redlock_ns base, uint32_t steps) {
    uint32_t shift = (uint32_t)upto(prng, 2 * steps);
    return shift >= steps ? base << (shift - steps) : base >> (steps - shift);
}

static void draw_size(redlock_sim_plan *plan, redlock_prng *prng) {
    static const uint32_t nodes[] = {1, 3, 3, 3, 5};
    plan->nodes = nodes[upto(prng, 4)];
    plan->clients = 2 + (uint32_t)upto(prng, 4);
    plan->users = 1 + (uint32_t)upto(prng, 2);
    plan->names = one_in(prng, 3) ? 2 + (uint32_t)upto(prng, 2) : 1;
    plan->is_wired = one_in(prng, 3);
    plan->fragment_max = one_in(prng, 2) ? 16 : 512;
    plan->is_guarded = plan->nodes >= 3 || one_in(prng, 4);
    plan->is_declared = !one_in(prng, 8);
}

static void draw_times(redlock_sim_plan *plan, redlock_prng *prng) {
    /* Half of the runs have the default. */
    static const redlock_ns ttls[] = {200 * MS,   1000 * MS,  5000 * MS,  5000 * MS,
                                      30000 * MS, 30000 * MS, 30000 * MS, 30000 * MS};
    plan->ttl = ttls[upto(prng, 7)];
    plan->margin = plan->ttl / 4 < 1000 * MS ? plan->ttl / 4 : 1000 * MS;
    plan->node_timeout = plan->ttl / 20 < 20 * MS ? 20 * MS : plan->ttl / 20;
    plan->node_timeout = plan->node_timeout > 1000 * MS ? 1000 * MS : plan->node_timeout;
    plan->connect_timeout = around(prng, plan->node_timeout * 4, 1);
    plan->silence_max = around(prng, plan->node_timeout * 8, 1);
    plan->latency = upto(prng, plan->node_timeout / 8);
    plan->jitter = one_in(prng, 3) ? plan->node_timeout : plan->latency;
    plan->storm = plan->ttl * (20 + upto(prng, 180));
    plan->fault_every = around(prng, plan->ttl, 3);
    plan->hold = around(prng, plan->ttl, 3);
    plan->think = around(prng, plan->ttl / 4, 3);
    plan->poll = around(prng, plan->ttl / 3, 1);
    plan->hand_off = plan->node_timeout * (1 + upto(prng, 3));
}

static const redlock_sim_trouble common[] = {
    REDLOCK_SIM_TROUBLE_DROP_THERE,    REDLOCK_SIM_TROUBLE_DROP_BACK,
    REDLOCK_SIM_TROUBLE_DELAY,         REDLOCK_SIM_TROUBLE_RESEND,
    REDLOCK_SIM_TROUBLE_REORDER,       REDLOCK_SIM_TROUBLE_HALF_OPEN,
    REDLOCK_SIM_TROUBLE_RESET,         REDLOCK_SIM_TROUBLE_TORN,
    REDLOCK_SIM_TROUBLE_PARTITION,     REDLOCK_SIM_TROUBLE_ISOLATE,
    REDLOCK_SIM_TROUBLE_EAR_LOSES,     REDLOCK_SIM_TROUBLE_EAR_RESET,
    REDLOCK_SIM_TROUBLE_EAR_DEAF,      REDLOCK_SIM_TROUBLE_EAR_REFUSED,
    REDLOCK_SIM_TROUBLE_REFUSED,       REDLOCK_SIM_TROUBLE_CONNECT_HANGS,
    REDLOCK_SIM_TROUBLE_DNS,           REDLOCK_SIM_TROUBLE_CRASH_KEEP,
    REDLOCK_SIM_TROUBLE_NODE_PAUSE,    REDLOCK_SIM_TROUBLE_CLIENT_PAUSE,
    REDLOCK_SIM_TROUBLE_JUMP_FORWARD,  REDLOCK_SIM_TROUBLE_JUMP_BACK,
    REDLOCK_SIM_TROUBLE_DRIFT,         REDLOCK_SIM_TROUBLE_SCRIPT_FLUSH,
    REDLOCK_SIM_TROUBLE_OOM,           REDLOCK_SIM_TROUBLE_MISCONF,
    REDLOCK_SIM_TROUBLE_READONLY,      REDLOCK_SIM_TROUBLE_NOREPLICAS,
    REDLOCK_SIM_TROUBLE_LOADING,       REDLOCK_SIM_TROUBLE_BUSY,
    REDLOCK_SIM_TROUBLE_NOPERM,        REDLOCK_SIM_TROUBLE_MAXCLIENTS,
    REDLOCK_SIM_TROUBLE_EVICTS,        REDLOCK_SIM_TROUBLE_GARBAGE,
    REDLOCK_SIM_TROUBLE_OVERSIZED,     REDLOCK_SIM_TROUBLE_PASSWORD,
    REDLOCK_SIM_TROUBLE_PROCESS_PAUSE, REDLOCK_SIM_TROUBLE_SUSPEND,
    REDLOCK_SIM_TROUBLE_PROCESS_CRASH, REDLOCK_SIM_TROUBLE_FORK,
    REDLOCK_SIM_TROUBLE_SKEW,          REDLOCK_SIM_TROUBLE_CAPACITY,
};

static void draw_losses(redlock_sim_plan *plan) {
    plan->loses_data = true;
    plan->has[REDLOCK_SIM_TROUBLE_CRASH_LOSE_ALL] = true;
    plan->has[REDLOCK_SIM_TROUBLE_CRASH_LOSE_SECOND] = true;
    plan->has[REDLOCK_SIM_TROUBLE_FLUSHALL] = plan->is_guarded;
}

/* Every run has some faults and not others: what many of them hide together, a few may show. */
static void draw_faults(redlock_sim_plan *plan, redlock_prng *prng) {
    uint64_t density = 1 + upto(prng, 5);
    plan->is_quiet = one_in(prng, 8);
    if (plan->is_quiet) { /* and every answer comes well within its timeout */
        redlock_ns most = plan->node_timeout / 8;
        plan->jitter = plan->jitter < most ? plan->jitter : most;
        bool has_ears = one_in(prng, 2); /* but that wakes may get lost */
        plan->has[REDLOCK_SIM_TROUBLE_EAR_LOSES] = plan->has[REDLOCK_SIM_TROUBLE_EAR_RESET] =
            plan->has[REDLOCK_SIM_TROUBLE_EAR_DEAF] = plan->has[REDLOCK_SIM_TROUBLE_EAR_REFUSED] =
                has_ears;
        return;
    }
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        plan->has[common[i]] = one_in(prng, density);
    }
    bool may_lose = plan->is_guarded && one_in(prng, 2);
    bool is_hostile = plan->kind == REDLOCK_SIM_HOSTILE;
    if (may_lose || plan->kind == REDLOCK_SIM_NOGUARD) {
        draw_losses(plan);
    }
    plan->has[REDLOCK_SIM_TROUBLE_EVICT] = is_hostile && one_in(prng, 2);
    /* A break puts the node's clock into the mark, and theorem B speaks of the clients' only. */
    plan->has[REDLOCK_SIM_TROUBLE_BREAK] = is_hostile && one_in(prng, 2) && !plan->loses_data;
    plan->has[REDLOCK_SIM_TROUBLE_JUMP_BEYOND] =
        (is_hostile && !plan->loses_data) || plan->kind == REDLOCK_SIM_JUMPS;
    /* Without marks, the wall clock carries the order on; it may not be far off then. */
    plan->has[REDLOCK_SIM_TROUBLE_POISON] = !plan->loses_data && one_in(prng, 3);
    plan->has[REDLOCK_SIM_TROUBLE_WALL_JUMP] = !plan->loses_data && one_in(prng, 3);
}

static void draw_clocks(redlock_sim_plan *plan, redlock_prng *prng) {
    bool is_wild = plan->kind == REDLOCK_SIM_HOSTILE && !plan->loses_data && one_in(prng, 2);
    plan->drift_ppm = is_wild ? 50000 : 4000; /* twice this is the most between two clocks */
    int64_t ttl_us = (int64_t)(plan->ttl / REDLOCK_NS_PER_US);
    plan->skew_max_us = plan->loses_data ? ttl_us / 8 : ttl_us * 4;
    plan->is_strict =
        plan->kind == REDLOCK_SIM_REDLOCK && !plan->has[REDLOCK_SIM_TROUBLE_JUMP_BACK];
    /* Theorem B: the silence covers the longest lease, two attempts, the clocks' differences. */
    redlock_ns attempt = plan->connect_timeout + 3 * plan->node_timeout;
    redlock_ns skew = 2 * (redlock_ns)plan->skew_max_us * REDLOCK_NS_PER_US;
    redlock_ns silence = plan->ttl + plan->margin + 2 * attempt + skew + 50 * MS;
    plan->guard = plan->is_guarded ? silence + silence / 50 : 0;
}

/* Later servers, some of which have what they promise; drawn last, so that all else is as without. */
static void draw_version(redlock_sim_plan *plan, redlock_prng *prng) {
    static const redlock_sim_make makes[] = {REDLOCK_SIM_REDIS_7_0, REDLOCK_SIM_VALKEY_9,
                                             REDLOCK_SIM_REDIS_8_4};
    plan->make = plan->is_old ? REDLOCK_SIM_REDIS_7_0 : makes[upto(prng, 2)];
    plan->denial = one_in(prng, 2) ? REDLOCK_SIM_DENY_UNKNOWN : REDLOCK_SIM_DENY_NOPERM;
    plan->denies_each = one_in(prng, 2) ? 1 + (uint32_t)upto(prng, 3) : 0;
}

/* Many users of few clients on one node: then a release is mostly followed by a claim of its own
 * client.  Drawn behind all else, too. */
static void draw_crowd(redlock_sim_plan *plan, redlock_prng *prng) {
    if (plan->nodes == 1 && one_in(prng, 2)) {
        plan->clients = 1 + (uint32_t)upto(prng, 1);
        plan->users = 3 + (uint32_t)upto(prng, REDLOCK_SIM_USERS_MAX - 3);
    }
}

/* One node that is near, and hand-offs that last: then they are taken with the wake. */
static void draw_nearness(redlock_sim_plan *plan, redlock_prng *prng) {
    if (plan->nodes == 1 && plan->guard == 0 && one_in(prng, 2)) {
        plan->latency /= 64;
        plan->jitter = plan->is_quiet || one_in(prng, 2) ? plan->latency : plan->jitter;
        plan->hand_off = plan->margin + plan->node_timeout * (1 + upto(prng, 1));
    }
}

void redlock_sim_plan_draw(redlock_sim_plan *plan, redlock_sim_kind kind, uint64_t seed) {
    redlock_prng prng;
    *plan = (redlock_sim_plan){.seed = seed, .kind = kind};
    redlock_prng_init(&prng, seed * 2 + 1);
    draw_size(plan, &prng);
    if (kind == REDLOCK_SIM_NOGUARD) {
        plan->nodes = plan->nodes == 1 ? 3 : plan->nodes;
        plan->is_guarded = false;
    }
    draw_times(plan, &prng);
    draw_faults(plan, &prng);
    draw_clocks(plan, &prng);
    plan->inflight_max =
        plan->has[REDLOCK_SIM_TROUBLE_CAPACITY] ? 1 + (uint32_t)upto(&prng, 3) : 1024;
    plan->is_old = one_in(&prng, 3);
    draw_version(plan, &prng);
    draw_crowd(plan, &prng);
    draw_nearness(plan, &prng);
}

static const char *version_words(const redlock_sim_plan *plan) {
    bool is_denied = plan->denies_each > 0;
    switch (plan->make) {
    case REDLOCK_SIM_REDIS_7_0:
        return plan->is_old ? "from before 7.0" : "like 7.0";
    case REDLOCK_SIM_REDIS_8_4:
        return is_denied ? "that have DELEX, and refuse it" : "that have DELEX";
    case REDLOCK_SIM_VALKEY_9:
        return is_denied ? "that have DELIFEQ, and refuse it" : "that have DELIFEQ";
    }
    return "?";
}

void redlock_sim_plan_to_text(const redlock_sim_plan *plan, char *text, size_t size) {
    uint32_t faults = 0;
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        faults += plan->has[i];
    }
    (void)snprintf(text, size,
                   "seed %" PRIu64 ", world %s%s: %" PRIu32 " nodes %s, %" PRIu32
                   " clients of %" PRIu32 " users, %" PRIu32 " names, ttl %" PRIu64
                   " ms, guard %" PRIu64 " ms%s, %s, %" PRIu32 " kinds of faults every %" PRIu64
                   " ms%s, storm of %" PRIu64 " s",
                   plan->seed, redlock_sim_kind_words(plan->kind),
                   plan->is_quiet ? " (nothing goes wrong but with wakes)" : "", plan->nodes,
                   version_words(plan), plan->clients, plan->users, plan->names, plan->ttl / MS,
                   plan->guard / MS, plan->is_declared ? "" : " (new nodes)",
                   plan->is_wired ? "real wire" : "typed commands", faults, plan->fault_every / MS,
                   plan->loses_data ? ", nodes may forget" : "", plan->storm / REDLOCK_NS_PER_S);
}
