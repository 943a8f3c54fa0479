/* message.h -- what a node says on the connection that it wakes our waiters on.
 *
 * Redis delivers a message at most once, and to whoever listens at that moment (Redis documentation,
 * "Pub/Sub"): so a message may spare a question, and nothing depends on it. */
#ifndef REDLOCK_WIRE_MESSAGE_H
#define REDLOCK_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "wire/resp.h"

/* What stands in front of a client's own channel; the scripts have it, too. */
#define REDLOCK_MESSAGE_PREFIX "redlock:wake:"

/* "SUBSCRIBE redlock:wake:CHANNEL". */
void redlock_message_subscribe(redlock_resp_writer *writer, redlock_bytes channel);
/* Whether the reply says that this is done. */
bool redlock_message_confirms(const redlock_resp_value *value, const uint8_t *data);

typedef enum redlock_message_kind {
    REDLOCK_MESSAGE_STRANGE = 0, /* nothing that a server says there */
    REDLOCK_MESSAGE_WAKE,
    REDLOCK_MESSAGE_OTHER /* harmless */
} redlock_message_kind;

/* The text of a wake: "TAG", its turn may have come; "TAG MARK TIME TOKEN", it was handed the name.  False: it
 * is neither.  The token is borrowed from the text. */
bool redlock_message_call(redlock_bytes text, redlock_wake_call *ret_call);
redlock_message_kind redlock_message_decode(const redlock_resp_value *value, const uint8_t *data,
                                            redlock_wake_call *ret_call);

#endif
