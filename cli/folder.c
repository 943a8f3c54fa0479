/* folder.c -- a folder that is this user's alone. */
#include "cli/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/redlock" and "/local-15/node-15/server.sock" have to fit behind it. */
enum { RUNTIME_BYTES_MAX = 64 };

static const char *folder_check(const char *path) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return errno == ELOOP || errno == ENOTDIR ? "it is a symbolic link or no folder"
                                                  : strerror(errno);
    }
    int failed = fstat(fd, &info);
    (void)close(fd);
    if (failed != 0) {
        return strerror(errno);
    }
    if (info.st_uid != geteuid()) {
        return "it belongs to another user";
    }
    return (info.st_mode & 077) != 0 ? "others may use it; its mode has to be 0700" : NULL;
}

const char *redlock_folder_make(const char *path) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return strerror(errno);
    }
    return folder_check(path);
}

bool redlock_folder_is_safe(const char *path) {
    return folder_check(path) == NULL;
}

/* Without a session (cron) the variable is missing, while the folder may be there. */
static bool session_folder(char *path, size_t size) {
    const char *given = getenv("XDG_RUNTIME_DIR");

    /* Under sudo it may be another user's, who could put anything in the place of ours. */
    if (given != NULL && given[0] == '/' && redlock_folder_is_safe(given)) {
        int length = snprintf(path, size, "%s/redlock", given);

        return length > 0 && length <= RUNTIME_BYTES_MAX;
    }
    (void)snprintf(path, size, "/run/user/%ld", (long)geteuid());
    if (!redlock_folder_is_safe(path)) {
        return false;
    }
    (void)snprintf(path, size, "/run/user/%ld/redlock", (long)geteuid());
    return true;
}

bool redlock_folder_runtime(char path[REDLOCK_FOLDER_BYTES_MAX]) {
    if (session_folder(path, REDLOCK_FOLDER_BYTES_MAX)) {
        return true;
    }
    int length = snprintf(path, REDLOCK_FOLDER_BYTES_MAX, "/tmp/redlock-%ld", (long)geteuid());
    return length > 0 && length <= RUNTIME_BYTES_MAX;
}
