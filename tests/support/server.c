/* server.c -- starts, stops and questions a private Redis server for a test.
 *
 * See server.h for what is promised.  The RESP client in here is small, blocking and trusts the
 * server; it shares no code with the library, so that a test can contradict the library by it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXTRA_ARGS_MAX 32
#define ASK_WORDS_MAX 32
#define START_TRIES 5
#define START_TIMEOUT_MS 60000
#define ANSWER_TIMEOUT_MS 20000
#define REPLY_DEPTH_MAX 8
#define TMPDIR_BYTES_MAX 40
/* Whom the tests' own questions come from, and whom the library is, where that has few rights. */
#define TESTER "tester" /* as in TEST_SERVER_AUTH */
#define TESTER_PASSWORD "tests-only"
#define LIMITED "locker"
#define LIMITED_PASSWORD "few-rights"

struct test_server {
    char folder[64];
    char socket[96];
    char users[96]; /* the file of those who may do what, where that is limited */
    char url[160];
    char *extra_args[EXTRA_ARGS_MAX + 1]; /* copies, ended by NULL */
    const char *password;                 /* points into extra_args, or NULL */
    int port;
    pid_t pid;       /* 0: not running */
    bool is_limited; /* nobody gets in but LIMITED, with REDLOCK_TEST_RIGHTS, and TESTER */
    bool is_paused;
};

/* A text that grows; `at` is always ended by a NUL once anything was added. */
typedef struct text {
    char *at;
    size_t len, size;
} text;

__attribute__((format(printf, 1, 2))) _Noreturn static void give_up(const char *format, ...) {
    va_list args;

    va_start(args, format);
    fputs("# test_server: ", stderr);
    (void)vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static void text_add(text *t, const char *bytes, size_t len) {
    if (t->len + len + 1 > t->size) {
        t->size = (t->len + len + 1) * 2;
        t->at = realloc(t->at, t->size);
        if (t->at == NULL) {
            give_up("no memory");
        }
    }
    memcpy(t->at + t->len, bytes, len);
    t->len += len;
    t->at[t->len] = '\0';
}

/* --- a blocking RESP client ------------------------------------------------------------------ */

/* Reads a line without its CR LF into `line`; false when the connection ends or is too slow. */
static bool stream_line(FILE *stream, char *line, int size) {
    size_t len;

    if (fgets(line, size, stream) == NULL) {
        return false;
    }
    len = strlen(line);
    if (len < 2 || line[len - 1] != '\n') {
        return false;
    }
    line[len - 2] = '\0';
    return true;
}

static bool stream_bulk(FILE *stream, long len, text *reply) {
    char *bytes;
    bool whole;

    if (len < 0) {
        text_add(reply, "(nil)", 5);
        return true;
    }
    bytes = malloc((size_t)len + 2);
    if (bytes == NULL) {
        give_up("no memory");
    }
    whole = fread(bytes, 1, (size_t)len + 2, stream) == (size_t)len + 2;
    if (whole) {
        text_add(reply, bytes, (size_t)len);
    }
    free(bytes);
    return whole;
}

/* Appends one reply.  Arrays are walked with a stack of what is still to come at each depth. */
static bool stream_reply(FILE *stream, text *reply) {
    long left[REPLY_DEPTH_MAX + 1] = {1};
    int depth = 0;
    char line[1024];

    while (depth >= 0) {
        if (left[depth]-- == 0) {
            depth--;
            continue;
        }
        if (!stream_line(stream, line, (int)sizeof(line))) {
            return false;
        }
        if (line[0] == '*' && depth < REPLY_DEPTH_MAX) {
            left[++depth] = strtol(line + 1, NULL, 10);
            left[depth] = left[depth] < 0 ? 0 : left[depth];
            continue;
        }
        if (line[0] == '$') {
            if (!stream_bulk(stream, strtol(line + 1, NULL, 10), reply)) {
                return false;
            }
        } else {
            const char *from = line[0] == '-' ? line : line + 1;
            text_add(reply, from, strlen(from));
        }
        if (depth > 0) {
            text_add(reply, "\n", 1);
        }
    }
    return true;
}

static void stream_say(FILE *stream, int argc, const char *const *argv) {
    fprintf(stream, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++) {
        fprintf(stream, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
    }
    fflush(stream);
}

/* A stream to the server's unix socket, NULL when it does not accept. */
static FILE *stream_open(const test_server *server, int timeout_ms) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FILE *stream;

    if (fd < 0) {
        give_up("socket: %s", strerror(errno));
    }
    memcpy(address.sun_path, server->socket, strlen(server->socket) + 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return NULL;
    }
    stream = fdopen(fd, "r+");
    if (stream == NULL) {
        give_up("fdopen: %s", strerror(errno));
    }
    return stream;
}

static char *server_ask(const test_server *server, int timeout_ms, int argc,
                        const char *const *argv) {
    FILE *stream = stream_open(server, timeout_ms);
    text reply = {0};
    bool whole = true;

    if (stream == NULL) {
        return NULL;
    }
    text_add(&reply, "", 0);
    if (server->is_limited || server->password != NULL) {
        const char *const auth[] = {"AUTH", server->password};
        const char *const auth_tester[] = {"AUTH", TESTER, TESTER_PASSWORD};
        stream_say(stream, server->is_limited ? 3 : 2, server->is_limited ? auth_tester : auth);
        whole = stream_reply(stream, &reply);
        reply.len = 0;
    }
    if (whole) {
        /* A stream turns from reading to writing through a positioning call (C11 7.21.5.3). */
        (void)fseek(stream, 0, SEEK_CUR);
        stream_say(stream, argc, argv);
        whole = stream_reply(stream, &reply);
    }
    (void)fclose(stream);
    if (!whole) {
        free(reply.at);
        return NULL;
    }
    return reply.at;
}

/* --- the process ------------------------------------------------------------------------------ */

/* Only what is safe between fork and exec in a program that may have threads. */
_Noreturn static void child_exec(char *const *argv, const char *log, pid_t parent) {
    const char *program = getenv("REDLOCK_TEST_SERVER");
    sigset_t none;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0); /* the test ended before the line above took hold */
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (fd >= 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
    if (program != NULL && program[0] != '\0') {
        (void)execvp(program, argv);
        _exit(127);
    }
    (void)execvp("redis-server", argv);
    (void)execvp("valkey-server", argv);
    _exit(127);
}

static void server_spawn(test_server *server) {
    char port[16], log[96];
    /* clang-format off */
    const char *args[EXTRA_ARGS_MAX + 32] = {
        "redis-server", "--port", port, "--bind", "127.0.0.1", "--unixsocket", server->socket,
        "--dir", server->folder, "--save", "", "--appendonly", "yes", "--appendfsync", "no",
        "--auto-aof-rewrite-percentage", "0", "--daemonize", "no",
        "--maxmemory-policy", "noeviction"};
    /* clang-format on */
    size_t count = 0;
    pid_t parent = getpid();

    while (args[count] != NULL) {
        count++;
    }
    for (size_t i = 0; server->extra_args[i] != NULL; i++) {
        args[count++] = server->extra_args[i];
    }
    (void)snprintf(port, sizeof(port), "%d", server->port);
    (void)snprintf(log, sizeof(log), "%s/log", server->folder);
    server->pid = fork();
    if (server->pid < 0) {
        give_up("fork: %s", strerror(errno));
    }
    if (server->pid == 0) {
        union {
            const char **from;
            char *const *to;
        } argv = {.from = args}; /* execvp's type promises less than it keeps */
        child_exec(argv.to, log, parent);
    }
}

static int64_t monotonic_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True once it answers; false when it ended instead (its port was taken). */
static bool server_is_ready(test_server *server) {
    const struct timespec pause = {.tv_nsec = 5000000};
    const char *const ping[] = {"PING"};
    int64_t until = monotonic_ms() + START_TIMEOUT_MS;

    while (monotonic_ms() < until) {
        char *pong = server_ask(server, 1000, 1, ping);
        bool loading = pong == NULL || strncmp(pong, "-LOADING", 8) == 0;

        free(pong);
        if (!loading) {
            return true;
        }
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static void log_print(const test_server *server) {
    char path[96], line[512];
    FILE *log;

    (void)snprintf(path, sizeof(path), "%s/log", server->folder);
    log = fopen(path, "r");
    while (log != NULL && fgets(line, (int)sizeof(line), log) != NULL) {
        fprintf(stderr, "# %s", line);
    }
    if (log != NULL) {
        (void)fclose(log);
    }
}

/* A port that nobody listens on at this moment. */
static int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        give_up("no free port: %s", strerror(errno));
    }
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void server_copy_args(test_server *server, const char *const *extra_args) {
    for (size_t i = 0; extra_args != NULL && extra_args[i] != NULL; i++) {
        if (i == EXTRA_ARGS_MAX) {
            give_up("more than %d extra arguments", EXTRA_ARGS_MAX);
        }
        server->extra_args[i] = strdup(extra_args[i]);
        if (server->extra_args[i] == NULL) {
            give_up("no memory");
        }
        if (i > 0 && strcmp(server->extra_args[i - 1], "--requirepass") == 0) {
            server->password = server->extra_args[i];
        }
    }
}

/* --- few rights ------------------------------------------------------------------------------- */

static const char *rights_path(void) {
    const char *path = getenv("REDLOCK_TEST_RIGHTS");

    return path != NULL && path[0] != '\0' ? path : NULL;
}

bool test_server_has_few_rights(void) {
    return rights_path() != NULL;
}

const char *test_server_login(void) {
    return rights_path() != NULL ? LIMITED ":" LIMITED_PASSWORD "@" : "";
}

static void rights_read(char *rights, size_t size) {
    FILE *file = fopen(rights_path(), "r");
    size_t len = file != NULL ? fread(rights, 1, size - 1, file) : 0;

    if (len == 0 || len == size - 1) {
        give_up("%s: no rights in it, or too many", rights_path());
    }
    (void)fclose(file);
    rights[len] = '\0';
    rights[strcspn(rights, "\n")] = '\0';
}

/* The default user is off but keeps its rights: Redis 7.0 reads its append only file as that user, and
 * leaves out what it had not been allowed to write. */
static void users_write(const char *path) {
    char rights[4096];
    FILE *file = fopen(path, "w");

    rights_read(rights, sizeof(rights));
    if (file == NULL || fprintf(file,
                                "user default off nopass ~* &* +@all\n"
                                "user " TESTER " on >" TESTER_PASSWORD " ~* &* +@all\n"
                                "user " LIMITED " on >" LIMITED_PASSWORD " %s\n",
                                rights) < 0) {
        give_up("%s: %s", path, strerror(errno));
    }
    (void)fclose(file);
}

/* A server with a password is about that password, and stays as it is. */
static void server_limit(test_server *server) {
    const char *const args[] = {"--aclfile", server->users,  "--masteruser",
                                TESTER,      "--masterauth", TESTER_PASSWORD};
    const size_t added = sizeof(args) / sizeof(args[0]);
    size_t count = 0;

    if (rights_path() == NULL || server->password != NULL) {
        return;
    }
    while (server->extra_args[count] != NULL) {
        count++;
    }
    if (count + added > EXTRA_ARGS_MAX) {
        give_up("more than %zu extra arguments, with few rights", EXTRA_ARGS_MAX - added);
    }
    (void)snprintf(server->users, sizeof(server->users), "%s/users", server->folder);
    users_write(server->users);
    for (size_t i = 0; i < added; i++) {
        server->extra_args[count + i] = strdup(args[i]);
    }
    server->is_limited = true;
}

/* What LIMITED was refused for want of a right, in what ACL LOG says: the first such entry, or NULL.
 * Wrong passwords are in there, too. */
static const char *log_refused(const char *said) {
    for (const char *at = strstr(said, "reason\n"); at != NULL; at = strstr(at + 1, "\nreason\n")) {
        const char *reason = at + (*at == '\n') + strlen("reason\n");
        const char *user = strstr(reason, "\nusername\n");

        if (strncmp(reason, "auth\n", 5) != 0 && user != NULL &&
            strncmp(user, "\nusername\n" LIMITED "\n", strlen("\nusername\n" LIMITED "\n")) == 0) {
            return reason;
        }
    }
    return NULL;
}

/* What was refused is a right that the rule lacks, also where nobody has missed it. */
static void server_expect_nothing_refused(test_server *server) {
    const char *const log[] = {"ACL", "LOG"};
    bool is_asked = server->is_limited && server->pid != 0 && !server->is_paused;
    char *said = is_asked ? server_ask(server, ANSWER_TIMEOUT_MS, 2, log) : NULL;
    const char *refused = said != NULL ? log_refused(said) : NULL;

    if (refused != NULL) {
        give_up("the rights do not suffice: %s", refused);
    }
    free(said);
}

/* --- the object -------------------------------------------------------------------------------- */

static const char *server_login(const test_server *server) {
    return server->is_limited ? test_server_login() : "";
}

static test_server *server_create(const char *const *extra_args) {
    test_server *server = calloc(1, sizeof(*server));
    const char *tmp = getenv("TMPDIR");

    if (server == NULL) {
        give_up("no memory");
    }
    if (tmp == NULL || strlen(tmp) > TMPDIR_BYTES_MAX) {
        tmp = "/tmp"; /* a socket's path is short by law */
    }
    (void)snprintf(server->folder, sizeof(server->folder), "%s/rl-test.XXXXXX", tmp);
    if (mkdtemp(server->folder) == NULL) {
        give_up("%s: %s", server->folder, strerror(errno));
    }
    (void)snprintf(server->socket, sizeof(server->socket), "%s/s.sock", server->folder);
    server_copy_args(server, extra_args);
    server_limit(server);
    (void)snprintf(server->url, sizeof(server->url), "unix://%s%s", server_login(server),
                   server->socket);
    return server;
}

test_server *test_server_start(const char *const *extra_args) {
    test_server *server = server_create(extra_args);

    server_spawn(server);
    if (!server_is_ready(server)) {
        log_print(server);
        give_up("redis-server did not start (is it installed?)");
    }
    return server;
}

test_server *test_server_start_tcp(const char *const *extra_args) {
    test_server *server = server_create(extra_args);

    for (int i = 0; i < START_TRIES; i++) {
        server->port = free_port();
        (void)snprintf(server->url, sizeof(server->url), "redis://%s127.0.0.1:%d",
                       server_login(server), server->port);
        server_spawn(server);
        if (server_is_ready(server)) {
            return server;
        }
    }
    log_print(server);
    give_up("redis-server did not start in %d tries (is it installed?)", START_TRIES);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

void test_server_kill(test_server *server) {
    if (server->pid == 0) {
        return;
    }
    server_expect_nothing_refused(server);
    (void)kill(server->pid, SIGKILL); /* reaches a stopped process too */
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    server->pid = 0;
    server->is_paused = false;
}

void test_server_restart(test_server *server, bool empty) {
    char data[96];

    test_server_kill(server);
    if (empty) {
        (void)snprintf(data, sizeof(data), "%s/appendonlydir", server->folder);
        (void)nftw(data, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        (void)snprintf(data, sizeof(data), "%s/appendonly.aof", server->folder); /* before 7.0 */
        (void)unlink(data);
    }
    (void)unlink(server->socket);
    server_spawn(server);
    if (!server_is_ready(server)) {
        log_print(server);
        give_up("redis-server did not start again");
    }
}

void test_server_pause(test_server *server) {
    int status = 0;

    if (kill(server->pid, SIGSTOP) != 0) {
        give_up("cannot pause: %s", strerror(errno));
    }
    /* Returns when it really stands still: no answer can come after this call. */
    while (waitpid(server->pid, &status, WUNTRACED) < 0 && errno == EINTR) {
    }
    server->is_paused = true;
}

void test_server_resume(test_server *server) {
    if (server->pid == 0 || kill(server->pid, SIGCONT) != 0) {
        give_up("cannot resume a server that is not there");
    }
    server->is_paused = false;
}

void test_server_stop(test_server *server) {
    if (server == NULL) {
        return;
    }
    test_server_kill(server);
    (void)nftw(server->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; server->extra_args[i] != NULL; i++) {
        free(server->extra_args[i]);
    }
    free(server);
}

const char *test_server_socket(const test_server *server) {
    return server->socket;
}

const char *test_server_url(const test_server *server) {
    return server->url;
}

int test_server_port(const test_server *server) {
    return server->port;
}

long test_server_pid(const test_server *server) {
    return (long)server->pid;
}

char *test_server_command(test_server *server, int argc, const char *const *argv) {
    return server_ask(server, ANSWER_TIMEOUT_MS, argc, argv);
}

char *test_server_ask(test_server *server, const char *word, ...) {
    const char *words[ASK_WORDS_MAX];
    int count = 0;
    va_list args;

    va_start(args, word);
    for (; word != NULL && count < ASK_WORDS_MAX; word = va_arg(args, const char *)) {
        words[count++] = word;
    }
    va_end(args);
    return test_server_command(server, count, words);
}
