/* textfile.c -- keeps a file with a client's numbers. */
#include "cli/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    INTERVAL_MS = 10 * 1000,
    PATH_BYTES = 4096,
    FILE_NAME_BYTES = 200 /* leaves room for a suffix in the 255 that file systems have */
};

/* --- the path -------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *text) { /* FNV-1a */
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    }
    return hash;
}

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.:", c) != NULL);
}

/* A lock's name as a part of a file's: other bytes as %XX, and of a long name a hash instead of its
 * end. */
static void file_name_make(const char *name, char *out, size_t size) {
    const char *at = name;
    size_t used = 0;

    for (; *at != '\0' && used + 24 < size; at++) {
        used += (size_t)snprintf(out + used, size - used, is_plain(*at) ? "%c" : "%%%02X",
                                 (unsigned)(unsigned char)*at);
    }
    if (*at != '\0') {
        (void)snprintf(out + used, size - used, "~%016llx", (unsigned long long)hash_of(name));
    }
}

static bool is_folder(const char *path) {
    struct stat about;
    size_t len = strlen(path);

    return (len > 0 && path[len - 1] == '/') || (stat(path, &about) == 0 && S_ISDIR(about.st_mode));
}

static bool paths_make(redlock_textfile *file, const char *path) {
    char whole[PATH_BYTES];
    char name[FILE_NAME_BYTES] = "";
    char next[PATH_BYTES + 32];
    int len = 0;

    if (is_folder(path)) {
        file_name_make(file->what.name, name, sizeof(name));
        len = snprintf(whole, sizeof(whole), "%s/redlock-%s-%s.prom", path, file->what.subcommand,
                       name);
    } else {
        len = snprintf(whole, sizeof(whole), "%s", path);
    }
    if (len < 0 || (size_t)len >= sizeof(whole)) {
        errno = ENAMETOOLONG;
        return false;
    }
    /* Not by mkstemp: collectors read whatever ends with .prom, and nothing else. */
    (void)snprintf(next, sizeof(next), "%s.%ld.new", whole, (long)getpid());
    file->path = strdup(whole);
    file->path_new = strdup(next);
    return file->path != NULL && file->path_new != NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static void complain(redlock_textfile *file, int error) {
    if (!file->is_told) {
        file->is_told = true;
        redlock_say_error(file->say, "the metrics cannot be written to %s: %s",
                          file->path != NULL ? file->path : "their file", strerror(error));
    }
}

/* A link that somebody else has laid there is not followed. */
static int file_open(const char *path) {
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(path, flags, 0644);

    if (fd < 0 && errno == EEXIST && unlink(path) == 0) { /* of a process of this number, killed */
        fd = open(path, flags, 0644);
    }
    return fd;
}

static bool bytes_write(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t written = write(fd, text, len);

        if (written < 0 && errno != EINTR) {
            return false;
        }
        text += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool text_write(const redlock_textfile *file, const char *text, size_t len) {
    int fd = file_open(file->path_new);

    if (fd < 0) {
        return false;
    }
    /* Whatever the umask says: the collector is another user. */
    bool is_well = fchmod(fd, 0644) == 0 && bytes_write(fd, text, len);
    int error = errno;

    if (close(fd) != 0 && is_well) {
        is_well = false;
        error = errno;
    }
    if (is_well && rename(file->path_new, file->path) == 0) {
        return true;
    }
    error = is_well ? errno : error;
    (void)unlink(file->path_new);
    errno = error;
    return false;
}

static void file_write(redlock_textfile *file) {
    size_t len = 0;
    char *text = redlock_exposition_make(&file->what, &len);

    if (text == NULL) {
        complain(file, ENOMEM);
    } else if (!text_write(file, text, len)) {
        complain(file, errno);
    }
    free(text);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void *file_keep(void *arg) {
    redlock_textfile *file = arg;
    struct pollfd stop = {.fd = file->stop_pipe[0], .events = POLLIN};

    do {
        file_write(file);
    } while (poll(&stop, 1, INTERVAL_MS) <= 0);
    return NULL;
}

/* Signals stay with the session's descriptor. */
static bool thread_start(redlock_textfile *file) {
    sigset_t all;
    sigset_t before;

    if (pipe2(file->stop_pipe, O_CLOEXEC) != 0) {
        return false;
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&file->thread, NULL, file_keep, file);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    file->runs = error == 0;
    if (!file->runs) {
        (void)close(file->stop_pipe[0]);
        (void)close(file->stop_pipe[1]);
        errno = error;
    }
    return file->runs;
}

void redlock_textfile_start(redlock_textfile *file, const char *path,
                            const redlock_exposition *what, const redlock_say *say) {
    struct timespec now = {.tv_sec = 0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    *file = (redlock_textfile){.what = *what, .say = say};
    file->what.start_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!paths_make(file, path) || !thread_start(file)) {
        complain(file, errno);
    }
}

void redlock_textfile_end(redlock_textfile *file) {
    if (file->runs) {
        /* A byte: the end of the pipe is not seen while a forked process still has it open. */
        ssize_t ignored = write(file->stop_pipe[1], "", 1);

        (void)ignored;
        (void)pthread_join(file->thread, NULL);
        (void)close(file->stop_pipe[0]);
        (void)close(file->stop_pipe[1]);
        file->what.is_over = true;
        file_write(file);
    }
    free(file->path);
    free(file->path_new);
    *file = (redlock_textfile){.runs = false};
}
