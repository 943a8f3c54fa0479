/* ask.c -- connect, send, receive, each up to a deadline; and TLS between, where the URL wants it. */
#include "drive/ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drive/clock.h"
#include "drive/resolve.h"
#include "drive/socket.h"
#include "drive/wake.h"

#define IN_BYTES_MIN 16384u

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it there */
#endif

static redlock_status asker_fail(redlock_asker *asker, redlock_status status, int sys_errno,
                                 const char *words) {
    asker->sys_errno = sys_errno;
    redlock_bytes_to_text(redlock_bytes_of(words), asker->words, sizeof asker->words);
    redlock_asker_hang_up(asker);
    return status;
}

redlock_status redlock_asker_init(redlock_asker *asker) {
    *asker = (redlock_asker){.fd = -1};
    asker->values = calloc(REDLOCK_ASKER_VALUES_MAX, sizeof *asker->values);
    asker->tree.values = asker->values;
    asker->tree.values_max = REDLOCK_ASKER_VALUES_MAX;
    return asker->values != NULL ? REDLOCK_OK : REDLOCK_NOMEM;
}

void redlock_asker_deinit(redlock_asker *asker) {
    redlock_asker_hang_up(asker);
    free(asker->values);
    free(asker->in.at);
    free(asker->sealed.at);
    asker->values = NULL;
    asker->in = (redlock_buffer){.at = NULL};
    asker->sealed = (redlock_buffer){.at = NULL};
}

void redlock_asker_hang_up(redlock_asker *asker) {
    if (asker->fd >= 0) {
        (void)close(asker->fd); /* the number is gone whatever it answers */
    }
    asker->fd = -1;
    redlock_tls_link_destroy(asker->link);
    asker->link = NULL;
}

/* Waits until `fd` is ready for `events`.  0; ETIMEDOUT when the deadline came first; an errno. */
static int fd_await(int fd, short events, redlock_ns deadline) {
    struct pollfd one = {.fd = fd, .events = events};
    for (;;) {
        uint64_t left_ms = redlock_ns_to_ms_up(redlock_ns_since(deadline, redlock_clock_now()));
        int timeout = left_ms < 60000 ? (int)left_ms : 60000;
        int ready = poll(&one, 1, timeout);
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (left_ms == 0) {
            return ETIMEDOUT;
        }
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

static bool errno_means_later(int error) {
#if EAGAIN != EWOULDBLOCK
    if (error == EWOULDBLOCK) {
        return true;
    }
#endif
    return error == EAGAIN || error == EINTR;
}

static redlock_status asker_wait(redlock_asker *asker, short events, redlock_ns deadline) {
    int error = fd_await(asker->fd, events, deadline);
    if (error == 0) {
        return REDLOCK_OK;
    }
    return error == ETIMEDOUT ? asker_fail(asker, REDLOCK_SILENT, 0, "no answer in time")
                              : asker_fail(asker, REDLOCK_IO, error, "cannot wait for the server");
}

/* The peer is gone.  Over TLS it may not have managed to say why. */
static redlock_status bytes_end(redlock_asker *asker, int error, const char *words) {
    if (asker->link != NULL && redlock_tls_link_lacks_certificate(asker->link)) {
        return asker_fail(asker, REDLOCK_UNTRUSTED, 0,
                          "the server wants a client certificate (it asked for one, and hung up)");
    }
    return asker_fail(asker, REDLOCK_IO, error, words);
}

/* Sends all of it. */
static redlock_status bytes_send(redlock_asker *asker, redlock_bytes bytes, redlock_ns deadline) {
    while (bytes.len > 0) {
        ssize_t n = send(asker->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (n >= 0) {
            bytes.at += n;
            bytes.len -= (size_t)n;
        } else if (!errno_means_later(errno)) {
            return bytes_end(asker, errno, "cannot send");
        } else {
            redlock_status status = asker_wait(asker, POLLOUT, deadline);
            if (status != REDLOCK_OK) {
                return status;
            }
        }
    }
    return REDLOCK_OK;
}

/* Receives some into the room that is there, or waits for it. */
static redlock_status bytes_receive(redlock_asker *asker, redlock_buffer *out,
                                    redlock_ns deadline) {
    ssize_t n = recv(asker->fd, out->at + out->len, out->size - out->len, 0);
    if (n > 0) {
        out->len += (size_t)n;
        return REDLOCK_OK;
    }
    if (n == 0) {
        return bytes_end(asker, ECONNRESET, "the server closed the connection");
    }
    return errno_means_later(errno) ? asker_wait(asker, POLLIN, deadline)
                                    : bytes_end(asker, errno, "cannot receive");
}

/* --- TLS, between the bytes and what they say ------------------------------------------------- */

static redlock_status tls_flush(redlock_asker *asker, redlock_ns deadline) {
    redlock_buffer *sealed = &asker->sealed;
    sealed->len = 0;
    if (!redlock_tls_link_take(asker->link, sealed)) {
        return asker_fail(asker, REDLOCK_NOMEM, 0, "no memory for TLS");
    }
    return bytes_send(asker, (redlock_bytes){sealed->at, sealed->len}, deadline);
}

/* What the link has to say about it is sent, so that the server's people can read why; best effort. */
static redlock_status tls_fail(redlock_asker *asker) {
    const char *words = "";
    redlock_status status = redlock_tls_link_fault(asker->link, &words);
    redlock_buffer *sealed = &asker->sealed;
    sealed->len = 0;
    if (redlock_tls_link_take(asker->link, sealed) && sealed->len > 0) {
        (void)send(asker->fd, sealed->at, sealed->len, MSG_NOSIGNAL);
    }
    redlock_bytes_to_text(redlock_bytes_of(words), asker->words, sizeof asker->words);
    asker->sys_errno = 0;
    redlock_asker_hang_up(asker); /* the words were the link's */
    return status;
}

/* Hands on what has come in; nothing may have. */
static redlock_status tls_feed(redlock_asker *asker, redlock_ns deadline) {
    redlock_buffer *sealed = &asker->sealed;
    sealed->len = 0;
    if (!redlock_buffer_reserve(sealed, IN_BYTES_MIN, IN_BYTES_MIN)) {
        return asker_fail(asker, REDLOCK_NOMEM, 0, "no memory for TLS");
    }
    redlock_status status = bytes_receive(asker, sealed, deadline);
    if (status == REDLOCK_OK &&
        !redlock_tls_link_put(asker->link, (redlock_bytes){sealed->at, sealed->len})) {
        return tls_fail(asker);
    }
    return status;
}

static redlock_status tls_receive(redlock_asker *asker, redlock_ns deadline) {
    switch (redlock_tls_link_open(asker->link, &asker->in)) {
    case REDLOCK_TLS_DONE:
        return REDLOCK_OK;
    case REDLOCK_TLS_MORE:
        return tls_feed(asker, deadline);
    case REDLOCK_TLS_ENDED:
        return bytes_end(asker, ECONNRESET, "the server closed the connection");
    case REDLOCK_TLS_FAILED:
        break;
    }
    return tls_fail(asker);
}

static redlock_status tls_shake(redlock_asker *asker, redlock_ns deadline) {
    for (;;) {
        redlock_tls_result result = redlock_tls_link_shake(asker->link);
        if (result == REDLOCK_TLS_FAILED) {
            return tls_fail(asker);
        }
        redlock_status status = tls_flush(asker, deadline);
        if (status == REDLOCK_OK && result == REDLOCK_TLS_ENDED) {
            status = bytes_end(asker, ECONNRESET, "the server hung up in the TLS handshake");
        } else if (status == REDLOCK_OK && result == REDLOCK_TLS_MORE) {
            status = tls_feed(asker, deadline);
        }
        if (status != REDLOCK_OK || result == REDLOCK_TLS_DONE) {
            return status;
        }
    }
}

static redlock_status tls_begin(redlock_asker *asker, redlock_tls *tls, const char *host,
                                redlock_ns deadline) {
    asker->link = redlock_tls_link_create(tls, host);
    if (asker->link == NULL || !redlock_tls_link_start(asker->link)) {
        return asker_fail(asker, REDLOCK_NOMEM, 0, "no memory for TLS");
    }
    return tls_shake(asker, deadline);
}

/* --- connecting ------------------------------------------------------------------------------ */

static redlock_status lookup_await(redlock_asker *asker, redlock_lookup *lookup, redlock_wake *wake,
                                   redlock_addresses *addresses, redlock_ns deadline) {
    while (!redlock_lookup_take(lookup, addresses)) {
        int error = fd_await(wake->read_fd, POLLIN, deadline);
        if (error != 0) {
            redlock_lookup_abandon(lookup);
            return asker_fail(asker, REDLOCK_SILENT, error,
                              "the host's name was not found in time");
        }
        redlock_wake_clear(wake);
    }
    return REDLOCK_OK;
}

static redlock_status host_resolve(redlock_asker *asker, const redlock_url *url,
                                   redlock_addresses *addresses, redlock_ns deadline) {
    redlock_wake wake;
    if (!redlock_wake_init(&wake)) {
        return asker_fail(asker, REDLOCK_IO, errno, "no descriptor left");
    }
    redlock_resolver *resolver = redlock_resolver_create(&wake);
    redlock_lookup *lookup = NULL;
    redlock_status status = REDLOCK_OK;
    bool is_known = resolver != NULL &&
                    redlock_resolver_start(resolver, url->host, url->port, addresses, &lookup);
    if (lookup != NULL) {
        status = lookup_await(asker, lookup, &wake, addresses, deadline);
    } else if (!is_known) {
        status = asker_fail(asker, REDLOCK_IO, EAGAIN,
                            "no thread, descriptor or memory left to look up the host");
    }
    redlock_resolver_destroy(resolver);
    redlock_wake_deinit(&wake);
    if (status == REDLOCK_OK && addresses->count == 0) {
        status = asker_fail(asker, REDLOCK_IO, 0, gai_strerror(addresses->gai_error));
    }
    return status;
}

static redlock_status url_resolve(redlock_asker *asker, const redlock_url *url,
                                  redlock_addresses *addresses, redlock_ns deadline) {
    switch (url->scheme) {
    case REDLOCK_URL_UNIX:
        return redlock_socket_address(url->path, addresses)
                   ? REDLOCK_OK
                   : asker_fail(asker, REDLOCK_IO, ENAMETOOLONG, "cannot connect");
    case REDLOCK_URL_TCP:
    case REDLOCK_URL_TLS:
        break;
    }
    return host_resolve(asker, url, addresses, deadline);
}

/* 0, or the errno of one address. */
static int address_connect(redlock_asker *asker, const redlock_addresses *addresses, uint32_t index,
                           redlock_ns deadline) {
    bool is_connected = false;
    int error = redlock_socket_connect(&addresses->item[index].at, addresses->item[index].len,
                                       &asker->fd, &is_connected);
    if (error != 0 || is_connected) {
        return error;
    }

    socklen_t len = sizeof error;
    error = fd_await(asker->fd, POLLOUT, deadline);
    if (error == 0 && getsockopt(asker->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    if (error != 0) {
        redlock_asker_hang_up(asker);
    }
    return error;
}

redlock_status redlock_asker_connect(redlock_asker *asker, const redlock_url *url, redlock_tls *tls,
                                     redlock_ns deadline) {
    redlock_addresses addresses = {.count = 0};
    bool has_tls = url->scheme == REDLOCK_URL_TLS;
    redlock_asker_hang_up(asker);
    asker->in.len = 0;
    asker->used = 0;
    if (has_tls && tls == NULL) { /* never plain instead */
        return asker_fail(asker, REDLOCK_UNSUPPORTED, 0, "TLS is not in this build");
    }
    redlock_status status = url_resolve(asker, url, &addresses, deadline);
    if (status != REDLOCK_OK) {
        return status;
    }

    int error = 0;
    for (uint32_t i = 0; i < addresses.count && asker->fd < 0; i++) {
        error = address_connect(asker, &addresses, i, deadline);
    }
    if (asker->fd >= 0) {
        return has_tls ? tls_begin(asker, tls, url->host, deadline) : REDLOCK_OK;
    }
    return asker_fail(asker, error == ETIMEDOUT ? REDLOCK_SILENT : REDLOCK_IO, error,
                      error == ETIMEDOUT ? "no connection in time" : "cannot connect");
}

/* --- asking ---------------------------------------------------------------------------------- */

redlock_status redlock_asker_write(redlock_asker *asker, redlock_bytes bytes, redlock_ns deadline) {
    if (asker->fd < 0) {
        return REDLOCK_CLOSED;
    }
    if (asker->link == NULL || bytes.len == 0) {
        return bytes_send(asker, bytes, deadline);
    }
    if (redlock_tls_link_seal(asker->link, bytes) != REDLOCK_TLS_DONE) {
        return tls_fail(asker);
    }
    return tls_flush(asker, deadline);
}

/* The reply before is forgotten, and what came behind it moves to the front. */
static void reply_drop(redlock_asker *asker) {
    redlock_buffer *in = &asker->in;
    in->len -= asker->used;
    if (in->len > 0 && asker->used > 0) {
        memmove(in->at, in->at + asker->used, in->len);
    }
    asker->used = 0;
    redlock_tree_start(&asker->tree);
}

static redlock_status more_receive(redlock_asker *asker, redlock_ns deadline) {
    redlock_buffer *in = &asker->in;
    if (in->len >= REDLOCK_ASKER_REPLY_BYTES_MAX) {
        return asker_fail(asker, REDLOCK_PROTOCOL, 0, "the server sent a reply longer than 4 MiB");
    }
    if (in->len == in->size && !redlock_buffer_reserve(in, 1, IN_BYTES_MIN)) {
        return asker_fail(asker, REDLOCK_NOMEM, 0, "no memory for a reply");
    }
    return asker->link != NULL ? tls_receive(asker, deadline) : bytes_receive(asker, in, deadline);
}

redlock_status redlock_asker_read(redlock_asker *asker, redlock_ns deadline) {
    if (asker->fd < 0) {
        return REDLOCK_CLOSED;
    }
    reply_drop(asker);
    for (;;) {
        redlock_resp_status read = REDLOCK_RESP_MORE;
        if (asker->in.len > 0) {
            read = redlock_tree_read(&asker->tree, asker->in.at, asker->in.len, &asker->used);
        }
        if (read == REDLOCK_RESP_DONE) {
            return REDLOCK_OK;
        }
        if (read == REDLOCK_RESP_BAD) {
            return asker_fail(asker, REDLOCK_PROTOCOL, 0, asker->tree.complaint);
        }
        redlock_status status = more_receive(asker, deadline);
        if (status != REDLOCK_OK) {
            return status;
        }
    }
}
