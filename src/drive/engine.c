/* engine.c -- the threads around the core.  States of leadership, all under the mutex:
 *
 *   nobody --caller waits--> caller leads --its work done--> hand_over --> heir | keeper | nobody
 *   nobody --something due--> keeper leads --a caller waits, or nothing due--> hand_over
 *
 * With the application's own loop there is no keeper, and instead of its line:
 *
 *   nobody --process--> the loop's thread leads for one round, without waiting --> hand_over
 *
 * The loop's descriptor is silent while a caller leads, because who leads hears everything.  When
 * hand_over leaves it to nobody, and only then, it waits for what the connections want (loop_arm).
 * What else the sleeping loop cannot know, a nearer deadline or news that no descriptor tells, raises
 * the wake, which is one of the descriptors. */
#include "drive/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "drive/clock.h"
#include "drive/pollset.h"
#include "drive/resolve.h"
#include "drive/spin.h"

#define SLOTS_FIRST 16u
/* poll and condition variables run on a clock that stops in suspend: look again at least so often,
 * or a machine that slept would hear of its loss a nap too late. */
#define NAP_NS_MAX REDLOCK_NS_PER_S
/* Answers that nobody waits for any more are read after this, if no caller comes before. */
#define DRAIN_NS (UINT64_C(20) * REDLOCK_NS_PER_MS)
/* How long the end waits for answers.  A server that fails to write an answer drops the connection
 * with all that it has not read yet: a RELEASE behind a grant would never be executed. */
#define LINGER_NS_MAX (UINT64_C(250) * REDLOCK_NS_PER_MS)

struct redlock_engine {
    pthread_mutex_t mutex;
    redlock_fork fork;
    redlock_engine_hooks hooks;
    redlock_core *core;
    redlock_ns now; /* of the last step */
    void *table;
    redlock_resolver *resolver;
    redlock_tls *tls; /* NULL: no URL needs it */
    redlock_sources sources;
    uint32_t node_count;
    uint8_t channel[REDLOCK_CHANNEL_BYTES];
    uint8_t label[REDLOCK_NAME_BYTES_MAX], prefix[REDLOCK_NAME_BYTES_MAX];
    bool leading, polling, delivering;
    bool dozing;                /* polling, and no answer was awaited when it began */
    const redlock_call *heir;   /* told to lead, and not there yet */
    redlock_spin leader_spin;   /* of a caller that leads, for an answer */
    redlock_spin call_spins[2]; /* of those that do not; [1]: of those that may queue */
    bool links_changed;         /* a connect or hang-up since the leader made its poll set */
    redlock_ns poll_until;      /* polling: when the leader comes back by itself */
    redlock_list waiters;       /* sleeping calls that are not done, oldest first */
    redlock_seats seats;
    pthread_cond_t changed;
    pthread_t keeper;
    pthread_cond_t keeper_cond;
    bool keeper_runs, stopping;
    bool has_own_loop;       /* the application's: the keeper never starts */
    bool loop_is_deaf;       /* the loop's descriptor does not tell everything */
    redlock_ns loop_until;   /* when the sleeping loop calls process; 0: it is awake and will ask */
    uint32_t leaving;        /* calls that were done while others led, and are not out yet */
    redlock_ns ends_at;      /* nothing is waited for beyond this */
    redlock_ns left_at;      /* when the last leader left */
    redlock_ns keeper_until; /* when the sleeping keeper looks again; 0: it is awake */
};

static void hand_over(redlock_engine *engine);
static void *keeper_main(void *ctx);

/* --- life ------------------------------------------------------------------------------------ */

static redlock_bytes keep_bytes(uint8_t *out, size_t size, redlock_bytes bytes) {
    REDLOCK_ASSERT(bytes.len <= size);
    if (bytes.len > 0) {
        memcpy(out, bytes.at, bytes.len);
    }
    return (redlock_bytes){out, bytes.len};
}

static void cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(
        &attributes); /* these cannot fail with these arguments on glibc and musl */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

/* Held for a microsecond at a time: who meets it held looks again before it sleeps, where libc can. */
static void mutex_init(pthread_mutex_t *mutex) {
    pthread_mutexattr_t attributes;
    (void)pthread_mutexattr_init(&attributes);
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    (void)pthread_mutex_init(mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

static bool engine_make_parts(redlock_engine *engine, const redlock_core_config *config,
                              const redlock_url *urls, redlock_bytes label, redlock_bytes prefix) {
    engine->core = malloc(redlock_core_size());
    engine->resolver = redlock_resolver_create(&engine->sources.wake);
    if (engine->core == NULL || engine->resolver == NULL) {
        return false;
    }
    redlock_core_init(engine->core, config);
    redlock_bytes channel = keep_bytes(engine->channel, sizeof engine->channel,
                                       (redlock_bytes){config->channel, sizeof config->channel});
    for (uint32_t i = 0; i < engine->sources.conn_count; i++) {
        uint32_t node = i % engine->node_count;
        engine->sources.conns[i] =
            i < engine->node_count
                ? redlock_conn_create(node, &urls[node], label, prefix, engine->resolver)
                : redlock_conn_create_listening(node, &urls[node], label, channel,
                                                engine->resolver);
        if (engine->sources.conns[i] == NULL) {
            return false;
        }
    }
    if (config->node_count == 1 && config->guard == 0) {
        redlock_conn_vote_alone(engine->sources.conns[0]);
    }
    return true;
}

/* Of a half-built one, too: there is nothing to stop in it. */
static void engine_free(redlock_engine *engine) {
    redlock_loop_close(&engine->sources.loop);
    for (uint32_t i = 0; i < engine->sources.conn_count; i++) {
        redlock_conn_destroy(engine->sources.conns[i]);
    }
    redlock_tls_destroy(engine->tls);
    redlock_resolver_destroy(engine->resolver);
    redlock_wake_deinit(&engine->sources.wake);
    if (!redlock_fork_is_child(&engine->fork)) {
        (void)pthread_cond_destroy(&engine->keeper_cond);
        (void)pthread_cond_destroy(&engine->changed);
        (void)pthread_mutex_destroy(&engine->mutex);
    }
    redlock_fork_deinit(&engine->fork);
    free(engine->table);
    free(engine->core);
    free(engine);
}

redlock_engine *redlock_engine_create(const redlock_core_config *config, const redlock_url *urls,
                                      redlock_bytes label, redlock_bytes prefix,
                                      const redlock_engine_hooks *hooks) {
    redlock_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return NULL;
    }
    if (!redlock_wake_init(&engine->sources.wake)) {
        int saved = errno;
        free(engine);
        errno = saved;
        return NULL;
    }
    mutex_init(&engine->mutex);
    cond_init(&engine->keeper_cond);
    cond_init(&engine->changed);
    redlock_fork_init(&engine->fork);
    redlock_list_init(&engine->waiters);
    redlock_loop_init(&engine->sources.loop);
    engine->ends_at = REDLOCK_NEVER;
    engine->hooks = *hooks;
    engine->node_count = config->node_count;
    engine->sources.conn_count = 2 * config->node_count;
    label = keep_bytes(engine->label, sizeof engine->label, label);
    prefix = keep_bytes(engine->prefix, sizeof engine->prefix, prefix);
    if (!engine_make_parts(engine, config, urls, label, prefix)) {
        engine_free(engine);
        errno = ENOMEM;
        return NULL;
    }
    return engine;
}

bool redlock_engine_set_tls(redlock_engine *engine, redlock_tls *take_tls) {
    engine->tls = take_tls;
    for (uint32_t i = 0; i < engine->sources.conn_count; i++) {
        if (!redlock_conn_set_tls(engine->sources.conns[i], take_tls)) {
            return false;
        }
    }
    return true;
}

void redlock_engine_destroy(redlock_engine *engine) {
    if (engine == NULL) {
        return;
    }
    redlock_engine_stop(engine);
    engine_free(engine);
}

bool redlock_engine_is_child(const redlock_engine *engine) {
    return redlock_fork_is_child(&engine->fork);
}

void redlock_engine_lock(redlock_engine *engine) {
    (void)pthread_mutex_lock(&engine->mutex); /* a normal mutex, never recursive: cannot fail */
}

/* A thread that is woken while we hold the mutex would only run into it, and sleep again. */
void redlock_engine_unlock(redlock_engine *engine) {
    redlock_seat *called = redlock_seats_take_called(&engine->seats);
    (void)pthread_mutex_unlock(&engine->mutex);
    redlock_seats_wake(called);
}

/* Before a wait that gives the mutex away without passing by unlock. */
static void wake_called(redlock_engine *engine) {
    redlock_seats_wake(redlock_seats_take_called(&engine->seats));
}

redlock_core *redlock_engine_core(redlock_engine *engine) {
    return engine->core;
}

redlock_ns redlock_engine_now(const redlock_engine *engine) {
    return engine->now;
}

bool redlock_engine_reserve(redlock_engine *engine) {
    if (redlock_core_vacant(engine->core) != REDLOCK_SLOT_NONE) {
        return true;
    }
    uint32_t count = redlock_core_slot_count(engine->core);
    if (count > UINT32_MAX / 4) {
        return false;
    }
    count = count == 0 ? SLOTS_FIRST : 2 * count;
    void *table = malloc(redlock_core_table_size(count));
    if (table == NULL) {
        return false;
    }
    free(redlock_core_grow(engine->core, table, count));
    engine->table = table;
    return true;
}

/* --- wishes ---------------------------------------------------------------------------------- */

static void carry_out(redlock_engine *engine, const redlock_wish *wish) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        redlock_conn_send(engine->sources.conns[wish->node], wish->as.send.tag,
                          &wish->as.send.command);
        return;
    case REDLOCK_WISH_CONNECT:
        redlock_conn_connect(engine->sources.conns[wish->node]);
        engine->links_changed = true;
        return;
    case REDLOCK_WISH_HANG_UP:
        redlock_conn_hang_up(engine->sources.conns[wish->node]);
        engine->links_changed = true;
        return;
    case REDLOCK_WISH_SUBSCRIBE:
        redlock_conn_connect(engine->sources.conns[engine->node_count + wish->node]);
        engine->links_changed = true;
        return;
    case REDLOCK_WISH_UNSUBSCRIBE:
        redlock_conn_hang_up(engine->sources.conns[engine->node_count + wish->node]);
        engine->links_changed = true;
        return;
    case REDLOCK_WISH_TELL:
        engine->hooks.tell(engine->hooks.ctx, wish);
        return;
    case REDLOCK_WISH_GONE:
        engine->hooks.gone(engine->hooks.ctx, wish->slot, wish->as.gone.memory);
        return;
    case REDLOCK_WISH_TOKEN:
        REDLOCK_ASSERT(false); /* answered by step_and_carry */
        return;
    }
    REDLOCK_ASSERT(false);
}

/* A wish for a token is answered by a fact of its own, after all wishes of its step. */
static void step_and_carry(redlock_engine *engine, const redlock_fact *fact, redlock_ns now) {
    redlock_wish wish;
    uint32_t tokens[8], token_count = 0;
    engine->now = now;
    redlock_core_step(engine->core, fact, now);
    for (;;) {
        while (token_count < 8 && redlock_core_next(engine->core, &wish)) {
            if (wish.kind == REDLOCK_WISH_TOKEN) {
                tokens[token_count++] = wish.slot;
            } else {
                engine->hooks.wished(engine->hooks.ctx, &wish, now);
                carry_out(engine, &wish);
            }
        }
        if (token_count == 0) {
            return;
        }
        uint32_t slot = tokens[--token_count];
        uint8_t token[REDLOCK_TOKEN_BYTES_MAX];
        size_t len = engine->hooks.token(engine->hooks.ctx, slot, token, sizeof token);
        redlock_fact answer = {.kind = len > 0 ? REDLOCK_FACT_TOKEN : REDLOCK_FACT_CANCEL,
                               .slot = slot};
        if (len > 0) {
            answer.as.token.token = (redlock_bytes){token, len};
            answer.as.token.wall_us = redlock_clock_wall_us();
        }
        redlock_core_step(engine->core, &answer, now);
    }
}

static void conn_sink(void *ctx, const redlock_fact *fact, redlock_ns now) {
    redlock_engine *engine = ctx;
    engine->hooks.heard(engine->hooks.ctx, fact, now);
    step_and_carry(engine, fact, now);
}

static void conn_sink_near(void *ctx, uint64_t tag) {
    redlock_engine *engine = ctx;
    uint32_t slot = redlock_core_slot_of(tag);
    redlock_core_bring_near(engine->core, slot);
    engine->hooks.bring_near(engine->hooks.ctx, slot);
}

/* --- moving bytes ---------------------------------------------------------------------------- */

/* Writes what all connections have, until a look under the mutex finds nothing.  Releases the mutex
 * while it writes.  True when a polling leader has to look again. */
static bool flush_all(redlock_engine *engine) {
    bool look_again = false;
    for (uint32_t i = 0; i < engine->sources.conn_count;) {
        if (!redlock_conn_flush_begin(engine->sources.conns[i])) {
            i++;
            continue;
        }
        redlock_engine_unlock(engine);
        redlock_conn_write(engine->sources.conns[i]);
        redlock_engine_lock(engine);
        look_again = redlock_conn_flush_end(engine->sources.conns[i]) || look_again;
        i = 0; /* others may have appended anywhere meanwhile */
    }
    return look_again;
}

static void dispatch_all(redlock_engine *engine) {
    const redlock_conn_sink sink = {.take = conn_sink, .bring_near = conn_sink_near, .ctx = engine};
    redlock_ns now = redlock_clock_now();
    for (uint32_t i = 0; i < engine->sources.conn_count; i++) {
        redlock_conn_dispatch(engine->sources.conns[i], now, &sink);
    }
    if (redlock_core_deadline(engine->core) <= now) {
        const redlock_fact time = {.kind = REDLOCK_FACT_TIME};
        step_and_carry(engine, &time, now);
    }
}

/* Whole milliseconds, rounded up: rounding down would spin through the last one. */
static int poll_timeout_ms(redlock_ns until, redlock_ns now) {
    redlock_ns left = redlock_ns_min(redlock_ns_since(until, now), NAP_NS_MAX);
    return (int)redlock_ns_to_ms_up(left);
}

/* One poll of everything, without the mutex; what came in is received but not yet dispatched. */
static void poll_once(redlock_engine *engine, redlock_poll_manner manner) {
    redlock_pollset set;
    redlock_pollset_fill(&set, &engine->sources);
    engine->links_changed = false;
    redlock_ns now = redlock_clock_now();
    engine->poll_until = redlock_ns_min(redlock_core_deadline(engine->core), engine->ends_at);
    if (manner != REDLOCK_POLL_LOOKS &&
        (redlock_sources_have_news(&engine->sources) || engine->poll_until <= now)) {
        return;
    }
    bool awaits = redlock_core_is_waiting(engine->core);
    if (manner == REDLOCK_POLL_SPINS && !(awaits && redlock_spin_is_due(&engine->leader_spin))) {
        manner = REDLOCK_POLL_SLEEPS;
    }
    int timeout_ms = poll_timeout_ms(engine->poll_until, now);
    bool paid = false;
    engine->polling = manner != REDLOCK_POLL_LOOKS;
    engine->dozing = !awaits;
    redlock_engine_unlock(engine);
    int ready = redlock_pollset_wait(&set, manner, timeout_ms, &paid);
    if (ready > 0) {
        redlock_pollset_receive(&set, &engine->sources);
    }
    redlock_engine_lock(engine);
    if (manner == REDLOCK_POLL_SPINS) {
        redlock_spin_learn(&engine->leader_spin, paid);
    }
    engine->polling = false;
    if (ready > 0 && set.fds[0].revents != 0) {
        redlock_wake_clear(&engine->sources.wake);
        engine->hooks.woken(engine->hooks.ctx);
    }
}

/* The user's callbacks, without the mutex, one thread at a time so that they stay in order. */
static void deliver_events(redlock_engine *engine) {
    while (!engine->delivering && engine->hooks.has_events(engine->hooks.ctx)) {
        engine->delivering = true;
        redlock_engine_unlock(engine);
        engine->hooks.deliver(engine->hooks.ctx);
        redlock_engine_lock(engine);
        engine->delivering = false;
        redlock_engine_changed(engine);
    }
}

/* --- leader and followers -------------------------------------------------------------------- */

/* All signals stay with the program's own threads.  If no thread can be had, the next hand-over
 * tries again; until then deadlines still count, because is_held asks the clock. */
static void keeper_start(redlock_engine *engine) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    engine->keeper_runs = pthread_create(&engine->keeper, NULL, keeper_main, engine) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool may_start_keeper(const redlock_engine *engine) {
    return !engine->keeper_runs && !engine->has_own_loop;
}

static void lead_until_done(redlock_engine *engine, const redlock_call *call) {
    REDLOCK_ASSERT(!engine->leading);
    engine->leading = true;
    (void)redlock_loop_arm(&engine->sources.loop, false); /* else the loop wakes in vain */
    engine->heir = NULL;
    for (;;) {
        (void)flush_all(
            engine); /* also what the last answer led to, before returning to the user */
        deliver_events(engine);
        if (call->done) {
            break;
        }
        bool dozes = !redlock_core_is_waiting(engine->core);
        if (dozes && call->may_queue && may_start_keeper(engine)) {
            keeper_start(engine); /* while there is time: who is given a lock needs it */
        }
        poll_once(engine, REDLOCK_POLL_SPINS);
        dispatch_all(engine);
    }
    engine->leading = false;
}

/* A follower's step may have brought bytes to write, a nearer deadline or a new connection, while
 * the leader sleeps in poll and can't know. */
static void help_leader(redlock_engine *engine) {
    bool look_again = flush_all(engine);
    if (!engine->polling) {
        return;
    }
    /* One that dozes is woken while the server still works: then it looks for the answer, and needs no
     * wake when that comes. */
    bool wakes_early =
        engine->dozing && engine->leader_spin.rests == 0 && redlock_core_is_waiting(engine->core);
    engine->dozing = engine->dozing && !wakes_early;
    if (wakes_early || look_again || engine->links_changed ||
        redlock_sources_have_news(&engine->sources) ||
        redlock_core_deadline(engine->core) < engine->poll_until) {
        redlock_wake_raise(&engine->sources.wake);
    }
}

/* [locked] Wakes it if it sleeps, at the latest when the mutex is free. */
static void call_wake(redlock_engine *engine, redlock_call *call) {
    if (!redlock_link_is_linked(&call->link) ||
        atomic_load_explicit(&call->called, memory_order_relaxed)) {
        return;
    }
    atomic_store_explicit(&call->called, true, memory_order_release);
    if (call->is_looking) {
        return;
    }
    redlock_seats_call(&engine->seats, &call->seat);
}

/* Looks without the mutex whether it is called.  Still linked, and called only with the mutex held: so
 * who called it is done with it when we have the mutex again. */
static void call_spin(redlock_engine *engine, redlock_call *call) {
    redlock_spin *spin = &engine->call_spins[call->may_queue];
    if (!redlock_spin_is_due(spin)) {
        return;
    }
    bool called;
    call->is_looking = true;
    redlock_engine_unlock(engine);
    redlock_ns begun = redlock_clock_now();
    do {
        called = atomic_load_explicit(&call->called, memory_order_acquire);
    } while (!called && redlock_spin_again(begun));
    redlock_engine_lock(engine);
    call->is_looking = false;
    redlock_spin_learn(spin, called);
}

static void call_sleep(redlock_engine *engine, redlock_call *call) {
    redlock_seat_take(&call->seat);
    redlock_engine_unlock(engine);
    redlock_seat_sleep(&call->seat);
    redlock_engine_lock(engine);
}

/* Until it is done, or told to lead, or for no reason. */
static void call_follow(redlock_engine *engine, redlock_call *call) {
    atomic_store_explicit(&call->called, false, memory_order_relaxed);
    redlock_list_append(&engine->waiters, &call->link);
    call_spin(engine, call);
    if (!atomic_load_explicit(&call->called, memory_order_relaxed)) {
        call_sleep(engine, call);
    }
    redlock_list_remove(&call->link);
}

void redlock_call_init(redlock_call *call, bool may_queue) {
    *call = (redlock_call){.may_queue = may_queue};
}

void redlock_engine_complete(redlock_engine *engine, redlock_call *call) {
    call->done = true;
    if (redlock_link_is_linked(&call->link)) {
        call->leaves = true;
        engine->leaving++;
    }
    call_wake(engine, call);
    redlock_list_remove(&call->link); /* leading is for those who still wait */
}

void redlock_engine_step(redlock_engine *engine, const redlock_fact *fact) {
    step_and_carry(engine, fact, redlock_clock_now());
}

void redlock_engine_wake(redlock_engine *engine) {
    redlock_wake_raise(&engine->sources.wake);
}

void redlock_engine_wait_change(redlock_engine *engine) {
    wake_called(engine);
    (void)pthread_cond_wait(&engine->changed, &engine->mutex);
}

void redlock_engine_changed(redlock_engine *engine) {
    (void)pthread_cond_broadcast(&engine->changed);
}

/* --- keeper ---------------------------------------------------------------------------------- */

static void keeper_sleep(redlock_engine *engine, redlock_ns until, redlock_ns now) {
    engine->keeper_until = until;
    wake_called(engine);
    if (until == REDLOCK_NEVER) {
        (void)pthread_cond_wait(&engine->keeper_cond, &engine->mutex);
    } else {
        struct timespec at;
        (void)clock_gettime(CLOCK_MONOTONIC, &at); /* the condition's clock; only a nap's length */
        redlock_ns nap = redlock_ns_min(redlock_ns_since(until, now), NAP_NS_MAX);
        redlock_ns sum = (redlock_ns)at.tv_nsec + nap;
        at.tv_sec += (time_t)(sum / REDLOCK_NS_PER_S);
        at.tv_nsec = (long)(sum % REDLOCK_NS_PER_S);
        (void)pthread_cond_timedwait(&engine->keeper_cond, &engine->mutex, &at);
    }
    engine->keeper_until = 0;
}

/* Leads while answers are awaited or something is due, until a caller wants to. */
static void keeper_lead(redlock_engine *engine) {
    engine->leading = true;
    for (;;) {
        dispatch_all(engine);
        (void)flush_all(engine);
        deliver_events(engine);
        if (engine->stopping || !redlock_list_is_empty(&engine->waiters)) {
            break;
        }
        bool due = redlock_core_deadline(engine->core) <= redlock_clock_now();
        if (!due && !redlock_sources_have_news(&engine->sources) &&
            !redlock_core_is_waiting(engine->core)) {
            break;
        }
        poll_once(engine, REDLOCK_POLL_SLEEPS);
    }
    engine->leading = false;
    hand_over(engine);
}

/* When the keeper has to lead, if no caller does: at the next deadline, or when answers that nobody
 * waits for have had time to come. */
static redlock_ns keeper_due(const redlock_engine *engine) {
    if (redlock_sources_have_news(&engine->sources)) {
        return 0;
    }
    redlock_ns due = redlock_core_deadline(engine->core);
    if (redlock_core_is_waiting(engine->core)) {
        due = redlock_ns_min(due, redlock_ns_add(engine->left_at, DRAIN_NS));
    }
    return due;
}

static void *keeper_main(void *ctx) {
    redlock_engine *engine = ctx;
    redlock_engine_lock(engine);
    while (!engine->stopping) {
        redlock_ns now = redlock_clock_now();
        redlock_ns due = keeper_due(engine);
        /* Who leads does what is due; a nap saves it from waking us each time.  A waiter that was told
         * to lead needs the mutex for that: taking the lead again before it would shut it out. */
        if (engine->leading || engine->heir != NULL || !redlock_list_is_empty(&engine->waiters)) {
            keeper_sleep(engine, redlock_ns_max(due, redlock_ns_add(now, DRAIN_NS)), now);
        } else if (due > now) {
            keeper_sleep(engine, due, now);
        } else {
            keeper_lead(engine);
        }
    }
    redlock_engine_unlock(engine);
    return NULL;
}

/* --- the application's loop ------------------------------------------------------------------ */

/* When the loop has to call process though its descriptor is quiet. */
static redlock_ns loop_due(const redlock_engine *engine) {
    if (!redlock_loop_is_open(&engine->sources.loop) || engine->loop_is_deaf) {
        return keeper_due(engine);
    }
    return redlock_sources_have_news(&engine->sources) ? 0 : redlock_core_deadline(engine->core);
}

/* Nobody leads: what is awaited becomes what the loop's descriptor tells. */
static void loop_arm(redlock_engine *engine) {
    if (redlock_loop_is_open(&engine->sources.loop)) {
        engine->loop_is_deaf = !redlock_sources_arm_loop(&engine->sources);
    }
    if (loop_due(engine) < engine->loop_until) {
        redlock_wake_raise(&engine->sources.wake);
    }
}

void redlock_engine_use_own_loop(redlock_engine *engine) {
    engine->has_own_loop = true;
}

int redlock_engine_loop_fd(redlock_engine *engine) {
    if (engine->has_own_loop && !redlock_loop_is_open(&engine->sources.loop) &&
        redlock_loop_open(&engine->sources.loop) && !engine->leading && engine->heir == NULL) {
        loop_arm(engine);
    }
    return engine->sources.loop.fd;
}

redlock_ns redlock_engine_loop_due(redlock_engine *engine) {
    bool is_led = engine->leading || engine->heir != NULL;
    engine->loop_until = is_led ? REDLOCK_NEVER : loop_due(engine);
    return engine->loop_until;
}

void redlock_engine_process(redlock_engine *engine) {
    REDLOCK_ASSERT(engine->has_own_loop);
    engine->loop_until = 0;
    if (engine->leading || engine->heir != NULL) {
        return;
    }
    engine->leading = true;
    poll_once(engine, REDLOCK_POLL_LOOKS);
    dispatch_all(engine);
    (void)flush_all(engine);
    engine->leading = false;
    hand_over(engine);
    deliver_events(engine); /* they may take their time: a caller leads meanwhile */
}

/* --- handing over ---------------------------------------------------------------------------- */

/* The newest if it is looking, because that one needs no wake; else the oldest. */
static redlock_call *heir_of(const redlock_engine *engine) {
    redlock_link *first = redlock_list_first(&engine->waiters);
    if (first == NULL) {
        return NULL;
    }
    redlock_call *newest = REDLOCK_LIST_ELEMENT(engine->waiters.head.prev, redlock_call, link);
    return newest->is_looking ? newest : REDLOCK_LIST_ELEMENT(first, redlock_call, link);
}

/* Nobody leads any more: a caller shall, else the keeper when something is left to do.  Until the heir is
 * there nobody else begins to lead, or it would have been woken for nothing. */
static void hand_over(redlock_engine *engine) {
    if (engine->leading || engine->heir != NULL) {
        return;
    }
    redlock_call *heir = heir_of(engine);
    if (heir != NULL) {
        engine->heir = heir;
        call_wake(engine, heir);
        return;
    }
    engine->left_at = redlock_clock_now();
    if (engine->stopping) {
        return;
    }
    if (engine->has_own_loop) {
        loop_arm(engine);
        return;
    }
    redlock_ns due = keeper_due(engine);
    if (due == REDLOCK_NEVER) {
        return;
    }
    if (!engine->keeper_runs) {
        keeper_start(engine);
    } else if (due < engine->keeper_until) {
        (void)pthread_cond_signal(&engine->keeper_cond);
    }
}

/* --- waiting for one's own work -------------------------------------------------------------- */

static bool may_lead(const redlock_engine *engine, const redlock_call *call) {
    return !engine->leading && (engine->heir == NULL || engine->heir == call);
}

/* To wake the next leader takes longer than to return.  Who was given a lock is not kept by that when
 * somebody else is on the way out (mostly the one who has released it), and no answer is awaited. */
static bool leaves_lead_behind(const redlock_engine *engine, const redlock_call *call) {
    return call->may_queue && engine->leaving > 0 && redlock_core_inflight(engine->core) == 0;
}

void redlock_engine_wait(redlock_engine *engine, redlock_call *call) {
    while (!call->done) {
        if (may_lead(engine, call)) {
            lead_until_done(engine, call);
            break;
        }
        help_leader(engine);
        if (!call->done && !may_lead(engine, call)) {
            call_follow(engine, call);
        }
    }
    bool is_led = engine->leading;
    if (is_led) { /* done at once, but there may be bytes to write */
        help_leader(engine);
    } else {
        (void)flush_all(engine);
    }
    if (engine->heir == call) { /* done before it came to lead */
        engine->heir = NULL;
    }
    engine->leaving -= call->leaves ? 1 : 0;
    if (!leaves_lead_behind(engine, call)) {
        hand_over(engine);
    }
    if (!is_led) { /* the callbacks may take their time: somebody else leads meanwhile */
        deliver_events(engine);
    }
}

/* --- the end --------------------------------------------------------------------------------- */

/* Alone by now: hears what the nodes still have to say, so that what was sent is carried out. */
static void linger(redlock_engine *engine) {
    redlock_engine_lock(engine);
    engine->ends_at =
        redlock_ns_min(engine->ends_at, redlock_ns_add(redlock_clock_now(), LINGER_NS_MAX));
    (void)flush_all(engine);
    while (redlock_core_inflight(engine->core) > 0 && redlock_clock_now() < engine->ends_at) {
        poll_once(engine, REDLOCK_POLL_SLEEPS);
        dispatch_all(engine);
        (void)flush_all(engine);
    }
    redlock_engine_unlock(engine);
}

void redlock_engine_stop(redlock_engine *engine) {
    if (redlock_fork_is_child(&engine->fork)) {
        return; /* the keeper is not here, and the mutex may be held by a thread that isn't either */
    }
    redlock_engine_lock(engine);
    engine->stopping = true;
    bool runs = engine->keeper_runs;
    engine->keeper_runs = false;
    (void)pthread_cond_signal(&engine->keeper_cond);
    redlock_engine_unlock(engine);
    if (runs) {
        redlock_wake_raise(&engine->sources.wake);
        (void)pthread_join(engine->keeper, NULL);
    }
    linger(engine);
}
