/* op.c -- blocking calls on the core: begin a slot, wait for its answer, hear its events. */
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"
#include "base/assert.h"
#include "base/near.h"
#include "drive/clock.h"
#include "drive/entropy.h"

#define RANDOM_BYTES 16
#define RANDOM_DIGITS (2 * RANDOM_BYTES)
#define NEAR_BYTES offsetof(redlock_lock, fence) /* of a lock: what a renewal looks at */

bool redlock_op_random_digits(uint8_t *out, size_t size) {
    static const char digits[] = "0123456789abcdef";
    uint8_t random[RANDOM_BYTES];
    REDLOCK_ASSERT(size <= RANDOM_DIGITS);
    if (!redlock_entropy_fill(random, sizeof random)) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)digits[i % 2 == 0 ? random[i / 2] >> 4 : random[i / 2] & 15];
    }
    return true;
}

size_t redlock_op_random_token(const char *label, uint8_t *out, size_t size) {
    size_t label_len = strlen(label);
    size_t len = RANDOM_DIGITS + 1 + label_len;
    REDLOCK_ASSERT(len <= size);
    if (!redlock_op_random_digits(out, RANDOM_DIGITS)) {
        return 0;
    }
    out[RANDOM_DIGITS] = ':';
    memcpy(out + RANDOM_DIGITS + 1, label, label_len);
    return len;
}

/* --- slots and their owners ------------------------------------------------------------------ */

bool redlock_op_reserve(redlock_client *client) {
    if (!redlock_engine_reserve(client->engine)) {
        return false;
    }
    uint32_t count = redlock_core_slot_count(redlock_engine_core(client->engine));
    if (count == client->owner_count) {
        return true;
    }
    redlock_owner *owners = realloc(client->owners, count * sizeof *owners);
    if (owners == NULL) {
        return false;
    }
    memset(owners + client->owner_count, 0, (count - client->owner_count) * sizeof *owners);
    client->owners = owners;
    client->owner_count = count;
    return true;
}

redlock_status redlock_op_run(redlock_client *client, const redlock_fact *fact, redlock_lock *lock,
                              redlock_op *op) {
    redlock_owner *owner = &client->owners[fact->slot];
    while (lock != NULL && owner->op != NULL) { /* another thread's call on this lock comes first */
        redlock_engine_wait_change(client->engine);
        owner = &client->owners[fact->slot];
    }
    redlock_call_init(&op->call, fact->kind == REDLOCK_FACT_ACQUIRE);
    op->status = REDLOCK_CLOSED;
    owner->lock = lock;
    owner->op = op;
    redlock_engine_step(client->engine, fact);
    op->begun = redlock_engine_now(client->engine);
    redlock_engine_wait(client->engine, &op->call);
    redlock_engine_changed(client->engine);
    return op->status;
}

static void answer(redlock_client *client, uint32_t slot, redlock_status status) {
    redlock_owner *owner = &client->owners[slot];
    redlock_op *op = owner->op;
    owner->op = NULL;
    if (op != NULL) {
        op->status = status;
        op->over = redlock_engine_now(client->engine);
        redlock_report_fill(op->report, client, redlock_engine_core(client->engine), slot, status);
        redlock_engine_complete(client->engine, &op->call);
    }
}

/* --- events of the core ---------------------------------------------------------------------- */

static void lock_held(redlock_client *client, redlock_lock *lock) {
    atomic_store(&lock->held_until,
                 redlock_core_held_until(redlock_engine_core(client->engine), lock->slot));
}

static void lock_acquired(redlock_client *client, redlock_lock *lock) {
    redlock_core *core = redlock_engine_core(client->engine);
    redlock_bytes token = redlock_core_token(core, lock->slot);
    memcpy(lock->token, token.at, token.len);
    lock->token[token.len] = '\0';
    lock->token_len = token.len;
    lock->fence = redlock_core_fence(core, lock->slot);
    lock_held(client, lock);
    redlock_metrics_held(client, lock);
}

static void lock_lost(redlock_client *client, redlock_lock *lock) {
    atomic_store(&lock->held_until, 0);
    lock->lost = true;
    client->counts.losses++;
    redlock_metrics_held_no_more(client, lock);
    if (lock->lost_wake_made) {
        redlock_wake_raise(&lock->lost_wake);
    }
}

/* Lines of people's own making, and of their tokens: nothing in them may steer a terminal. */
static void make_waiters(redlock_bytes waiters, redlock_info *info) {
    REDLOCK_ASSERT(waiters.len < sizeof info->waiters);
    redlock_bytes_to_text(waiters, info->waiters, sizeof info->waiters);
    for (size_t i = 0; i < waiters.len; i++) {
        if (waiters.at[i] == '\n') {
            info->waiters[i] = '\n';
        }
    }
}

/* The value that most nodes show, when a majority will be free of any, and who waits. */
static void make_info(redlock_client *client, uint32_t slot, redlock_info *info) {
    redlock_core *core = redlock_engine_core(client->engine);
    redlock_bytes waiters;
    info->waiter_count = redlock_core_waiters(core, slot, &waiters);
    make_waiters(waiters, info);
    int64_t left[REDLOCK_NODE_MAX] = {0};
    for (uint32_t i = 0; i < client->node_count; i++) {
        redlock_vote_report vote;
        redlock_core_report(core, slot, i, &vote);
        left[i] = (int64_t)redlock_ns_to_ms_up(vote.left);
        info->fence = vote.mark > info->fence ? vote.mark : info->fence;
        redlock_bytes value = redlock_core_value(core, slot, i);
        uint32_t same = 0;
        for (uint32_t j = 0; j < client->node_count && value.len > 0; j++) {
            same += redlock_bytes_equal(value, redlock_core_value(core, slot, j));
        }
        if (same > info->holder_count) {
            info->holder_count = same;
            redlock_bytes_to_text(value, info->holder, sizeof info->holder);
        }
    }
    for (uint32_t i = 0; i < client->node_count; i++) { /* the quorum-th shortest */
        uint32_t shorter = 0;
        for (uint32_t j = 0; j < client->node_count; j++) {
            shorter += left[j] < left[i] || (j < i && left[j] == left[i]);
        }
        info->left_ms = shorter == client->quorum - 1 ? left[i] : info->left_ms;
    }
}

/* A caller that was built with an older header has less room. */
static void fill_info(redlock_client *client, uint32_t slot, redlock_info *ret_info) {
    redlock_info info = {.struct_size = ret_info->struct_size};
    make_info(client, slot, &info);
    memcpy(ret_info, &info, info.struct_size < sizeof info ? info.struct_size : sizeof info);
}

static void tell_place(redlock_client *client, redlock_op *op, uint32_t slot) {
    if (op != NULL) {
        op->queued = true;
    }
    redlock_event_push_place(client, op != NULL ? op->wait : NULL,
                             redlock_core_place(redlock_engine_core(client->engine), slot));
}

static void tell_acquired(redlock_client *client, uint32_t slot, redlock_status status) {
    redlock_owner *owner = &client->owners[slot];
    if (owner->op != NULL && redlock_core_has_followed(redlock_engine_core(client->engine), slot)) {
        owner->op->woken = true;
    }
    lock_acquired(client, owner->lock);
    redlock_event_push(client, REDLOCK_EVENT_ACQUIRED, owner->lock, status, -1);
    answer(client, slot, status);
}

static void tell_slot(redlock_client *client, const redlock_wish *wish) {
    uint32_t slot = wish->slot;
    redlock_status status = wish->as.tell.status;
    redlock_owner *owner = &client->owners[slot];
    redlock_lock *lock = owner->lock;
    switch (wish->as.tell.event) {
    case REDLOCK_TELL_ACQUIRED:
        tell_acquired(client, slot, status);
        return;
    case REDLOCK_TELL_FAILED:
        owner->lock = NULL;
        answer(client, slot, status);
        return;
    case REDLOCK_TELL_RENEWED:
        lock_held(client, lock);
        redlock_metrics_renewed(client, slot);
        redlock_event_push(client, REDLOCK_EVENT_RENEWED, lock, status, -1);
        return;
    case REDLOCK_TELL_RENEW_LATE:
        client->counts.renewals_late++;
        redlock_event_push(client, REDLOCK_EVENT_RENEW_LATE, lock, status, -1);
        return;
    case REDLOCK_TELL_EXTENDED:
        answer(client, slot, status);
        return;
    case REDLOCK_TELL_LOST:
        lock_lost(client, lock);
        redlock_event_push(client, REDLOCK_EVENT_LOST, lock, status, -1);
        return;
    case REDLOCK_TELL_RELEASED:
        owner->lock = NULL;
        redlock_metrics_held_no_more(client, lock);
        redlock_event_push(client, REDLOCK_EVENT_RELEASED, lock, status, -1);
        answer(client, slot, status);
        return;
    case REDLOCK_TELL_LOOKED:
        if (owner->op != NULL && owner->op->info != NULL) {
            fill_info(client, slot, owner->op->info);
        }
        answer(client, slot, status);
        return;
    case REDLOCK_TELL_WAITING:
        tell_place(client, owner->op, slot);
        return;
    case REDLOCK_TELL_NODE_UP:
    case REDLOCK_TELL_NODE_DOWN:
        break; /* told with no slot */
    }
    REDLOCK_ASSERT(false);
}

void redlock_op_tell(void *ctx, const redlock_wish *wish) {
    redlock_client *client = ctx;
    if (wish->slot != REDLOCK_SLOT_NONE) {
        tell_slot(client, wish);
        return;
    }
    bool up = wish->as.tell.event == REDLOCK_TELL_NODE_UP;
    redlock_event_kind kind = up ? REDLOCK_EVENT_NODE_UP : REDLOCK_EVENT_NODE_DOWN;
    redlock_event_push(client, kind, NULL, wish->as.tell.status, (int32_t)wish->node);
}

size_t redlock_op_token(void *ctx, uint32_t slot, uint8_t *out, size_t size) {
    redlock_client *client = ctx;
    const redlock_lock *lock = client->owners[slot].lock;
    return redlock_op_random_token(lock != NULL ? lock->label : client->label, out, size);
}

void redlock_op_gone(void *ctx, uint32_t slot, void *memory) {
    redlock_client *client = ctx;
    client->owners[slot] = (redlock_owner){NULL, NULL};
    redlock_pool_give(client->pool, memory);
}

void redlock_op_bring_near(void *ctx, uint32_t slot) {
    const redlock_client *client = ctx;
    if (slot < client->owner_count) {
        redlock_bring_near(client->owners[slot].lock, NEAR_BYTES);
    }
}

void redlock_op_woken(void *ctx) {
    redlock_client *client = ctx;
    redlock_link *end = &client->waits.head;
    for (redlock_link *link = client->waits.head.next; link != end; link = link->next) {
        redlock_wait *wait = REDLOCK_LIST_ELEMENT(link, redlock_wait, link);
        const redlock_op *op =
            client->owners[wait->slot].op; /* another's by now, when ours is done */
        if (atomic_load(&wait->canceled) != 0 && op != NULL && op->wait == wait) {
            const redlock_fact cancel = {.kind = REDLOCK_FACT_CANCEL, .slot = wait->slot};
            redlock_engine_step(client->engine, &cancel);
        }
    }
}
