/* step.c -- the core's commands as bytes, and replies as the core's answers.
 *
 * Nothing that a server says is believed before it is checked: a reply that no step of ours can
 * give is an error of that node and never a vote. */
#include "wire/step.h"

#include <string.h>

#include "base/assert.h"
#include "script/script.h"
#include "wire/batch.h"
#include "wire/key.h"

/* --- commands -------------------------------------------------------------------------------- */

/* How a kind of command is laid out; the scripts in src/script begin with the same. */
typedef struct step_shape {
    uint32_t key_count;
    redlock_key_kind keys[5];
    uint32_t argument_count;
} step_shape;

static bool is_guarded(const redlock_command *command) {
    return command->run_id.len > 0;
}

#define ENTRY_COUNT 3u /* arguments of who waits */
#define CLAIM_COUNT 3u

static uint32_t release_argument_count(const redlock_command *command) {
    if (!command->fenced) {
        return 2;
    }
    if (command->place == REDLOCK_PLACE_STAY) {
        return 4 + ENTRY_COUNT;
    }
    return 4 + (command->claim.token.len > 0 ? CLAIM_COUNT : 0);
}

/* The guard's key has a fixed place, so the others go along unused when it is there and they are
 * not needed. */
static step_shape shape_of(const redlock_command *command) {
    uint32_t companions = command->fenced ? 1 : 0;

    switch (command->kind) {
    case REDLOCK_COMMAND_GRANT:
        return (step_shape){is_guarded(command) ? 5 : 1 + 3 * companions,
                            {REDLOCK_KEY_LOCK, REDLOCK_KEY_MARK, REDLOCK_KEY_QUEUE,
                             REDLOCK_KEY_ALIVE, REDLOCK_KEY_BOOT},
                            7 + (command->entry.poll_ms > 0 ? ENTRY_COUNT : 0)};
    case REDLOCK_COMMAND_RAISE:
    case REDLOCK_COMMAND_RENEW:
        return (step_shape){is_guarded(command) ? 3 : 1 + companions,
                            {REDLOCK_KEY_LOCK, REDLOCK_KEY_MARK, REDLOCK_KEY_BOOT},
                            command->kind == REDLOCK_COMMAND_RAISE ? 5 : 7};
    case REDLOCK_COMMAND_RELEASE:
        return (step_shape){
            1 + 3 * companions,
            {REDLOCK_KEY_LOCK, REDLOCK_KEY_MARK, REDLOCK_KEY_QUEUE, REDLOCK_KEY_ALIVE},
            release_argument_count(command)};
    case REDLOCK_COMMAND_LOOK:
        return (step_shape){
            1 + 2 * companions, {REDLOCK_KEY_LOCK, REDLOCK_KEY_MARK, REDLOCK_KEY_QUEUE}, 0};
    case REDLOCK_COMMAND_BREAK:
        return (step_shape){
            1 + 3 * companions,
            {REDLOCK_KEY_LOCK, REDLOCK_KEY_MARK, REDLOCK_KEY_QUEUE, REDLOCK_KEY_ALIVE},
            1};
    case REDLOCK_COMMAND_PROBE:
        return (step_shape){1, {REDLOCK_KEY_BOOT}, 2};
    case REDLOCK_COMMAND_DECLARE:
        return (step_shape){1, {REDLOCK_KEY_BOOT}, 1};
    }
    REDLOCK_ASSERT(false);
    return (step_shape){.key_count = 0};
}

static void guard_write(redlock_resp_writer *writer, const redlock_command *command) {
    redlock_resp_write_bulk(writer, command->run_id);
    redlock_resp_write_u64(writer, command->guard_ms);
}

/* "poll_ms", "ticket", "channel tag". */
static void entry_write(redlock_resp_writer *writer, const redlock_queue_entry *entry) {
    uint8_t wake[REDLOCK_CHANNEL_BYTES + 1 + REDLOCK_DIGITS_MAX];
    size_t len = entry->channel.len;

    REDLOCK_ASSERT(len <= REDLOCK_CHANNEL_BYTES);
    redlock_resp_write_u64(writer, entry->poll_ms);
    redlock_resp_write_u64(writer, entry->ticket);
    memcpy(wake, entry->channel.at, len);
    wake[len++] = ' ';
    len += redlock_bytes_put_u64(entry->wake_tag, wake + len);
    redlock_resp_write_bulk(writer, (redlock_bytes){.at = wake, .len = len});
}

static const char *place_word(redlock_place place) {
    switch (place) {
    case REDLOCK_PLACE_NONE:
        return "";
    case REDLOCK_PLACE_LEAVE:
        return "leave";
    case REDLOCK_PLACE_STAY:
        return "stay";
    }
    return "";
}

static void claim_write(redlock_resp_writer *writer, const redlock_command *command) {
    uint64_t fence = command->fenced ? command->fence : 0;

    redlock_resp_write_bulk(writer, command->token);
    if (command->kind != REDLOCK_COMMAND_RAISE) {
        redlock_resp_write_u64(writer, command->ttl_ms);
    }
    redlock_resp_write_u64(writer, command->not_after_ms);
    redlock_resp_write_u64(writer, fence);
    guard_write(writer, command);
}

static void release_write(redlock_resp_writer *writer, const redlock_command *command) {
    redlock_resp_write_bulk(writer, command->token);
    redlock_resp_write_u64(writer, command->not_after_ms);
    if (!command->fenced) {
        return;
    }
    redlock_resp_write_u64(writer, command->hand_off_ms);
    redlock_resp_write_bulk(writer, redlock_bytes_of(place_word(command->place)));
    if (command->place == REDLOCK_PLACE_STAY) {
        entry_write(writer, &command->entry);
    } else if (command->claim.token.len > 0) {
        redlock_resp_write_bulk(writer, command->claim.token);
        redlock_resp_write_u64(writer, command->claim.ttl_ms);
        redlock_resp_write_u64(writer, command->claim.not_after_ms);
    }
}

static void arguments_write(redlock_resp_writer *writer, const redlock_command *command) {
    switch (command->kind) {
    case REDLOCK_COMMAND_GRANT:
        claim_write(writer, command);
        redlock_resp_write_u64(writer, command->barge ? 1 : 0);
        if (command->entry.poll_ms > 0) {
            entry_write(writer, &command->entry);
        }
        return;
    case REDLOCK_COMMAND_RAISE:
        claim_write(writer, command);
        return;
    case REDLOCK_COMMAND_RENEW:
        redlock_batch_write_shared(writer, command);
        redlock_batch_write_own(writer, command);
        return;
    case REDLOCK_COMMAND_RELEASE:
        release_write(writer, command);
        return;
    case REDLOCK_COMMAND_BREAK:
        redlock_resp_write_u64(writer, command->fenced ? command->fence : 0);
        return;
    case REDLOCK_COMMAND_PROBE:
        guard_write(writer, command);
        return;
    case REDLOCK_COMMAND_DECLARE:
        redlock_resp_write_bulk(writer, command->run_id);
        return;
    case REDLOCK_COMMAND_LOOK:
        return;
    }
    REDLOCK_ASSERT(false);
}

static void script_write(redlock_resp_writer *writer, const redlock_command *command) {
    const redlock_script *script = redlock_script_of(command->kind);
    redlock_bytes text = {.at = (const uint8_t *)script->text, .len = script->text_len};

    redlock_resp_write_bulk(writer, redlock_bytes_of(command->teach ? "EVAL" : "EVALSHA"));
    redlock_resp_write_bulk(writer, command->teach ? text : redlock_bytes_of(script->sha1));
}

static void keys_write(redlock_resp_writer *writer, const redlock_command *command,
                       redlock_bytes prefix, const step_shape *shape) {
    redlock_resp_write_u64(writer, shape->key_count);
    for (uint32_t i = 0; i < shape->key_count; i++) {
        redlock_key_write(writer, command->name, prefix, shape->keys[i]);
    }
}

/* The one step that Redis knows by itself. */
static bool command_is_native(const redlock_command *command) {
    return command->kind == REDLOCK_COMMAND_GRANT && !command->fenced && !command->teach &&
           !command->may_hold && command->run_id.len == 0;
}

static void native_write(redlock_resp_writer *writer, const redlock_command *command,
                         redlock_bytes prefix) {
    redlock_resp_write_header(writer, 6);
    redlock_resp_write_bulk(writer, redlock_bytes_of("SET"));
    redlock_key_write(writer, command->name, prefix, REDLOCK_KEY_LOCK);
    redlock_resp_write_bulk(writer, command->token);
    redlock_resp_write_bulk(writer, redlock_bytes_of("NX"));
    redlock_resp_write_bulk(writer, redlock_bytes_of("PX"));
    redlock_resp_write_u64(writer, command->ttl_ms);
}

size_t redlock_step_encode(const redlock_command *command, redlock_bytes prefix, uint8_t *out,
                           size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};

    if (command_is_native(command)) {
        native_write(&writer, command, prefix);
    } else {
        step_shape shape = shape_of(command);

        redlock_resp_write_header(&writer, 3 + shape.key_count + shape.argument_count);
        script_write(&writer, command);
        keys_write(&writer, command, prefix, &shape);
        arguments_write(&writer, command);
    }
    REDLOCK_ASSERT(writer.len <= REDLOCK_STEP_BYTES_MAX);
    return writer.len;
}

/* --- errors ---------------------------------------------------------------------------------- */

typedef struct step_error {
    const char *start; /* how the server's words begin */
    redlock_status status;
} step_error;

/* What is not here is REFUSED: LOADING, BUSY, OOM, MISCONF, NOREPLICAS, CLUSTERDOWN, MOVED, ASK,
 * CROSSSLOT, WRONGTYPE, EXECABORT, a full server and every word still to be invented. */
static const step_error errors[] = {
    {"NOAUTH ", REDLOCK_AUTH_REQUIRED},
    {"WRONGPASS ", REDLOCK_AUTH},
    {"ERR AUTH", REDLOCK_AUTH},
    {"ERR Client sent AUTH", REDLOCK_AUTH},
    {"ERR invalid password", REDLOCK_AUTH},
    {"NOPERM ", REDLOCK_NO_PERMISSION},
    /* A step's own command or key is forbidden, as Redis says it before 7.0, in 7.0, and as it and
     * Valkey say it since. */
    {"The user executing the script can't", REDLOCK_NO_PERMISSION},
    {"ERR The user executing the script can't", REDLOCK_NO_PERMISSION},
    {"ERR ACL failure in script", REDLOCK_NO_PERMISSION},
    {"READONLY ", REDLOCK_REPLICA},
    {"MASTERDOWN ", REDLOCK_REPLICA},
};

static redlock_status error_status_at_start(redlock_bytes words) {
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (redlock_bytes_has_prefix(words, redlock_bytes_of(errors[i].start))) {
            return errors[i].status;
        }
    }
    return REDLOCK_REFUSED;
}

redlock_status redlock_step_error_status(redlock_bytes words) {
    /* Before Redis 7 an error inside a script came wrapped: "ERR Error running script (call to
     * ...): @user_script:12: -READONLY You can't ...", or from pcall from "@user_script:" on. */
    bool is_wrapped =
        redlock_bytes_has_prefix(words, redlock_bytes_of("ERR Error running script")) ||
        redlock_bytes_has_prefix(words, redlock_bytes_of("@user_script:"));
    redlock_status status = error_status_at_start(words);

    while (is_wrapped && status == REDLOCK_REFUSED && words.len > 0) {
        words.at++;
        words.len--;
        status = error_status_at_start(words);
    }
    return status;
}

/* --- answers --------------------------------------------------------------------------------- */

static redlock_answer answer_strange(void) {
    return (redlock_answer){
        .kind = REDLOCK_ANSWER_ERROR,
        .status = REDLOCK_PROTOCOL,
        .text = redlock_bytes_of("the reply is none that a step of redlock gives"),
    };
}

static redlock_answer answer_to_error(redlock_bytes words) {
    bool is_forgotten = redlock_bytes_has_prefix(words, redlock_bytes_of("NOSCRIPT"));

    return (redlock_answer){
        .kind = is_forgotten ? REDLOCK_ANSWER_FORGOT : REDLOCK_ANSWER_ERROR,
        .status = redlock_step_error_status(words),
        .text = words,
    };
}

/* The replies of SET NX: the server tells neither time nor holder. */
static redlock_answer answer_to_native(bool is_yes) {
    return (redlock_answer){
        .kind = is_yes ? REDLOCK_ANSWER_YES : REDLOCK_ANSWER_NO,
        .status = is_yes ? REDLOCK_OK : REDLOCK_HELD,
    };
}

#define RENEWAL_ELEMENTS 3u /* for each name */
#define ANSWER_BIT(kind) (UINT32_C(1) << (uint32_t)(kind))
#define ANSWERS_GUARDED                                                                            \
    (ANSWER_BIT(REDLOCK_ANSWER_YES) | ANSWER_BIT(REDLOCK_ANSWER_NO) |                              \
     ANSWER_BIT(REDLOCK_ANSWER_LATE) | ANSWER_BIT(REDLOCK_ANSWER_NOT_READY) |                      \
     ANSWER_BIT(REDLOCK_ANSWER_CLOCK))

/* Which answers the step of this kind can give, as bits. */
static uint32_t answers_of(redlock_command_kind kind) {
    switch (kind) {
    case REDLOCK_COMMAND_GRANT:
    case REDLOCK_COMMAND_RAISE:
        return ANSWERS_GUARDED;
    case REDLOCK_COMMAND_RENEW:
        return ANSWERS_GUARDED | ANSWER_BIT(REDLOCK_ANSWER_HEALED);
    case REDLOCK_COMMAND_RELEASE:
        return ANSWER_BIT(REDLOCK_ANSWER_YES) | ANSWER_BIT(REDLOCK_ANSWER_NO) |
               ANSWER_BIT(REDLOCK_ANSWER_LATE);
    case REDLOCK_COMMAND_LOOK:
    case REDLOCK_COMMAND_BREAK:
    case REDLOCK_COMMAND_DECLARE:
        return ANSWER_BIT(REDLOCK_ANSWER_YES);
    case REDLOCK_COMMAND_PROBE:
        return ANSWER_BIT(REDLOCK_ANSWER_YES) | ANSWER_BIT(REDLOCK_ANSWER_NOT_READY);
    }
    return 0;
}

static redlock_status status_of(redlock_command_kind kind, redlock_answer_kind answer) {
    switch (answer) {
    case REDLOCK_ANSWER_YES:
        return REDLOCK_OK;
    case REDLOCK_ANSWER_HEALED: /* it did not hold, though now it does again */
        return REDLOCK_NOT_HELD;
    case REDLOCK_ANSWER_NO:
        return kind == REDLOCK_COMMAND_GRANT ? REDLOCK_HELD : REDLOCK_NOT_HELD;
    case REDLOCK_ANSWER_LATE:
        return REDLOCK_SILENT;
    case REDLOCK_ANSWER_NOT_READY:
        return REDLOCK_NOT_READY;
    case REDLOCK_ANSWER_CLOCK:
        return REDLOCK_CLOCK;
    case REDLOCK_ANSWER_FORGOT:
    case REDLOCK_ANSWER_UNSEEN:
    case REDLOCK_ANSWER_ERROR:
        return REDLOCK_REFUSED;
    }
    return REDLOCK_PROTOCOL;
}

/* Elements behind the four that all have: the text (the holder's value, or the guard's word), the
 * place in the queue, the list of waiters. */
static uint32_t extra_count(redlock_command_kind kind, redlock_answer_kind answer) {
    if (answer == REDLOCK_ANSWER_NO) {
        return kind == REDLOCK_COMMAND_GRANT ? 2 : 0;
    }
    return kind == REDLOCK_COMMAND_LOOK                                     ? 3
           : kind == REDLOCK_COMMAND_BREAK || kind == REDLOCK_COMMAND_PROBE ? 1
                                                                            : 0;
}

static bool answer_is_sane(redlock_command_kind kind, bool fenced, const redlock_answer *answer) {
    bool is_vote = kind == REDLOCK_COMMAND_GRANT || kind == REDLOCK_COMMAND_RAISE;
    bool has_mark = kind != REDLOCK_COMMAND_RELEASE && kind != REDLOCK_COMMAND_PROBE &&
                    kind != REDLOCK_COMMAND_DECLARE;

    if (answer->text.len > REDLOCK_TOKEN_BYTES_MAX ||
        answer->waiters.len > REDLOCK_WAITERS_BYTES_MAX) {
        return false;
    }
    if (answer->mark > 0 && !(fenced && has_mark)) {
        return false;
    }
    /* A fence of 0 means plain, so a fenced vote without a mark would lose the promise silently. */
    return !(fenced && is_vote && answer->kind == REDLOCK_ANSWER_YES && answer->mark == 0);
}

/* Takes the next element as a number below 2^53. */
static bool number_take(const redlock_resp_value *value, uint64_t *ret_number) {
    if (value->kind != REDLOCK_RESP_INTEGER || value->integer < 0 ||
        (uint64_t)value->integer > REDLOCK_FENCE_MAX) {
        return false;
    }
    *ret_number = (uint64_t)value->integer;
    return true;
}

static bool extras_take(const redlock_resp_value *element, uint32_t count, const uint8_t *data,
                        redlock_answer *answer) {
    uint64_t place = 0;

    if (count >= 1) {
        if (element[0].kind != REDLOCK_RESP_BULK) {
            return false;
        }
        answer->text = redlock_resp_text(&element[0], data);
    }
    if (count >= 2 && (!number_take(&element[1], &place) || place > UINT32_MAX)) {
        return false;
    }
    answer->place = (uint32_t)place;
    if (count >= 3) {
        if (element[2].kind != REDLOCK_RESP_BULK) {
            return false;
        }
        answer->waiters = redlock_resp_text(&element[2], data);
    }
    return true;
}

/* The four elements that all answers begin with; false: this is none. */
static bool answer_begin(redlock_command_kind kind, const redlock_resp_value *array,
                         redlock_answer *ret_answer) {
    const redlock_resp_value *element = array + 1;
    uint64_t code;

    *ret_answer = (redlock_answer){.status = REDLOCK_PROTOCOL};
    if (array->count < 4 || !number_take(&element[0], &code) ||
        !number_take(&element[1], &ret_answer->mark) ||
        !number_take(&element[2], &ret_answer->time_ms) ||
        !number_take(&element[3], &ret_answer->left_ms)) {
        return false;
    }
    if (code > REDLOCK_ANSWER_CLOCK || (answers_of(kind) & ANSWER_BIT(code)) == 0) {
        return false;
    }
    ret_answer->kind = (redlock_answer_kind)code;
    ret_answer->status = status_of(kind, ret_answer->kind);
    return true;
}

static redlock_answer answer_to_step(redlock_command_kind kind, bool fenced,
                                     const redlock_resp_value *array, const uint8_t *data) {
    redlock_answer answer;

    if (!answer_begin(kind, array, &answer)) {
        return answer_strange();
    }

    uint32_t extras = extra_count(kind, answer.kind);

    if (array->count != 4 + extras || !extras_take(array + 5, extras, data, &answer)) {
        return answer_strange();
    }
    return answer_is_sane(kind, fenced, &answer) ? answer : answer_strange();
}

/* What renew.lua says of one name: code, mark, text. */
static redlock_answer answer_to_renewal(const redlock_resp_value *element, bool fenced,
                                        uint64_t time_ms, const uint8_t *data) {
    redlock_answer answer = {.time_ms = time_ms};
    uint64_t code;

    if (!number_take(&element[0], &code) || !number_take(&element[1], &answer.mark) ||
        element[2].kind != REDLOCK_RESP_BULK) {
        return answer_strange();
    }
    answer.text = redlock_resp_text(&element[2], data);
    if (code == REDLOCK_ANSWER_ERROR) {
        return answer_to_error(answer.text);
    }
    bool is_whole_call = code == REDLOCK_ANSWER_LATE || code == REDLOCK_ANSWER_NOT_READY;
    if (code > REDLOCK_ANSWER_CLOCK || is_whole_call ||
        (answers_of(REDLOCK_COMMAND_RENEW) & ANSWER_BIT(code)) == 0) {
        return answer_strange();
    }
    answer.kind = (redlock_answer_kind)code;
    answer.status = status_of(REDLOCK_COMMAND_RENEW, answer.kind);
    return answer_is_sane(REDLOCK_COMMAND_RENEW, fenced, &answer) ? answer : answer_strange();
}

/* A call that was not carried out says so for all of its names in an answer of four. */
static redlock_answer answer_to_renewals(uint32_t place, uint32_t count, bool fenced,
                                         const redlock_resp_value *array, const uint8_t *data) {
    redlock_answer call;

    if (!answer_begin(REDLOCK_COMMAND_RENEW, array, &call) || call.mark != 0) {
        return answer_strange();
    }
    switch (call.kind) {
    case REDLOCK_ANSWER_LATE:
    case REDLOCK_ANSWER_NOT_READY:
        return array->count == 4 ? call : answer_strange();
    case REDLOCK_ANSWER_YES:
        if (array->count != 4 + RENEWAL_ELEMENTS * count) {
            return answer_strange();
        }
        return answer_to_renewal(array + 5 + RENEWAL_ELEMENTS * place, fenced, call.time_ms, data);
    case REDLOCK_ANSWER_HEALED:
    case REDLOCK_ANSWER_NO:
    case REDLOCK_ANSWER_CLOCK:
    case REDLOCK_ANSWER_FORGOT:
    case REDLOCK_ANSWER_UNSEEN:
    case REDLOCK_ANSWER_ERROR:
        return answer_strange();
    }
    return answer_strange();
}

redlock_answer redlock_step_decode(redlock_command_kind kind, bool fenced,
                                   const redlock_resp_reader *reader, const uint8_t *data) {
    REDLOCK_ASSERT(reader->value_count >= 1);
    const redlock_resp_value *reply = &reader->values[0];
    redlock_bytes text = redlock_resp_text(reply, data);
    bool can_be_native = kind == REDLOCK_COMMAND_GRANT && !fenced;

    switch (reply->kind) {
    case REDLOCK_RESP_ERROR:
        return answer_to_error(text);
    case REDLOCK_RESP_ARRAY:
        return kind == REDLOCK_COMMAND_RENEW ? answer_to_renewals(0, 1, fenced, reply, data)
                                             : answer_to_step(kind, fenced, reply, data);
    case REDLOCK_RESP_SIMPLE:
        if (can_be_native && redlock_bytes_equal(text, redlock_bytes_of("OK"))) {
            return answer_to_native(true);
        }
        return answer_strange();
    case REDLOCK_RESP_NIL:
        return can_be_native ? answer_to_native(false) : answer_strange();
    case REDLOCK_RESP_INTEGER:
    case REDLOCK_RESP_BULK:
        return answer_strange();
    }
    return answer_strange();
}

redlock_answer redlock_step_decode_renewal(uint32_t place, uint32_t count, bool fenced,
                                           const redlock_resp_reader *reader, const uint8_t *data) {
    const redlock_resp_value *reply = &reader->values[0];

    REDLOCK_ASSERT(place < count && count <= REDLOCK_BATCH_NAMES_MAX);
    if (reply->kind == REDLOCK_RESP_ARRAY) {
        return answer_to_renewals(place, count, fenced, reply, data);
    }
    return redlock_step_decode(REDLOCK_COMMAND_RENEW, fenced, reader, data);
}

redlock_answer redlock_step_decode_claimed(const redlock_resp_reader *reader, const uint8_t *data) {
    const redlock_resp_value *reply = &reader->values[0];
    redlock_answer answer;
    uint64_t mark;

    if (reply->kind != REDLOCK_RESP_ARRAY || reply->count != 5) {
        return redlock_step_decode(REDLOCK_COMMAND_RELEASE, true, reader, data);
    }
    if (!answer_begin(REDLOCK_COMMAND_RELEASE, reply, &answer) || answer.mark != 0 ||
        answer.kind != REDLOCK_ANSWER_YES || !number_take(reply + 5, &mark) || mark == 0) {
        return answer_strange();
    }
    answer.mark = mark;
    return answer;
}
