/* ask.h -- one connection to one node, on which a tool asks and waits for the answer.
 *
 * It belongs to one thread, blocks up to the deadline that each call is given, and knows nothing
 * of the core: no lock is ever taken or kept on it.  After anything but OK it is of no more use,
 * because an answer that comes late would be taken for the next one's. */
#ifndef REDLOCK_DRIVE_ASK_H
#define REDLOCK_DRIVE_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/time.h"
#include "drive/buffer.h"
#include "drive/tls.h"
#include "wire/tree.h"
#include "wire/url.h"

#define REDLOCK_ASKER_VALUES_MAX 4096u
#define REDLOCK_ASKER_REPLY_BYTES_MAX (4u * 1024u * 1024u)
#define REDLOCK_ASKER_WORDS_BYTES 112u

typedef struct redlock_asker {
    int fd;                 /* -1: none */
    redlock_tls_link *link; /* NULL: plain */
    redlock_buffer sealed;  /* TLS: what goes out, or has come in */
    redlock_buffer in;      /* begins with the reply that was read last */
    size_t used;            /* its bytes */
    redlock_tree tree;
    redlock_resp_value *values;
    int sys_errno; /* behind the last status that was not OK */
    char words[REDLOCK_ASKER_WORDS_BYTES];
} redlock_asker;

/* Room for replies, not yet connected.  NOMEM. */
redlock_status redlock_asker_init(redlock_asker *asker);
void redlock_asker_deinit(redlock_asker *asker);
/* Resolves and connects, with a rediss URL over `tls`, which is borrowed until the connection ends.
 * OK, IO, SILENT (the deadline came first), UNTRUSTED, PROTOCOL, NOMEM; UNSUPPORTED: `tls` is NULL. */
redlock_status redlock_asker_connect(redlock_asker *asker, const redlock_url *url, redlock_tls *tls,
                                     redlock_ns deadline);
void redlock_asker_hang_up(redlock_asker *asker);
/* Sends all of it.  OK, IO, SILENT, CLOSED (not connected); over TLS also UNTRUSTED, PROTOCOL, NOMEM. */
redlock_status redlock_asker_write(redlock_asker *asker, redlock_bytes bytes, redlock_ns deadline);
/* One whole reply: asker->tree and, behind asker->in.at, its texts; both until the next read.
 * OK, IO, SILENT, PROTOCOL, NOMEM, CLOSED; UNTRUSTED, where TLS shows late what a server wants. */
redlock_status redlock_asker_read(redlock_asker *asker, redlock_ns deadline);

#endif
