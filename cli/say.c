/* say.c -- sentences for people, on standard error. */
#include "cli/say.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"

enum { LINE_BYTES_MAX = 1024 };

static void line_defuse(char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte < 0x20 || byte == 0x7f) {
            text[i] = '?';
        }
    }
}

/* A URL that was written in a wrong place: what may be its user and password is not repeated, even
 * where the line was cut in the middle of it. */
static void logins_hide(char *line, bool is_cut) {
    char *at = line;

    while ((at = strstr(at, "://")) != NULL) {
        at += 3;
        char *end = at + strcspn(at, " '\"");
        char *sign = end;

        while (sign > at && *sign != '@') {
            sign--;
        }
        sign = is_cut && *end == '\0' ? end : sign;
        memset(at, 'x', (size_t)(sign - at));
        at = end;
    }
}

static void line_write(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void line_write(const char *format, va_list args) {
    static const char start[] = "redlock: ";
    const size_t start_length = sizeof(start) - 1;
    char line[LINE_BYTES_MAX];
    const size_t room = sizeof(line) - start_length - 1; /* the newline has its own byte */

    memcpy(line, start, start_length);
    int length = vsnprintf(line + start_length, room, format, args);
    if (length < 0) {
        return;
    }

    size_t used = (size_t)length < room ? (size_t)length : room - 1;
    line_defuse(line + start_length, used);
    logins_hide(line + start_length, (size_t)length >= room);
    line[start_length + used] = '\n';
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    /* A full pipe and a terminal that was stopped by Ctrl-S would hold us up for as long as they
     * like, while a command whose lock ends has to be killed. */
    if (poll(&output, 1, 0) != 1) {
        return;
    }
    ssize_t written = write(STDERR_FILENO, line, start_length + used + 1);
    (void)written; /* there is nobody left to tell */
}

static void line_write_args(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void line_write_args(const char *format, ...) {
    va_list args;

    va_start(args, format);
    line_write(format, args);
    va_end(args);
}

void redlock_say_error(const redlock_say *say, const char *format, ...) {
    if (say->loudness < REDLOCK_NORMAL) {
        return;
    }

    va_list args;
    va_start(args, format);
    line_write(format, args);
    va_end(args);
}

void redlock_say_note(const redlock_say *say, const char *format, ...) {
    if (say->loudness < REDLOCK_VERBOSE) {
        return;
    }

    va_list args;
    va_start(args, format);
    line_write(format, args);
    va_end(args);
}

int redlock_say_usage(const char *topic, const char *format, ...) {
    va_list args;

    va_start(args, format);
    line_write(format, args);
    va_end(args);
    line_write_args("try 'redlock help%s%s'", topic[0] != '\0' ? " " : "", topic);
    return REDLOCK_EXIT_USAGE;
}

static void node_say(const redlock_node_report *node) {
    const char *meaning = redlock_status_text(node->status);

    if (node->status == REDLOCK_HELD && node->words[0] != '\0') {
        line_write_args("  %s: held by %s, %lld ms left", node->where, node->words,
                        (long long)node->left_ms);
    } else if (node->status == REDLOCK_NOT_READY && node->left_ms > 0) {
        line_write_args("  %s: %s, for %lld ms more", node->where, meaning,
                        (long long)node->left_ms);
    } else if (node->words[0] != '\0') {
        line_write_args("  %s: %s (%s)", node->where, meaning, node->words);
    } else if (node->sys_errno != 0) {
        line_write_args("  %s: %s (%s)", node->where, meaning, strerror(node->sys_errno));
    } else {
        line_write_args("  %s: %s", node->where, meaning);
    }
}

static void nodes_say(const redlock_report *report, bool is_all) {
    for (uint32_t i = 0; i < report->node_count && i < REDLOCK_NODES_MAX; i++) {
        if (report->node[i].where[0] != '\0' && (is_all || report->node[i].status != REDLOCK_OK)) {
            node_say(&report->node[i]);
        }
    }
}

void redlock_say_report(const redlock_say *say, const char *name, int status,
                        const redlock_report *report) {
    const char *sentence =
        report->sentence[0] != '\0' ? report->sentence : redlock_status_text(status);

    if (say->loudness < REDLOCK_NORMAL) {
        return;
    }

    if (name != NULL) {
        line_write_args("'%s': %s", name, sentence);
    } else {
        line_write_args("%s", sentence);
    }
    /* Who holds the lock is one thing; what is wrong with each server, another. */
    if (redlock_exit_of_status(status) != REDLOCK_EXIT_BUSY || say->loudness >= REDLOCK_VERBOSE) {
        nodes_say(report, say->loudness >= REDLOCK_VERBOSE);
    }
}

void redlock_say_nodes(const redlock_say *say, const redlock_report *report) {
    if (say->loudness >= REDLOCK_VERBOSE) {
        nodes_say(report, true);
    }
}
