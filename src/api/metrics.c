/* metrics.c -- feeding the counts of a client, and handing them out. */
#include <string.h>

#include <redlock/metrics.h>

#include "api/inside.h"
#include "base/histogram.h"

_Static_assert(REDLOCK_TIMING_BUCKETS == REDLOCK_HISTOGRAM_BUCKETS, "they are copied one to one");
_Static_assert(REDLOCK_WHERE_BYTES == sizeof((redlock_node_metrics *)0)->where, "copied whole");
_Static_assert(REDLOCK_SENT_MAX >= 1 && (REDLOCK_SENT_MAX & (REDLOCK_SENT_MAX - 1)) == 0,
               "a ring whose indexes may wrap");

/* --- what the engine tells ------------------------------------------------------------------- */

void redlock_metrics_wished(void *ctx, const redlock_wish *wish, redlock_ns now) {
    redlock_client *client = ctx;
    if (wish->kind == REDLOCK_WISH_SEND || wish->kind == REDLOCK_WISH_HANG_UP ||
        (wish->kind == REDLOCK_WISH_TELL && wish->slot == REDLOCK_SLOT_NONE)) {
        redlock_meter_wish(&client->meters[wish->node], wish, now);
    }
}

/* A tag comes from the network and may name anything. */
static void slot_woken(redlock_client *client, uint64_t tag) {
    uint32_t slot = redlock_core_slot_of(tag);
    if (slot < client->owner_count && client->owners[slot].op != NULL) {
        client->owners[slot].op->woken = true;
    }
}

void redlock_metrics_heard(void *ctx, const redlock_fact *fact, redlock_ns now) {
    redlock_client *client = ctx;
    redlock_meter_fact(&client->meters[fact->node], fact, now);
    if (fact->kind == REDLOCK_FACT_WAKE) {
        slot_woken(client, fact->as.wake.tag);
    }
}

/* --- what becomes of a lock ------------------------------------------------------------------ */

void redlock_metrics_held(redlock_client *client, redlock_lock *lock) {
    lock->held_from = redlock_engine_now(client->engine);
    client->counts.held++;
}

void redlock_metrics_held_no_more(redlock_client *client, redlock_lock *lock) {
    if (lock->held_from != 0) {
        redlock_histogram_add(
            &client->counts.hold,
            redlock_ns_since(redlock_engine_now(client->engine), lock->held_from));
        lock->held_from = 0;
        client->counts.held--;
    }
}

void redlock_metrics_renewed(redlock_client *client, uint32_t slot) {
    redlock_ns took = redlock_core_renewal(redlock_engine_core(client->engine), slot);
    client->counts.renewals++;
    if (took > 0) {
        redlock_histogram_add(&client->counts.renew, took);
    }
}

void redlock_metrics_acquired(redlock_client *client, const redlock_op *op, redlock_status status) {
    redlock_counts *counts = &client->counts;
    redlock_ns length = redlock_ns_since(op->over, op->begun);
    redlock_count_answer(counts->acquires, status);
    if (status == REDLOCK_OK) {
        redlock_histogram_add(&counts->acquire, length);
    }
    if (op->queued) {
        redlock_histogram_add(&counts->wait, length);
        counts->handovers += status == REDLOCK_OK && op->woken;
    }
}

/* --- reading --------------------------------------------------------------------------------- */

static uint64_t us_up(redlock_ns length) {
    return length / REDLOCK_NS_PER_US + (length % REDLOCK_NS_PER_US != 0);
}

static void copy_timing(redlock_timing *ret_timing, const redlock_histogram *from) {
    ret_timing->count = from->count;
    ret_timing->sum_us = from->sum / REDLOCK_NS_PER_US;
    ret_timing->max_us = us_up(from->max);
    memcpy(ret_timing->bucket, from->bucket, sizeof ret_timing->bucket);
}

static void copy_counts(redlock_metrics *ret_metrics, const redlock_client *client) {
    const redlock_counts *from = &client->counts;
    ret_metrics->node_count = client->node_count;
    ret_metrics->locks_held = from->held;
    ret_metrics->acquires_going = from->going;
    memcpy(ret_metrics->acquires, from->acquires, sizeof from->acquires);
    memcpy(ret_metrics->adopts, from->adopts, sizeof from->adopts);
    memcpy(ret_metrics->extends, from->extends, sizeof from->extends);
    memcpy(ret_metrics->releases, from->releases, sizeof from->releases);
    ret_metrics->handovers = from->handovers;
    ret_metrics->renewals = from->renewals;
    ret_metrics->renewals_late = from->renewals_late;
    ret_metrics->losses = from->losses;
    copy_timing(&ret_metrics->acquire, &from->acquire);
    copy_timing(&ret_metrics->wait, &from->wait);
    copy_timing(&ret_metrics->hold, &from->hold);
    copy_timing(&ret_metrics->renew, &from->renew);
}

static void copy_meter(redlock_node_metrics *ret_metrics, const redlock_meter *from,
                       const char *where) {
    ret_metrics->is_up = from->up;
    ret_metrics->commands = from->commands;
    ret_metrics->answers = from->answers;
    ret_metrics->unanswered = from->unanswered;
    ret_metrics->connects = from->connects;
    ret_metrics->connects_failed = from->connects_failed;
    ret_metrics->disconnects = from->disconnects;
    ret_metrics->wakes = from->wakes;
    memcpy(ret_metrics->errors, from->errors, sizeof from->errors);
    copy_timing(&ret_metrics->round_trip, &from->round_trip);
    memcpy(ret_metrics->where, where, sizeof ret_metrics->where);
}

/* A caller that was built with an older header has less room; its size stays as it says. */
static void hand_out(void *ret_metrics, const void *metrics, size_t size) {
    uint32_t room;
    memcpy(&room, ret_metrics, sizeof room);
    size_t used = room < size ? room : size;
    memcpy((uint8_t *)ret_metrics + sizeof room, (const uint8_t *)metrics + sizeof room,
           used - sizeof room);
}

int redlock_client_metrics(redlock_client *client, redlock_metrics *ret_metrics) {
    redlock_metrics metrics = {.struct_size = 0};
    if (client == NULL || ret_metrics == NULL || ret_metrics->struct_size < sizeof metrics) {
        return REDLOCK_INVALID;
    }
    if (redlock_engine_is_child(client->engine)) {
        return REDLOCK_FORKED;
    }
    redlock_engine_lock(client->engine);
    copy_counts(&metrics, client);
    redlock_engine_unlock(client->engine);
    hand_out(ret_metrics, &metrics, sizeof metrics);
    return REDLOCK_OK;
}

int redlock_client_node_metrics(redlock_client *client, uint32_t node,
                                redlock_node_metrics *ret_metrics) {
    redlock_node_metrics metrics = {.struct_size = 0};
    if (client == NULL || ret_metrics == NULL || ret_metrics->struct_size < sizeof metrics ||
        node >= client->node_count) {
        return REDLOCK_INVALID;
    }
    if (redlock_engine_is_child(client->engine)) {
        return REDLOCK_FORKED;
    }
    redlock_engine_lock(client->engine);
    copy_meter(&metrics, &client->meters[node], client->where[node]);
    redlock_engine_unlock(client->engine);
    hand_out(ret_metrics, &metrics, sizeof metrics);
    return REDLOCK_OK;
}

/* --- histograms ------------------------------------------------------------------------------ */

int64_t redlock_timing_bound_us(uint32_t bucket) {
    return bucket < REDLOCK_TIMING_BUCKETS - 1 ? (int64_t)redlock_histogram_bound_us(bucket)
                                               : INT64_MAX;
}

int64_t redlock_timing_quantile_us(const redlock_timing *timing, uint32_t permille) {
    return (int64_t)redlock_histogram_quantile_us(timing->bucket, timing->count, timing->max_us,
                                                  permille < 1000 ? permille : 1000);
}
