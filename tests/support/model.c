#include "model.h"

#include <stdlib.h>
#include <string.h>

/* How far a proposal may be ahead of the node's clock: one wrong client clock must not push a
 * mark out of everybody's reach. */
#define GRANT_AHEAD_MAX_US UINT64_C(3600000000)
#define RAISE_AHEAD_MAX_US UINT64_C(86400000000)
/* The queue's numbers, as in the scripts. */
#define HEADS_MAX 128u
#define HEADS_FIRST 2u
#define AWAY_MS 3000u
#define WOKEN_MS 2000u
#define POLL_FACTOR_MAX 4u
#define SHOWN_MAX 32u
#define LABEL_BYTES 64u

/* --- the keyspace ------------------------------------------------------------------------ */

static redlock_bytes bytes_at(const void *at, size_t len) {
    return (redlock_bytes){.at = at, .len = len};
}

static void require(bool condition) {
    if (!condition) {
        abort(); /* the test asked for more than the model was made for */
    }
}

static const redlock_model_key *key_find(const redlock_model *model, redlock_bytes name) {
    for (uint32_t i = 0; i < model->key_count; i++) {
        if (redlock_bytes_equal(bytes_at(model->key[i].name, model->key[i].name_len), name)) {
            return &model->key[i];
        }
    }
    return NULL;
}

static void queue_clear(redlock_model *model, uint32_t key) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < model->waiter_count; i++) {
        if (model->waiters[i].key != key) {
            model->waiters[kept++] = model->waiters[i];
        }
    }
    model->waiter_count = kept;
}

/* The name's entry with everything removed whose time is over; made when it is missing. */
static redlock_model_key *key_open(redlock_model *model, redlock_bytes name, uint64_t now_ms) {
    const redlock_model_key *found = key_find(model, name);
    if (found == NULL) {
        require(model->key_count < REDLOCK_MODEL_KEYS_MAX && name.len <= REDLOCK_MODEL_NAME_BYTES);
        redlock_model_key *key = &model->key[model->key_count++];
        *key = (redlock_model_key){.name_len = name.len};
        memcpy(key->name, name.at, name.len);
        return key;
    }
    redlock_model_key *key = &model->key[found - model->key];
    if (now_ms > key->expires_ms) {
        key->value_len = 0;
    }
    if (now_ms > key->mark_expires_ms) {
        key->mark = 0;
    }
    if (now_ms > key->queue_expires_ms && model->waiter_count > 0) {
        queue_clear(model, (uint32_t)(key - model->key));
    }
    return key;
}

static redlock_bytes key_value(const redlock_model_key *key) {
    return bytes_at(key->value, key->value_len);
}

static void key_set(redlock_model_key *key, redlock_bytes value, uint64_t expires_ms) {
    require(value.len >= 1 && value.len <= sizeof key->value);
    memcpy(key->value, value.at, value.len);
    key->value_len = value.len;
    key->expires_ms = expires_ms;
}

static void key_set_mark(redlock_model_key *key, uint64_t mark, uint64_t now_ms) {
    key->mark = mark;
    key->mark_expires_ms = now_ms + REDLOCK_MARK_TTL_MS;
}

static uint64_t key_left_ms(const redlock_model_key *key, uint64_t now_ms) {
    return key->value_len == 0 || key->expires_ms < now_ms ? 0 : key->expires_ms - now_ms;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* --- a node's life ----------------------------------------------------------------------- */

void redlock_model_init(redlock_model *model, uint32_t number) {
    *model = (redlock_model){.fails_with = REDLOCK_OK, .number = number};
    memset(model->run_id, '0', REDLOCK_RUN_ID_BYTES);
    model->run_id[0] = (char)('a' + number);
}

void redlock_model_deinit(redlock_model *model) {
    free(model->waiters);
    free(model->said_waiters);
    model->waiters = NULL;
    model->said_waiters = NULL;
    model->waiter_count = model->waiter_size = 0;
}

void redlock_model_restart(redlock_model *model, bool lose) {
    /* The run's number is counted up in the last digits, as decimals. */
    for (size_t i = REDLOCK_RUN_ID_BYTES - 1; i > 0; i--) {
        if (model->run_id[i] != '9') {
            model->run_id[i]++;
            break;
        }
        model->run_id[i] = '0';
    }
    if (lose) {
        model->key_count = 0;
        model->waiter_count = 0;
        model->has_boot = false;
    }
}

redlock_bytes redlock_model_value(const redlock_model *model, redlock_bytes name, uint64_t now_us) {
    const redlock_model_key *key = key_find(model, name);
    bool is_there = key != NULL && now_us / 1000 <= key->expires_ms;
    return is_there ? key_value(key) : bytes_at(NULL, 0);
}

uint64_t redlock_model_mark(const redlock_model *model, redlock_bytes name, uint64_t now_us) {
    const redlock_model_key *key = key_find(model, name);
    return key != NULL && now_us / 1000 <= key->mark_expires_ms ? key->mark : 0;
}

const redlock_model_waiter *redlock_model_waiter_at(const redlock_model *model, redlock_bytes name,
                                                    uint32_t place, uint64_t now_us) {
    const redlock_model_key *key = key_find(model, name);
    if (key == NULL || now_us / 1000 > key->queue_expires_ms) {
        return NULL;
    }
    uint32_t index = (uint32_t)(key - model->key);
    for (uint32_t i = 0; i < model->waiter_count; i++) {
        if (model->waiters[i].key == index && --place == 0) {
            return &model->waiters[i];
        }
    }
    return NULL;
}

void redlock_model_plant(redlock_model *model, redlock_bytes name, redlock_bytes value,
                         uint64_t expires_ms, uint64_t mark) {
    redlock_model_key *key = key_open(model, name, 0);
    key_set(key, value, expires_ms);
    if (mark > 0) {
        key_set_mark(key, mark, expires_ms);
    }
}

void redlock_model_expire(redlock_model *model, redlock_bytes name) {
    key_open(model, name, 0)->value_len = 0;
}

/* --- answers ----------------------------------------------------------------------------- */

typedef struct moment { /* one command at one instant of the node */
    redlock_model *model;
    const redlock_command *command;
    redlock_model_key *key; /* NULL for commands without a name */
    uint64_t now_us, now_ms;
} moment;

static redlock_bytes say(redlock_model *model, redlock_bytes text) {
    size_t len = text.len < sizeof model->said ? text.len : sizeof model->said;
    if (len > 0) {
        memmove(model->said, text.at, len);
    }
    return bytes_at(model->said, len);
}

static redlock_answer answer(const moment *at, redlock_answer_kind kind, redlock_status status) {
    bool has_mark = at->key != NULL && at->command->fenced;
    return (redlock_answer){
        .kind = kind,
        .status = status,
        .mark = has_mark ? at->key->mark : 0,
        .time_ms = at->now_ms,
    };
}

static redlock_answer answer_not_ready(const moment *at, uint64_t left_ms, const char *text) {
    redlock_answer result = answer(at, REDLOCK_ANSWER_NOT_READY, REDLOCK_NOT_READY);
    result.mark = 0; /* not read before the guard has passed */
    result.left_ms = left_ms;
    result.text = redlock_bytes_of(text);
    return result;
}

static redlock_answer answer_held(const moment *at, uint32_t place) {
    redlock_answer result = answer(at, REDLOCK_ANSWER_NO, REDLOCK_HELD);
    result.place = place;
    result.left_ms = key_left_ms(at->key, at->now_ms);
    result.text = say(at->model, key_value(at->key));
    return result;
}

static bool token_holds(const moment *at) {
    return redlock_bytes_equal(key_value(at->key), at->command->token);
}

static void lengthen(const moment *at) {
    at->key->expires_ms = larger(at->key->expires_ms, at->now_ms + at->command->ttl_ms);
}

static void raise_mark(const moment *at) {
    if (at->command->fenced) {
        key_set_mark(at->key, larger(at->key->mark, at->command->fence), at->now_ms);
    }
}

/* --- the restart guard ------------------------------------------------------------------- */

static bool is_known_run(const moment *at) {
    redlock_bytes stored = redlock_bytes_of(at->model->boot_run);
    return at->model->has_boot && redlock_bytes_equal(stored, at->command->run_id);
}

static void boot_set(const moment *at, uint64_t since_ms) {
    redlock_model *model = at->model;
    require(at->command->run_id.len == REDLOCK_RUN_ID_BYTES);
    memcpy(model->boot_run, at->command->run_id.at, REDLOCK_RUN_ID_BYTES);
    model->boot_run[REDLOCK_RUN_ID_BYTES] = '\0';
    model->boot_since_ms = since_ms;
    model->has_boot = true;
}

/* What is left of the silence of a run that the node knows. */
static uint64_t silence_left_ms(const moment *at) {
    uint64_t since_ms = at->model->boot_since_ms;
    uint64_t end_ms = since_ms + at->command->guard_ms;
    return since_ms == 0 || at->now_ms >= end_ms ? 0 : end_ms - at->now_ms;
}

/* True when the node may vote; else *ret_answer says why not. */
static bool guard_allows(const moment *at, redlock_answer *ret_answer) {
    if (at->command->run_id.len == 0) {
        return true;
    }
    if (!is_known_run(at) || at->model->boot_since_ms > at->now_ms) {
        boot_set(at, at->now_ms);
        *ret_answer = answer_not_ready(at, at->command->guard_ms, "");
        return false;
    }
    uint64_t left_ms = silence_left_ms(at);
    if (left_ms > 0) {
        *ret_answer = answer_not_ready(at, left_ms, "");
        return false;
    }
    return true;
}

/* --- the queue --------------------------------------------------------------------------- */

static redlock_bytes waiter_token(const redlock_model_waiter *waiter) {
    return bytes_at(waiter->token, waiter->token_len);
}

/* Sorted sets order equal scores by their members' bytes. */
static bool waiter_is_before(const redlock_model_waiter *a, const redlock_model_waiter *b) {
    if (a->ticket != b->ticket) {
        return a->ticket < b->ticket;
    }
    size_t shorter = a->token_len < b->token_len ? a->token_len : b->token_len;
    int order = memcmp(a->token, b->token, shorter);
    return order != 0 ? order < 0 : a->token_len < b->token_len;
}

static void waiter_insert(redlock_model *model, const redlock_model_waiter *waiter) {
    if (model->waiter_count == model->waiter_size) {
        model->waiter_size = model->waiter_size == 0 ? 16 : model->waiter_size * 2;
        model->waiters = realloc(model->waiters, model->waiter_size * sizeof *model->waiters);
        require(model->waiters != NULL);
    }
    uint32_t at = model->waiter_count++;
    for (; at > 0 && waiter_is_before(waiter, &model->waiters[at - 1]); at--) {
        model->waiters[at] = model->waiters[at - 1];
    }
    model->waiters[at] = *waiter;
}

static void waiter_remove(redlock_model *model, redlock_model_waiter *waiter) {
    size_t behind = model->waiter_count - (size_t)(waiter - model->waiters) - 1;
    memmove(waiter, waiter + 1, behind * sizeof *waiter);
    model->waiter_count--;
}

/* The one of this rank in the name's queue, the first is 0; NULL: there are not so many. */
static redlock_model_waiter *waiter_of_rank(const redlock_model *model, uint32_t key,
                                            uint32_t rank) {
    for (uint32_t i = 0; i < model->waiter_count; i++) {
        if (model->waiters[i].key == key && rank-- == 0) {
            return &model->waiters[i];
        }
    }
    return NULL;
}

static uint32_t queue_count(const redlock_model *model, uint32_t key) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->waiter_count; i++) {
        count += model->waiters[i].key == key;
    }
    return count;
}

static uint32_t key_of(const moment *at) {
    return (uint32_t)(at->key - at->model->key);
}

/* NULL: it does not wait. */
static redlock_model_waiter *waiter_find(const moment *at, redlock_bytes token,
                                         uint32_t *ret_rank) {
    redlock_model_waiter *waiter;
    for (*ret_rank = 0; (waiter = waiter_of_rank(at->model, key_of(at), *ret_rank)) != NULL;
         *ret_rank += 1) {
        if (redlock_bytes_equal(waiter_token(waiter), token)) {
            return waiter;
        }
    }
    return NULL;
}

static void queue_leave(const moment *at, redlock_bytes token) {
    uint32_t rank;
    redlock_model_waiter *waiter = waiter_find(at, token, &rank);
    if (waiter != NULL) {
        waiter_remove(at->model, waiter);
    }
}

typedef enum heard { HEARD_YES, HEARD_NOT_NOW, HEARD_NEVER } heard;

static void count_at_most(const moment *at, redlock_model_waiter *waiter, uint64_t keep_ms) {
    if (waiter->until_ms > at->now_ms + keep_ms) {
        waiter->until_ms = at->now_ms + keep_ms;
    }
}

/* mark: it is handed the name with this; 0: it is only woken. */
static heard queue_wake(const moment *at, redlock_model_waiter *waiter, uint64_t mark) {
    const redlock_model *model = at->model;
    const redlock_wake_call call = {.tag = waiter->wake_tag,
                                    .mark = mark,
                                    .time_ms = mark > 0 ? at->now_ms : 0,
                                    .token = mark > 0 ? waiter_token(waiter) : bytes_at(NULL, 0)};
    if (waiter->until_ms < at->now_ms) {
        return HEARD_NEVER;
    }
    redlock_bytes channel = bytes_at(waiter->channel, waiter->channel_len);
    if (model->publish != NULL &&
        model->publish(model->publish_context, model->number, channel, &call)) {
        return HEARD_YES;
    }
    count_at_most(at, waiter, AWAY_MS);
    return HEARD_NOT_NOW;
}

typedef struct before { /* of a token */
    bool is_waited;     /* somebody in front of it can be reached, and is woken */
    bool has_queue;
} before;

/* Looks at the first `count` of the queue; true when that decides. */
static bool queue_wake_heads(const moment *at, redlock_bytes token, uint32_t count, before *ret) {
    uint32_t rank = 0, seen = 0, waiting = queue_count(at->model, key_of(at));
    for (; seen < count && seen < waiting; seen++) {
        redlock_model_waiter *waiter = waiter_of_rank(at->model, key_of(at), rank);
        if (redlock_bytes_equal(waiter_token(waiter), token)) {
            *ret = (before){.is_waited = false, .has_queue = true};
            return true;
        }
        heard result = queue_wake(at, waiter, 0);
        if (result == HEARD_YES) {
            count_at_most(at, waiter, WOKEN_MS);
            *ret = (before){.is_waited = true, .has_queue = true};
            return true;
        }
        if (result == HEARD_NEVER) {
            waiter_remove(at->model, waiter);
        } else {
            rank++;
        }
    }
    *ret = (before){.is_waited = false, .has_queue = seen > 0};
    return seen < count || count == HEADS_MAX;
}

static before queue_wake_before(const moment *at, redlock_bytes token) {
    before result;
    if (!queue_wake_heads(at, token, HEADS_FIRST, &result)) {
        (void)queue_wake_heads(at, token, HEADS_MAX, &result);
    }
    return result;
}

static uint64_t poll_interval_ms(uint64_t poll_ms, uint32_t rank) {
    uint32_t factor = rank + 1 < POLL_FACTOR_MAX ? rank + 1 : POLL_FACTOR_MAX;
    return poll_ms * factor;
}

static void queue_add(const moment *at) {
    const redlock_command *command = at->command;
    redlock_model_waiter made = {.key = key_of(at), .ticket = command->entry.ticket};
    if (made.ticket == 0) {
        uint32_t count = queue_count(at->model, made.key);
        made.ticket = count == 0 ? 1 : waiter_of_rank(at->model, made.key, count - 1)->ticket + 1;
    }
    require(command->token.len <= sizeof made.token);
    memcpy(made.token, command->token.at, command->token.len);
    made.token_len = command->token.len;
    waiter_insert(at->model, &made);
}

/* The place; the first is 1. */
static uint32_t queue_enter(const moment *at) {
    const redlock_queue_entry *entry = &at->command->entry;
    uint32_t rank;
    redlock_model_waiter *waiter = waiter_find(at, at->command->token, &rank);
    if (waiter == NULL) {
        queue_add(at);
        waiter = waiter_find(at, at->command->token, &rank);
    }
    uint64_t until_ms = at->now_ms + 3 * poll_interval_ms(entry->poll_ms, rank);
    waiter->until_ms = until_ms;
    waiter->wake_tag = entry->wake_tag;
    require(entry->channel.len <= sizeof waiter->channel);
    memcpy(waiter->channel, entry->channel.at, entry->channel.len);
    waiter->channel_len = entry->channel.len;
    at->key->queue_expires_ms = larger(at->key->queue_expires_ms, until_ms);
    return rank + 1;
}

/* --- the steps --------------------------------------------------------------------------- */

/* What the mark becomes by a grant; 0 when the proposal is too far ahead of the node's clock. */
static uint64_t mark_of_grant(const moment *at) {
    uint64_t mark = at->key->mark, fence = at->command->fence;
    if (token_holds(at) && mark > 0) {
        return mark; /* said yes before */
    }
    bool is_ahead = fence > at->now_us + GRANT_AHEAD_MAX_US && fence > mark + 1;
    return is_ahead ? 0 : larger(mark + 1, fence);
}

static bool command_waits(const redlock_command *command) {
    return command->fenced && command->entry.poll_ms > 0;
}

/* Who waits in front of the one that asks. */
static before grant_before(const moment *at) {
    before result = {.is_waited = false, .has_queue = command_waits(at->command)};
    if (at->key->value_len > 0 || !at->command->fenced) {
        result.has_queue = false;
    } else if (!at->command->barge) {
        result = queue_wake_before(at, at->command->token);
    }
    return result;
}

static redlock_answer step_grant(const moment *at) {
    const redlock_command *command = at->command;
    redlock_model_key *key = at->key;
    before others = grant_before(at);
    if ((key->value_len > 0 && !token_holds(at)) || others.is_waited) {
        uint32_t place = command_waits(command) ? queue_enter(at) : 0;
        return answer_held(at, place);
    }
    if (command->fenced) {
        uint64_t mark = mark_of_grant(at);
        if (mark == 0) {
            return answer(at, REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK);
        }
        key_set_mark(key, mark, at->now_ms);
    }
    if (others.has_queue) {
        queue_leave(at, command->token);
    }
    if (token_holds(at)) {
        lengthen(at);
    } else {
        key_set(key, command->token, at->now_ms + command->ttl_ms);
    }
    return answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
}

/* SET NX PX of plain mode: knows neither time nor holder, and does not recognise its own token. */
static redlock_answer step_native_set(const moment *at) {
    bool is_free = at->key->value_len == 0;
    if (is_free) {
        key_set(at->key, at->command->token, at->now_ms + at->command->ttl_ms);
    }
    return (redlock_answer){
        .kind = is_free ? REDLOCK_ANSWER_YES : REDLOCK_ANSWER_NO,
        .status = is_free ? REDLOCK_OK : REDLOCK_HELD,
    };
}

static redlock_answer step_raise(const moment *at) {
    uint64_t fence = at->command->fence;
    if (!token_holds(at)) {
        return answer(at, REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD);
    }
    if (fence > at->now_us + RAISE_AHEAD_MAX_US && fence > at->key->mark) {
        return answer(at, REDLOCK_ANSWER_CLOCK, REDLOCK_CLOCK);
    }
    raise_mark(at);
    return answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
}

static redlock_answer step_renew(const moment *at) {
    const redlock_command *command = at->command;
    if (token_holds(at)) {
        lengthen(at);
        raise_mark(at);
        return answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
    }
    /* A mark above the fence says that somebody newer was here while we were forgotten. */
    bool is_newer = command->fenced && at->key->mark > command->fence;
    if (at->key->value_len > 0 || !command->heal || is_newer) {
        return answer(at, REDLOCK_ANSWER_NO, REDLOCK_NOT_HELD);
    }
    key_set(at->key, command->token, at->now_ms + command->ttl_ms);
    raise_mark(at);
    return answer(at, REDLOCK_ANSWER_HEALED, REDLOCK_NOT_HELD);
}

/* The first waiter who can be reached, taken out of the queue with all in front whose time is over. */
static bool queue_take_first(const moment *at, redlock_model_waiter *ret_waiter) {
    uint32_t away = 0;
    uint64_t mark = at->key->mark > 0 ? at->key->mark + 1 : 0;
    redlock_model_waiter *waiter;
    while (away < HEADS_MAX && (waiter = waiter_of_rank(at->model, key_of(at), away)) != NULL) {
        heard result = queue_wake(at, waiter, mark);
        if (result == HEARD_NOT_NOW) {
            away++;
            continue;
        }
        *ret_waiter = *waiter;
        waiter_remove(at->model, waiter);
        if (result == HEARD_YES) {
            return true;
        }
    }
    return false;
}

/* What becomes of a name that is given back. */
static void release_pass_on(const moment *at) {
    const redlock_command *command = at->command;
    redlock_model_waiter next;
    at->key->value_len = 0;
    if (!command->fenced) {
        return;
    }
    if (command->place == REDLOCK_PLACE_STAY) {
        (void)queue_enter(at);
        (void)queue_wake_before(at, command->token);
    } else if (command->hand_off_ms == 0) {
        (void)queue_wake_before(at, bytes_at(NULL, 0));
    } else if (queue_take_first(at, &next) && at->key->mark > 0) {
        key_set_mark(at->key, at->key->mark + 1, at->now_ms);
        key_set(at->key, waiter_token(&next), at->now_ms + command->hand_off_ms);
    }
}

static redlock_answer step_release(const moment *at) {
    bool holds = token_holds(at);
    if (at->command->place == REDLOCK_PLACE_LEAVE) {
        queue_leave(at, at->command->token);
    }
    if (holds) {
        release_pass_on(at);
    } else if (at->command->place == REDLOCK_PLACE_LEAVE && at->key->value_len == 0) {
        (void)queue_wake_before(at, bytes_at(NULL, 0));
    }
    redlock_answer_kind kind = holds ? REDLOCK_ANSWER_YES : REDLOCK_ANSWER_NO;
    redlock_answer result = answer(at, kind, holds ? REDLOCK_OK : REDLOCK_NOT_HELD);
    result.mark = 0; /* the step does not tell it */
    return result;
}

static bool is_hex(uint8_t byte) {
    return byte != '\0' && strchr("0123456789abcdefABCDEF", byte) != NULL;
}

/* The words behind the digits of a token, or all of it. */
static redlock_bytes label_of(redlock_bytes token) {
    size_t digits = 0;
    while (digits < token.len && is_hex(token.at[digits])) {
        digits++;
    }
    if (digits > 0 && digits < token.len && token.at[digits] == ':') {
        token.at += digits + 1;
        token.len -= digits + 1;
    }
    token.len = token.len < LABEL_BYTES ? token.len : LABEL_BYTES;
    return token;
}

static redlock_bytes say_waiters(const moment *at) {
    if (at->model->said_waiters == NULL) {
        at->model->said_waiters = malloc(REDLOCK_WAITERS_BYTES_MAX);
        require(at->model->said_waiters != NULL);
    }
    uint8_t *said = at->model->said_waiters;
    size_t len = 0;
    const redlock_model_waiter *waiter;
    for (uint32_t i = 0;
         i < SHOWN_MAX && (waiter = waiter_of_rank(at->model, key_of(at), i)) != NULL; i++) {
        redlock_bytes label = label_of(waiter_token(waiter));
        for (size_t byte = 0; byte < label.len; byte++) {
            bool is_control = label.at[byte] < ' ' || label.at[byte] == 127;
            said[len++] = is_control ? '?' : label.at[byte];
        }
        said[len++] = '\n';
    }
    return bytes_at(said, len);
}

static redlock_answer step_look(const moment *at) {
    redlock_answer result = answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
    result.left_ms = key_left_ms(at->key, at->now_ms);
    result.text = say(at->model, key_value(at->key));
    if (at->command->fenced) {
        result.place = queue_count(at->model, key_of(at));
        result.waiters = result.place > 0 ? say_waiters(at) : bytes_at(NULL, 0);
    }
    return result;
}

static redlock_answer step_break(const moment *at) {
    redlock_bytes old = say(at->model, key_value(at->key));
    uint64_t fence = at->command->fence;
    at->key->value_len = 0;
    if (at->command->fenced) {
        fence = fence > at->now_us + GRANT_AHEAD_MAX_US ? 0 : fence;
        key_set_mark(at->key, larger(at->key->mark + 1, fence), at->now_ms);
        (void)queue_wake_before(at, bytes_at(NULL, 0));
    }
    redlock_answer result = answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
    result.text = old;
    return result;
}

static redlock_answer step_probe(const moment *at) {
    if (!at->model->has_boot) {
        return answer_not_ready(at, at->command->guard_ms, "new");
    }
    if (!is_known_run(at) || at->model->boot_since_ms > at->now_ms) {
        return answer_not_ready(at, at->command->guard_ms, "restarted");
    }
    if (silence_left_ms(at) > 0) {
        return answer_not_ready(at, silence_left_ms(at), "silent");
    }
    redlock_answer result = answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
    result.text = redlock_bytes_of("ready");
    return result;
}

static redlock_answer step_declare(const moment *at) {
    boot_set(at, 0);
    return answer(at, REDLOCK_ANSWER_YES, REDLOCK_OK);
}

static redlock_answer step(const moment *at) {
    switch (at->command->kind) {
    case REDLOCK_COMMAND_GRANT:
        return step_grant(at);
    case REDLOCK_COMMAND_RAISE:
        return step_raise(at);
    case REDLOCK_COMMAND_RENEW:
        return step_renew(at);
    case REDLOCK_COMMAND_RELEASE:
        return step_release(at);
    case REDLOCK_COMMAND_LOOK:
        return step_look(at);
    case REDLOCK_COMMAND_BREAK:
        return step_break(at);
    case REDLOCK_COMMAND_PROBE:
        return step_probe(at);
    case REDLOCK_COMMAND_DECLARE:
        return step_declare(at);
    }
    abort();
}

static bool is_guarded(redlock_command_kind kind) {
    return kind == REDLOCK_COMMAND_GRANT || kind == REDLOCK_COMMAND_RAISE ||
           kind == REDLOCK_COMMAND_RENEW;
}

/* Plain mode has a command of the server's own for GRANT, which needs no step to be known. */
static bool is_native(const redlock_command *command) {
    return command->kind == REDLOCK_COMMAND_GRANT && !command->fenced && !command->teach &&
           !command->may_hold && command->run_id.len == 0;
}

/* Newer servers have one for RELEASE too, but a token that may come again needs the step. */
static bool is_compare(const redlock_model *model, const redlock_command *command) {
    return model->has_compare && command->kind == REDLOCK_COMMAND_RELEASE && !command->fenced &&
           !command->teach && !command->may_hold;
}

/* DELIFEQ: tells neither time nor holder, and knows no not-after. */
static redlock_answer step_native_compare(redlock_model *model, const moment *at) {
    bool holds = token_holds(at);
    if (model->refuses_compare) {
        model->has_compare = model->refuses_compare = false;
        return (redlock_answer){.kind = REDLOCK_ANSWER_FORGOT, .status = REDLOCK_REFUSED};
    }
    if (holds) {
        at->key->value_len = 0;
    }
    return (redlock_answer){
        .kind = holds ? REDLOCK_ANSWER_YES : REDLOCK_ANSWER_NO,
        .status = holds ? REDLOCK_OK : REDLOCK_NOT_HELD,
    };
}

static bool fails(const redlock_model *model, redlock_command_kind kind) {
    return model->fails_with != REDLOCK_OK &&
           (!model->fails_grants_only || kind == REDLOCK_COMMAND_GRANT);
}

redlock_answer redlock_model_answer(redlock_model *model, const redlock_command *command,
                                    uint64_t now_us) {
    moment at = {.model = model, .command = command, .now_us = now_us, .now_ms = now_us / 1000};
    uint32_t bit = UINT32_C(1) << (uint32_t)command->kind;
    if (fails(model, command->kind)) {
        redlock_bytes words = redlock_bytes_of("ERR told to fail");
        return (redlock_answer){
            .kind = REDLOCK_ANSWER_ERROR, .status = model->fails_with, .text = words};
    }
    if (command->name.len > 0) {
        at.key = key_open(model, command->name, at.now_ms);
    }
    if (is_native(command)) {
        return step_native_set(&at);
    }
    if (is_compare(model, command)) {
        return step_native_compare(model, &at);
    }
    if (command->teach) {
        model->steps_forgotten &= ~bit;
    }
    if ((model->steps_forgotten & bit) != 0) {
        return (redlock_answer){.kind = REDLOCK_ANSWER_FORGOT, .status = REDLOCK_REFUSED};
    }
    if (command->not_after_ms != 0 && at.now_ms > command->not_after_ms) {
        at.key = NULL; /* its mark is not read */
        return answer(&at, REDLOCK_ANSWER_LATE, REDLOCK_SILENT);
    }
    redlock_answer refusal;
    if (is_guarded(command->kind) && !guard_allows(&at, &refusal)) {
        return refusal;
    }
    return step(&at);
}
