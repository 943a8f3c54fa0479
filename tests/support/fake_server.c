/* fake_server.c -- runs a script of steps over one listening socket.
 *
 * Every wait of the thread is a poll(2) that the stop pipe ends too, so that finishing never hangs,
 * wherever in its script the server is. */
#include "support/fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "script/script.h"

#define FAKE_IN_BYTES (1024u * 1024u)
#define FAKE_OUT_BYTES 65536u
#define FAKE_WORDS_MAX 16u

struct redlock_fake {
    pthread_t thread;
    bool is_joined;
    int listen_fd, peer_fd;
    int stop_pipe[2], go_pipe[2];
    uint16_t port;
    char path[108];
    redlock_fake_step steps[REDLOCK_FAKE_STEPS_MAX];
    uint32_t count, done;
    size_t in_len;
    uint8_t in[FAKE_IN_BYTES];
    uint8_t out[FAKE_OUT_BYTES];
};

static void must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

/* --- waiting, reading, writing: false when the server is to stop or the peer is gone --------- */

static bool fake_wait(redlock_fake *fake, int fd, short events) {
    struct pollfd fds[2] = {{.fd = fd, .events = events},
                            {.fd = fake->stop_pipe[0], .events = POLLIN}};
    int n;
    do {
        n = poll(fds, 2, -1);
    } while (n < 0 && errno == EINTR);
    return n > 0 && fds[1].revents == 0;
}

static bool fake_wait_for_go(redlock_fake *fake) {
    uint8_t byte;
    return fake_wait(fake, fake->go_pipe[0], POLLIN) && read(fake->go_pipe[0], &byte, 1) == 1;
}

static bool fake_write(redlock_fake *fake, const uint8_t *at, size_t len) {
    while (len > 0) {
        if (!fake_wait(fake, fake->peer_fd, POLLOUT)) {
            return false;
        }
        ssize_t n = send(fake->peer_fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* At least one more byte in `in`. */
static bool fake_read(redlock_fake *fake) {
    if (fake->in_len == FAKE_IN_BYTES || !fake_wait(fake, fake->peer_fd, POLLIN)) {
        return false;
    }
    ssize_t n = recv(fake->peer_fd, fake->in + fake->in_len, FAKE_IN_BYTES - fake->in_len, 0);
    if (n <= 0) {
        return false;
    }
    fake->in_len += (size_t)n;
    return true;
}

static void fake_consume(redlock_fake *fake, size_t len) {
    fake->in_len -= len;
    memmove(fake->in, fake->in + len, fake->in_len);
}

/* --- commands, as clients send them: *N, then N bulks ---------------------------------------- */

/* The number behind `mark` and up to CRLF; 0 when it is not whole, else the bytes that it took. */
static size_t number_read(redlock_bytes in, uint8_t mark, size_t *ret_number) {
    const uint8_t *end = in.len > 0 ? memchr(in.at, '\n', in.len) : NULL;
    if (end == NULL || in.at[0] != mark) {
        return 0;
    }
    *ret_number = 0;
    for (const uint8_t *p = in.at + 1; p < end - 1; p++) {
        *ret_number = *ret_number * 10 + (size_t)(*p - '0');
    }
    return (size_t)(end - in.at) + 1;
}

/* Bytes that the first command takes; 0: it is not whole. */
static size_t command_read(redlock_bytes in, redlock_bytes *words, size_t *ret_count) {
    size_t count = 0, at = number_read(in, '*', &count);
    if (at == 0) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = 0, used;
        used = number_read((redlock_bytes){in.at + at, in.len - at}, '$', &len);
        if (used == 0 || in.len - at - used < len + 2) {
            return 0;
        }
        at += used;
        if (i < FAKE_WORDS_MAX) {
            words[i] = (redlock_bytes){in.at + at, len};
        }
        at += len + 2;
    }
    *ret_count = count < FAKE_WORDS_MAX ? count : FAKE_WORDS_MAX;
    return at;
}

#define FAKE_INFO                                                                                  \
    "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"                                \
    "run_id:0123456789abcdef0123456789abcdef01234567\r\n"                                          \
    "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"                                   \
    "# Persistence\r\nloading:0\r\naof_enabled:1\r\n"                                              \
    "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"

static const struct {
    const char *command, *reply; /* a reply without '+', '-', ':', '$' or '*' is sent as a bulk */
} fake_replies[] = {
    {"INFO", FAKE_INFO},
    {"TIME", "*2\r\n$10\r\n1700000000\r\n$6\r\n123456\r\n"},
    {"HELLO", "*8\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"
              "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"},
    {"CONFIG", "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"},
    {"ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
    {"PING", "+PONG\r\n"},
    {"AUTH", "+OK\r\n"},
    {"SELECT", "+OK\r\n"},
    {"CLIENT", "+OK\r\n"},
    {NULL, "-ERR unknown command\r\n"},
};

static size_t reply_append(const char *reply, uint8_t *out, size_t size) {
    size_t len = strlen(reply);
    char head[32] = "";
    bool is_bulk = strchr("+-:$*", reply[0]) == NULL;
    int head_len = is_bulk ? snprintf(head, sizeof head, "$%zu\r\n", len) : 0;
    size_t total = (size_t)head_len + len + (is_bulk ? 2 : 0);
    if (total <= size) {
        memcpy(out, head, (size_t)head_len);
        memcpy(out + head_len, reply, len);
        memcpy(out + head_len + len, "\r\n", is_bulk ? 2 : 0);
    }
    return total;
}

/* To SCRIPT EXISTS: nobody has to teach it anything. */
static const char knows_all[] = "*3\r\n:1\r\n:1\r\n:1\r\n";

/* SCRIPT LOAD answers the SHA1 of a text; the texts are ours, so theirs are known. */
static const char *reply_to_load(redlock_bytes text) {
    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        const redlock_script *script = redlock_script_of((redlock_command_kind)kind);
        if (redlock_bytes_equal(text,
                                (redlock_bytes){(const uint8_t *)script->text, script->text_len})) {
            return script->sha1;
        }
    }
    return "-ERR not a script of redlock\r\n";
}

static const char *reply_to(const redlock_bytes *words, size_t count) {
    size_t i = 0;
    if (count > 2 && redlock_bytes_equal(words[0], redlock_bytes_of("SCRIPT"))) {
        return redlock_bytes_equal(words[1], redlock_bytes_of("EXISTS")) ? knows_all
                                                                         : reply_to_load(words[2]);
    }
    while (fake_replies[i].command != NULL &&
           !redlock_bytes_equal(words[0], redlock_bytes_of(fake_replies[i].command))) {
        i++;
    }
    return fake_replies[i].reply;
}

size_t redlock_fake_greeting_replies(redlock_bytes greeting, uint8_t *out, size_t size) {
    redlock_bytes words[FAKE_WORDS_MAX];
    size_t used, count = 0, len = 0;
    while ((used = command_read(greeting, words, &count)) > 0) {
        size_t room = len < size ? size - len : 0;
        len += reply_append(reply_to(words, count), out + (size - room), room);
        greeting.at += used;
        greeting.len -= used;
    }
    return len;
}

/* --- steps ---------------------------------------------------------------------------------- */

static bool step_accept(redlock_fake *fake) {
    if (!fake_wait(fake, fake->listen_fd, POLLIN)) {
        return false;
    }
    if (fake->peer_fd >= 0) {
        (void)close(fake->peer_fd);
    }
    fake->peer_fd = accept(fake->listen_fd, NULL, NULL);
    fake->in_len = 0;
    int on = 1;
    (void)setsockopt(fake->peer_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* TCP only */
    return fake->peer_fd >= 0;
}

static bool step_expect(redlock_fake *fake, redlock_bytes bytes) {
    while (fake->in_len < bytes.len) {
        if (!fake_read(fake)) {
            return false;
        }
    }
    if (memcmp(fake->in, bytes.at, bytes.len) != 0) {
        return false;
    }
    fake_consume(fake, bytes.len);
    return true;
}

static bool step_commands(redlock_fake *fake, uint32_t count) {
    redlock_bytes words[FAKE_WORDS_MAX];
    size_t at = 0, used, word_count = 0;
    while (count > 0) {
        used = command_read((redlock_bytes){fake->in + at, fake->in_len - at}, words, &word_count);
        at += used;
        count -= used > 0 ? 1 : 0;
        if (used == 0) {
            fake_consume(fake, at);
            at = 0;
            if (!fake_read(fake)) {
                return false;
            }
        }
    }
    fake_consume(fake, at);
    return true;
}

static bool step_greet(redlock_fake *fake, redlock_bytes greeting) {
    size_t len = redlock_fake_greeting_replies(greeting, fake->out, sizeof fake->out);
    return step_expect(fake, greeting) && len <= sizeof fake->out &&
           fake_write(fake, fake->out, len);
}

/* The peer's end is the expected one; only being stopped is a failure. */
static bool step_serve(redlock_fake *fake) {
    redlock_bytes words[FAKE_WORDS_MAX];
    size_t used, count = 0;
    while (fake_read(fake)) {
        while ((used = command_read((redlock_bytes){fake->in, fake->in_len}, words, &count)) > 0) {
            size_t len = reply_append(reply_to(words, count), fake->out, sizeof fake->out);
            fake_consume(fake, used);
            if (!fake_write(fake, fake->out, len)) {
                break;
            }
        }
    }
    struct pollfd stop = {.fd = fake->stop_pipe[0], .events = POLLIN};
    return poll(&stop, 1, 0) == 0;
}

static bool step_send_slowly(redlock_fake *fake, redlock_bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        if (!fake_wait_for_go(fake) || !fake_write(fake, bytes.at + i, 1)) {
            return false;
        }
    }
    return true;
}

static bool step_send_times(redlock_fake *fake, redlock_bytes bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!fake_write(fake, bytes.at, bytes.len)) {
            return false;
        }
    }
    return true;
}

static bool step_close(redlock_fake *fake, bool reset) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset) {
        (void)setsockopt(fake->peer_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    (void)close(fake->peer_fd);
    fake->peer_fd = -1;
    return true;
}

static bool fake_step(redlock_fake *fake, const redlock_fake_step *step) {
    switch (step->kind) {
    case REDLOCK_FAKE_ACCEPT:
        return step_accept(fake);
    case REDLOCK_FAKE_EXPECT:
        return step_expect(fake, step->bytes);
    case REDLOCK_FAKE_COMMANDS:
        return step_commands(fake, step->count);
    case REDLOCK_FAKE_GREET:
        return step_greet(fake, step->bytes);
    case REDLOCK_FAKE_SERVE:
        return step_serve(fake);
    case REDLOCK_FAKE_SEND:
        return fake_write(fake, step->bytes.at, step->bytes.len);
    case REDLOCK_FAKE_SEND_SLOWLY:
        return step_send_slowly(fake, step->bytes);
    case REDLOCK_FAKE_SEND_TIMES:
        return step_send_times(fake, step->bytes, step->count);
    case REDLOCK_FAKE_PAUSE:
        return fake_wait_for_go(fake);
    case REDLOCK_FAKE_STALL:
        return true;
    case REDLOCK_FAKE_CLOSE:
        return step_close(fake, false);
    case REDLOCK_FAKE_RESET:
        return step_close(fake, true);
    }
    return false;
}

static void *fake_run(void *argument) {
    redlock_fake *fake = argument;
    while (fake->done < fake->count && fake_step(fake, &fake->steps[fake->done])) {
        fake->done++;
    }
    return NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static void fake_listen_unix(redlock_fake *fake, const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    must(len < sizeof at.sun_path, "path");
    memcpy(at.sun_path, path, len + 1);
    memcpy(fake->path, path, len + 1);
    (void)unlink(path);
    fake->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must(fake->listen_fd >= 0, "socket");
    must(bind(fake->listen_fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
}

static void fake_listen_tcp(redlock_fake *fake) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fake->listen_fd >= 0, "socket");
    must(bind(fake->listen_fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    must(getsockname(fake->listen_fd, (struct sockaddr *)&at, &len) == 0, "getsockname");
    fake->port = ntohs(at.sin_port);
}

redlock_fake *redlock_fake_start(const char *path, const redlock_fake_step *steps, uint32_t count) {
    redlock_fake *fake = calloc(1, sizeof *fake);
    must(fake != NULL && count <= REDLOCK_FAKE_STEPS_MAX, "fake server");
    if (count > 0) {
        memcpy(fake->steps, steps, count * sizeof *steps);
    }
    fake->count = count;
    fake->peer_fd = -1;
    must(pipe(fake->stop_pipe) == 0 && pipe(fake->go_pipe) == 0, "pipe");
    if (path != NULL) {
        fake_listen_unix(fake, path);
    } else {
        fake_listen_tcp(fake);
    }
    must(listen(fake->listen_fd, 16) == 0, "listen");
    errno = pthread_create(&fake->thread, NULL, fake_run, fake);
    must(errno == 0, "pthread_create");
    return fake;
}

uint16_t redlock_fake_port(const redlock_fake *fake) {
    return fake->port;
}

void redlock_fake_go(redlock_fake *fake) {
    must(write(fake->go_pipe[1], "g", 1) == 1, "go");
}

void redlock_fake_await(redlock_fake *fake) {
    must(pthread_join(fake->thread, NULL) == 0, "pthread_join");
    fake->is_joined = true;
}

bool redlock_fake_finish(redlock_fake *fake, uint32_t *ret_step) {
    must(write(fake->stop_pipe[1], "s", 1) == 1, "stop");
    if (!fake->is_joined) {
        redlock_fake_await(fake);
    }
    bool is_done = fake->done == fake->count;
    if (!is_done && ret_step != NULL) {
        *ret_step = fake->done;
    }
    if (fake->peer_fd >= 0) {
        (void)close(fake->peer_fd);
    }
    (void)close(fake->listen_fd);
    for (int i = 0; i < 2; i++) {
        (void)close(fake->stop_pipe[i]);
        (void)close(fake->go_pipe[i]);
    }
    if (fake->path[0] != '\0') {
        (void)unlink(fake->path);
    }
    free(fake);
    return is_done;
}
