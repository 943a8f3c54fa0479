/* engine.h -- turns the core: one mutex, leader and followers, a keeper thread; decides nothing.
 *
 * Callers drive the I/O themselves.  The first one in is the leader: it polls all connections and
 * completes everybody's work.  Who comes while it polls appends its bytes, writes them itself and
 * sleeps.  When the leader's own work is done, the next sleeper leads.  A lone caller therefore pays
 * no thread switch, and many callers share one connection and one write.
 * The keeper thread starts while a first acquire waits for somebody else, or when something is left to do
 * without a caller: renewals, deadlines, late answers.  It leads only while that is due, and lets a
 * caller lead as soon as one waits.
 * Instead of the keeper an application may have its own loop do that work: it polls one descriptor, and
 * calls process when that is readable or the deadline has come.
 *
 * Calls marked [locked] want the mutex held and come back with it held; those that may release it in
 * between say so. */
#ifndef REDLOCK_DRIVE_ENGINE_H
#define REDLOCK_DRIVE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "core/core.h"
#include "drive/fork.h"
#include "drive/seats.h"
#include "drive/tls.h"
#include "wire/url.h"

typedef struct redlock_engine redlock_engine;

/* What the room above does with the core's wishes; all but deliver are called [locked]. */
typedef struct redlock_engine_hooks {
    void *ctx;
    void (*tell)(void *ctx, const redlock_wish *wish);
    /* A fresh token into `out`; its length.  Cannot fail: 0 abandons the slot's seeking. */
    size_t (*token)(void *ctx, uint32_t slot, uint8_t *out, size_t size);
    void (*gone)(void *ctx, uint32_t slot, void *memory);
    void (*woken)(void *ctx); /* somebody raised the wake: look for cancels */
    /* For counting: each wish before it is carried out, each fact from a connection before its step. */
    void (*wished)(void *ctx, const redlock_wish *wish, redlock_ns now);
    void (*heard)(void *ctx, const redlock_fact *fact, redlock_ns now);
    /* A hint: something of this slot is told soon. */
    void (*bring_near)(void *ctx, uint32_t slot);
    bool (*has_events)(void *ctx); /* deliver is wanted */
    void (*deliver)(void *ctx);    /* without the mutex, by one thread at a time */
} redlock_engine_hooks;

/* One blocked caller; lives on its stack. */
typedef struct redlock_call {
    redlock_link link;
    redlock_seat seat;
    bool may_queue;
    bool is_looking;    /* spins on `called`, instead of sleeping */
    atomic_bool called; /* done, or told to lead */
    bool done;
    bool leaves; /* done while another led: it has still to come out */
} redlock_call;

/* Copies urls, label and prefix.  NULL: no memory or descriptor; errno says which. */
redlock_engine *redlock_engine_create(const redlock_core_config *config, const redlock_url *urls,
                                      redlock_bytes label, redlock_bytes prefix,
                                      const redlock_engine_hooks *hooks);
/* What rediss URLs need, for all connections: before the first step.  False: no memory; taken all
 * the same. */
bool redlock_engine_set_tls(redlock_engine *engine, redlock_tls *take_tls);
/* The keeper never starts; the application's loop calls redlock_engine_process.  Before the first step. */
void redlock_engine_use_own_loop(redlock_engine *engine);
/* [locked] The loop's descriptor, made by the first call; -1: there is none. */
int redlock_engine_loop_fd(redlock_engine *engine);
/* [locked] When the loop has to call process though its descriptor is quiet; it is expected to sleep
 * until then.  REDLOCK_NEVER: not at all, or a caller leads. */
redlock_ns redlock_engine_loop_due(redlock_engine *engine);
/* [locked] Does what is due and takes what has come, without waiting, unless somebody leads.  Releases
 * the mutex in between.  With a loop of its own only. */
void redlock_engine_process(redlock_engine *engine);
/* Ends the keeper; no caller may be inside, and none may come.  Nothing to do in a forked child. */
void redlock_engine_stop(redlock_engine *engine);
/* Stops and frees.  In a forked child frees memory only.  NULL is fine. */
void redlock_engine_destroy(redlock_engine *engine);

bool redlock_engine_is_child(const redlock_engine *engine);
void redlock_engine_lock(redlock_engine *engine);
void redlock_engine_unlock(redlock_engine *engine);
/* [locked] */
redlock_core *redlock_engine_core(redlock_engine *engine);
/* [locked] Room for one more slot; false: no memory. */
bool redlock_engine_reserve(redlock_engine *engine);
/* [locked] The time of the last step: no clock is read. */
redlock_ns redlock_engine_now(const redlock_engine *engine);
/* [locked] Steps the core with the time of now, carries out its wishes. */
void redlock_engine_step(redlock_engine *engine, const redlock_fact *fact);
/* [locked] Drives or sleeps until call->done; releases the mutex meanwhile.  init before the step
 * that may complete it; may_queue: what it waits for may be somebody else, and not only an answer. */
void redlock_call_init(redlock_call *call, bool may_queue);
void redlock_engine_wait(redlock_engine *engine, redlock_call *call);
/* [locked] From tell: the caller's work is done. */
void redlock_engine_complete(redlock_engine *engine, redlock_call *call);
/* Async-signal-safe, any thread: makes whoever leads call hooks.woken. */
void redlock_engine_wake(redlock_engine *engine);
/* [locked] Waits until something may have changed that redlock_engine_changed was called for. */
void redlock_engine_wait_change(redlock_engine *engine);
void redlock_engine_changed(redlock_engine *engine);

#endif
