/* pubsub.c -- two lists: a handful of subscriptions, and the messages of one step or so. */
#include "sim/pubsub.h"

#include <string.h>

struct redlock_sim_subscription {
    uint32_t connection;
    uint8_t *channel; /* its own copy, of at least one byte */
    size_t channel_len;
};

struct redlock_sim_letter { /* places in pubsub->bytes, which may still move */
    uint32_t connection;
    bool is_void; /* for a connection that is gone */
    size_t at, len, channel_at, channel_len, text_at, text_len;
};

static redlock_bytes channel_of(const redlock_sim_subscription *subscription) {
    return (redlock_bytes){.at = subscription->channel, .len = subscription->channel_len};
}

/* The channel is the caller's to free. */
static redlock_sim_subscription subscription_take(redlock_sim_pubsub *pubsub, size_t index) {
    redlock_sim_subscription *list = pubsub->subscriptions;
    redlock_sim_subscription taken = list[index];
    size_t behind = --pubsub->subscription_count - index;

    memmove(&list[index], &list[index + 1], behind * sizeof *list);
    return taken;
}

static void subscription_drop(redlock_sim_pubsub *pubsub, size_t index) {
    redlock_sim_memory(subscription_take(pubsub, index).channel, 0);
}

size_t redlock_sim_pubsub_listeners(const redlock_sim_pubsub *pubsub, redlock_bytes channel) {
    size_t count = 0;

    for (size_t i = 0; i < pubsub->subscription_count; i++) {
        count += redlock_bytes_equal(channel_of(&pubsub->subscriptions[i]), channel);
    }
    return count;
}

/* --- subscriptions --------------------------------------------------------------------------- */

/* Its index, or subscription_count when there is none. */
static size_t subscription_find(const redlock_sim_pubsub *pubsub, uint32_t connection,
                                redlock_bytes channel) {
    size_t i = 0;

    for (; i < pubsub->subscription_count; i++) {
        const redlock_sim_subscription *one = &pubsub->subscriptions[i];
        if (one->connection == connection && redlock_bytes_equal(channel_of(one), channel)) {
            break;
        }
    }
    return i;
}

static void subscription_add(redlock_sim_pubsub *pubsub, uint32_t connection,
                             redlock_bytes channel) {
    size_t count = pubsub->subscription_count;

    if (count == pubsub->subscription_size) {
        pubsub->subscription_size = count * 2 + 8;
        pubsub->subscriptions = redlock_sim_memory(
            pubsub->subscriptions, pubsub->subscription_size * sizeof *pubsub->subscriptions);
    }
    redlock_sim_subscription *added = &pubsub->subscriptions[pubsub->subscription_count++];
    *added = (redlock_sim_subscription){
        .connection = connection,
        .channel = redlock_sim_memory(NULL, channel.len + 1),
        .channel_len = channel.len,
    };
    if (channel.len > 0) {
        memcpy(added->channel, channel.at, channel.len);
    }
}

size_t redlock_sim_pubsub_count(const redlock_sim_pubsub *pubsub, uint32_t connection) {
    size_t count = 0;

    for (size_t i = 0; i < pubsub->subscription_count; i++) {
        count += pubsub->subscriptions[i].connection == connection;
    }
    return count;
}

/* "subscribe", the channel or NULL, and what the connection listens to now. */
static void change_say(const redlock_sim_pubsub *pubsub, uint32_t connection, const char *what,
                       const redlock_bytes *channel, redlock_sim_text *out) {
    redlock_sim_text_add_number(out, '*', 3);
    redlock_sim_text_add_bulk(out, redlock_bytes_of(what));
    if (channel == NULL) {
        redlock_sim_text_add_number(out, '$', -1);
    } else {
        redlock_sim_text_add_bulk(out, *channel);
    }
    redlock_sim_text_add_number(out, ':', (int64_t)redlock_sim_pubsub_count(pubsub, connection));
}

void redlock_sim_pubsub_subscribe(redlock_sim_pubsub *pubsub, uint32_t connection,
                                  const redlock_bytes *channels, size_t count,
                                  redlock_sim_text *out) {
    for (size_t i = 0; i < count; i++) {
        if (subscription_find(pubsub, connection, channels[i]) == pubsub->subscription_count) {
            subscription_add(pubsub, connection, channels[i]);
        }
        change_say(pubsub, connection, "subscribe", &channels[i], out);
    }
}

void redlock_sim_pubsub_unsubscribe(redlock_sim_pubsub *pubsub, uint32_t connection,
                                    const redlock_bytes *channels, size_t count,
                                    redlock_sim_text *out) {
    for (size_t i = 0; i < count; i++) {
        size_t at = subscription_find(pubsub, connection, channels[i]);
        if (at < pubsub->subscription_count) {
            subscription_drop(pubsub, at);
        }
        change_say(pubsub, connection, "unsubscribe", &channels[i], out);
    }
}

/* The number is told without it, the channel with its own bytes. */
static void subscription_end(redlock_sim_pubsub *pubsub, size_t index, redlock_sim_text *out) {
    redlock_sim_subscription ended = subscription_take(pubsub, index);
    redlock_bytes channel = channel_of(&ended);

    if (out != NULL) {
        change_say(pubsub, ended.connection, "unsubscribe", &channel, out);
    }
    redlock_sim_memory(ended.channel, 0);
}

void redlock_sim_pubsub_unsubscribe_all(redlock_sim_pubsub *pubsub, uint32_t connection,
                                        redlock_sim_text *out) {
    bool had_some = redlock_sim_pubsub_count(pubsub, connection) > 0;

    for (size_t i = 0; i < pubsub->subscription_count;) {
        if (pubsub->subscriptions[i].connection == connection) {
            subscription_end(pubsub, i, out);
        } else {
            i++;
        }
    }
    if (!had_some && out != NULL) {
        change_say(pubsub, connection, "unsubscribe", NULL, out);
    }
}

void redlock_sim_pubsub_hang_up(redlock_sim_pubsub *pubsub, uint32_t connection) {
    for (size_t i = pubsub->subscription_count; i > 0; i--) {
        if (pubsub->subscriptions[i - 1].connection == connection) {
            subscription_drop(pubsub, i - 1);
        }
    }
    for (size_t i = pubsub->taken_count; i < pubsub->parcel_count; i++) {
        redlock_sim_letter *parcel = &pubsub->parcels[i];
        parcel->is_void = parcel->is_void || parcel->connection == connection;
    }
}

/* --- messages -------------------------------------------------------------------------------- */

/* Appends a bulk, and says where its text lies. */
static size_t bulk_write(redlock_sim_text *bytes, redlock_bytes bulk) {
    redlock_sim_text_add_bulk(bytes, bulk);
    return bytes->len - bulk.len - 2;
}

static redlock_sim_letter *parcel_new(redlock_sim_pubsub *pubsub) {
    if (pubsub->taken_count == pubsub->parcel_count) {
        pubsub->taken_count = 0;
        pubsub->parcel_count = 0;
        pubsub->bytes.len = 0;
    }
    if (pubsub->parcel_count == pubsub->parcel_size) {
        pubsub->parcel_size = pubsub->parcel_size * 2 + 8;
        pubsub->parcels =
            redlock_sim_memory(pubsub->parcels, pubsub->parcel_size * sizeof *pubsub->parcels);
    }
    return &pubsub->parcels[pubsub->parcel_count++];
}

static void parcel_add(redlock_sim_pubsub *pubsub, uint32_t connection, redlock_bytes channel,
                       redlock_bytes text) {
    redlock_sim_letter *parcel = parcel_new(pubsub);
    redlock_sim_text *bytes = &pubsub->bytes;

    *parcel = (redlock_sim_letter){.connection = connection,
                                   .at = bytes->len,
                                   .channel_len = channel.len,
                                   .text_len = text.len};
    redlock_sim_text_add_number(bytes, '*', 3);
    redlock_sim_text_add_bulk(bytes, redlock_bytes_of("message"));
    parcel->channel_at = bulk_write(bytes, channel);
    parcel->text_at = bulk_write(bytes, text);
    parcel->len = bytes->len - parcel->at;
}

size_t redlock_sim_pubsub_publish(redlock_sim_pubsub *pubsub, redlock_bytes channel,
                                  redlock_bytes text) {
    size_t count = 0;

    for (size_t i = 0; i < pubsub->subscription_count; i++) {
        const redlock_sim_subscription *one = &pubsub->subscriptions[i];
        if (redlock_bytes_equal(channel_of(one), channel)) {
            parcel_add(pubsub, one->connection, channel, text);
            count++;
        }
    }
    return count;
}

bool redlock_sim_pubsub_take(redlock_sim_pubsub *pubsub, redlock_sim_message *ret_message) {
    const uint8_t *at = pubsub->bytes.at;

    while (pubsub->taken_count < pubsub->parcel_count) {
        const redlock_sim_letter *parcel = &pubsub->parcels[pubsub->taken_count++];
        if (parcel->is_void) {
            continue;
        }
        *ret_message = (redlock_sim_message){
            .connection = parcel->connection,
            .channel = {.at = at + parcel->channel_at, .len = parcel->channel_len},
            .text = {.at = at + parcel->text_at, .len = parcel->text_len},
            .bytes = {.at = at + parcel->at, .len = parcel->len},
        };
        return true;
    }
    return false;
}

void redlock_sim_pubsub_deinit(redlock_sim_pubsub *pubsub) {
    while (pubsub->subscription_count > 0) {
        subscription_drop(pubsub, pubsub->subscription_count - 1);
    }
    redlock_sim_memory(pubsub->subscriptions, 0);
    redlock_sim_memory(pubsub->parcels, 0);
    redlock_sim_text_deinit(&pubsub->bytes);
    *pubsub = (redlock_sim_pubsub){.subscriptions = NULL};
}
