/* history.c -- lines, each appended at once. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 512 };

int64_t chaos_now_us(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int chaos_history_open(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0) {
        perror(path);
        exit(71);
    }
    return fd;
}

/* A line that is missing would make a checker blind, so this is not ignored. */
static void line_append(int fd, const char *line, size_t length) {
    ssize_t written;

    do {
        written = write(fd, line, length);
    } while (written < 0 && errno == EINTR);
    if (written != (ssize_t)length) {
        perror("history");
        abort();
    }
}

void chaos_history_write(int fd, const char *format, ...) {
    char line[LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= LINE_BYTES_MAX - 1) {
        abort();
    }
    line[length] = '\n';
    line_append(fd, line, (size_t)length + 1);
}
