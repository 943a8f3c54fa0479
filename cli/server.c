/* server.c -- one private redis-server (or valkey-server) on a unix socket. */
#include "cli/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/folder.h"
#include "cli/now.h"

enum {
    ANSWER_MS_MAX = 500,
    ANSWER_BYTES_MAX = 4096,
    LOOK_MS = 5, /* between two looks while it starts or ends */
    SHUTDOWN_MS_MAX = 5000,
    TERM_MS_MAX = 2000
};

bool redlock_server_init(redlock_server *server, const char *set_folder, int number) {
    int folder = snprintf(server->folder, sizeof(server->folder), "%s/node-%d", set_folder, number);
    int sock = snprintf(server->socket, sizeof(server->socket), "%s/node-%d/server.sock",
                        set_folder, number);

    return folder > 0 && sock > folder && (size_t)sock < sizeof(server->socket);
}

static bool path_in(const redlock_server *server, const char *file, char *path, size_t size) {
    int length = snprintf(path, size, "%s/%s", server->folder, file);

    return length > 0 && (size_t)length < size;
}

/* Opens and locks the file that a living server keeps locked.  The descriptor, or -1 when a server
 * has it; errno is EWOULDBLOCK then. */
static int alive_lock(const redlock_server *server) {
    char path[REDLOCK_SOCKET_BYTES_MAX + 16];

    if (!path_in(server, "alive", path, sizeof(path))) {
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;

        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool is_alive(const redlock_server *server) {
    int fd = alive_lock(server);

    if (fd < 0) {
        return errno == EWOULDBLOCK;
    }
    (void)close(fd);
    return false;
}

static int socket_open(const redlock_server *server) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    memcpy(address.sun_path, server->socket, strlen(server->socket) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Sends one inline command and reads what comes back, until `end` is in it or the time is over. */
static bool ask(int fd, const char *command, const char *end, char answer[ANSWER_BYTES_MAX]) {
    const int64_t deadline_ms = redlock_now_ms() + ANSWER_MS_MAX;
    size_t used = 0;

    answer[0] = '\0';
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) != (ssize_t)strlen(command)) {
        return false;
    }
    while (used + 1 < ANSWER_BYTES_MAX && strstr(answer, end) == NULL) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - redlock_now_ms();

        if (left_ms <= 0 || (poll(&polled, 1, (int)left_ms) <= 0 && errno != EINTR)) {
            return false;
        }
        ssize_t got = recv(fd, answer + used, ANSWER_BYTES_MAX - 1 - used, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        used += got > 0 ? (size_t)got : 0;
        answer[used] = '\0';
    }
    return true;
}

/* Who called listen() on the socket, according to the kernel; 0 when it is not our user. */
static pid_t peer_pid(int fd) {
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
        return 0;
    }
    return peer.pid;
}

static int64_t uptime_ask(int fd) {
    static const char field[] = "uptime_in_seconds:";
    char answer[ANSWER_BYTES_MAX];
    int64_t uptime_s = 0;

    (void)ask(fd, "INFO server\r\n", "\nuptime_in_days", answer);
    const char *found = strstr(answer, field);
    if (found == NULL) {
        return -1;
    }
    for (found += sizeof(field) - 1; *found >= '0' && *found <= '9'; found++) {
        uptime_s = uptime_s < INT32_MAX ? uptime_s * 10 + (*found - '0') : uptime_s;
    }
    return uptime_s;
}

redlock_server_state redlock_server_look(const redlock_server *server, pid_t *ret_pid,
                                         int64_t *ret_uptime_s) {
    redlock_server_state state = REDLOCK_SERVER_BUSY;
    char answer[ANSWER_BYTES_MAX];
    int fd = socket_open(server);

    *ret_pid = 0;
    if (ret_uptime_s != NULL) {
        *ret_uptime_s = -1;
    }
    if (fd < 0) {
        return is_alive(server) ? REDLOCK_SERVER_BUSY : REDLOCK_SERVER_DOWN;
    }

    *ret_pid = peer_pid(fd);
    if (*ret_pid != 0 && ask(fd, "PING\r\n", "\n", answer) && strncmp(answer, "+PONG", 5) == 0) {
        state = REDLOCK_SERVER_UP;
        if (ret_uptime_s != NULL) {
            *ret_uptime_s = uptime_ask(fd);
        }
    }
    (void)close(fd);
    return state;
}

bool redlock_server_has_data(const redlock_server *server) {
    static const char *const files[] = {"appendonlydir", "appendonly.aof"};
    char path[REDLOCK_SOCKET_BYTES_MAX + 16];

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (path_in(server, files[i], path, sizeof(path)) && access(path, F_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* A descriptor of the caller's would stay open for as long as the server lives: the lock file of a
 * shell script, for one, would stay locked. */
static void fds_close_from(int first) {
    enum { FDS_MAX = 1024 }; /* where the kernel cannot do it in one go */

#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) {
        return;
    }
#endif
    for (int fd = first; fd < FDS_MAX; fd++) {
        (void)close(fd);
    }
}

/* In the child.  Everything is on the command line, so no file of settings can be edited behind our
 * back; data survive a kill, and nothing is ever evicted. */
static void server_execute(const redlock_server *server, const char *program, int alive_fd) {
    const char *const argv[] = {
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        server->socket,
        "--unixsocketperm",
        "700",
        "--dir",
        server->folder,
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "",
        "--maxmemory",
        "0",
        "--maxmemory-policy",
        "noeviction",
        "--databases",
        "16",
        "--timeout",
        "0",
        "--daemonize",
        "yes",
        "--pidfile",
        "pid",
        "--logfile",
        "log",
        NULL,
    };
    union {
        const char *const *in;
        char *const *out;
    } words = {.in = argv}; /* execv takes them as not const and does not write to them */

    enum { ALIVE_FD = 3 };

    /* The copy is not closed by exec: from here on it is the server's. */
    if (alive_fd != ALIVE_FD && dup2(alive_fd, ALIVE_FD) < 0) {
        _exit(REDLOCK_EXIT_SYSTEM);
    }
    (void)fcntl(ALIVE_FD, F_SETFD, 0);
    fds_close_from(ALIVE_FD + 1);
    if (chdir(server->folder) == 0) {
        (void)execv(program, words.out);
    }
    _exit(REDLOCK_EXIT_NOT_FOUND);
}

bool redlock_server_start(const redlock_server *server, const char *program,
                          const redlock_say *say) {
    const char *wrong = redlock_folder_make(server->folder);
    int result = 0;

    if (wrong != NULL) {
        redlock_say_error(say, "%s: %s", server->folder, wrong);
        return false;
    }
    int alive_fd = alive_lock(server);
    if (alive_fd < 0) {
        redlock_say_error(say, "%s: %s", server->folder,
                          errno == EWOULDBLOCK ? "its server is there but does not answer"
                                               : strerror(errno));
        return false;
    }

    pid_t pid = fork();
    if (pid == 0) {
        server_execute(server, program, alive_fd);
    }
    (void)close(alive_fd);
    while (pid > 0 && waitpid(pid, &result, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0 || result != 0) {
        redlock_say_error(say, "%s did not start; see %s/log", program, server->folder);
        return false;
    }
    return true;
}

bool redlock_server_await(const redlock_server *server, int64_t timeout_ms) {
    const int64_t deadline_ms = redlock_now_ms() + timeout_ms;
    redlock_server_state state;
    pid_t pid;

    while ((state = redlock_server_look(server, &pid, NULL)) == REDLOCK_SERVER_BUSY &&
           redlock_now_ms() < deadline_ms) {
        (void)poll(NULL, 0, LOOK_MS);
    }
    return state == REDLOCK_SERVER_UP;
}

static bool await_end(const redlock_server *server, int64_t timeout_ms) {
    const int64_t deadline_ms = redlock_now_ms() + timeout_ms;

    while (is_alive(server)) {
        if (redlock_now_ms() >= deadline_ms) {
            return false;
        }
        (void)poll(NULL, 0, LOOK_MS);
    }
    return true;
}

bool redlock_server_stop(const redlock_server *server) {
    char answer[ANSWER_BYTES_MAX];
    int fd = socket_open(server);
    pid_t pid = 0;

    if (fd >= 0) {
        pid = peer_pid(fd);
        bool is_heard = pid != 0 && ask(fd, "PING\r\n", "\n", answer);
        if (is_heard) {
            (void)ask(fd, "SHUTDOWN\r\n", "\n", answer); /* it answers by ending */
        }
        (void)close(fd);
        if (is_heard && await_end(server, SHUTDOWN_MS_MAX)) {
            return true;
        }
    }
    if (pid > 0 && is_alive(server)) {
        (void)kill(pid, SIGTERM);
    }
    return await_end(server, TERM_MS_MAX);
}

/* Room for three characters for each byte, and the scheme. */
char *redlock_server_url_dup(const redlock_server *server) {
    static const char scheme[] = "unix://";
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._~-";
    static const char hex[] = "0123456789ABCDEF";
    char *url = malloc(sizeof(scheme) + 3 * strlen(server->socket));
    char *end = url;

    if (url == NULL) {
        return NULL;
    }
    memcpy(end, scheme, sizeof(scheme) - 1);
    end += sizeof(scheme) - 1;
    for (const char *byte = server->socket; *byte != '\0'; byte++) {
        if (strchr(plain, *byte) != NULL) {
            *end++ = *byte;
        } else {
            *end++ = '%';
            *end++ = hex[(unsigned char)*byte >> 4];
            *end++ = hex[(unsigned char)*byte & 15];
        }
    }
    *end = '\0';
    return url;
}
