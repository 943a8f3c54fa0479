/* secret.c -- the password, and how it gets into a URL. */
#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/say.h"
#include "cli/text.h"

/* What makes a file unfit for a password; NULL when nothing does. */
static const char *file_wrong(int fd) {
    struct stat about;

    if (fstat(fd, &about) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(about.st_mode)) {
        return "it is no file";
    }
    if (about.st_uid != geteuid() && about.st_uid != 0) {
        return "it belongs to somebody else";
    }
    /* Of root's, systemd's credentials are readable by a group: that is how it lets us in. */
    bool is_lent = about.st_uid == 0 && geteuid() != 0;
    mode_t forbidden = is_lent ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    return (about.st_mode & forbidden) != 0 ? "others may read or write it; chmod 600 it" : NULL;
}

static int first_line_read(int fd, const char *path, const char *topic,
                           char out[REDLOCK_SECRET_BYTES_MAX]) {
    ssize_t got = read(fd, out, REDLOCK_SECRET_BYTES_MAX - 1);

    out[got > 0 ? got : 0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    return out[0] != '\0'
               ? 0
               : redlock_say_usage(topic, "there is no password in the first line of %s", path);
}

static int file_read(const char *path, const char *topic, char out[REDLOCK_SECRET_BYTES_MAX]) {
    /* Not blocking: somebody may have put a pipe there. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return redlock_say_usage(topic, "the password file %s cannot be read: %s", path,
                                 strerror(errno));
    }
    const char *wrong = file_wrong(fd);
    int code = wrong == NULL
                   ? first_line_read(fd, path, topic, out)
                   : redlock_say_usage(topic, "the password file %s is not taken: %s", path, wrong);
    (void)close(fd);
    return code;
}

int redlock_secret_read(const char *path, const char *topic, char out[REDLOCK_SECRET_BYTES_MAX]) {
    char *full = redlock_text_path(path);
    if (full == NULL) {
        return REDLOCK_EXIT_SYSTEM;
    }
    int code = file_read(full, topic, out);
    free(full);
    return code;
}

char *redlock_secret_credential(void) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path = folder != NULL && folder[0] == '/'
                     ? redlock_text_join(folder, "/redlock.password", NULL)
                     : NULL;

    if (path != NULL && access(path, F_OK) != 0) {
        free(path);
        path = NULL;
    }
    return path;
}

/* Writes behind `len` bytes of `out`, which has room for it. */
static size_t encode(char *out, size_t len, const char *text) {
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.';

        if (is_plain) {
            out[len++] = (char)byte;
        } else {
            out[len++] = '%';
            out[len++] = digits[byte >> 4];
            out[len++] = digits[byte & 15U];
        }
    }
    return len;
}

char *redlock_secret_url_dup(const char *url, const char *user, const char *password) {
    const char *mark = strstr(url, "://");
    const char *rest = mark != NULL ? mark + 3 : url;
    const char *login = user != NULL ? user : "";
    bool has_login = memchr(rest, '@', strcspn(rest, "/?")) != NULL;
    size_t size = strlen(url) + 3 * (strlen(login) + strlen(password)) + 16;

    if (has_login) {
        return strdup(url);
    }
    char *out = malloc(size);
    if (out == NULL) {
        return NULL;
    }
    size_t len = (size_t)snprintf(out, size, "%.*s", mark != NULL ? (int)(rest - url) : 8,
                                  mark != NULL ? url : "redis://");

    len = encode(out, len, login);
    out[len++] = ':';
    len = encode(out, len, password);
    (void)snprintf(out + len, size - len, "@%s", rest);
    return out;
}
