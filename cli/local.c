/* local.c -- private servers of this user on this machine: the set, and `redlock local`. */
#include "cli/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/folder.h"
#include "cli/help.h"
#include "cli/server.h"

enum { START_MS_MAX = 10000 };

typedef struct local_set {
    int size;
    char folder[REDLOCK_SOCKET_BYTES_MAX];
    redlock_server server[REDLOCK_NODES_MAX];
} local_set;

static int path_fails(const redlock_say *say, const char *path, const char *why) {
    redlock_say_error(say, "the folder of the local servers, %s, cannot be used: %s", path, why);
    return REDLOCK_EXIT_UNAVAILABLE;
}

/* Names the set's folders, without touching them. */
static int set_init(local_set *set, int size, const redlock_say *say) {
    char runtime[REDLOCK_FOLDER_BYTES_MAX] = "";
    bool fits = redlock_folder_runtime(runtime);

    *set = (local_set){.size = size};
    int length = snprintf(set->folder, sizeof(set->folder), "%s/local-%d", runtime, size);

    fits = fits && length > 0 && (size_t)length < sizeof(set->folder);
    for (int i = 0; i < size; i++) {
        fits = fits && redlock_server_init(&set->server[i], set->folder, i + 1);
    }
    return fits ? 0 : path_fails(say, runtime, "a socket's path would be longer than 107 bytes");
}

static int set_make(const local_set *set, const redlock_say *say) {
    char runtime[REDLOCK_FOLDER_BYTES_MAX];

    (void)redlock_folder_runtime(runtime);
    const char *wrong = redlock_folder_make(runtime);
    if (wrong != NULL) {
        return path_fails(say, runtime, wrong);
    }
    wrong = redlock_folder_make(set->folder);
    return wrong == NULL ? 0 : path_fails(say, set->folder, wrong);
}

static int set_open(const local_set *set, const char *file, int flags) {
    char path[REDLOCK_SOCKET_BYTES_MAX + 16];

    (void)snprintf(path, sizeof(path), "%s/%s", set->folder, file);
    return open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* The file "ready" says that the set has been declared ready once. */
static bool set_is_ready(const local_set *set) {
    int fd = set_open(set, "ready", O_RDONLY);

    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static void set_mark_ready(const local_set *set) {
    int fd = set_open(set, "ready", O_WRONLY | O_CREAT);

    if (fd >= 0) {
        (void)close(fd); /* without the mark, the next start declares it again */
    }
}

typedef struct set_count {
    int up;
    int down;
} set_count;

static set_count set_look(const local_set *set) {
    set_count count = {.up = 0};
    pid_t pid;

    for (int i = 0; i < set->size; i++) {
        switch (redlock_server_look(&set->server[i], &pid, NULL)) {
        case REDLOCK_SERVER_UP:
            count.up++;
            break;
        case REDLOCK_SERVER_DOWN:
            count.down++;
            break;
        case REDLOCK_SERVER_BUSY: /* it lives, so nothing can be done for it */
            break;
        }
    }
    return count;
}

static char *program_find(const redlock_say *say) {
    char *program = redlock_path_find("redis-server");

    if (program == NULL) {
        program = redlock_path_find("valkey-server");
    }
    if (program == NULL) {
        redlock_say_error(say, "local servers need redis-server or valkey-server, and neither is "
                               "installed (or in PATH): install the package redis-server or "
                               "valkey-server, or give a server by --url redis://HOST");
    }
    return program;
}

static int nodes_declare(const char *const *urls, size_t count, bool is_forced,
                         redlock_report *report) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client *client = NULL;

    options.flags = REDLOCK_CLIENT_GUARD_ON;
    int status = redlock_client_create(urls, count, &options, &client, report);
    if (status == REDLOCK_OK) {
        status = redlock_client_init_nodes(client, is_forced, report);
        redlock_client_destroy(client);
    }
    return status;
}

/* By itself, so that no other server of the set is declared ready with it. */
static void restarted_declare(const redlock_server *server) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    char *url = redlock_server_url_dup(server);
    const char *const urls[] = {url};

    if (url != NULL) {
        /* When this fails, the restart guard keeps it silent for a minute, and that is all. */
        (void)nodes_declare(urls, 1, true, &report);
    }
    free(url);
}

static int urls_fill(const local_set *set, redlock_urls *urls) {
    for (int i = 0; i < set->size; i++) {
        urls->url[i] = redlock_server_url_dup(&set->server[i]);
        if (urls->url[i] == NULL) {
            return REDLOCK_EXIT_SYSTEM;
        }
        urls->count = (size_t)i + 1;
    }
    urls->local_size = 0;
    urls->is_local = true;
    return 0;
}

static void new_set_declare(const local_set *set, const redlock_say *say) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_urls urls = {.count = 0};

    if (urls_fill(set, &urls) == 0) {
        int status = nodes_declare((const char *const *)urls.url, urls.count, false, &report);

        if (status == REDLOCK_OK) {
            set_mark_ready(set);
        } else {
            redlock_say_error(say, "the new local servers were not declared ready: %s",
                              report.sentence[0] != '\0' ? report.sentence
                                                         : redlock_status_text(status));
        }
    }
    redlock_urls_deinit(&urls);
}

/* Starts what is down; all of them first and then waits, since each takes a moment to be up. */
static void servers_start(const local_set *set, const char *program, const redlock_say *say) {
    bool is_started[REDLOCK_NODES_MAX] = {false};
    bool had_data[REDLOCK_NODES_MAX] = {false};
    pid_t pid;

    for (int i = 0; i < set->size; i++) {
        const redlock_server *server = &set->server[i];

        if (redlock_server_look(server, &pid, NULL) == REDLOCK_SERVER_DOWN) {
            had_data[i] = redlock_server_has_data(server);
            is_started[i] = redlock_server_start(server, program, say);
        }
    }
    for (int i = 0; i < set->size; i++) {
        if (is_started[i] && !redlock_server_await(&set->server[i], START_MS_MAX)) {
            redlock_say_error(say, "local server %d did not come up; see %s/log", i + 1,
                              set->server[i].folder);
        } else if (is_started[i] && had_data[i]) {
            restarted_declare(&set->server[i]);
        }
    }
}

static int set_start_locked(const local_set *set, const redlock_say *say) {
    set_count count = set_look(set);

    if (count.down > 0) {
        char *program = program_find(say);

        if (program == NULL) {
            return REDLOCK_EXIT_UNAVAILABLE;
        }
        servers_start(set, program, say);
        free(program);
        count = set_look(set);
    }
    if (count.up == set->size && !set_is_ready(set)) {
        new_set_declare(set, say);
    }
    if (count.up <= set->size / 2) {
        redlock_say_error(say, "%d of %d local servers are up: too few", count.up, set->size);
        return REDLOCK_EXIT_UNAVAILABLE;
    }
    return 0;
}

/* -1 when it cannot be had: whoever needs it for certain has to look. */
static int starting_lock(const local_set *set) {
    int fd = set_open(set, "starting", O_RDWR | O_CREAT);

    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return fd;
}

/* Makes all of it run; one process at a time, and the second finds the work done. */
static int set_start(const local_set *set, const redlock_say *say) {
    int code = set_make(set, say);

    if (code != 0) {
        return code;
    }
    set_count count = set_look(set);
    if (count.down == 0 && count.up > set->size / 2 && set_is_ready(set)) {
        return 0;
    }

    int fd = starting_lock(set);
    if (fd < 0) {
        return path_fails(say, set->folder, strerror(errno));
    }
    code = set_start_locked(set, say);
    (void)close(fd);
    return code;
}

/* A function of its own, since the set is large, and most callers have none. */
static __attribute__((noinline)) int set_resolve(redlock_urls *urls, const redlock_say *say) {
    local_set set;
    int code = set_init(&set, urls->local_size, say);

    if (code == 0) {
        code = set_start(&set, say);
    }
    if (code == 0) {
        redlock_say_error(say, "local: the lock reaches only this user on this machine");
        code = urls_fill(&set, urls);
    }
    return code;
}

int redlock_local_resolve(redlock_urls *urls, const redlock_say *say) {
    return urls->local_size != 0 ? set_resolve(urls, say) : 0;
}

static int local_start(int size, const redlock_say *say) {
    local_set set;
    int code = set_init(&set, size, say);

    if (code == 0) {
        code = set_start(&set, say);
    }
    if (code == 0) {
        (void)printf("local:%d is up\n", size);
    }
    return code;
}

static void server_print(const redlock_server *server, redlock_server_state state, pid_t pid,
                         int64_t uptime_s) {
    char *url = redlock_server_url_dup(server);
    const char *shown = url != NULL ? url : server->socket;

    switch (state) {
    case REDLOCK_SERVER_UP:
        (void)printf("%s up, pid %ld, for %lld s\n", shown, (long)pid, (long long)uptime_s);
        break;
    case REDLOCK_SERVER_BUSY:
        (void)printf("%s does not answer, pid %ld\n", shown, (long)pid);
        break;
    case REDLOCK_SERVER_DOWN:
        (void)printf("%s dead\n", shown);
        break;
    }
    free(url);
}

static int local_status(int size, const redlock_say *say) {
    local_set set;
    int code = set_init(&set, size, say);
    pid_t pid;
    int64_t uptime_s;

    for (int i = 0; code == 0 && i < set.size; i++) {
        redlock_server_state state = redlock_server_look(&set.server[i], &pid, &uptime_s);

        server_print(&set.server[i], state, pid, uptime_s);
        set.folder[0] = state == REDLOCK_SERVER_UP ? set.folder[0] : '\0';
    }
    return code == 0 && set.folder[0] == '\0' ? REDLOCK_EXIT_UNAVAILABLE : code;
}

static int local_urls(int size, const redlock_say *say) {
    redlock_urls urls = {.count = 0};
    local_set set;
    int code = set_init(&set, size, say);

    if (code == 0) {
        code = set_start(&set, say); /* URLs of servers that do not run would be of no use */
    }
    if (code == 0) {
        code = urls_fill(&set, &urls);
    }
    for (size_t i = 0; code == 0 && i < urls.count; i++) {
        (void)printf("%s%s", urls.url[i], i + 1 < urls.count ? " " : "\n");
    }
    redlock_urls_deinit(&urls);
    return code;
}

static int server_stop(const redlock_server *server, const redlock_say *say) {
    pid_t pid;

    if (redlock_server_look(server, &pid, NULL) == REDLOCK_SERVER_DOWN) {
        return 0;
    }
    if (!redlock_server_stop(server)) {
        redlock_say_error(say, "%s: the server (pid %ld) does not stop", server->socket, (long)pid);
        return REDLOCK_EXIT_UNAVAILABLE;
    }
    (void)printf("%s stopped\n", server->socket);
    return 0;
}

static int local_stop(int size, const redlock_say *say) {
    local_set set;
    int code = set_init(&set, size, say);

    if (code != 0 || !redlock_folder_is_safe(set.folder)) {
        return code; /* nothing was ever started */
    }
    int fd = starting_lock(&set);
    for (int i = 0; i < set.size; i++) {
        int failed = server_stop(&set.server[i], say);

        code = failed != 0 ? failed : code;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

typedef struct local_verb {
    const char *word;
    int (*act)(int size, const redlock_say *say);
    bool is_for_all; /* without N: for each set that there is */
} local_verb;

static const local_verb verbs[] = {
    {"start", local_start, false},
    {"status", local_status, true},
    {"urls", local_urls, false},
    {"stop", local_stop, true},
};

static int for_all(const local_verb *verb, const redlock_say *say) {
    int code = 0;
    int count = 0;

    for (int size = 1; size <= REDLOCK_NODES_MAX; size += 2) {
        local_set set;
        int failed = set_init(&set, size, say);

        if (failed == 0 && redlock_folder_is_safe(set.folder)) {
            failed = verb->act(size, say);
            count++;
        }
        code = failed != 0 ? failed : code;
    }
    if (count == 0) {
        (void)printf("there are no local servers\n");
    }
    return code;
}

int redlock_local_main(int argc, char **argv) {
    const redlock_say say = {.loudness = REDLOCK_NORMAL};

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return redlock_help_print("local");
    }
    if (argc < 2 || argc > 3) {
        return redlock_say_usage("local", "start, status, urls or stop, and perhaps N");
    }

    int size = redlock_urls_local_size(argc == 3 ? argv[2] : "");
    if (size == 0) {
        return redlock_say_usage("local", "N is how many servers make the set: odd, from 1 to %d",
                                 REDLOCK_NODES_MAX);
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].word) == 0) {
            return argc == 2 && verbs[i].is_for_all ? for_all(&verbs[i], &say)
                                                    : verbs[i].act(size, &say);
        }
    }
    return redlock_say_usage("local", "'%s' is none of start, status, urls and stop", argv[1]);
}
