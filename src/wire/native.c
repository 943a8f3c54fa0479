/* native.c -- DELIFEQ and DELEX: who has them, their bytes, their replies. */
#include "wire/native.h"

#include "base/assert.h"
#include "base/mutant.h"
#include "wire/key.h"
#include "wire/step.h"

/* --- who has them ---------------------------------------------------------------------------- */

/* Takes the digits at the front, and what parts them from the next ones. */
static uint64_t number_take(redlock_bytes *text) {
    uint64_t number = 0;

    while (text->len > 0 && text->at[0] >= '0' && text->at[0] <= '9') {
        number = number < 100000 ? number * 10 + (uint64_t)(text->at[0] - '0') : number;
        text->at++;
        text->len--;
    }
    if (text->len > 0) {
        text->at++;
        text->len--;
    }
    return number;
}

redlock_native_word redlock_native_of(bool is_valkey, const char *version) {
    redlock_bytes text = redlock_bytes_of(version);
    uint64_t major = number_take(&text);
    uint64_t minor = number_take(&text);

    if (is_valkey) {
        return major >= 9 ? REDLOCK_NATIVE_DELIFEQ : REDLOCK_NATIVE_NONE;
    }
    return major > 8 || (major == 8 && minor >= 4) ? REDLOCK_NATIVE_DELEX : REDLOCK_NATIVE_NONE;
}

/* --- one link after the other ---------------------------------------------------------------- */

void redlock_native_begin(redlock_native *native, redlock_native_word word) {
    REDLOCK_ASSERT(native->open == 0);
    native->word = native->is_doubted ? REDLOCK_NATIVE_NONE : word;
    native->is_proven = false;
    native->is_doubted = false;
}

/* Somebody on the way may hang up on a command that he does not know: the release that was cut off is
 * repeated on the next link, and must get through there. */
void redlock_native_end(redlock_native *native) {
    native->is_doubted = native->is_doubted || (native->open > 0 && !native->is_proven);
    native->word = REDLOCK_NATIVE_NONE;
    native->open = 0;
}

/* A token that may come again, or whose claims may still land, needs what only the script has: the
 * not-after time, and the node's clock in the answer. */
bool redlock_native_suits(const redlock_native *native, const redlock_command *command) {
    bool is_plain_release =
        command->kind == REDLOCK_COMMAND_RELEASE && !command->fenced && !command->teach;
    bool may_try = native->is_proven || native->open == 0;

    return native->word != REDLOCK_NATIVE_NONE && may_try && is_plain_release && !command->may_hold;
}

void redlock_native_sent(redlock_native *native) {
    REDLOCK_ASSERT(native->word != REDLOCK_NATIVE_NONE);
    native->open++;
}

void redlock_native_answered(redlock_native *native, const redlock_answer *answer) {
    bool is_done = answer->kind == REDLOCK_ANSWER_YES || answer->kind == REDLOCK_ANSWER_NO;

    REDLOCK_ASSERT(native->open > 0);
    native->open--;
    native->is_proven = native->is_proven || is_done;
    if (answer->kind == REDLOCK_ANSWER_FORGOT) {
        native->word = REDLOCK_NATIVE_NONE;
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

size_t redlock_native_encode(redlock_native_word word, const redlock_command *command,
                             redlock_bytes prefix, uint8_t *out, size_t size) {
    redlock_resp_writer writer = {.at = out, .size = size, .len = 0};
    bool is_delex = word == REDLOCK_NATIVE_DELEX;

    REDLOCK_ASSERT(word != REDLOCK_NATIVE_NONE);
    REDLOCK_ASSERT(command->kind == REDLOCK_COMMAND_RELEASE && !command->fenced);
    redlock_resp_write_header(&writer, is_delex ? 4 : 3);
    redlock_resp_write_bulk(&writer, redlock_bytes_of(is_delex ? "DELEX" : "DELIFEQ"));
    redlock_key_write(&writer, command->name, prefix, REDLOCK_KEY_LOCK);
    if (is_delex) {
        redlock_resp_write_bulk(&writer, redlock_bytes_of("IFEQ"));
    }
    redlock_resp_write_bulk(&writer, command->token);
    REDLOCK_ASSERT(writer.len <= REDLOCK_STEP_BYTES_MAX);
    return writer.len;
}

/* Errors with a word of their own the script would get too.  ERR is for all others: the command is
 * unknown, or somebody between us and the server does not like it. */
static bool error_is_refusal(redlock_bytes words) {
    return redlock_bytes_has_prefix(words, redlock_bytes_of("ERR")) ||
           redlock_bytes_has_prefix(words, redlock_bytes_of("NOPERM"));
}

static redlock_answer answer_to_error(const redlock_resp_reader *reader, const uint8_t *data) {
    redlock_answer answer = redlock_step_decode(REDLOCK_COMMAND_RELEASE, false, reader, data);

    if (error_is_refusal(answer.text)) {
        answer.kind = REDLOCK_ANSWER_FORGOT;
        answer.status = REDLOCK_REFUSED;
        if (REDLOCK_MUTANT(REFUSAL_IS_NOT_HELD)) {
            answer.kind = REDLOCK_ANSWER_NO;
            answer.status = REDLOCK_NOT_HELD;
        }
    }
    return answer;
}

redlock_answer redlock_native_decode(const redlock_resp_reader *reader, const uint8_t *data) {
    REDLOCK_ASSERT(reader->value_count >= 1);
    const redlock_resp_value *reply = &reader->values[0];

    if (reply->kind == REDLOCK_RESP_ERROR) {
        return answer_to_error(reader, data);
    }
    if (reply->kind != REDLOCK_RESP_INTEGER || (reply->integer != 0 && reply->integer != 1)) {
        return (redlock_answer){
            .kind = REDLOCK_ANSWER_ERROR,
            .status = REDLOCK_PROTOCOL,
            .text = redlock_bytes_of("the reply is none that a comparison gives"),
        };
    }
    bool is_yes = reply->integer == 1;
    return (redlock_answer){
        .kind = is_yes ? REDLOCK_ANSWER_YES : REDLOCK_ANSWER_NO,
        .status = is_yes ? REDLOCK_OK : REDLOCK_NOT_HELD,
    };
}
