/* scan.c -- the locks on one server: SCAN for keys, then a closer look at those that end by
 * themselves, for a lock always does.
 *
 * Questions go out in batches, a round trip each, so that a hundred thousand foreign keys take
 * seconds and not minutes. */
#include "cli/scan.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/key.h"

#define SCAN_COUNT "400"

enum { BATCH_MAX = 4096 }; /* as many as an answer can name */

typedef struct batch_name {
    char at[REDLOCK_NAME_BYTES_MAX + 1];
    size_t len;
    int64_t left_ms;
} batch_name;

typedef struct scan_task {
    redlock_peer *node;
    const redlock_query *query;
    redlock_survey_node *result;
    batch_name *batch; /* names whose keys are to be looked at */
    size_t batch_count;
    bool has_free; /* the batch is of marks: their locks need not be there */
} scan_task;

/* --- asking ---------------------------------------------------------------------------------- */

/* One name that is asked for: more is told of it. */
static bool is_single(const scan_task *scan) {
    return scan->query->names != NULL && scan->query->name_count == 1;
}

static bool key_send(redlock_peer *node, const char *command, const redlock_key *key) {
    const char *const words[] = {command, key->at};
    const size_t lengths[] = {strlen(command), key->len};

    return redlock_peer_send(node, words, lengths, 2);
}

/* The start of the value: somebody else's may be as long as it likes. */
static bool value_send(redlock_peer *node, const redlock_key *key, bool is_whole) {
    const char *const words[] = {"GETRANGE", key->at, "0", "256"};
    const size_t lengths[] = {8, key->len, 1, 3};

    return is_whole ? key_send(node, "GET", key) : redlock_peer_send(node, words, lengths, 4);
}

static bool queue_send(redlock_peer *node, const redlock_key *key, bool has_labels) {
    const char *const words[] = {"ZRANGE", key->at, "0", "31"};
    const size_t lengths[] = {6, key->len, 1, 2};

    _Static_assert(REDLOCK_WAITERS_SHOWN_MAX == 32, "the last of them is 31");
    return key_send(node, "ZCARD", key) &&
           (!has_labels || redlock_peer_send(node, words, lengths, 4));
}

/* An answer that is no refusal.  What the user may not ask is as good as no answer. */
static const redlock_reply *reply_take(scan_task *scan) {
    const redlock_reply *reply = redlock_peer_receive(scan->node);

    if (reply == NULL || reply->kind != REDLOCK_REPLY_ERROR ||
        strncmp(reply->text, "WRONGTYPE", 9) == 0) {
        return reply;
    }
    scan->node->report.status = reply->status;
    (void)snprintf(scan->node->report.words, sizeof(scan->node->report.words), "%s", reply->text);
    redlock_peer_hang_up(scan->node); /* the other answers of the batch are not wanted */
    return NULL;
}

/* --- what was found -------------------------------------------------------------------------- */

static bool room_make(redlock_survey_node *result) {
    size_t more = result->found_max == 0 ? 64 : result->found_max * 2;

    if (result->found_count < result->found_max) {
        return true;
    }
    redlock_found **found = realloc(result->found, more * sizeof(found[0]));
    if (found == NULL) {
        return false;
    }
    result->found = found;
    result->found_max = more;
    return true;
}

static redlock_found *found_create(const batch_name *name, const redlock_reply *value) {
    bool is_text = value->kind == REDLOCK_REPLY_TEXT;
    size_t value_len = is_text ? value->text_len : 0;
    redlock_found *found = malloc(sizeof(*found) + name->len + value_len + 2);

    if (found == NULL) {
        return NULL;
    }
    char *text = (char *)(found + 1);

    memcpy(text, name->at, name->len);
    text[name->len] = '\0';
    memcpy(text + name->len + 1, value->text, value_len);
    text[name->len + 1 + value_len] = '\0';
    *found = (redlock_found){.left_ms = name->left_ms,
                             .name = text,
                             .name_len = name->len,
                             .value = text + name->len + 1,
                             .value_len = value_len,
                             .is_string = value->kind != REDLOCK_REPLY_ERROR};
    /* Gone between two questions: no key after all. */
    if (value->kind == REDLOCK_REPLY_NIL || (is_text && value_len == 0)) {
        found->left_ms = -2;
    }
    return found;
}

static bool found_is_wanted(const scan_task *scan, const redlock_found *found) {
    bool is_key = found->left_ms != -2;

    if (scan->query->names != NULL) {
        return is_key || found->mark > 0;
    }
    if (!is_key) {
        return scan->query->has_free && found->mark > 0;
    }
    return found->mark > 0 || (found->left_ms >= 0 && found->is_string &&
                               redlock_value_is_token(found->value, found->value_len));
}

static uint64_t mark_read(const redlock_reply *reply) {
    uint64_t mark = 0;

    for (size_t i = 0; i < reply->text_len && i < 16; i++) {
        if (reply->text[i] < '0' || reply->text[i] > '9') {
            return 0;
        }
        mark = mark * 10 + (uint64_t)(reply->text[i] - '0');
    }
    return reply->kind == REDLOCK_REPLY_TEXT ? mark : 0;
}

static void waiters_read(redlock_survey_node *result, const redlock_reply *reply) {
    const redlock_reply *one = reply->kind == REDLOCK_REPLY_ARRAY ? reply->first : NULL;

    result->waiters_shown = 0;
    for (; one != NULL && result->waiters_shown < REDLOCK_WAITERS_SHOWN_MAX; one = one->next) {
        redlock_waiter *waiter = &result->waiters[result->waiters_shown++];
        const redlock_found found = {
            .value = one->text, .value_len = one->text_len, .is_string = true};
        size_t len = 0;
        const char *who = redlock_found_holder(&found, &len);

        waiter->len = len < sizeof(waiter->label) ? len : sizeof(waiter->label);
        memcpy(waiter->label, who, waiter->len);
    }
}

/* Takes the answers about who waits.  Not everybody who may ask for a lock's value may ask for
 * them; that is no reason to say nothing at all. */
static bool queue_take(scan_task *scan, redlock_found *found) {
    const redlock_reply *reply = redlock_peer_receive(scan->node);

    if (reply == NULL) {
        return false;
    }
    found->waiter_count = reply->kind == REDLOCK_REPLY_INTEGER ? reply->integer : -1;
    if (!is_single(scan)) {
        return true;
    }
    reply = redlock_peer_receive(scan->node);
    if (reply == NULL) {
        return false;
    }
    waiters_read(scan->result, reply);
    return true;
}

/* Takes the answers about one name. */
static bool name_take(scan_task *scan, const batch_name *name) {
    const redlock_reply *reply = reply_take(scan);
    redlock_found *found = reply != NULL ? found_create(name, reply) : NULL;

    reply = found != NULL ? reply_take(scan) : NULL;
    if (reply != NULL) {
        found->mark = mark_read(reply);
    }
    if (reply == NULL || !queue_take(scan, found)) {
        free(found);
        return false;
    }
    if (!found_is_wanted(scan, found)) {
        free(found);
        return true;
    }
    if (scan->result->found_count >= REDLOCK_SURVEY_NAMES_MAX || !room_make(scan->result)) {
        scan->result->is_cut = true;
        free(found);
        return true;
    }
    scan->result->found[scan->result->found_count++] = found;
    return true;
}

/* --- a batch --------------------------------------------------------------------------------- */

static bool lefts_ask(scan_task *scan) {
    redlock_key key;
    bool is_good = true;

    for (size_t i = 0; is_good && i < scan->batch_count; i++) {
        batch_name *name = &scan->batch[i];

        is_good = redlock_key_lock(&key, scan->query->prefix, name->at, name->len) &&
                  key_send(scan->node, "PTTL", &key);
    }
    for (size_t i = 0; is_good && i < scan->batch_count; i++) {
        const redlock_reply *reply = reply_take(scan);

        is_good = reply != NULL;
        scan->batch[i].left_ms = is_good ? reply->integer : -2;
    }
    return is_good;
}

/* Keys that never end are no locks. */
static void batch_thin(scan_task *scan) {
    size_t kept = 0;

    for (size_t i = 0; i < scan->batch_count; i++) {
        if (scan->batch[i].left_ms >= 0) {
            scan->batch[kept++] = scan->batch[i];
        }
    }
    scan->batch_count = kept;
}

static bool batch_look(scan_task *scan) {
    bool is_named = scan->query->names != NULL;
    bool has_more = is_single(scan);
    bool is_good = lefts_ask(scan);
    redlock_key key;

    if (is_good && !is_named && !scan->has_free) {
        batch_thin(scan);
    }
    for (size_t i = 0; is_good && i < scan->batch_count; i++) {
        const batch_name *name = &scan->batch[i];
        const char *prefix = scan->query->prefix;

        /* One name is asked for by those who may GET it; a lock's user needs no more rights. */
        is_good = redlock_key_lock(&key, prefix, name->at, name->len) &&
                  value_send(scan->node, &key, has_more) &&
                  redlock_key_mark(&key, prefix, name->at, name->len) &&
                  key_send(scan->node, "GET", &key) &&
                  redlock_key_queue(&key, prefix, name->at, name->len) &&
                  queue_send(scan->node, &key, has_more);
    }
    for (size_t i = 0; is_good && i < scan->batch_count; i++) {
        is_good = name_take(scan, &scan->batch[i]);
    }
    scan->batch_count = 0;
    return is_good;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* In the server's pattern the prefix stands for itself. */
static void pattern_make(char *out, size_t size, const char *prefix, const char *rest) {
    size_t len = 0;

    for (; *prefix != '\0' && len + 3 < size; prefix++) {
        if (strchr("*?[]\\^", *prefix) != NULL) {
            out[len++] = '\\';
        }
        out[len++] = *prefix;
    }
    (void)snprintf(out + len, size - len, "%s", rest);
}

static void batch_add(scan_task *scan, const char *name, size_t len) {
    if (len >= 1 && len <= REDLOCK_NAME_BYTES_MAX && scan->batch_count < BATCH_MAX) {
        batch_name *place = &scan->batch[scan->batch_count++];

        memcpy(place->at, name, len);
        place->at[len] = '\0';
        place->len = len;
    }
}

static void key_take(scan_task *scan, const redlock_reply *key, bool is_mark) {
    const char *prefix = scan->query->prefix;
    const char *pattern = scan->query->pattern;
    const char *name;
    size_t len;
    bool is_ours = is_mark ? redlock_key_is_mark(key->text, key->text_len, prefix, &name, &len)
                           : redlock_key_is_lock(key->text, key->text_len, prefix, &name, &len);

    if (!is_ours) {
        return;
    }
    batch_add(scan, name, len);
    /* In a mark's key the name stands in the middle, so the server could not compare it. */
    if (is_mark && pattern != NULL && scan->batch_count > 0 &&
        fnmatch(pattern, scan->batch[scan->batch_count - 1].at, 0) != 0) {
        scan->batch_count--;
    }
}

/* One SCAN; its cursor is written for the next.  The keys are copied before anything else is asked,
 * because an answer lasts until the next question. */
static bool scan_step(scan_task *scan, char cursor[32], const char *pattern, bool is_mark) {
    const char *const words[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT};

    if (!redlock_peer_send(scan->node, words, NULL, 6)) {
        return false;
    }
    const redlock_reply *reply = reply_take(scan);
    if (reply == NULL) {
        return false;
    }
    if (reply->kind != REDLOCK_REPLY_ARRAY || reply->integer != 2) {
        (void)snprintf(cursor, 32, "0");
        return true;
    }
    const redlock_reply *keys = reply->first->next;
    for (const redlock_reply *key = keys->first; key != NULL; key = key->next) {
        key_take(scan, key, is_mark);
    }
    (void)snprintf(cursor, 32, "%s", reply->first->text);
    return batch_look(scan);
}

static bool keys_scan(scan_task *scan, bool is_mark) {
    const char *pattern = scan->query->pattern;
    char text[2 * REDLOCK_KEY_BYTES_MAX];
    char cursor[32] = "0";
    bool is_good;

    scan->has_free = is_mark;
    if (is_mark) {
        pattern_make(text, sizeof(text), scan->query->prefix, "redlock:[{=]*:fence");
    } else {
        pattern_make(text, sizeof(text), scan->query->prefix, pattern != NULL ? pattern : "*");
    }
    do {
        is_good = scan_step(scan, cursor, text, is_mark);
    } while (is_good && strcmp(cursor, "0") != 0);
    return is_good;
}

static bool names_scan(scan_task *scan) {
    bool is_good = true;

    for (size_t i = 0; is_good && i < scan->query->name_count; i++) {
        batch_add(scan, scan->query->names[i], scan->query->name_lens[i]);
        if (scan->batch_count == BATCH_MAX || i + 1 == scan->query->name_count) {
            is_good = batch_look(scan);
        }
    }
    return is_good;
}

bool redlock_scan(redlock_peer *node, const redlock_query *query, redlock_survey_node *result) {
    scan_task scan = {.node = node, .query = query, .result = result};
    bool is_good;

    batch_name *batch = malloc(BATCH_MAX * sizeof(batch[0]));
    if (batch == NULL) {
        return false;
    }
    scan.batch = batch;
    is_good = query->names != NULL ? names_scan(&scan) : keys_scan(&scan, false);
    if (is_good && query->names == NULL && query->has_free) {
        is_good = keys_scan(&scan, true);
    }
    free(batch);
    return is_good;
}
