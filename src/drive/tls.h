/* tls.h -- TLS for one connection, from memory to memory: it knows no sockets and never waits.
 *
 * A redlock_tls is whom a client trusts and who it is; a redlock_tls_link is one connection's TLS, and
 * outlives the sockets under it, so that a new connection can resume the session of the one before.
 * Bytes from the peer are put in, bytes for the peer are taken out; who moves them is not seen here.
 *
 * The peer's chain and host name are verified within the handshake: while redlock_tls_link_shake has
 * not answered DONE, nothing can be sealed.  There is no way from TLS to plain.
 *
 * Threads.  A redlock_tls may be shared.  A link belongs to one thread at a time; its owner says which
 * (conn.c).  In a forked child the objects of the parent are left alone, and their memory too: the
 * locks inside OpenSSL may have been held by a thread that is not there.
 *
 * In a build without OpenSSL (tls_none.c) redlock_tls_create answers UNSUPPORTED, and nothing else is
 * ever called. */
#ifndef REDLOCK_DRIVE_TLS_H
#define REDLOCK_DRIVE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "drive/buffer.h"

#define REDLOCK_TLS_WORDS_BYTES 112u

typedef struct redlock_tls redlock_tls;
typedef struct redlock_tls_link redlock_tls_link;

typedef struct redlock_tls_config {   /* NULL or "" where there is none; PEM files */
    const char *ca_file, *ca_dir;     /* neither: the system's authorities */
    const char *cert_file, *key_file; /* without key_file the key is in cert_file */
    bool no_verify;                   /* any certificate of anybody will do */
} redlock_tls_config;

typedef enum redlock_tls_result {
    REDLOCK_TLS_MORE = 0, /* the peer has to say more first */
    REDLOCK_TLS_DONE,
    REDLOCK_TLS_ENDED, /* the peer will say nothing more */
    REDLOCK_TLS_FAILED /* redlock_tls_link_fault knows why; only end, take and destroy may follow */
} redlock_tls_result;

typedef struct redlock_tls_facts { /* of one connection */
    char version[16];              /* "TLSv1.3" */
    int64_t until_s; /* the end of the server's certificate, since 1970; 0: not known */
} redlock_tls_facts;

/* OK; else `words` says what is wrong: UNSUPPORTED (this build, or there is no OpenSSL on this
 * machine), INVALID (a file), NOMEM. */
redlock_status redlock_tls_create(const redlock_tls_config *config, redlock_tls **ret_tls,
                                  char *words, size_t words_size);
/* After its links.  NULL is fine. */
void redlock_tls_destroy(redlock_tls *tls);

/* To the server that the user calls `host`: a name or an address, which its certificate has to bear.
 * `tls` is borrowed for the link's life.  NULL: no memory. */
redlock_tls_link *redlock_tls_link_create(redlock_tls *tls, const char *host);
void redlock_tls_link_destroy(redlock_tls_link *link); /* NULL is fine */
/* Begins on a new socket.  False: no memory. */
bool redlock_tls_link_start(redlock_tls_link *link);
/* The socket is gone; the session is kept for the next start, unless the link failed. */
void redlock_tls_link_end(redlock_tls_link *link);

/* What came from the peer.  False: FAILED for lack of memory. */
bool redlock_tls_link_put(redlock_tls_link *link, redlock_bytes bytes);
/* Appends to `out` what the peer is to get.  False: no memory. */
bool redlock_tls_link_take(redlock_tls_link *link, redlock_buffer *out);

/* Goes on with the handshake.  DONE: the peer is who it should be, and may be talked to. */
redlock_tls_result redlock_tls_link_shake(redlock_tls_link *link);
/* Reads at least one byte of what the peer said behind out->len, into the room that is there. */
redlock_tls_result redlock_tls_link_open(redlock_tls_link *link, redlock_buffer *out);
/* All of `bytes` goes on its way.  DONE or FAILED. */
redlock_tls_result redlock_tls_link_seal(redlock_tls_link *link, redlock_bytes bytes);

/* Why it FAILED: UNTRUSTED, PROTOCOL or NOMEM, and a sentence that lives as long as the link. */
redlock_status redlock_tls_link_fault(const redlock_tls_link *link, const char **ret_words);
/* The peer asked for a certificate and got none.  A server that hangs up then does not always manage
 * to say that this is why. */
bool redlock_tls_link_lacks_certificate(const redlock_tls_link *link);
bool redlock_tls_link_is_resumed(const redlock_tls_link *link);
/* Behind the handshake, unless it resumed a session: then the certificate was not shown. */
redlock_tls_facts redlock_tls_link_facts(const redlock_tls_link *link);

#endif
