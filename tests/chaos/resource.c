/* resource.c -- the register under flock(2), which ends with the process that has it. */
#include "resource.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "history.h"

enum { FENCE_DIGITS = 20, PATH_BYTES_MAX = 512 };

static int register_enter(const char *folder, const char *name) {
    char path[PATH_BYTES_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s.register", folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int rc;
    do {
        rc = flock(fd, LOCK_EX);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        perror(path);
        abort();
    }
    return fd;
}

static uint64_t register_load(int fd) {
    char text[FENCE_DIGITS + 1] = "";
    ssize_t length = pread(fd, text, FENCE_DIGITS, 0);

    return length == FENCE_DIGITS ? strtoull(text, NULL, 10) : 0;
}

/* In one write, so that a kill leaves the old number or the new one. */
static void register_store(int fd, uint64_t fence) {
    char text[FENCE_DIGITS + 1];

    (void)snprintf(text, sizeof(text), "%020" PRIu64, fence);
    if (pwrite(fd, text, FENCE_DIGITS, 0) != FENCE_DIGITS) {
        perror("register");
        abort();
    }
}

void chaos_resource_write(const char *folder, const char *name, const char *token, uint64_t fence,
                          int history_fd) {
    int fd = register_enter(folder, name);
    uint64_t highest = register_load(fd);
    int is_taken = fence >= highest;

    if (is_taken) {
        register_store(fd, fence);
    }
    chaos_history_write(history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"write\",\"name\":\"%s\",\"token\":\"%s\","
                        "\"fence\":%" PRIu64 ",\"taken\":%d,\"highest\":%" PRIu64 "}",
                        chaos_now_us(), name, token, fence, is_taken, highest);
    (void)close(fd);
}
