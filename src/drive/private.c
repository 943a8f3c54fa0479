#include "drive/private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asked of the open file, so that it is the same one that is read. */
static const char *file_wrong(int fd) {
    struct stat about;
    if (fstat(fd, &about) != 0) {
        return "it cannot be looked at";
    }
    if (!S_ISREG(about.st_mode)) {
        return "it is not a regular file";
    }
    if (about.st_uid != 0 && about.st_uid != geteuid()) {
        return "it belongs to another user";
    }
    mode_t forbidden = about.st_uid == 0 ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    return (about.st_mode & forbidden) != 0 ? "others may read or write it: chmod 600 mends that"
                                            : NULL;
}

static const char *errno_words(int error) {
    return error == ENOENT   ? "it does not exist"
           : error == EACCES ? "this user may not read it"
                             : "it cannot be opened";
}

int redlock_private_open(const char *path, const char **ret_words) {
    /* Not blocking, because a pipe may be in its place. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        *ret_words = errno_words(errno);
        return -1;
    }
    *ret_words = file_wrong(fd);
    if (*ret_words != NULL) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* As many bytes as fit; a regular file gives them in one go but for signals. */
static size_t file_read(int fd, char *out, size_t size) {
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, out + len, size - len);
        if (n > 0) {
            len += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            break;
        }
    }
    return len;
}

redlock_status redlock_private_read(const char *path, char *out, size_t size,
                                    const char **ret_words) {
    int fd = redlock_private_open(path, ret_words);
    if (fd < 0) {
        return REDLOCK_INVALID;
    }
    size_t len = file_read(fd, out, size);
    (void)close(fd);
    size_t line = 0;
    while (line < len && out[line] != '\n' && out[line] != '\r' && out[line] != '\0') {
        line++;
    }
    if (line > 0 && line < size) {
        explicit_bzero(out + line, size - line); /* of the lines behind it nothing is kept */
        return REDLOCK_OK;
    }
    explicit_bzero(out, size);
    *ret_words = line == 0 ? "its first line is empty" : "its first line is too long";
    return REDLOCK_INVALID;
}
