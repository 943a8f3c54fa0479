/* record.c -- reads MONITOR's lines back into commands. */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SENTINEL "bench-recorded"
#define TIME_NEAR_MS 600000 /* a number so near to now is a time */
#define ARGS_MAX 64
#define SETTLE_NS (50 * (int64_t)BENCH_NS_PER_MS)

static int64_t wall_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / BENCH_NS_PER_MS;
}

/* --- a line of MONITOR ----------------------------------------------------------------------------- */

static int hex_of(char c) {
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* One character behind a backslash; moves `at` behind it. */
static char unescape(const char **at) {
    static const char letters[] = "nrtab", meant[] = "\n\r\t\a\b";
    const char *found = strchr(letters, **at);

    if (**at == 'x') {
        char c = (char)(hex_of((*at)[1]) * 16 + hex_of((*at)[2]));
        *at += 3;
        return c;
    }
    char c = found != NULL && **at != '\0' ? meant[found - letters] : **at;
    (*at)++;
    return c;
}

/* The quoted argument at `at`, with its quotes taken off, in place of `to`; NULL: there is none. */
static const char *line_arg(const char *at, char *to, size_t *ret_len) {
    size_t len = 0;

    while (*at == ' ') {
        at++;
    }
    if (*at++ != '"') {
        return NULL;
    }
    while (*at != '"' && *at != '\r' && *at != '\0') {
        if (*at == '\\') {
            at++;
            to[len++] = unescape(&at);
        } else {
            to[len++] = *at++;
        }
    }
    *ret_len = len;
    return at + 1;
}

/* --- commands -------------------------------------------------------------------------------------- */

static void command_note_arg(bench_command *command, size_t at, size_t len, const char *name) {
    const char *arg = command->bytes + at;
    int64_t ahead_ms = len == RECORD_TIME_DIGITS ? strtoll(arg, NULL, 10) - wall_ms() : INT64_MAX;

    if (ahead_ms > -TIME_NEAR_MS && ahead_ms < TIME_NEAR_MS &&
        command->time_count < RECORD_PLACES_MAX) {
        command->time_at[command->time_count] = at;
        command->time_ahead_ms[command->time_count++] = ahead_ms;
    }
    for (size_t i = 0; i + RECORD_NAME_BYTES <= len; i++) {
        if (memcmp(arg + i, name, RECORD_NAME_BYTES) == 0 &&
            command->name_count < RECORD_PLACES_MAX) {
            command->name_at[command->name_count++] = at + i;
        }
    }
}

static void command_add(bench_command *command, const char *bytes, size_t len) {
    memcpy(command->bytes + command->len, bytes, len);
    command->len += len;
}

/* From the arguments of a line.  A command is at most as long as its line and what RESP adds. */
static bench_command command_parse(const char *args, size_t line_len, const char *name) {
    bench_command command = {.bytes = bench_calloc(1, line_len + 32 * (ARGS_MAX + 1))};
    char *arg = bench_calloc(1, line_len + 1), head[32];
    size_t len;
    int count = 0;

    for (const char *at = args; (at = line_arg(at, arg, &len)) != NULL && count < ARGS_MAX;) {
        count++;
    }
    command_add(&command, head, (size_t)snprintf(head, sizeof(head), "*%d\r\n", count));
    for (const char *at = args; (at = line_arg(at, arg, &len)) != NULL;) {
        command_add(&command, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", len));
        size_t begin = command.len;
        command_add(&command, arg, len);
        command_add(&command, "\r\n", 2);
        command_note_arg(&command, begin, len, name);
    }
    free(arg);
    return command;
}

void bench_command_refresh(bench_command *command) {
    char digits[24];
    int64_t now_ms = command->time_count > 0 ? wall_ms() : 0;

    for (size_t i = 0; i < command->time_count; i++) {
        (void)snprintf(digits, sizeof(digits), "%013lld",
                       (long long)(now_ms + command->time_ahead_ms[i]));
        memcpy(command->bytes + command->time_at[i], digits, RECORD_TIME_DIGITS);
    }
}

void bench_command_rename(bench_command *command, int number) {
    char name[24];

    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, number);
    for (size_t i = 0; i < command->name_count; i++) {
        memcpy(command->bytes + command->name_at[i], name, RECORD_NAME_BYTES);
    }
}

/* --- recordings ------------------------------------------------------------------------------------ */

void bench_record_begin(bench_link *monitor, const test_server *server) {
    static const char words[] = "*1\r\n$7\r\nMONITOR\r\n";

    bench_link_open(monitor, test_server_url(server));
    if (monitor->fd < 0 || !bench_link_send(monitor, words, sizeof(words) - 1) ||
        bench_link_reply(monitor) == NULL) {
        bench_give_up("a server refuses MONITOR");
    }
}

/* What lies behind `[0 address] ` if a client said it about our name, else NULL. */
static const char *line_args(const char *line, const char *name) {
    const char *bracket = strchr(line, '[');
    const char *end = bracket == NULL ? NULL : strstr(bracket, "] ");

    if (end == NULL || strstr(line, name) == NULL || strncmp(end - 3, "lua", 3) == 0) {
        return NULL;
    }
    return end + 2;
}

void bench_record_end(bench_link *monitor, test_server *server, bench_recording *ret_recording) {
    char name[24];
    const char *reply;

    *ret_recording = (bench_recording){0};
    (void)snprintf(name, sizeof(name), RECORD_NAME_FORMAT, 0);
    bench_sleep_until(bench_now_ns() + SETTLE_NS); /* what nobody waits for is said as well */
    free(test_server_ask(server, "ECHO", SENTINEL, NULL));
    while ((reply = bench_link_reply(monitor)) != NULL) {
        size_t len = (size_t)(monitor->in + monitor->from - reply);
        char *line = bench_calloc(1, len + 1);
        memcpy(line, reply, len);
        const char *args = line_args(line, name);
        bool is_over = strstr(line, SENTINEL) != NULL;
        if (args != NULL && ret_recording->count < RECORD_COMMANDS_MAX) {
            ret_recording->at[ret_recording->count++] = command_parse(args, len, name);
        }
        free(line);
        if (is_over) {
            break;
        }
    }
    bench_link_close(monitor);
}

bench_recording bench_recording_copy(const bench_recording *recording, int number) {
    bench_recording copy = *recording;

    for (size_t i = 0; i < copy.count; i++) {
        copy.at[i].bytes = bench_calloc(1, copy.at[i].len);
        memcpy(copy.at[i].bytes, recording->at[i].bytes, copy.at[i].len);
        bench_command_rename(&copy.at[i], number);
    }
    return copy;
}

void bench_recording_free(bench_recording *recording) {
    for (size_t i = 0; i < recording->count; i++) {
        free(recording->at[i].bytes);
    }
    *recording = (bench_recording){0};
}
