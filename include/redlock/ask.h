/* ask.h -- plain questions to one node, for tools that look at servers: doctors, lists, monitors.
 *
 * No lock is taken here, and no client is needed: an asker is a connection of its own to the server
 * at one URL, logged in as the URL says.  One command, one answer; or several commands sent, and as
 * many answers received in the same order.  What the server says is capped: a string 64 KiB, an
 * answer 4,096 values and 4 MiB, arrays 8 deep.  More is REDLOCK_PROTOCOL.
 *
 * True of every call below:
 *   threads    one thread at a time on one asker; different askers don't know of each other.
 *   blocking   up to the timeout of the options, counted from the open or from the last send.
 *   report     may be NULL; else what happened is written to it: status, errno, the server's words,
 *              latency_us from the last send to the answer, where (the URL without secrets).
 *   failure    after anything but OK (INVALID aside) the connection is closed, since a late answer
 *              would be taken for that to the next question: calls return CLOSED; open anew. */
#ifndef REDLOCK_ASK_H
#define REDLOCK_ASK_H

#include <redlock/redlock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct redlock_ask redlock_ask; /* a connection that a tool asks on */

typedef enum redlock_reply_kind {
    REDLOCK_REPLY_NIL = 1,
    REDLOCK_REPLY_TEXT = 2, /* a status or a string */
    REDLOCK_REPLY_INTEGER = 3,
    REDLOCK_REPLY_ERROR = 4,
    REDLOCK_REPLY_ARRAY = 5
} redlock_reply_kind;

/* One value of an answer.  Owned by the asker and valid until its next call. */
typedef struct redlock_reply {
    uint32_t kind;   /* enum redlock_reply_kind; skip kinds that you do not know */
    int32_t status;  /* ERROR: what its words mean (NO_PERMISSION, REPLICA, REFUSED ...), else OK */
    int64_t integer; /* INTEGER; ARRAY: how many elements */
    const char *text; /* TEXT, ERROR: ends with a NUL behind its length too; else "" */
    size_t text_len;
    const struct redlock_reply *first; /* ARRAY: its first element, NULL when empty */
    const struct redlock_reply *next; /* the next element of the same array, NULL behind the last */
} redlock_reply;

typedef struct redlock_ask_options {
    uint32_t struct_size;
    uint32_t flags;             /* REDLOCK_CLIENT_TLS_NO_VERIFY, or none */
    int64_t connect_timeout_ms; /* 1,000: resolve, connect, log in */
    int64_t answer_timeout_ms;  /* 1,000: from a send to the last answer to it */
    /* For a rediss:// URL: the same as in redlock_client_options */
    const char *tls_ca_file, *tls_ca_dir, *tls_cert_file, *tls_key_file;
} redlock_ask_options;

/* Connects to the server at `url` and does what the URL says: AUTH, SELECT.  Nothing else is asked,
 * so that a server unfit for locks can be asked why.  `options` may be NULL.
 * OK; BAD_URL, UNSUPPORTED (scheme, or rediss:// where there is no OpenSSL), INVALID (an option, a
 * file), NOMEM: nothing was tried.  IO, SILENT, PROTOCOL, UNTRUSTED (TLS).
 * AUTH, AUTH_REQUIRED, REFUSED: with the server's words.  End it with redlock_ask_close. */
REDLOCK_API int redlock_ask_open(const char *url, const redlock_ask_options *options,
                                 redlock_ask **ret_ask, redlock_node_report *report);
/* NULL is fine. */
REDLOCK_API void redlock_ask_close(redlock_ask *ask);

/* "TLSv1.3": what the connection is protected by; "" when it is a plain one.  As long as the asker. */
REDLOCK_API const char *redlock_ask_tls_version(const redlock_ask *ask);
/* When the certificate that the server has shown ends, in seconds since 1970; 0 on a plain connection. */
REDLOCK_API int64_t redlock_ask_tls_until_s(const redlock_ask *ask);

/* Sends one command of `count` words, 1 to 1,024.  `lengths` may be NULL when all words are strings.
 * Each send is answered by one receive, and may be held back until then.  OK, INVALID, NOMEM, IO, SILENT, CLOSED. */
REDLOCK_API int redlock_ask_send(redlock_ask *ask, const char *const *words, const size_t *lengths,
                                 size_t count, redlock_node_report *report);
/* The answer to the oldest command that has none yet.  A server's error is an answer too: OK, and
 * *ret_reply of kind ERROR.  OK, IO, SILENT, PROTOCOL, NOMEM, CLOSED; INVALID: nothing was sent. */
REDLOCK_API int redlock_ask_receive(redlock_ask *ask, const redlock_reply **ret_reply,
                                    redlock_node_report *report);
/* Both in one: sends, and receives the answer.  INVALID also while other answers are due. */
REDLOCK_API int redlock_ask_command(redlock_ask *ask, const char *const *words,
                                    const size_t *lengths, size_t count,
                                    const redlock_reply **ret_reply, redlock_node_report *report);

#ifdef __cplusplus
}
#endif
#endif /* REDLOCK_ASK_H */
