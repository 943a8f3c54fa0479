#include "tls_relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>

#define PAIRS_MAX 64
#define HEARD_BYTES (256u * 1024u)
#define DRIBBLE_MS 2

typedef struct relay_pair { /* one client; fd -1: free */
    int client, server;
    SSL *ssl;
    bool is_open;
    test_tls_mode mode;
} relay_pair;

typedef struct relay_ear {
    char at[HEARD_BYTES];
    size_t len;
} relay_ear;

struct test_tls_relay {
    SSL_CTX *context;
    char socket_path[108];
    int listener, port, wake[2];
    pthread_t thread;
    pthread_mutex_t mutex; /* all below; the thread gives it up to poll only */
    pthread_cond_t cut_done;
    bool is_stopping, wants_cut;
    test_tls_mode mode;
    test_tls_counts counts;
    relay_pair pair[PAIRS_MAX];
    relay_ear sealed, plain;
};

static void check(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "# test_tls_relay: %s: %s\n", what, strerror(errno));
        abort();
    }
}

static void ear_add(relay_ear *ear, const void *bytes, size_t len) {
    size_t room = sizeof ear->at - ear->len;
    memcpy(ear->at + ear->len, bytes, len < room ? len : room);
    ear->len += len < room ? len : room;
}

/* --- pairs ----------------------------------------------------------------------------------- */

static void pair_close(relay_pair *pair) {
    if (pair->client < 0) {
        return;
    }
    SSL_set_shutdown(pair->ssl, SSL_SENT_SHUTDOWN); /* or it forgets the session */
    SSL_free(pair->ssl);
    (void)close(pair->client);
    if (pair->server >= 0) {
        (void)close(pair->server);
    }
    *pair = (relay_pair){.client = -1, .server = -1};
}

static int server_connect(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    check(fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0, "the server");
    return fd;
}

static void pair_open(test_tls_relay *relay, int fd) {
    relay_pair *pair = relay->pair;
    while (pair < relay->pair + PAIRS_MAX && pair->client >= 0) {
        pair++;
    }
    check(pair < relay->pair + PAIRS_MAX, "too many clients");
    *pair = (relay_pair){.client = fd, .server = -1, .mode = relay->mode};
    pair->ssl = SSL_new(relay->context);
    check(pair->ssl != NULL, "SSL_new");
    SSL_set_bio(pair->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    (void)BIO_set_mem_eof_return(SSL_get_rbio(pair->ssl), -1);
    SSL_set_accept_state(pair->ssl);
    relay->counts.connections++;
}

/* What the TLS has to say, as far as the mode lets it.  False: the client is gone. */
static bool pair_flush(relay_pair *pair) {
    char bytes[16384];
    size_t size = pair->mode == TEST_TLS_DRIBBLE ? 1 : sizeof bytes;
    int count = 0;
    if (pair->mode == TEST_TLS_MUTE) {
        return true;
    }
    do {
        count = BIO_read(SSL_get_wbio(pair->ssl), bytes, (int)size);
        if (count > 0 && send(pair->client, bytes, (size_t)count, MSG_NOSIGNAL) != count) {
            return false;
        }
    } while (count > 0 && pair->mode == TEST_TLS_PASS);
    return true;
}

static bool pair_shake(test_tls_relay *relay, relay_pair *pair) {
    int rc = SSL_do_handshake(pair->ssl);
    if (rc != 1) {
        bool goes_on = SSL_get_error(pair->ssl, rc) == SSL_ERROR_WANT_READ;
        relay->counts.failed += !goes_on;
        return goes_on;
    }
    pair->is_open = true;
    pair->server = server_connect(relay->socket_path);
    relay->counts.handshakes++;
    relay->counts.resumed += SSL_session_reused(pair->ssl) == 1;
    return true;
}

static bool pair_from_client(test_tls_relay *relay, relay_pair *pair) {
    char bytes[16384];
    ssize_t count = recv(pair->client, bytes, sizeof bytes, 0);
    if (count <= 0) {
        return false;
    }
    relay->counts.sealed_bytes += (size_t)count;
    ear_add(&relay->sealed, bytes, (size_t)count);
    (void)BIO_write(SSL_get_rbio(pair->ssl), bytes, (int)count);
    ERR_clear_error();
    if (!pair->is_open && !pair_shake(relay, pair)) {
        (void)pair_flush(pair); /* the alert */
        return false;
    }
    while (pair->is_open && (count = SSL_read(pair->ssl, bytes, sizeof bytes)) > 0) {
        relay->counts.plain_bytes += (size_t)count;
        ear_add(&relay->plain, bytes, (size_t)count);
        if (send(pair->server, bytes, (size_t)count, MSG_NOSIGNAL) != count) {
            return false;
        }
    }
    return pair_flush(pair);
}

static bool pair_from_server(relay_pair *pair) {
    char bytes[8192];
    ssize_t count = recv(pair->server, bytes, sizeof bytes, 0);
    ERR_clear_error();
    return count > 0 && SSL_write(pair->ssl, bytes, (int)count) == count && pair_flush(pair);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void relay_obey(test_tls_relay *relay) {
    char byte;
    (void)!read(relay->wake[0], &byte, 1);
    if (relay->wants_cut) {
        for (int i = 0; i < PAIRS_MAX; i++) {
            pair_close(&relay->pair[i]);
        }
        relay->wants_cut = false;
        (void)pthread_cond_broadcast(&relay->cut_done);
    }
}

static void relay_serve(test_tls_relay *relay, relay_pair *pair, const struct pollfd *client,
                        const struct pollfd *server) {
    bool is_good = true;
    if (client->revents != 0) {
        is_good = pair_from_client(relay, pair);
    }
    if (is_good && server->fd >= 0 && server->revents != 0) {
        is_good = pair_from_server(pair);
    }
    if (is_good && pair->mode == TEST_TLS_DRIBBLE) {
        is_good = pair_flush(pair);
    }
    if (!is_good) {
        pair_close(pair);
    }
}

static void *relay_main(void *ctx) {
    test_tls_relay *relay = ctx;
    struct pollfd fds[2 + 2 * PAIRS_MAX];
    (void)pthread_mutex_lock(&relay->mutex);
    while (!relay->is_stopping) {
        fds[0] = (struct pollfd){.fd = relay->wake[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = relay->listener, .events = POLLIN};
        for (int i = 0; i < PAIRS_MAX; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = relay->pair[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = relay->pair[i].server, .events = POLLIN};
        }
        (void)pthread_mutex_unlock(&relay->mutex);
        int ready = poll(fds, 2 + 2 * PAIRS_MAX, DRIBBLE_MS);
        (void)pthread_mutex_lock(&relay->mutex);
        for (int i = 0; ready >= 0 && i < PAIRS_MAX; i++) {
            if (relay->pair[i].client >= 0) {
                relay_serve(relay, &relay->pair[i], &fds[2 + 2 * i], &fds[3 + 2 * i]);
            }
        }
        if (ready > 0 && fds[1].revents != 0) {
            int fd = accept(relay->listener, NULL, NULL);
            check(fd >= 0, "accept");
            pair_open(relay, fd);
        }
        if (ready > 0 && fds[0].revents != 0) {
            relay_obey(relay);
        }
    }
    (void)pthread_mutex_unlock(&relay->mutex);
    return NULL;
}

static void relay_wake(test_tls_relay *relay) {
    check(write(relay->wake[1], "w", 1) == 1, "wake");
}

/* --- outside --------------------------------------------------------------------------------- */

test_tls_relay *test_tls_relay_start(SSL_CTX *take_context, const char *socket_path) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    test_tls_relay *relay = calloc(1, sizeof *relay);
    check(relay != NULL, "memory");
    relay->context = take_context;
    (void)snprintf(relay->socket_path, sizeof relay->socket_path, "%s", socket_path);
    for (int i = 0; i < PAIRS_MAX; i++) {
        relay->pair[i] = (relay_pair){.client = -1, .server = -1};
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(relay->listener >= 0 &&
              bind(relay->listener, (const struct sockaddr *)&at, sizeof at) == 0 &&
              listen(relay->listener, 64) == 0 &&
              getsockname(relay->listener, (struct sockaddr *)&at, &len) == 0 &&
              pipe2(relay->wake, O_CLOEXEC) == 0,
          "listen");
    relay->port = ntohs(at.sin_port);
    check(pthread_mutex_init(&relay->mutex, NULL) == 0 &&
              pthread_cond_init(&relay->cut_done, NULL) == 0 &&
              pthread_create(&relay->thread, NULL, relay_main, relay) == 0,
          "thread");
    return relay;
}

int test_tls_relay_port(const test_tls_relay *relay) {
    return relay->port;
}

void test_tls_relay_set_mode(test_tls_relay *relay, test_tls_mode mode) {
    (void)pthread_mutex_lock(&relay->mutex);
    relay->mode = mode;
    (void)pthread_mutex_unlock(&relay->mutex);
}

void test_tls_relay_cut(test_tls_relay *relay) {
    (void)pthread_mutex_lock(&relay->mutex);
    relay->wants_cut = true;
    relay_wake(relay);
    while (relay->wants_cut) {
        (void)pthread_cond_wait(&relay->cut_done, &relay->mutex);
    }
    (void)pthread_mutex_unlock(&relay->mutex);
}

test_tls_counts test_tls_relay_counts(test_tls_relay *relay) {
    (void)pthread_mutex_lock(&relay->mutex);
    test_tls_counts counts = relay->counts;
    (void)pthread_mutex_unlock(&relay->mutex);
    return counts;
}

bool test_tls_relay_heard(test_tls_relay *relay, const char *text) {
    (void)pthread_mutex_lock(&relay->mutex);
    check(relay->sealed.len < HEARD_BYTES && relay->plain.len < HEARD_BYTES, "heard too much");
    bool heard = memmem(relay->sealed.at, relay->sealed.len, text, strlen(text)) != NULL ||
                 memmem(relay->plain.at, relay->plain.len, text, strlen(text)) != NULL;
    (void)pthread_mutex_unlock(&relay->mutex);
    return heard;
}

void test_tls_relay_stop(test_tls_relay *relay) {
    if (relay == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&relay->mutex);
    relay->is_stopping = true;
    relay_wake(relay);
    (void)pthread_mutex_unlock(&relay->mutex);
    (void)pthread_join(relay->thread, NULL);
    for (int i = 0; i < PAIRS_MAX; i++) {
        pair_close(&relay->pair[i]);
    }
    (void)close(relay->listener);
    (void)close(relay->wake[0]);
    (void)close(relay->wake[1]);
    (void)pthread_cond_destroy(&relay->cut_done);
    (void)pthread_mutex_destroy(&relay->mutex);
    SSL_CTX_free(relay->context);
    free(relay);
}
