/* proxy.c -- a relay on a thread: accepted sockets in pairs with sockets to the server, and between
 * them queues of chunks that each have an instant before which they don't go on. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 32
#define CHUNK_BYTES 16384
#define CHUNKS_MAX 256 /* queued in one direction; beyond it the sender is held back */
#define NEVER_US INT64_MAX

typedef struct relay_chunk {
    struct relay_chunk *next;
    int64_t due_us;
    size_t len, sent;
    char bytes[CHUNK_BYTES];
} relay_chunk;

typedef struct relay_flow { /* one direction */
    relay_chunk *first, *last;
    int count;
    bool ended; /* the sender has closed */
} relay_flow;

typedef struct relay_pair {
    int client, server; /* -1: a free place */
    bool swallows;
    relay_flow up, down;
} relay_pair;

struct test_proxy {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below; the thread gives it up only to sleep */
    pthread_cond_t turned;
    int listener, wake, port;
    char socket_path[108], url[96];
    int64_t up_us, down_us;
    test_proxy_mode mode;
    bool stopping;
    uint64_t orders, done; /* a caller waits until its order is done */
    relay_pair pairs[PAIRS_MAX];
};

_Noreturn static void give_up(const char *what) {
    fprintf(stderr, "# test_proxy: %s: %s\n", what, strerror(errno));
    abort();
}

static int64_t now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- chunks ---------------------------------------------------------------------------------- */

static void flow_clear(relay_flow *flow) {
    while (flow->first != NULL) {
        relay_chunk *next = flow->first->next;
        free(flow->first);
        flow->first = next;
    }
    *flow = (relay_flow){0};
}

static void flow_read(relay_flow *flow, int fd, int64_t due_us, bool swallow) {
    relay_chunk *fresh = malloc(sizeof *fresh);
    if (fresh == NULL) {
        give_up("malloc");
    }
    ssize_t got = recv(fd, fresh->bytes, sizeof fresh->bytes, MSG_DONTWAIT);
    if (got <= 0 || swallow) {
        flow->ended = got == 0 || (got < 0 && errno != EAGAIN);
        free(fresh);
        return;
    }
    fresh->next = NULL;
    fresh->due_us = due_us;
    fresh->len = (size_t)got;
    fresh->sent = 0;
    if (flow->first == NULL) {
        flow->first = fresh;
    } else {
        flow->last->next = fresh;
    }
    flow->last = fresh;
    flow->count++;
}

/* False when the connection is over. */
static bool flow_write(relay_flow *flow, int fd, int64_t now) {
    while (flow->first != NULL && flow->first->due_us <= now) {
        relay_chunk *chunk = flow->first;
        ssize_t put = send(fd, chunk->bytes + chunk->sent, chunk->len - chunk->sent,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0) {
            return errno == EAGAIN;
        }
        chunk->sent += (size_t)put;
        if (chunk->sent == chunk->len) {
            flow->first = chunk->next;
            flow->last = flow->first == NULL ? NULL : flow->last;
            flow->count--;
            free(chunk);
        }
    }
    return true;
}

/* --- pairs ----------------------------------------------------------------------------------- */

static void pair_close(relay_pair *pair, bool broken) {
    if (pair->client < 0) {
        return;
    }
    if (broken) {
        const struct linger at_once = {.l_onoff = 1};
        (void)setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    (void)close(pair->client);
    if (pair->server >= 0) {
        (void)close(pair->server);
    }
    flow_clear(&pair->up);
    flow_clear(&pair->down);
    pair->client = -1;
    pair->server = -1;
}

static int server_connect(const test_proxy *proxy) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        give_up("socket");
    }
    memcpy(address.sun_path, proxy->socket_path, strlen(proxy->socket_path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void pair_accept(test_proxy *proxy) {
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    int one = 1;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    bool swallows = proxy->mode == TEST_PROXY_BLACKHOLE;
    int server = swallows ? -1 : server_connect(proxy);
    for (int i = 0; i < PAIRS_MAX && (swallows || server >= 0); i++) {
        if (proxy->pairs[i].client < 0) {
            proxy->pairs[i] =
                (relay_pair){.client = client, .server = server, .swallows = swallows};
            return;
        }
    }
    (void)close(client);
    if (server >= 0) {
        (void)close(server);
    }
}

/* False when it is over: the server has closed, or the client has and all its bytes are on their way
 * (a kernel goes on sending what a closed socket left behind). */
static bool pair_move(test_proxy *proxy, relay_pair *pair, bool client_ready, bool server_ready) {
    int64_t now = now_us();
    if (client_ready) {
        flow_read(&pair->up, pair->client, now + proxy->up_us, pair->swallows);
    }
    if (server_ready) {
        flow_read(&pair->down, pair->server, now + proxy->down_us, pair->swallows);
    }
    if (pair->swallows) {
        return !pair->up.ended;
    }
    if (server_ready && proxy->mode == TEST_PROXY_GARBLE && pair->down.last != NULL) {
        memset(pair->down.last->bytes, '?', pair->down.last->len);
    }
    if (proxy->mode == TEST_PROXY_FREEZE) {
        return true;
    }
    bool writable = flow_write(&pair->up, pair->server, now) &&
                    (pair->up.ended || flow_write(&pair->down, pair->client, now));
    return writable && !pair->down.ended && !(pair->up.ended && pair->up.first == NULL);
}

/* --- the thread ------------------------------------------------------------------------------ */

static int64_t next_due(const test_proxy *proxy) {
    int64_t due = NEVER_US;
    for (int i = 0; i < PAIRS_MAX && proxy->mode != TEST_PROXY_FREEZE; i++) {
        const relay_pair *pair = &proxy->pairs[i];
        const relay_chunk *heads[2] = {pair->up.first, pair->down.first};
        for (int j = 0; j < 2 && pair->client >= 0 && !pair->swallows; j++) {
            if (heads[j] != NULL && heads[j]->due_us < due) {
                due = heads[j]->due_us;
            }
        }
    }
    return due;
}

static struct pollfd read_poll(const relay_flow *flow, int fd) {
    bool wanted = flow->count < CHUNKS_MAX && !flow->ended;
    return (struct pollfd){.fd = wanted ? fd : -1, .events = POLLIN};
}

static nfds_t fill_poll(test_proxy *proxy, struct pollfd *fds) {
    fds[0] = (struct pollfd){.fd = proxy->wake, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (int i = 0; i < PAIRS_MAX; i++) {
        relay_pair *pair = &proxy->pairs[i];
        fds[2 + 2 * i] = read_poll(&pair->up, pair->client);
        fds[3 + 2 * i] = read_poll(&pair->down, pair->server);
    }
    return 2 + 2 * PAIRS_MAX;
}

static void sleep_until_news(test_proxy *proxy, struct pollfd *fds, nfds_t count) {
    int64_t due = next_due(proxy), now = now_us();
    int64_t left = due == NEVER_US ? 1000000 : due > now ? due - now : 0;
    const struct timespec nap = {.tv_sec = (time_t)(left / 1000000),
                                 .tv_nsec = (long)(left % 1000000 * 1000)};
    (void)pthread_mutex_unlock(&proxy->mutex);
    (void)ppoll(fds, count, &nap, NULL);
    (void)pthread_mutex_lock(&proxy->mutex);
}

static void *proxy_main(void *ctx) {
    test_proxy *proxy = ctx;
    struct pollfd fds[2 + 2 * PAIRS_MAX];
    (void)pthread_mutex_lock(&proxy->mutex);
    while (!proxy->stopping) {
        proxy->done = proxy->orders;
        (void)pthread_cond_broadcast(&proxy->turned);
        nfds_t count = fill_poll(proxy, fds);
        sleep_until_news(proxy, fds, count);
        uint64_t number;
        if (fds[0].revents != 0 && read(proxy->wake, &number, sizeof number) < 0) {
            give_up("read");
        }
        for (int i = 0; i < PAIRS_MAX; i++) {
            relay_pair *pair = &proxy->pairs[i];
            if (pair->client >= 0 &&
                !pair_move(proxy, pair, fds[2 + 2 * i].revents != 0, fds[3 + 2 * i].revents != 0)) {
                pair_close(pair, false);
            }
        }
        if (proxy->listener >= 0 && proxy->listener == fds[1].fd && fds[1].revents != 0) {
            pair_accept(proxy);
        }
    }
    (void)pthread_mutex_unlock(&proxy->mutex);
    return NULL;
}

/* --- orders ---------------------------------------------------------------------------------- */

/* [locked] Returns once the thread has seen what was changed. */
static void proxy_turn(test_proxy *proxy) {
    const uint64_t one = 1;
    uint64_t order = ++proxy->orders;
    if (write(proxy->wake, &one, sizeof one) < 0) {
        give_up("write");
    }
    while (proxy->done < order) {
        (void)pthread_cond_wait(&proxy->turned, &proxy->mutex);
    }
}

static void proxy_listen(test_proxy *proxy) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)proxy->port)};
    socklen_t len = sizeof address;
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (proxy->listener < 0 || bind(proxy->listener, (const struct sockaddr *)&address, len) != 0 ||
        listen(proxy->listener, 64) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0) {
        give_up("listen");
    }
    proxy->port = ntohs(address.sin_port);
}

test_proxy *test_proxy_start(const char *socket_path) {
    test_proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL) {
        give_up("calloc");
    }
    (void)pthread_mutex_init(&proxy->mutex, NULL);
    (void)pthread_cond_init(&proxy->turned, NULL);
    (void)snprintf(proxy->socket_path, sizeof proxy->socket_path, "%s", socket_path);
    for (int i = 0; i < PAIRS_MAX; i++) {
        proxy->pairs[i].client = -1;
        proxy->pairs[i].server = -1;
    }
    proxy_listen(proxy);
    test_proxy_set_login(proxy, "");
    proxy->wake = eventfd(0, EFD_CLOEXEC);
    if (proxy->wake < 0 || pthread_create(&proxy->thread, NULL, proxy_main, proxy) != 0) {
        give_up("thread");
    }
    return proxy;
}

void test_proxy_set_login(test_proxy *proxy, const char *login) {
    (void)snprintf(proxy->url, sizeof proxy->url, "redis://%s127.0.0.1:%d", login, proxy->port);
}

const char *test_proxy_url(const test_proxy *proxy) {
    return proxy->url;
}

int test_proxy_port(const test_proxy *proxy) {
    return proxy->port;
}

void test_proxy_delay(test_proxy *proxy, int64_t to_server_us, int64_t to_client_us) {
    (void)pthread_mutex_lock(&proxy->mutex);
    proxy->up_us = to_server_us;
    proxy->down_us = to_client_us;
    proxy_turn(proxy);
    (void)pthread_mutex_unlock(&proxy->mutex);
}

void test_proxy_set_mode(test_proxy *proxy, test_proxy_mode mode) {
    (void)pthread_mutex_lock(&proxy->mutex);
    if (mode == TEST_PROXY_REFUSE && proxy->listener >= 0) {
        int listener = proxy->listener;
        proxy->listener = -1;
        proxy_turn(proxy); /* the thread does not poll it any more */
        (void)close(listener);
    }
    if (mode != TEST_PROXY_REFUSE && proxy->listener < 0) {
        proxy_listen(proxy);
    }
    for (int i = 0; i < PAIRS_MAX; i++) {
        relay_pair *pair = &proxy->pairs[i];
        if (mode == TEST_PROXY_BLACKHOLE) {
            pair->swallows = true;
        } else if (pair->swallows) {
            pair_close(pair, true); /* it has holes */
        }
    }
    proxy->mode = mode;
    proxy_turn(proxy);
    (void)pthread_mutex_unlock(&proxy->mutex);
}

void test_proxy_cut(test_proxy *proxy) {
    (void)pthread_mutex_lock(&proxy->mutex);
    for (int i = 0; i < PAIRS_MAX; i++) {
        pair_close(&proxy->pairs[i], true);
    }
    proxy_turn(proxy);
    (void)pthread_mutex_unlock(&proxy->mutex);
}

void test_proxy_stop(test_proxy *proxy) {
    if (proxy == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&proxy->mutex);
    proxy->stopping = true;
    const uint64_t one = 1;
    if (write(proxy->wake, &one, sizeof one) < 0) {
        give_up("write");
    }
    (void)pthread_mutex_unlock(&proxy->mutex);
    (void)pthread_join(proxy->thread, NULL);
    for (int i = 0; i < PAIRS_MAX; i++) {
        pair_close(&proxy->pairs[i], false);
    }
    if (proxy->listener >= 0) {
        (void)close(proxy->listener);
    }
    (void)close(proxy->wake);
    (void)pthread_cond_destroy(&proxy->turned);
    (void)pthread_mutex_destroy(&proxy->mutex);
    free(proxy);
}
