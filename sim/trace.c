#include "sim/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

const char *redlock_sim_words_status(redlock_status status) {
    switch (status) {
#define WORD(name, number, text)                                                                   \
    case REDLOCK_##name:                                                                           \
        return #name;
        REDLOCK_STATUS_MAP(WORD)
#undef WORD
    case REDLOCK_STATUS_INT_:
        break;
    }
    return "?";
}

const char *redlock_sim_words_tell(redlock_tell tell) {
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

const char *redlock_sim_words_command(redlock_command_kind kind) {
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

static const char *words_answer(redlock_answer_kind kind) {
    switch (kind) {
    case REDLOCK_ANSWER_YES:
        return "yes";
    case REDLOCK_ANSWER_HEALED:
        return "healed";
    case REDLOCK_ANSWER_NO:
        return "no";
    case REDLOCK_ANSWER_LATE:
        return "late";
    case REDLOCK_ANSWER_NOT_READY:
        return "not ready";
    case REDLOCK_ANSWER_CLOCK:
        return "clock";
    case REDLOCK_ANSWER_FORGOT:
        return "forgot";
    case REDLOCK_ANSWER_UNSEEN:
        return "unseen";
    case REDLOCK_ANSWER_ERROR:
        return "error";
    }
    return "?";
}

static void add(redlock_sim_world *world, const char *whom, const char *words) {
    redlock_sim_trace *trace = world->trace;
    redlock_ns passed = world->now - REDLOCK_SIM_START;
    char *line = trace->line[trace->count++ % REDLOCK_SIM_TRACE_LINES];
    (void)snprintf(line, REDLOCK_SIM_TRACE_BYTES, "[%9" PRIu64 ".%03" PRIu64 "ms] %-2s %s",
                   passed / REDLOCK_NS_PER_MS, passed / REDLOCK_NS_PER_US % 1000, whom, words);
    if (trace->file != NULL) {
        (void)fprintf(trace->file, "%s\n", line);
    }
}

#define TRACE_REST(world, whom)                                                                    \
    do {                                                                                           \
        char words[REDLOCK_SIM_TRACE_BYTES];                                                       \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        (void)vsnprintf(words, sizeof words, format, arguments);                                   \
        va_end(arguments);                                                                         \
        add((world), (whom), words);                                                               \
    } while (0)

void redlock_sim_trace_line(redlock_sim_world *world, const char *whom, const char *format, ...) {
    if (world->trace != NULL) {
        TRACE_REST(world, whom);
    }
}

void redlock_sim_trace_client(redlock_sim_world *world, uint32_t client, const char *format, ...) {
    if (world->trace != NULL) {
        const char whom[] = {(char)('A' + client), '\0'};
        TRACE_REST(world, whom);
    }
}

void redlock_sim_trace_node(redlock_sim_world *world, uint32_t node, const char *format, ...) {
    if (world->trace != NULL) {
        const char whom[] = {'n', (char)('1' + node), '\0'};
        TRACE_REST(world, whom);
    }
}

void redlock_sim_trace_command(redlock_sim_world *world, uint32_t client, uint32_t node,
                               const char *verb, const redlock_command *command) {
    if (world->trace == NULL) {
        return;
    }
    uint32_t token = redlock_sim_token_number(world, command->token);
    redlock_sim_trace_client(
        world, client, "%s n%" PRIu32 " %s %.*s #%" PRIu32 " fence %" PRIu64 "%s", verb, node + 1,
        redlock_sim_words_command(command->kind), (int)command->name.len,
        command->name.len > 0 ? (const char *)command->name.at : "",
        token == REDLOCK_SIM_NONE ? 0 : token, command->fence, command->heal ? " heal" : "");
}

void redlock_sim_trace_answer(redlock_sim_world *world, uint32_t client, uint32_t node,
                              redlock_command_kind kind, const redlock_answer *answer) {
    if (world->trace == NULL) {
        return;
    }
    bool is_error = answer->kind == REDLOCK_ANSWER_ERROR;
    redlock_sim_trace_client(world, client,
                             "< n%" PRIu32 " %s: %s, mark %" PRIu64 ", left %" PRIu64 " ms %.*s",
                             node + 1, redlock_sim_words_command(kind), words_answer(answer->kind),
                             answer->mark, answer->left_ms, is_error ? (int)answer->text.len : 0,
                             is_error ? (const char *)answer->text.at : "");
}

void redlock_sim_trace_print(const redlock_sim_trace *trace, FILE *file) {
    uint64_t first =
        trace->count > REDLOCK_SIM_TRACE_LINES ? trace->count - REDLOCK_SIM_TRACE_LINES : 0;
    for (uint64_t i = first; i < trace->count; i++) {
        (void)fprintf(file, "%s\n", trace->line[i % REDLOCK_SIM_TRACE_LINES]);
    }
}
