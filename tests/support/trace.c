#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_MIN 10 /* the longest heading */

void redlock_trace_init(redlock_trace *trace, uint32_t node_count, redlock_ns origin) {
    *trace = (redlock_trace){.node_count = node_count, .origin = origin};
}

void redlock_trace_deinit(redlock_trace *trace) {
    free(trace->text);
    trace->text = NULL;
}

void redlock_trace_line(redlock_trace *trace, const char *words) {
    size_t len = strlen(words);
    if (trace->len + len + 2 > trace->size) {
        trace->size = (trace->size + len + 2) * 2;
        trace->text = realloc(trace->text, trace->size);
        if (trace->text == NULL) {
            abort();
        }
    }
    memcpy(trace->text + trace->len, words, len);
    memcpy(trace->text + trace->len + len, "\n", 2);
    trace->len += len + 1;
}

static void line_write(redlock_trace *trace, const char *heading, const char *words) {
    char line[REDLOCK_TRACE_WORDS_BYTES + 128];
    uint64_t ms = (trace->at - trace->origin) / REDLOCK_NS_PER_MS;
    int width = trace->node_count * 3 > COLUMN_MIN ? (int)trace->node_count * 3 : COLUMN_MIN;
    (void)snprintf(line, sizeof line, "[%6" PRIu64 "ms] %c %c %-*s %s", ms, trace->who, trace->sign,
                   width, heading, words);
    redlock_trace_line(trace, line);
}

static void line_close(redlock_trace *trace) {
    if (!trace->is_open) {
        return;
    }
    char heading[REDLOCK_NODE_MAX * 4 + 1] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < trace->node_count; i++) {
        if ((trace->nodes >> i & 1) != 0) {
            int wrote = snprintf(heading + len, sizeof heading - len, "%sn%" PRIu32,
                                 len > 0 ? " " : "", i + 1);
            len += (size_t)wrote;
        }
    }
    line_write(trace, heading, trace->words);
    trace->is_open = false;
}

void redlock_trace_node(redlock_trace *trace, redlock_ns at, char who, char sign, uint32_t node,
                        const char *words) {
    bool joins = trace->is_open && trace->at == at && trace->who == who && trace->sign == sign &&
                 strcmp(trace->words, words) == 0;
    if (!joins) {
        line_close(trace);
        trace->is_open = true;
        trace->at = at;
        trace->who = who;
        trace->sign = sign;
        trace->nodes = 0;
        (void)snprintf(trace->words, sizeof trace->words, "%s", words);
    }
    trace->nodes |= UINT32_C(1) << node;
}

void redlock_trace_told(redlock_trace *trace, redlock_ns at, char who, const char *heading,
                        const char *words) {
    line_close(trace);
    trace->at = at;
    trace->who = who;
    trace->sign = '*';
    line_write(trace, heading, words);
}

const char *redlock_trace_take(redlock_trace *trace) {
    line_close(trace);
    bool is_empty = trace->len == 0;
    trace->len = 0;
    return is_empty ? "" : trace->text;
}

/* --- words --------------------------------------------------------------------------------- */

const char *redlock_words_status(redlock_status status) {
#define CASE(name, number, text)                                                                   \
    case REDLOCK_##name:                                                                           \
        return #name;
    switch (status) {
        REDLOCK_STATUS_MAP(CASE)
    case REDLOCK_STATUS_INT_:
        break;
    }
#undef CASE
    return "?";
}

const char *redlock_words_tell(redlock_tell tell) {
    switch (tell) {
    case REDLOCK_TELL_ACQUIRED:
        return "ACQUIRED";
    case REDLOCK_TELL_FAILED:
        return "FAILED";
    case REDLOCK_TELL_RENEWED:
        return "RENEWED";
    case REDLOCK_TELL_RENEW_LATE:
        return "RENEW_LATE";
    case REDLOCK_TELL_EXTENDED:
        return "EXTENDED";
    case REDLOCK_TELL_LOST:
        return "LOST";
    case REDLOCK_TELL_RELEASED:
        return "RELEASED";
    case REDLOCK_TELL_LOOKED:
        return "LOOKED";
    case REDLOCK_TELL_WAITING:
        return "WAITING";
    case REDLOCK_TELL_NODE_UP:
        return "NODE_UP";
    case REDLOCK_TELL_NODE_DOWN:
        return "NODE_DOWN";
    }
    return "?";
}

const char *redlock_words_kind(redlock_command_kind kind) {
    switch (kind) {
    case REDLOCK_COMMAND_GRANT:
        return "grant";
    case REDLOCK_COMMAND_RAISE:
        return "raise";
    case REDLOCK_COMMAND_RENEW:
        return "renew";
    case REDLOCK_COMMAND_RELEASE:
        return "release";
    case REDLOCK_COMMAND_LOOK:
        return "look";
    case REDLOCK_COMMAND_BREAK:
        return "break";
    case REDLOCK_COMMAND_PROBE:
        return "probe";
    case REDLOCK_COMMAND_DECLARE:
        return "declare";
    }
    return "?";
}

/* A world's token: 28 times the client's letter, a number of four digits, ":A". */
void redlock_words_token(redlock_bytes token, char *text, size_t size) {
    bool is_worlds =
        token.len == 34 && token.at[0] >= 'a' && token.at[0] <= 'f' && token.at[0] == token.at[27];
    uint64_t number = 0;
    redlock_bytes digits = {.at = token.at + (is_worlds ? 28 : 0), .len = 4};
    if (is_worlds && redlock_bytes_to_u64(digits, 9999, &number)) {
        (void)snprintf(text, size, "%c#%" PRIu64, token.at[0] - 'a' + 'A', number);
        return;
    }
    redlock_bytes_to_text(token, text, size);
}

/* What a command says about the queue. */
static const char *queue_words(const redlock_command *command) {
    bool waits = command->entry.poll_ms > 0;
    switch (command->place) {
    case REDLOCK_PLACE_NONE:
        return command->kind != REDLOCK_COMMAND_GRANT ? ""
               : command->barge                       ? waits ? ", barge or wait" : ", barge"
               : waits                                ? ", or wait"
                                                      : "";
    case REDLOCK_PLACE_LEAVE:
        return ", leave the queue";
    case REDLOCK_PLACE_STAY:
        return ", stay in the queue";
    }
    return "";
}

void redlock_words_command(const redlock_command *command, char *text, size_t size) {
    char name[REDLOCK_NAME_BYTES_MAX + 1], token[REDLOCK_TOKEN_BYTES_MAX + 1];
    redlock_bytes_to_text(command->name, name, sizeof name);
    redlock_words_token(command->token, token, sizeof token);
    char tail[96] = "";
    bool has_ttl = command->kind == REDLOCK_COMMAND_GRANT || command->kind == REDLOCK_COMMAND_RENEW;
    bool has_mark = command->fenced && (has_ttl || command->kind == REDLOCK_COMMAND_RAISE);
    if (has_ttl) {
        (void)snprintf(tail, sizeof tail, " for %" PRIu64 "ms", command->ttl_ms);
    }
    if (has_mark) {
        size_t len = strlen(tail);
        (void)snprintf(tail + len, sizeof tail - len, "%s mark %" PRIu64, has_ttl ? "," : " to",
                       command->fence);
    }
    (void)snprintf(text, size, "%s %s%s%s%s%s%s", redlock_words_kind(command->kind), name,
                   command->token.len > 0 ? " " : "", token, tail, queue_words(command),
                   command->teach ? ", with the step" : "");
}

static const char *yes_words(redlock_command_kind kind) {
    switch (kind) {
    case REDLOCK_COMMAND_GRANT:
        return "granted";
    case REDLOCK_COMMAND_RAISE:
        return "raised";
    case REDLOCK_COMMAND_RENEW:
        return "renewed";
    case REDLOCK_COMMAND_RELEASE:
        return "released";
    case REDLOCK_COMMAND_LOOK:
        return "looked";
    case REDLOCK_COMMAND_BREAK:
        return "broken";
    case REDLOCK_COMMAND_PROBE:
        return "probed";
    case REDLOCK_COMMAND_DECLARE:
        return "declared";
    }
    return "?";
}

static const char *no_words(redlock_command_kind kind, const redlock_answer *answer) {
    bool is_free = answer->text.len == 0 && answer->time_ms > 0; /* SET tells neither */
    return kind != REDLOCK_COMMAND_GRANT ? "no, not held"
           : is_free                     ? "no, others wait"
                                         : "no, held";
}

static const char *answer_words(redlock_command_kind kind, const redlock_answer *answer) {
    switch (answer->kind) {
    case REDLOCK_ANSWER_YES:
        return yes_words(kind);
    case REDLOCK_ANSWER_HEALED:
        return "had lost it, healed";
    case REDLOCK_ANSWER_NO:
        return no_words(kind, answer);
    case REDLOCK_ANSWER_LATE:
        return "too late by its clock";
    case REDLOCK_ANSWER_NOT_READY:
        return "not ready";
    case REDLOCK_ANSWER_CLOCK:
        return "no, its clock is an hour behind";
    case REDLOCK_ANSWER_FORGOT:
        return "does not know the step";
    case REDLOCK_ANSWER_UNSEEN:
        return "not looked at";
    case REDLOCK_ANSWER_ERROR:
        return "error";
    }
    return "?";
}

void redlock_words_answer(redlock_command_kind kind, const redlock_answer *answer, char *text,
                          size_t size) {
    char holder[REDLOCK_TOKEN_BYTES_MAX + 1];
    redlock_words_token(answer->text, holder, sizeof holder);
    char mark[32] = "", left[40] = "", place[24] = "";
    if (answer->mark > 0) {
        (void)snprintf(mark, sizeof mark, ", mark %" PRIu64, answer->mark);
    }
    if (answer->left_ms > 0) {
        (void)snprintf(left, sizeof left, ", %" PRIu64 "ms left", answer->left_ms);
    }
    if (answer->place > 0) {
        const char *word = kind == REDLOCK_COMMAND_LOOK ? ", waiters" : ", place";
        (void)snprintf(place, sizeof place, "%s %" PRIu32, word, answer->place);
    }
    (void)snprintf(text, size, "%s%s%s%s%s%s", answer_words(kind, answer),
                   holder[0] != '\0' ? ": " : "", holder, left, mark, place);
}
