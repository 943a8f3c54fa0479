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

#include "cli/say.h"

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

int redlock_secret_read(const char *path, const char *topic, char out[REDLOCK_SECRET_BYTES_MAX]) {
    const char *home = getenv("HOME");
    char full[REDLOCK_SECRET_PATH_BYTES];
    bool is_home = strncmp(path, "~/", 2) == 0 && home != NULL;

    (void)snprintf(full, sizeof(full), "%s%s", is_home ? home : "", is_home ? path + 1 : path);
    /* Not blocking: somebody may have put a pipe there. */
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return redlock_say_usage(topic, "the password file %s cannot be read: %s", full,
                                 strerror(errno));
    }
    const char *wrong = file_wrong(fd);
    int code = wrong == NULL
                   ? first_line_read(fd, full, topic, out)
                   : redlock_say_usage(topic, "the password file %s is not taken: %s", full, wrong);
    (void)close(fd);
    return code;
}

bool redlock_secret_credential(char *path, size_t size) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    int len = folder != NULL && folder[0] == '/'
                  ? snprintf(path, size, "%s/redlock.password", folder)
                  : -1;

    return len > 0 && (size_t)len < size && access(path, F_OK) == 0;
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
