/* peers.h -- the servers of a set, asked one by one but all at the same time. */
#ifndef REDLOCK_CLI_PEERS_H
#define REDLOCK_CLI_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include <redlock/ask.h>

#include "cli/urls.h"

typedef struct redlock_peer {
    const char *url; /* borrowed; may have a password in it */
    size_t index;
    const redlock_trust *trust; /* borrowed */
    int64_t timeout_ms;
    redlock_ask *ask;           /* NULL: no connection */
    redlock_node_report report; /* of what was tried last; `where` is known after the first */
} redlock_peer;

typedef struct redlock_peers {
    redlock_peer node[REDLOCK_NODES_MAX];
    size_t count, quorum;
} redlock_peers;

void redlock_peers_init(redlock_peers *nodes, const redlock_urls *urls, int64_t timeout_ms);
void redlock_peers_deinit(redlock_peers *nodes);
/* Calls `act` for each node, on a thread each, and returns when all are done: a node that hangs
 * costs its own timeout and nobody else's. */
void redlock_peers_each(redlock_peers *nodes, void (*act)(redlock_peer *node, void *ctx),
                        void *ctx);

/* Connects if there is no connection.  False, and node->report, when it cannot be had. */
bool redlock_peer_connect(redlock_peer *node);
void redlock_peer_hang_up(redlock_peer *node);
/* One command of strings, ended by NULL.  NULL when there is no answer: then the connection is
 * gone and node->report says why.  An error is an answer. */
const redlock_reply *redlock_peer_ask(redlock_peer *node, const char *word, ...)
    __attribute__((sentinel));
/* The same for words of any bytes. */
const redlock_reply *redlock_peer_ask_words(redlock_peer *node, const char *const *words,
                                            const size_t *lengths, size_t count);
/* Sends now; redlock_peer_receive takes the answers, in order. */
bool redlock_peer_send(redlock_peer *node, const char *const *words, const size_t *lengths,
                       size_t count);
const redlock_reply *redlock_peer_receive(redlock_peer *node);
/* Why the node does not answer, in words: the server's, or the system's. */
const char *redlock_peer_why(const redlock_peer *node);

#endif
