/* options.c -- reading what the caller passed: sizes, ranges, defaults. */
#include <string.h>

#include "api/inside.h"
#include "wire/step.h"

#define NODE_TIMEOUT_MS_MIN 20
#define NODE_TIMEOUT_MS_MAX 1000
#define MARGIN_MS_MAX 1000
#define TTL_MS_DEFAULT 30000
#define FLAGS_KNOWN (REDLOCK_ACQUIRE_PLAIN | REDLOCK_ACQUIRE_BARGE | REDLOCK_ACQUIRE_POLL)
#define POLL_MS_MIN 200 /* of a waiter that nobody has woken */
#define POLL_MS_MAX 5000
#define RETRY_MIN_MS 50
#define RETRY_JITTER_MS 250

redlock_status redlock_options_read(void *out, size_t size, const void *options) {
    memset(out, 0, size);
    if (options == NULL) {
        return REDLOCK_OK;
    }
    uint32_t given;
    memcpy(&given, options, sizeof given);
    if (given < sizeof given) {
        return REDLOCK_INVALID; /* struct_size was not set */
    }
    memcpy(out, options, given < size ? given : size);
    for (size_t i = size; i < given; i++) {
        if (((const unsigned char *)options)[i] != 0) {
            return REDLOCK_UNSUPPORTED;
        }
    }
    return REDLOCK_OK;
}

redlock_status redlock_options_name(const char *name, size_t name_len) {
    if (name == NULL || name_len < 1 || name_len > REDLOCK_NAME_BYTES_MAX) {
        return REDLOCK_BAD_NAME;
    }
    return redlock_key_is_reserved((redlock_bytes){(const uint8_t *)name, name_len})
               ? REDLOCK_BAD_NAME
               : REDLOCK_OK;
}

void redlock_options_label(const char *label, char out[REDLOCK_LABEL_BYTES_MAX + 1]) {
    size_t len = strnlen(label, REDLOCK_LABEL_BYTES_MAX);
    for (size_t i = 0; i < len; i++) {
        out[i] = label[i] > ' ' && label[i] < 0x7f ? label[i] : '_';
    }
    out[len] = '\0';
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* 0: the default; -1: nothing.  Lengths beyond a day are cut: no lock lives longer. */
static redlock_ns length_of(int64_t ms, int64_t default_ms) {
    int64_t chosen = ms == 0 ? default_ms : ms < 0 ? 0 : ms;
    return redlock_ns_from_ms((uint64_t)clamp(chosen, 0, INT64_C(86400000)));
}

static redlock_status seek_times(const redlock_client *client,
                                 const redlock_acquire_options *options, redlock_seek *seek) {
    int64_t ttl = options->ttl_ms == 0 ? TTL_MS_DEFAULT : options->ttl_ms;
    if (options->ttl_ms == 0 && ttl > client->ttl_max_ms) {
        ttl = client->ttl_max_ms;
    }
    if (ttl < 1 || ttl > client->ttl_max_ms) {
        return REDLOCK_BAD_TTL;
    }
    seek->ttl = redlock_ns_from_ms((uint64_t)ttl);
    int64_t margin = ttl / 4 < MARGIN_MS_MAX ? ttl / 4 : MARGIN_MS_MAX;
    seek->margin = length_of(options->margin_ms, margin == 0 ? -1 : margin);
    seek->node_timeout = length_of(options->node_timeout_ms,
                                   clamp(ttl / 20, NODE_TIMEOUT_MS_MIN, NODE_TIMEOUT_MS_MAX));
    /* In nanoseconds, or a ttl of a few milliseconds would never be renewed. */
    redlock_ns renew = options->renew_ms == 0 ? seek->ttl / 3 : length_of(options->renew_ms, 0);
    seek->renew = options->renew_ms == REDLOCK_NO_RENEW ? 0 : renew;
    seek->poll = redlock_ns_from_ms((uint64_t)clamp(ttl / 3, POLL_MS_MIN, POLL_MS_MAX));
    return REDLOCK_OK;
}

redlock_status redlock_options_seek(const redlock_client *client,
                                    const redlock_acquire_options *options,
                                    redlock_seek *ret_seek) {
    *ret_seek = (redlock_seek){.fenced = (options->flags & REDLOCK_ACQUIRE_PLAIN) == 0};
    bool bad_lengths = options->margin_ms < -1 || options->node_timeout_ms < 0 ||
                       options->renew_ms < -1 || options->retry_min_ms < -1 ||
                       options->retry_jitter_ms < -1;
    if (bad_lengths || options->wait_ms < 0 || options->tries_max < 0 ||
        options->tries_max > UINT32_MAX || (options->flags & ~FLAGS_KNOWN) != 0) {
        return REDLOCK_INVALID;
    }
    ret_seek->tries_max = (uint32_t)options->tries_max;
    ret_seek->retry_min = length_of(options->retry_min_ms, RETRY_MIN_MS);
    ret_seek->retry_jitter = length_of(options->retry_jitter_ms, RETRY_JITTER_MS);
    bool bounded = options->wait_ms < INT64_MAX / (int64_t)REDLOCK_NS_PER_MS;
    ret_seek->wait = bounded ? redlock_ns_from_ms((uint64_t)options->wait_ms) : REDLOCK_NEVER;
    if (options->token != NULL || options->token_len != 0) {
        if (options->token == NULL || options->token_len < 1 ||
            options->token_len > REDLOCK_TOKEN_BYTES_MAX) {
            return REDLOCK_BAD_TOKEN;
        }
        ret_seek->own_token = true;
    }
    /* A number of tries is a wish for polling; without a wait there is nothing to queue for. */
    bool polls = (options->flags & REDLOCK_ACQUIRE_POLL) != 0 || options->tries_max > 0;
    ret_seek->barge = (options->flags & REDLOCK_ACQUIRE_BARGE) != 0;
    ret_seek->queued = ret_seek->fenced && ret_seek->wait > 0 && !polls;
    return seek_times(client, options, ret_seek);
}
