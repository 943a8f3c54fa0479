/* pubsub.h -- who listens to which channel of a server, and the messages that wait to be carried.
 *
 * Nothing is lost here: what happens to a message on its way is decided by whoever takes it. */
#ifndef REDLOCK_SIM_PUBSUB_H
#define REDLOCK_SIM_PUBSUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/reply.h"

typedef struct redlock_sim_subscription redlock_sim_subscription;
typedef struct redlock_sim_letter redlock_sim_letter;

typedef struct redlock_sim_pubsub {          /* all zero: nobody listens */
    redlock_sim_subscription *subscriptions; /* in the order of subscribing, as they are served */
    size_t subscription_count, subscription_size;
    redlock_sim_letter *parcels; /* in the order of publishing */
    size_t parcel_count, parcel_size;
    size_t taken_count;     /* parcels in front, that nobody needs any more */
    redlock_sim_text bytes; /* of the parcels */
} redlock_sim_pubsub;

typedef struct redlock_sim_message { /* borrowed until the server is asked for anything else */
    uint32_t connection;             /* that gets it */
    redlock_bytes channel, text;     /* what was published */
    redlock_bytes bytes;             /* the same as RESP */
} redlock_sim_message;

void redlock_sim_pubsub_deinit(redlock_sim_pubsub *pubsub);
/* What servers say to each channel is appended to `out`, as RESP.  Subscribing twice is the same as
 * once. */
void redlock_sim_pubsub_subscribe(redlock_sim_pubsub *pubsub, uint32_t connection,
                                  const redlock_bytes *channels, size_t count,
                                  redlock_sim_text *out);
void redlock_sim_pubsub_unsubscribe(redlock_sim_pubsub *pubsub, uint32_t connection,
                                    const redlock_bytes *channels, size_t count,
                                    redlock_sim_text *out);
/* From everything, in the order of subscribing; real servers have no order.  `out` may be NULL. */
void redlock_sim_pubsub_unsubscribe_all(redlock_sim_pubsub *pubsub, uint32_t connection,
                                        redlock_sim_text *out);
/* How many channels the connection listens to. */
size_t redlock_sim_pubsub_count(const redlock_sim_pubsub *pubsub, uint32_t connection);
/* How many connections listen to the channel. */
size_t redlock_sim_pubsub_listeners(const redlock_sim_pubsub *pubsub, redlock_bytes channel);
/* The connection is gone, and the messages for it that nobody has taken are too. */
void redlock_sim_pubsub_hang_up(redlock_sim_pubsub *pubsub, uint32_t connection);
/* To how many connections it goes. */
size_t redlock_sim_pubsub_publish(redlock_sim_pubsub *pubsub, redlock_bytes channel,
                                  redlock_bytes text);
/* The next message that nobody has taken; false when there is none. */
bool redlock_sim_pubsub_take(redlock_sim_pubsub *pubsub, redlock_sim_message *ret_message);

#endif
