/* outbox.h -- commands on their way to one server, and the answers that they are owed.
 *
 * A server answers in order, so a ring of tags is all the book-keeping there is.  Renewals that come one
 * after the other wait for each other in a batch, which one reply answers; anything else closes it first,
 * so commands never change places.  A release that hands over takes the claim in that follows it (wire/claim.h),
 * as long as both are still here. */
#ifndef REDLOCK_DRIVE_OUTBOX_H
#define REDLOCK_DRIVE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "drive/buffer.h"
#include "drive/owed.h"
#include "wire/batch.h"
#include "wire/claim.h"
#include "wire/native.h"
#include "wire/resp.h"

/* The newest command in `pending`, if it is a release that a claim may follow. */
typedef struct redlock_followed {
    bool is_set;
    size_t at; /* where its bytes begin */
    redlock_command release;
    uint8_t name[REDLOCK_NAME_BYTES_MAX], token[REDLOCK_TOKEN_BYTES_MAX];
} redlock_followed;

typedef struct redlock_outbox { /* zeroed: empty */
    redlock_bytes prefix;       /* of keys; borrowed */
    redlock_batch *batch;       /* what is in it is the newest in `owed`; NULL: no renewal yet */
    redlock_owed_ring owed;
    redlock_native native;
    redlock_followed followed;
} redlock_outbox;

void redlock_outbox_deinit(redlock_outbox *outbox);
/* The link ended: nothing is owed any more, and what waited is forgotten. */
void redlock_outbox_clear(redlock_outbox *outbox);
/* Appends the command to `pending`, or lets it wait for others.  False: no memory; `pending` is as before,
 * and the connection is to be given up. */
bool redlock_outbox_put(redlock_outbox *outbox, redlock_buffer *pending, uint64_t tag,
                        const redlock_command *command);
bool redlock_outbox_is_open(const redlock_outbox *outbox); /* something waits */
/* Appends what waits to `pending`.  False: no memory, as above. */
bool redlock_outbox_close(redlock_outbox *outbox, redlock_buffer *pending);
/* What a reply means for `owed`, which was popped: the place-th of the `count` that it answers. */
redlock_answer redlock_outbox_answer(redlock_outbox *outbox, const redlock_owed *owed,
                                     uint32_t place, uint32_t count,
                                     const redlock_resp_reader *reader, const uint8_t *data);

#endif
