#include "drive/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "wire/resp.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it there */
#endif

/* POSIX allows two numbers for it. */
static bool errno_means_later(int error) {
#if EAGAIN != EWOULDBLOCK
    if (error == EWOULDBLOCK) {
        return true;
    }
#endif
    return error == EAGAIN;
}

/* --- in -------------------------------------------------------------------------------------- */

void redlock_input_init(redlock_input *in) {
    *in = (redlock_input){.fd = -1};
    atomic_init(&in->ready, false);
}

void redlock_input_clear(redlock_input *in) {
    in->fd = -1;
    in->ended = false;
    in->starved = false;
    in->sys_errno = 0;
    in->buffer.len = 0;
    atomic_store(&in->ready, false);
}

void redlock_input_deinit(redlock_input *in) {
    free(in->buffer.at);
}

void redlock_input_connected(redlock_input *in) {
    socklen_t len = sizeof in->sys_errno;
    if (getsockopt(in->fd, SOL_SOCKET, SO_ERROR, &in->sys_errno, &len) != 0) {
        in->sys_errno = errno;
    }
}

void redlock_input_read(redlock_input *in) {
    redlock_buffer *buffer = &in->buffer;
    ssize_t n;
    in->starved = false;
    if (buffer->len == buffer->size && buffer->size < REDLOCK_RESP_REPLY_BYTES_MAX &&
        !redlock_buffer_reserve(buffer, 1, REDLOCK_INPUT_BYTES_MIN)) {
        in->starved = true;
    }
    if (buffer->len == buffer->size) {
        return; /* the dispatch will see that no reply fits */
    }

    do {
        n = recv(in->fd, buffer->at + buffer->len, buffer->size - buffer->len, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        buffer->len += (size_t)n;
    } else if (n == 0) {
        in->ended = true;
    } else if (!errno_means_later(errno)) {
        in->sys_errno = errno;
    }
}

void redlock_input_shake(redlock_input *in, redlock_tls_link *link) {
    redlock_bytes bytes = {in->buffer.at, in->buffer.len};
    in->shook = REDLOCK_TLS_FAILED;
    if (redlock_tls_link_put(link, bytes)) {
        in->shook = redlock_tls_link_shake(link);
    }
    in->buffer.len = 0;
}

/* --- out ------------------------------------------------------------------------------------- */

/* The password is in what the greeting was written into, and shall not stay there. */
static void output_wipe(const redlock_output *out, redlock_buffer *buffer) {
    if (out->has_secret && buffer->len > 0) {
        explicit_bzero(buffer->at, buffer->len);
    }
}

void redlock_output_init(redlock_output *out) {
    *out = (redlock_output){.written = 0};
    atomic_init(&out->blocked, false);
}

void redlock_output_clear(redlock_output *out) {
    output_wipe(out, &out->pending);
    output_wipe(out, &out->flight);
    out->has_secret = false;
    out->pending.len = 0;
    out->sealed.len = 0;
    out->flight.len = 0;
    out->written = 0;
    out->is_dead = false;
    out->sys_errno = 0;
    atomic_store(&out->blocked, false);
}

void redlock_output_deinit(redlock_output *out) {
    redlock_output_clear(out);
    free(out->pending.at);
    free(out->sealed.at);
    free(out->flight.at);
}

bool redlock_output_has_bytes(const redlock_output *out) {
    return out->written < out->flight.len || out->sealed.len > 0 || out->pending.len > 0;
}

bool redlock_output_is_written(const redlock_output *out) {
    return out->written == out->flight.len;
}

/* Commands become records.  Where there is none, the link is not touched. */
static redlock_status output_seal(redlock_output *out, redlock_tls_link *link) {
    redlock_bytes commands = {out->pending.at, out->pending.len};
    if (commands.len == 0) {
        return REDLOCK_OK;
    }
    if (redlock_tls_link_seal(link, commands) != REDLOCK_TLS_DONE) {
        return REDLOCK_UNTRUSTED;
    }
    output_wipe(out, &out->pending);
    out->has_secret = false;
    out->pending.len = 0;
    return redlock_tls_link_take(link, &out->sealed) ? REDLOCK_OK : REDLOCK_NOMEM;
}

redlock_status redlock_output_load(redlock_output *out, redlock_tls_link *link) {
    redlock_buffer *from = link != NULL ? &out->sealed : &out->pending;
    redlock_status status = link != NULL ? output_seal(out, link) : REDLOCK_OK;
    REDLOCK_ASSERT(redlock_output_is_written(out));
    if (status != REDLOCK_OK) {
        return status;
    }

    redlock_buffer emptied = out->flight;
    emptied.len = 0;
    out->flight = *from;
    *from = emptied;
    out->written = 0;
    return REDLOCK_OK;
}

void redlock_output_write(redlock_output *out, int fd) {
    while (out->written < out->flight.len) {
        ssize_t n =
            send(fd, out->flight.at + out->written, out->flight.len - out->written, MSG_NOSIGNAL);
        if (n >= 0) {
            out->written += (size_t)n;
        } else if (errno_means_later(errno) || errno == ENOBUFS) {
            out->is_full = true;
            return;
        } else if (errno != EINTR) {
            out->sys_errno = errno;
            return;
        }
    }
}

/* Until somebody has commands while others are being written, one buffer is enough. */
static void output_reuse(redlock_output *out) {
    if (out->pending.at == NULL && out->sealed.at == NULL) {
        out->pending = out->flight;
        out->pending.len = 0;
        out->flight = (redlock_buffer){.at = NULL};
        out->written = 0;
    }
}

/* The greeting is alone in flight, because nothing is sent before its answer. */
void redlock_output_forget(redlock_output *out) {
    if (!redlock_output_is_written(out)) {
        return;
    }
    if (out->has_secret) {
        output_wipe(out, &out->flight);
        out->has_secret = false;
    }
    output_reuse(out);
}

void redlock_output_part(redlock_output *out, redlock_tls_link *link, int fd) {
    bool is_free = !out->flushing && !out->is_dead && redlock_output_is_written(out);
    if (redlock_tls_link_take(link, &out->sealed) && out->sealed.len > 0 && is_free) {
        (void)send(fd, out->sealed.at, out->sealed.len, MSG_NOSIGNAL);
    }
    out->sealed.len = 0;
}
