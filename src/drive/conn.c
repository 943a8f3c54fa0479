/* conn.c -- one connection to one node.
 *
 * Who may touch what:
 *   the mutex      everything, except for
 *   the leader     `in`, from redlock_conn_poll_want until redlock_conn_receive sets in.ready, and with
 *                  it, while the connection is SHAKING, `link`;
 *   the flusher    `out.flight`, out.sys_errno and out.is_full, while out.flushing is set.
 * `link` is TLS, and no two threads may be in it.  Sealing and opening take no longer than copying does,
 * so they are done under the mutex.  A handshake verifies signatures, which takes a thousand times as
 * long, while nobody has anything to say on this connection: so the leader does it without.
 * The descriptor is opened and doomed under the mutex, and closed by conn_reap alone, so that the
 * number that a leader polls or a flusher writes to cannot become another socket's meanwhile. */
#include "drive/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "drive/buffer.h"
#include "drive/dial.h"
#include "drive/outbox.h"
#include "drive/stream.h"
#include "wire/message.h"

#define CONN_OUT_BYTES_MIN 4096u
/* What TLS itself has to say: a server that asks for more and never reads is hung up. */
#define CONN_SEALED_BYTES_MAX 65536u

#define NEAR_COUNT 8u /* answers ahead */

_Static_assert(REDLOCK_RESP_REPLY_BYTES_MAX == REDLOCK_INPUT_BYTES_MIN << 4,
               "doubling meets the cap");
_Static_assert(REDLOCK_HELLO_WORDS_BYTES <= REDLOCK_WORDS_BYTES, "a refusal is told whole");

/* Moves: DOWN -> RESOLVING -> CONNECTING -> [SHAKING ->] GREETING -> UP, and from each one to DOWN. */
typedef enum conn_state {
    CONN_DOWN = 0,
    CONN_RESOLVING,
    CONN_CONNECTING, /* without a descriptor while the previous one waits to be reaped */
    CONN_SHAKING,    /* hands, over TLS */
    CONN_GREETING,
    CONN_UP
} conn_state;

typedef struct conn_fault { /* why the link is about to be told down */
    bool is_set;
    redlock_status status;
    int sys_errno;
    char words[REDLOCK_WORDS_BYTES];
} conn_fault;

struct redlock_conn {
    uint32_t node;
    redlock_bytes label;
    redlock_bytes channel; /* empty: a connection for commands */
    redlock_resolver *resolver;
    redlock_tls_link *link; /* NULL: plain */

    conn_state state;
    int fd;
    bool doomed; /* fd is only waiting to be closed */
    conn_fault fault;
    redlock_input in;
    redlock_buffer opened; /* TLS: what `in` was, to be dispatched */
    redlock_output out;
    redlock_outbox outbox;
    redlock_hello greeting; /* in progress */
    redlock_hello hello;    /* the last one that was finished */
    bool has_hello;
    bool is_alone;     /* the server votes alone */
    redlock_url url;   /* this and what follows is large, and not zeroed: */
    redlock_dial dial; /* see redlock_conn_create */
    redlock_resp_reader reader;
};

static const char too_long[] = "a reply is longer than any that we ask for";

/* --- states ---------------------------------------------------------------------------------- */

static bool state_may_follow(conn_state from, conn_state to) {
    switch (to) {
    case CONN_DOWN:
        return from != CONN_DOWN;
    case CONN_RESOLVING:
        return from == CONN_DOWN;
    case CONN_CONNECTING:
        return from == CONN_RESOLVING;
    case CONN_SHAKING:
        return from == CONN_CONNECTING;
    case CONN_GREETING:
        return from == CONN_CONNECTING || from == CONN_SHAKING;
    case CONN_UP:
        return from == CONN_GREETING;
    }
    return false;
}

static void conn_move(redlock_conn *conn, conn_state to) {
    REDLOCK_ASSERT(state_may_follow(conn->state, to));
    conn->state = to;
}

/* The first reason stays: what follows is mostly its consequence. */
static void conn_fail(redlock_conn *conn, redlock_status status, int sys_errno, const char *words) {
    if (conn->fault.is_set) {
        return;
    }
    conn->fault.is_set = true;
    conn->fault.status = status;
    conn->fault.sys_errno = sys_errno;
    redlock_bytes_to_text(redlock_bytes_of(words), conn->fault.words, sizeof conn->fault.words);
}

static void conn_fail_not_resp(redlock_conn *conn, const char *complaint) {
    static const char prefix[] = "not RESP: "; /* probably no Redis at all */
    size_t skip = sizeof prefix - 1;
    conn_fail(conn, REDLOCK_PROTOCOL, 0, prefix);
    redlock_bytes_to_text(redlock_bytes_of(complaint), conn->fault.words + skip,
                          sizeof conn->fault.words - skip);
}

/* Ends the link for everyone but the kernel: the descriptor lives until it is reaped. */
static void conn_drop(redlock_conn *conn) {
    redlock_dial_stop(&conn->dial);
    conn->doomed = conn->fd >= 0;
    conn->fault.is_set = false;
    redlock_outbox_clear(&conn->outbox);
    if (conn->state != CONN_DOWN) {
        conn_move(conn, CONN_DOWN);
    }
}

static void conn_fail_tls(redlock_conn *conn) {
    const char *words = "";
    redlock_status status = redlock_tls_link_fault(conn->link, &words);
    conn_fail(conn, status, 0, words);
    redlock_output_part(&conn->out, conn->link, conn->fd);
}

static void conn_clear_streams(redlock_conn *conn) {
    redlock_input_clear(&conn->in);
    redlock_output_clear(&conn->out);
    conn->opened.len = 0;
    redlock_resp_reader_init(&conn->reader);
}

/* Only the leader gets here, between polls: nobody polls the descriptor, and unless there is a
 * flusher nobody writes to it. */
static void conn_reap(redlock_conn *conn) {
    if (!conn->doomed || conn->out.flushing) {
        return;
    }
    (void)close(conn->fd); /* the number is gone whatever it answers */
    conn->fd = -1;
    conn->doomed = false;
    if (conn->link != NULL) {
        redlock_tls_link_end(conn->link);
    }
    conn_clear_streams(conn);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void conn_greet(redlock_conn *conn) {
    redlock_buffer *pending = &conn->out.pending; /* reserved before: no copy is left by growing */
    conn_move(conn, CONN_GREETING);
    REDLOCK_ASSERT(pending->len == 0 && conn->outbox.owed.count == 0);
    if (!redlock_buffer_reserve(pending, REDLOCK_HELLO_ASK_BYTES_MAX, CONN_OUT_BYTES_MIN)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for the greeting");
        return;
    }
    if (conn->channel.len > 0) {
        pending->len = redlock_hello_start_listening(&conn->greeting, &conn->url, conn->label,
                                                     conn->channel, pending->at, pending->size);
    } else {
        pending->len = conn->is_alone
                           ? redlock_hello_start_alone(&conn->greeting, &conn->url, conn->label,
                                                       pending->at, pending->size)
                           : redlock_hello_start(&conn->greeting, &conn->url, conn->label,
                                                 pending->at, pending->size);
    }
    REDLOCK_ASSERT(pending->len <= REDLOCK_HELLO_ASK_BYTES_MAX);
    conn->out.has_secret = conn->url.password[0] != '\0';
}

/* False: nothing has to be asked again. */
static bool conn_ask_again(redlock_conn *conn) {
    redlock_buffer *pending = &conn->out.pending;
    if (!redlock_hello_asks_again(&conn->greeting)) {
        return false;
    }
    if (!redlock_buffer_reserve(pending, REDLOCK_HELLO_ASK_BYTES_MAX, CONN_OUT_BYTES_MIN)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for the greeting");
        return true;
    }
    REDLOCK_ASSERT(pending->len == 0);
    pending->len = redlock_hello_ask_again(&conn->greeting, pending->at, pending->size);
    return true;
}

/* The scripts that the server lacks go out in front of the first command. */
static bool conn_teach(redlock_conn *conn) {
    redlock_buffer *pending = &conn->out.pending;
    REDLOCK_ASSERT(conn->state == CONN_GREETING && pending->len == 0);
    if (!conn->greeting.lacks_scripts) {
        return true;
    }
    if (!redlock_buffer_reserve(pending, REDLOCK_HELLO_BYTES_MAX, CONN_OUT_BYTES_MIN)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for the greeting");
        return false;
    }
    pending->len = redlock_hello_teach(&conn->greeting, pending->at, pending->size);
    return true;
}

/* What a step of the handshake came to. */
static void conn_shook(redlock_conn *conn, redlock_tls_result result) {
    if (result == REDLOCK_TLS_FAILED) {
        conn_fail_tls(conn);
        return;
    }
    if (!redlock_tls_link_take(conn->link, &conn->out.sealed)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for TLS");
    } else if (result == REDLOCK_TLS_DONE) {
        conn_greet(conn); /* the first word of ours, and the password with it */
    } else if (result == REDLOCK_TLS_ENDED) {
        conn->in.ended = true;
    }
}

/* The socket stands. */
static void conn_begin(redlock_conn *conn) {
    if (conn->link == NULL) {
        conn_greet(conn);
        return;
    }
    conn_move(conn, CONN_SHAKING);
    if (redlock_tls_link_start(conn->link)) {
        conn_shook(conn, redlock_tls_link_shake(conn->link));
    } else {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for TLS");
    }
}

static void conn_fail_to_connect(redlock_conn *conn, const redlock_dial_fault *fault) {
    conn_fail(conn, fault->status, fault->sys_errno, fault->words);
}

/* Tries addresses until one connects or is under way. */
static void conn_advance(redlock_conn *conn) {
    redlock_dial_fault fault;
    bool is_connected = false;
    if (conn->state != CONN_CONNECTING || conn->fd >= 0 || conn->fault.is_set) {
        return;
    }
    if (redlock_dial_try(&conn->dial, &conn->fd, &is_connected, &fault) == REDLOCK_DIAL_FAILED) {
        conn_fail_to_connect(conn, &fault);
    } else if (is_connected) {
        conn_begin(conn);
    }
}

static void conn_dialed(redlock_conn *conn, redlock_dial_result result,
                        const redlock_dial_fault *fault) {
    if (result == REDLOCK_DIAL_FAILED) {
        conn_fail_to_connect(conn, fault);
    } else if (result == REDLOCK_DIAL_KNOWS) {
        conn_move(conn, CONN_CONNECTING);
        conn_advance(conn);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

redlock_conn *redlock_conn_create(uint32_t node, const redlock_url *url, redlock_bytes label,
                                  redlock_bytes prefix, redlock_resolver *resolver) {
    redlock_conn *conn = malloc(sizeof *conn);
    if (conn == NULL) {
        return NULL;
    }
    /* Not what lies behind, most of it, most of which is never used: pages that nobody has touched
     * cost nothing, and half of all connections only wait to listen. */
    memset(conn, 0, offsetof(redlock_conn, url));
    redlock_dial_init(&conn->dial);
    conn->node = node;
    conn->url = *url;
    conn->label = label;
    conn->outbox.prefix = prefix;
    conn->resolver = resolver;
    conn->fd = -1;
    redlock_input_init(&conn->in);
    redlock_output_init(&conn->out);
    conn_clear_streams(conn);
    return conn;
}

redlock_conn *redlock_conn_create_listening(uint32_t node, const redlock_url *url,
                                            redlock_bytes label, redlock_bytes channel,
                                            redlock_resolver *resolver) {
    redlock_conn *conn = redlock_conn_create(node, url, label, (redlock_bytes){NULL, 0}, resolver);
    if (conn != NULL) {
        conn->channel = channel;
    }
    return conn;
}

void redlock_conn_vote_alone(redlock_conn *conn) {
    conn->is_alone = true;
}

bool redlock_conn_set_tls(redlock_conn *conn, redlock_tls *tls) {
    REDLOCK_ASSERT(conn->state == CONN_DOWN && conn->link == NULL);
    if (conn->url.scheme != REDLOCK_URL_TLS) {
        return true;
    }
    conn->link = redlock_tls_link_create(tls, conn->url.host);
    return conn->link != NULL;
}

void redlock_conn_destroy(redlock_conn *conn) {
    if (conn == NULL) {
        return;
    }
    conn_drop(conn);
    if (conn->fd >= 0) {
        (void)close(conn->fd);
    }
    redlock_tls_link_destroy(conn->link);
    explicit_bzero(&conn->url, sizeof conn->url);
    redlock_input_deinit(&conn->in);
    redlock_output_deinit(&conn->out);
    free(conn->opened.at);
    redlock_outbox_deinit(&conn->outbox);
    free(conn);
}

void redlock_conn_connect(redlock_conn *conn) {
    redlock_dial_fault fault;
    conn_move(conn, CONN_RESOLVING);
    if (conn->url.scheme == REDLOCK_URL_TLS && conn->link == NULL) { /* never plain instead */
        conn_fail(conn, REDLOCK_UNSUPPORTED, 0, "TLS is not in this build");
        return;
    }
    redlock_dial_result result =
        redlock_dial_start(&conn->dial, &conn->url, conn->resolver, &fault);
    conn_dialed(conn, result, &fault);
}

void redlock_conn_hang_up(redlock_conn *conn) {
    conn_drop(conn);
}

const redlock_hello *redlock_conn_hello(const redlock_conn *conn) {
    return conn->has_hello ? &conn->hello : NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static void conn_lacks_memory(redlock_conn *conn) {
    conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for a command");
}

void redlock_conn_send(redlock_conn *conn, uint64_t tag, const redlock_command *command) {
    REDLOCK_ASSERT(conn->state == CONN_UP && conn->channel.len == 0);
    if (conn->fault.is_set || conn->out.is_dead) {
        return; /* the LINK_DOWN on its way answers this command too */
    }
    if (!redlock_outbox_put(&conn->outbox, &conn->out.pending, tag, command)) {
        conn_lacks_memory(conn);
    }
}

static bool conn_is_connected(const redlock_conn *conn) {
    return !conn->doomed && !conn->fault.is_set &&
           (conn->state == CONN_SHAKING || conn->state == CONN_GREETING || conn->state == CONN_UP);
}

static bool conn_load(redlock_conn *conn) {
    redlock_status status = redlock_output_load(&conn->out, conn->link);
    if (status == REDLOCK_NOMEM) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for TLS");
    } else if (status != REDLOCK_OK) {
        conn_fail_tls(conn);
    }
    return status == REDLOCK_OK;
}

bool redlock_conn_flush_begin(redlock_conn *conn) {
    redlock_output *out = &conn->out;
    if (out->flushing ||
        (!redlock_outbox_is_open(&conn->outbox) && !redlock_output_has_bytes(out))) {
        return false;
    }
    if (out->is_dead || !conn_is_connected(conn) || atomic_load(&out->blocked)) {
        return false;
    }
    if (!redlock_outbox_close(&conn->outbox, &out->pending)) {
        conn_lacks_memory(conn);
        return false;
    }

    /* Commands are there only behind a handshake; before that the link may be the leader's. */
    REDLOCK_ASSERT(out->pending.len == 0 || conn->state != CONN_SHAKING);
    if (redlock_output_is_written(out) && !conn_load(conn)) {
        return false;
    }
    out->flushing = true;
    out->is_full = false;
    return true;
}

void redlock_conn_write(redlock_conn *conn) {
    REDLOCK_ASSERT(conn->out.flushing);
    redlock_output_write(&conn->out, conn->fd);
}

/* A peer that closed may have said why, and the bytes before its end are still to be read: the
 * reader finds the end.  Other errors are known to nobody else. */
static void out_take_error(redlock_conn *conn) {
    conn->out.is_dead = true;
    conn->out.pending.len = 0;
    conn->out.sealed.len = 0;
    conn->out.written = conn->out.flight.len;
    if (conn->out.sys_errno != EPIPE && conn->out.sys_errno != ECONNRESET) {
        conn_fail(conn, REDLOCK_IO, conn->out.sys_errno, "cannot send");
    }
}

bool redlock_conn_flush_end(redlock_conn *conn) {
    redlock_output *out = &conn->out;
    REDLOCK_ASSERT(out->flushing);
    out->flushing = false;
    if (conn->doomed) {
        return true; /* to be reaped */
    }
    if (out->sys_errno != 0) {
        out_take_error(conn);
        return true;
    }
    redlock_output_forget(out);
    atomic_store(&out->blocked, out->is_full);
    return out->is_full;
}

/* --- polling and reading --------------------------------------------------------------------- */

bool redlock_conn_is_doomed(const redlock_conn *conn) {
    return conn->doomed;
}

int redlock_conn_poll_want(redlock_conn *conn, short *ret_events) {
    *ret_events = 0;
    conn->in.fd = -1;
    conn_reap(conn);
    conn_advance(conn);
    if (conn->fd < 0 || conn->doomed || conn->fault.is_set || atomic_load(&conn->in.ready)) {
        return -1; /* nothing, or something to dispatch first */
    }

    bool is_connecting = conn->state == CONN_CONNECTING;
    if (is_connecting) {
        *ret_events = POLLOUT;
    } else {
        /* Bytes that nobody is writing: a flush is due as soon as the leader is back. */
        bool is_stuck = !conn->out.flushing && (redlock_output_has_bytes(&conn->out) ||
                                                redlock_outbox_is_open(&conn->outbox));
        *ret_events = is_stuck ? POLLIN | POLLOUT : POLLIN;
    }
    conn->in.connecting = is_connecting;
    conn->in.shaking = conn->state == CONN_SHAKING;
    conn->in.fd = conn->fd;
    return conn->fd;
}

void redlock_conn_receive(redlock_conn *conn, short revents) {
    redlock_input *in = &conn->in;
    if (in->fd < 0 || revents == 0) {
        return;
    }

    if (in->connecting) {
        redlock_input_connected(in);
    } else {
        if ((revents & POLLOUT) != 0) {
            atomic_store(&conn->out.blocked, false);
        }
        if ((revents & ~POLLOUT) == 0) {
            return;
        }
        redlock_input_read(in);
        if (in->shaking) {
            redlock_input_shake(in, conn->link);
        }
    }
    in->fd = -1;
    atomic_store(&in->ready, true); /* from here on `in` is the mutex holder's */
}

/* --- dispatching ----------------------------------------------------------------------------- */

static void dispatch_greeting(redlock_conn *conn, const uint8_t *data, redlock_ns now,
                              const redlock_conn_sink *sink) {
    bool listens = conn->channel.len > 0;
    redlock_fact fact = {.kind = listens ? REDLOCK_FACT_SUBSCRIBED : REDLOCK_FACT_LINK_UP,
                         .node = conn->node};
    if (!redlock_hello_take(&conn->greeting, &conn->reader, data)) {
        return;
    }
    if (conn->greeting.status == REDLOCK_OK && conn_ask_again(conn)) {
        return;
    }

    conn->hello = conn->greeting;
    conn->has_hello = true;
    if (conn->hello.status != REDLOCK_OK) {
        conn_fail(conn, conn->hello.status, 0, conn->hello.words);
        return;
    }
    if (!conn_teach(conn)) {
        return;
    }
    conn_move(conn, CONN_UP);
    if (!listens) {
        fact.as.up.run_id =
            (redlock_bytes){.at = conn->hello.run_id, .len = conn->hello.run_id_len};
        fact.as.up.time_ms = conn->hello.time_ms;
        redlock_native_begin(&conn->outbox.native,
                             redlock_native_of(conn->hello.is_valkey, conn->hello.version));
    }
    sink->take(sink->ctx, &fact, now);
}

/* What comes in front of the answers to commands, when scripts were taught. */
static void dispatch_lesson(redlock_conn *conn, const uint8_t *data) {
    (void)redlock_hello_take(&conn->greeting, &conn->reader, data); /* one after the other */
    if (conn->greeting.status != REDLOCK_OK) {
        conn_fail(conn, conn->greeting.status, 0, conn->greeting.words);
    }
}

/* The answers of a batch follow each other by a microsecond; a slot that lies far off takes longer to come. */
static void bring_near(const redlock_conn *conn, uint32_t place, const redlock_conn_sink *sink) {
    if (sink->bring_near != NULL && place < conn->outbox.owed.count) {
        sink->bring_near(sink->ctx, redlock_owed_tag(&conn->outbox.owed, place));
    }
}

/* The sink may hang up: then nothing is owed any more. */
static void dispatch_answer(redlock_conn *conn, const uint8_t *data, redlock_ns now,
                            const redlock_conn_sink *sink) {
    redlock_fact fact = {.kind = REDLOCK_FACT_REPLY, .node = conn->node};
    if (!redlock_owed_is_asked(&conn->outbox.owed)) {
        conn_fail(conn, REDLOCK_PROTOCOL, 0, "a reply that nobody asked for");
        return;
    }
    redlock_owed owed = redlock_owed_pop(&conn->outbox.owed);
    uint32_t count = owed.batch;
    REDLOCK_ASSERT(count > 0);
    for (uint32_t ahead = 0; count > 1 && ahead < NEAR_COUNT; ahead++) {
        bring_near(conn, ahead, sink);
    }
    for (uint32_t place = 0; place < count; place++) {
        fact.as.reply.tag = owed.tag;
        fact.as.reply.answer =
            redlock_outbox_answer(&conn->outbox, &owed, place, count, &conn->reader, data);
        sink->take(sink->ctx, &fact, now);
        if (conn->doomed || place + 1 == count) {
            return;
        }
        owed = redlock_owed_pop(&conn->outbox.owed);
        bring_near(conn, NEAR_COUNT - 1, sink);
    }
}

static void dispatch_message(redlock_conn *conn, const uint8_t *data, redlock_ns now,
                             const redlock_conn_sink *sink) {
    redlock_fact fact = {.kind = REDLOCK_FACT_WAKE, .node = conn->node};
    switch (redlock_message_decode(conn->reader.values, data, &fact.as.wake)) {
    case REDLOCK_MESSAGE_WAKE:
        sink->take(sink->ctx, &fact, now);
        return;
    case REDLOCK_MESSAGE_OTHER:
        return;
    case REDLOCK_MESSAGE_STRANGE:
        conn_fail(conn, REDLOCK_PROTOCOL, 0, "a message that is none");
        return;
    }
    REDLOCK_ASSERT(false);
}

/* One whole reply.  False: what follows it is not to be read. */
static bool dispatch_reply(redlock_conn *conn, const uint8_t *data, redlock_ns now,
                           const redlock_conn_sink *sink) {
    bool was_greeting = conn->state == CONN_GREETING;
    bool was_asked = redlock_owed_is_asked(&conn->outbox.owed);
    if (was_greeting) {
        dispatch_greeting(conn, data, now, sink);
        return !conn->doomed && !conn->fault.is_set;
    }
    if (redlock_hello_is_open(&conn->greeting)) {
        dispatch_lesson(conn, data);
        return !conn->fault.is_set;
    }
    if (conn->channel.len > 0) {
        dispatch_message(conn, data, now, sink);
        return !conn->doomed && !conn->fault.is_set;
    }
    dispatch_answer(conn, data, now, sink);
    return !conn->doomed && was_asked;
}

/* The sink may hang up, and even connect again: then the rest of the buffer is void, and stays so
 * because `doomed` holds until the reaping empties it. */
static void dispatch_replies(redlock_conn *conn, redlock_buffer *buffer, redlock_ns now,
                             const redlock_conn_sink *sink) {
    bool go_on = true;
    size_t at = 0;
    while (go_on && at < buffer->len) {
        size_t used = 0;
        redlock_resp_status status =
            redlock_resp_read(&conn->reader, buffer->at + at, buffer->len - at, &used);
        if (status == REDLOCK_RESP_MORE) {
            break;
        }
        if (status == REDLOCK_RESP_BAD) {
            const char *complaint = redlock_resp_complaint(&conn->reader);
            if (conn->state == CONN_GREETING) {
                conn_fail_not_resp(conn, complaint);
            } else {
                conn_fail(conn, REDLOCK_PROTOCOL, 0, complaint);
            }
            return;
        }
        go_on = dispatch_reply(conn, buffer->at + at, now, sink);
        redlock_resp_reader_init(&conn->reader);
        at += used;
    }
    if (at > 0) {
        memmove(buffer->at, buffer->at + at, buffer->len - at);
        buffer->len -= at;
    }
}

/* Room for the next bytes, which there is unless a reply fills all of it. */
static bool opened_make_room(redlock_conn *conn) {
    redlock_buffer *opened = &conn->opened;
    if (opened->len < opened->size) {
        return true;
    }
    if (opened->size >= REDLOCK_RESP_REPLY_BYTES_MAX) {
        conn_fail(conn, REDLOCK_PROTOCOL, 0, too_long);
        return false;
    }
    if (!redlock_buffer_reserve(opened, 1, REDLOCK_INPUT_BYTES_MIN)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for a reply");
        return false;
    }
    return true;
}

/* TLS: record for record, because the sink may hang up between any two replies.  All that was received
 * is opened, so that nothing lies in the link for which no poll would wake anybody. */
static void dispatch_sealed(redlock_conn *conn, redlock_ns now, const redlock_conn_sink *sink) {
    redlock_bytes sealed = {conn->in.buffer.at, conn->in.buffer.len};
    redlock_tls_result result =
        redlock_tls_link_put(conn->link, sealed) ? REDLOCK_TLS_DONE : REDLOCK_TLS_FAILED;
    conn->in.buffer.len = 0;
    while (result == REDLOCK_TLS_DONE) {
        if (!opened_make_room(conn)) {
            return;
        }
        result = redlock_tls_link_open(conn->link, &conn->opened);
        if (result == REDLOCK_TLS_DONE) {
            dispatch_replies(conn, &conn->opened, now, sink);
        }
        if (conn->doomed || conn->fault.is_set) {
            return;
        }
    }

    if (result == REDLOCK_TLS_FAILED) {
        conn_fail_tls(conn);
    } else if (!redlock_tls_link_take(conn->link, &conn->out.sealed)) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for TLS");
    } else if (conn->out.sealed.len > CONN_SEALED_BYTES_MAX) {
        conn_fail(conn, REDLOCK_PROTOCOL, 0, "the server asks much of TLS and reads nothing");
    } else if (result == REDLOCK_TLS_ENDED) {
        conn->in.ended = true;
    }
}

/* With TLS 1.3 a server misses our certificate only after we have gone on to the greeting, and may hang
 * up on that so fast that its alert is lost. */
static bool dispatch_end_of_tls(redlock_conn *conn) {
    const redlock_input *in = &conn->in;
    bool is_over = in->ended || in->sys_errno != 0;
    if (conn->link == NULL || !is_over || conn->state == CONN_UP) {
        return false;
    }
    if (redlock_tls_link_lacks_certificate(conn->link)) {
        conn_fail(conn, REDLOCK_UNTRUSTED, 0,
                  "the server wants a client certificate (it asked for one, and hung up)");
    } else if (conn->state == CONN_SHAKING) {
        conn_fail(conn, REDLOCK_IO, in->sys_errno, "the server hung up in the TLS handshake");
    }
    return conn->fault.is_set;
}

/* What the reading came to, after the replies before it have been told. */
static void dispatch_end(redlock_conn *conn) {
    const redlock_input *in = &conn->in;
    bool is_full = in->buffer.len == in->buffer.size;
    if (dispatch_end_of_tls(conn)) {
        return;
    }
    if (in->ended) {
        conn_fail(conn, REDLOCK_IO, 0, "the server closed the connection");
    } else if (in->sys_errno != 0) {
        conn_fail(conn, REDLOCK_IO, in->sys_errno, "the connection broke");
    } else if (is_full && in->starved) {
        conn_fail(conn, REDLOCK_NOMEM, 0, "no memory for a reply");
    } else if (is_full && in->buffer.size >= REDLOCK_RESP_REPLY_BYTES_MAX) {
        conn_fail(conn, REDLOCK_PROTOCOL, 0, too_long);
    }
}

static void dispatch_connected(redlock_conn *conn) {
    if (conn->in.sys_errno == 0) {
        conn_begin(conn);
        return;
    }
    redlock_dial_fault fault;
    if (redlock_dial_refused(&conn->dial, conn->in.sys_errno, &fault) == REDLOCK_DIAL_FAILED) {
        conn_fail_to_connect(conn, &fault);
    }
    conn->doomed = true; /* the next address, if any, is tried at the reaping */
}

static void dispatch_input(redlock_conn *conn, redlock_ns now, const redlock_conn_sink *sink) {
    atomic_store(&conn->in.ready, false);
    if (conn->state == CONN_CONNECTING) {
        dispatch_connected(conn);
        return;
    }
    if (conn->state == CONN_SHAKING) {
        conn_shook(conn, conn->in.shook);
    } else if (conn->in.buffer.len > 0 && conn->link != NULL) {
        dispatch_sealed(conn, now, sink);
    } else if (conn->in.buffer.len > 0) {
        dispatch_replies(conn, &conn->in.buffer, now, sink);
    }
    if (!conn->doomed) {
        dispatch_end(conn);
    }
}

/* The sink may connect again at once, so everything is settled before it is called. */
static void dispatch_fault(redlock_conn *conn, redlock_ns now, const redlock_conn_sink *sink) {
    conn_fault fault = conn->fault;
    redlock_fact fact = {.kind = REDLOCK_FACT_UNSUBSCRIBED, .node = conn->node};
    if (conn->channel.len == 0) {
        fact.kind = REDLOCK_FACT_LINK_DOWN;
        fact.as.down.status = fault.status;
        fact.as.down.sys_errno = fault.sys_errno;
        fact.as.down.words = redlock_bytes_of(fault.words);
    }
    conn_drop(conn);
    sink->take(sink->ctx, &fact, now);
}

bool redlock_conn_has_news(const redlock_conn *conn) {
    return conn->fault.is_set || (!conn->doomed && atomic_load(&conn->in.ready));
}

void redlock_conn_dispatch(redlock_conn *conn, redlock_ns now, const redlock_conn_sink *sink) {
    if (conn->dial.lookup != NULL) {
        redlock_dial_fault fault;
        redlock_dial_result result = redlock_dial_look(&conn->dial, &fault);
        conn_dialed(conn, result, &fault);
    }
    if (!conn->doomed && atomic_load(&conn->in.ready)) {
        dispatch_input(conn, now, sink);
    }
    if (conn->fault.is_set) {
        dispatch_fault(conn, now, sink);
    }
}
