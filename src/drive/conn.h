/* conn.h -- one connection to one node: sockets, greeting, pipelining; decides nothing.
 *
 * Bytes go out through a double buffer and come in through one; commands are answered in order, so
 * a ring of their tags is all the book-keeping there is.  What happens becomes facts for the core.
 *
 * A rediss URL puts TLS between: commands are sealed on their way to what is written, and what was
 * read is opened before it is dispatched.  The greeting waits until the server has proved who it is.
 *
 * Threads.  Calls marked [locked] run under the engine's mutex.  [leader] ones run without it, by
 * the one thread that leads; [flusher] ones without it, by the one thread between flush_begin and
 * flush_end.  A descriptor is never closed while a leader polls it or a flusher writes to it:
 * redlock_conn_hang_up only dooms it, redlock_conn_poll_want closes it when nobody uses it.  Any
 * holder of the mutex may dispatch, also while the leader polls or receives. */
#ifndef REDLOCK_DRIVE_CONN_H
#define REDLOCK_DRIVE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "base/time.h"
#include "core/core.h"
#include "drive/resolve.h"
#include "drive/tls.h"
#include "wire/hello.h"
#include "wire/resp.h"
#include "wire/url.h"

/* Where facts go: called under the mutex, once per fact, in order. */
typedef struct redlock_conn_sink {
    void (*take)(void *ctx, const redlock_fact *fact, redlock_ns now);
    /* A hint: an answer to this tag will be taken soon.  May be NULL. */
    void (*bring_near)(void *ctx, uint64_t tag);
    void *ctx;
} redlock_conn_sink;

typedef struct redlock_conn redlock_conn;

/* The connection's name for CLIENT SETNAME and the prefix of keys are borrowed for its life.
 * NULL: no memory.  `resolver` may be shared by connections and outlives them. */
redlock_conn *redlock_conn_create(uint32_t node, const redlock_url *url, redlock_bytes label,
                                  redlock_bytes prefix, redlock_resolver *resolver);
/* A connection that only listens to `channel` (borrowed): it sends no commands, and its facts are
 * SUBSCRIBED, UNSUBSCRIBED and WAKE. */
redlock_conn *redlock_conn_create_listening(uint32_t node, const redlock_url *url,
                                            redlock_bytes label, redlock_bytes channel,
                                            redlock_resolver *resolver);
/* The server votes alone and has no restart guard: its run id is not asked for, and LINK_UP has none. */
void redlock_conn_vote_alone(redlock_conn *conn);
/* What a rediss URL needs; for others nothing is done.  Before the first connect; without it, each
 * connect to such a URL fails.  `tls` is borrowed for the connection's life.  False: no memory. */
bool redlock_conn_set_tls(redlock_conn *conn, redlock_tls *tls);
/* Closes without a word to the server and frees; NULL is fine.  Safe in a forked child, where it
 * only closes the child's copies. */
void redlock_conn_destroy(redlock_conn *conn);

/* [locked] Begins to connect; the outcome is a LINK_UP or LINK_DOWN fact from a later dispatch.
 * While a doomed descriptor is not yet reaped, the beginning waits for the reaping. */
void redlock_conn_connect(redlock_conn *conn);
/* [locked] The link is to be closed; no fact follows from what it still had to say. */
void redlock_conn_hang_up(redlock_conn *conn);
/* [locked] Appends one command.  Only on a link that is up. */
void redlock_conn_send(redlock_conn *conn, uint64_t tag, const redlock_command *command);

/* [locked] True when there are bytes to write and nobody is writing: the caller is now the flusher,
 * and must call write and flush_end. */
bool redlock_conn_flush_begin(redlock_conn *conn);
/* [flusher] Writes what it can without blocking (MSG_NOSIGNAL). */
void redlock_conn_write(redlock_conn *conn);
/* [locked] Ends the flusher's part.  Bytes the kernel did not take stay for POLLOUT.  True when a
 * leader who polls meanwhile must be woken, because redlock_conn_poll_want would now say more. */
bool redlock_conn_flush_end(redlock_conn *conn);

/* [locked] The descriptor and events to poll for now; -1 when there is none.  Also reaps, so only
 * the leader may call it, between its polls.  It may make news: ask redlock_conn_has_news after it,
 * and before polling. */
int redlock_conn_poll_want(redlock_conn *conn, short *ret_events);
/* [locked] The next redlock_conn_poll_want may close the descriptor that an earlier one gave. */
bool redlock_conn_is_doomed(const redlock_conn *conn);
/* [leader] Reads what there is, without blocking; `revents` as poll gave them.  At most once after
 * each redlock_conn_poll_want. */
void redlock_conn_receive(redlock_conn *conn, short revents);
/* [locked] Turns what was received (and connected, resolved, failed) into facts. */
void redlock_conn_dispatch(redlock_conn *conn, redlock_ns now, const redlock_conn_sink *sink);
/* [locked] A dispatch would yield facts without polling. */
bool redlock_conn_has_news(const redlock_conn *conn);

/* [locked] What the greeting learned last: version and run id for status output; NULL before. */
const redlock_hello *redlock_conn_hello(const redlock_conn *conn);

#endif
