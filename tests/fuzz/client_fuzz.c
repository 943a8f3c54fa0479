/* client_fuzz.c -- a whole client, and any bytes as all that its server ever says.
 *
 * The linker puts the calls below in front of the system's: there are no sockets, no threads, and a
 * clock that goes on only when somebody waits for it, so that a run is the same each time and takes no
 * longer than its work.  What a server says is cut into pieces: a length, and so many bytes; 0 ends the
 * connection, 255 breaks it.  When nothing is left, every connection ends and no other is
 * to be had.
 *
 * The first byte: 1 greetings are answered as by a healthy server, before the bytes begin; 2 it waits
 * in a queue, and so listens as well; 4 plain; 8 its token is its own; 16 an adopter. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <redlock/redlock.h>

#include "base/assert.h"
#include "base/command.h"
#include "fake_server.h"

#define FD_FIRST 1000 /* numbers of connections: none of the kernel's */
#define CONNECTIONS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len);
int __wrap_close(int fd);
int __real_close(int fd);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *out, size_t size, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);

typedef struct connection {
    bool is_open, has_greeted;
    uint8_t owed[4096]; /* the greeting's answer, as far as it was not received */
    size_t owed_len;
} connection;

static const uint8_t *bytes_left;
static size_t bytes_len;
static bool greets;
static connection connections[CONNECTIONS_MAX];
static int connection_count;
static uint64_t now_ms;

/* --- the system ------------------------------------------------------------------------------ */

static connection *connection_of(int fd) {
    REDLOCK_ASSERT(fd >= FD_FIRST && fd < FD_FIRST + connection_count);
    connection *one = &connections[fd - FD_FIRST];

    REDLOCK_ASSERT(one->is_open); /* nothing is done to a number that was given back */
    return one;
}

int __wrap_socket(int family, int type, int protocol) {
    (void)family, (void)type, (void)protocol;
    if (connection_count == CONNECTIONS_MAX) {
        errno = EMFILE;
        return -1;
    }
    connections[connection_count].is_open = true;
    connections[connection_count].has_greeted = false;
    connections[connection_count].owed_len = 0;
    return FD_FIRST + connection_count++;
}

int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len) {
    (void)at, (void)len;
    (void)connection_of(fd);
    if (bytes_len == 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    return 0;
}

int __wrap_close(int fd) {
    if (fd < FD_FIRST) {
        return __real_close(fd);
    }
    connection_of(fd)->is_open = false;
    return 0;
}

static size_t append(uint8_t *out, size_t len, const char *text) {
    memcpy(out + len, text, strlen(text));
    return len + strlen(text);
}

/* What a healthy server says to the first words on a connection. */
static void greeting_answer(connection *one, const uint8_t *bytes, size_t size) {
    static uint8_t replies[sizeof one->owed];
    static size_t replies_len;

    if (memmem(bytes, size, "SUBSCRIBE", 9) != NULL) {
        one->owed_len = append(one->owed, 0, "+OK\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
        return;
    }
    if (replies_len == 0) { /* the same words each time */
        replies_len =
            redlock_fake_greeting_replies((redlock_bytes){bytes, size}, replies, sizeof replies);
        REDLOCK_ASSERT(replies_len > 0 && replies_len <= sizeof replies);
    }
    memcpy(one->owed, replies, replies_len);
    one->owed_len = replies_len;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags) {
    connection *one = connection_of(fd);

    (void)flags;
    if (greets && !one->has_greeted) {
        greeting_answer(one, bytes, size);
    }
    one->has_greeted = true;
    return (ssize_t)size;
}

/* How long the next piece is; 0 and errno when the connection ends. */
static size_t piece_next(void) {
    size_t len = bytes_len > 0 ? bytes_left[0] : 0;

    errno = len == 255 ? ECONNRESET : 0;
    bytes_left += bytes_len > 0;
    bytes_len -= bytes_len > 0;
    len = len == 255 ? 0 : len;
    return len < bytes_len ? len : bytes_len;
}

ssize_t __wrap_recv(int fd, void *out, size_t size, int flags) {
    connection *one = connection_of(fd);
    size_t len = one->owed_len;

    (void)flags;
    if (len > 0) {
        len = len < size ? len : size;
        memcpy(out, one->owed, len);
        one->owed_len -= len;
        memmove(one->owed, one->owed + len, one->owed_len);
        return (ssize_t)len;
    }
    len = piece_next();
    if (len == 0) {
        return errno != 0 ? -1 : 0;
    }
    len = len < size ? len : size;
    memcpy(out, bytes_left, len);
    bytes_left += len;
    bytes_len -= len;
    return (ssize_t)len;
}

/* A server always has something to say; while there is none, time passes. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
    int ready = 0;

    for (nfds_t i = 0; i < count; i++) {
        bool is_connection = fds[i].fd >= FD_FIRST;

        fds[i].revents = is_connection ? fds[i].events & (POLLIN | POLLOUT) : 0;
        ready += is_connection;
    }
    now_ms += ready > 0 ? 1 : timeout > 0 ? (uint64_t)timeout : 1;
    return ready;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret) {
    uint64_t ms = now_ms + (clock == CLOCK_REALTIME ? UINT64_C(1700000000123) : 1000000);

    ret->tv_sec = (time_t)(ms / 1000);
    ret->tv_nsec = (long)(ms % 1000 * 1000000);
    return 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument) {
    (void)thread, (void)attributes, (void)run, (void)argument;
    return EAGAIN; /* no keeper: nothing happens but what is asked for */
}

/* --- the user -------------------------------------------------------------------------------- */

static void text_check(const char *text, size_t size) {
    REDLOCK_ASSERT(memchr(text, '\0', size) != NULL);
    for (; *text != '\0'; text++) {
        REDLOCK_ASSERT((unsigned char)*text >= ' ' || *text == '\n');
    }
}

static void report_check(const redlock_report *report, int status) {
    REDLOCK_ASSERT(report->status == status);
    REDLOCK_ASSERT(redlock_status_name(status)[0] != '?');
    text_check(report->sentence, sizeof report->sentence);
    for (uint32_t i = 0; i < report->node_count; i++) {
        text_check(report->node[i].words, sizeof report->node[i].words);
        REDLOCK_ASSERT(redlock_status_name(report->node[i].status)[0] != '?');
        REDLOCK_ASSERT(report->node[i].left_ms >= 0 && report->node[i].latency_us >= 0);
    }
}

static redlock_lock *lock_get(redlock_client *client, uint8_t how) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    int status;

    options.ttl_ms = 1000;
    options.wait_ms = (how & 2u) != 0 ? 400 : 0;
    options.flags = (how & 4u) != 0 ? REDLOCK_ACQUIRE_PLAIN : 0;
    if ((how & 16u) != 0) {
        options.wait_ms = 0;
        status = redlock_adopt(client, "job", 3, "token", 5, 0, &options, &lock, &report);
    } else {
        options.token = (how & 8u) != 0 ? "token" : NULL;
        options.token_len = (how & 8u) != 0 ? 5 : 0;
        status = redlock_acquire(client, "job", 3, &options, &lock, &report);
    }
    report_check(&report, status);
    REDLOCK_ASSERT((status == REDLOCK_OK) == (lock != NULL));
    return lock;
}

static void lock_use(redlock_lock *lock, bool is_plain) {
    redlock_report report = REDLOCK_INIT(redlock_report);

    REDLOCK_ASSERT(redlock_lock_fence(lock) <= REDLOCK_FENCE_MAX);
    REDLOCK_ASSERT(!is_plain || redlock_lock_fence(lock) == 0);
    REDLOCK_ASSERT(redlock_lock_remaining_ms(lock) <= 1000);
    report_check(&report, redlock_extend(lock, 500, &report));
    REDLOCK_ASSERT(redlock_lock_remaining_ms(lock) <= 1000);
    report_check(&report, redlock_release(lock, &report));
}

static void look(redlock_client *client) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_info info = REDLOCK_INIT(redlock_info);
    int status = redlock_inspect(client, "job", 3, &info, &report);

    report_check(&report, status);
    text_check(info.holder, sizeof info.holder);
    text_check(info.waiters, sizeof info.waiters);
    REDLOCK_ASSERT(info.fence <= REDLOCK_FENCE_MAX && info.left_ms >= 0);
    status = redlock_break(client, "job", 3, &info, &report);
    report_check(&report, status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const urls[] = {"unix:///nowhere"};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client *client = NULL;

    if (size < 1) {
        return 0;
    }
    greets = (data[0] & 1u) != 0;
    bytes_left = data + 1;
    bytes_len = size - 1;
    connection_count = 0;
    now_ms = 0;
    options.label = "fuzz";
    int status = redlock_client_create(urls, 1, &options, &client, NULL);

    REDLOCK_ASSERT(status == REDLOCK_OK);
    redlock_lock *lock = lock_get(client, data[0]);

    if (lock != NULL) {
        lock_use(lock, (data[0] & 4u) != 0);
    }
    look(client);
    redlock_client_destroy(client);
    for (int i = 0; i < connection_count; i++) {
        REDLOCK_ASSERT(!connections[i].is_open); /* every descriptor was given back */
    }
    return 0;
}
