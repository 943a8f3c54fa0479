/* listen.c -- the connections on which nodes wake our waiters: one for each node, shared by all slots.
 *
 *   OFF --somebody waits--> OPENING --SUBSCRIBED--> ON
 *    ^------ UNSUBSCRIBED, timeout, idle ----------/
 *
 * The first slot that waits opens them, and they are closed when nobody has waited for a while.
 * They only make waiting quicker: every wake may get lost, and the polls find what it would have
 * said.  A connection can die without a word to us, and the node goes on counting it: who finds by a poll
 * that a wake was not heard has it opened anew. */
#include "core/inside.h"

#define DOUBLINGS_MAX 16u

static bool has_listeners(const redlock_core *core) {
    return !redlock_list_is_empty(&core->listening);
}

static void listen_open(redlock_core *core, redlock_node *node) {
    REDLOCK_ASSERT(node->listening == REDLOCK_LISTENING_OFF);
    node->listening = REDLOCK_LISTENING_OPENING;
    node->listen_at = core->now;
    node->wish_subscribe = true;
}

static void listen_close(redlock_node *node) {
    REDLOCK_ASSERT(node->listening != REDLOCK_LISTENING_OFF);
    node->wish_unsubscribe = !node->wish_subscribe; /* else the driver has not even begun */
    node->wish_subscribe = false;
    node->listening = REDLOCK_LISTENING_OFF;
}

/* As for links: at once after one that was steady, else after a delay that doubles. */
static void listen_back_off(redlock_core *core, redlock_node *node, bool steady) {
    uint32_t doublings =
        node->listen_failures < DOUBLINGS_MAX ? node->listen_failures : DOUBLINGS_MAX;
    redlock_ns reach =
        redlock_ns_min(core->config.backoff_min << doublings, core->config.backoff_max);
    if (steady) {
        node->listen_failures = 0;
        node->listen_at = core->now;
        return;
    }
    node->listen_failures++;
    redlock_ns delay = redlock_prng_upto(&core->prng, reach);
    node->listen_at = redlock_ns_add(core->now, redlock_ns_max(delay, core->config.backoff_min));
}

/* In the order in which they came to wait, which is that of a node's queue: who was asked twice in its
 * first attempt begins to listen later than some who came after it. */
static void line_up(redlock_core *core, redlock_slot *slot) {
    redlock_link *head = &core->listening.head, *behind = head;
    for (; behind->prev != head; behind = behind->prev) {
        uint32_t other = REDLOCK_LIST_ELEMENT(behind->prev, redlock_slot, listen_link)->wake_number;
        if ((int32_t)(slot->wake_number - other) > 0) { /* the numbers wrap around */
            break;
        }
    }
    redlock_list_insert(behind, &slot->listen_link);
}

void redlock_listen_begin(redlock_core *core, redlock_slot *slot) {
    if (redlock_link_is_linked(&slot->listen_link)) {
        return;
    }
    line_up(core, slot);
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_listen_time(core, &core->nodes[i]);
    }
}

void redlock_listen_end(redlock_core *core, redlock_slot *slot) {
    if (redlock_link_is_linked(&slot->listen_link)) {
        redlock_list_remove(&slot->listen_link);
        core->listen_until = redlock_ns_add(core->now, REDLOCK_LISTEN_IDLE_NS);
    }
}

void redlock_listen_up(redlock_core *core, uint32_t index) {
    redlock_node *node = &core->nodes[index];
    if (node->listening != REDLOCK_LISTENING_OPENING) {
        return; /* given up on meanwhile */
    }
    node->listening = REDLOCK_LISTENING_ON;
    node->listen_at = core->now;
    if (!REDLOCK_MUTANT(SUBSCRIBED_WITHOUT_ASKING)) {
        redlock_wait_wake_all(core, index); /* what was said before was not heard */
    }
}

void redlock_listen_down(redlock_core *core, uint32_t index) {
    redlock_node *node = &core->nodes[index];
    if (node->listening == REDLOCK_LISTENING_OFF) {
        return;
    }
    bool steady = node->listening == REDLOCK_LISTENING_ON &&
                  redlock_ns_since(core->now, node->listen_at) >= REDLOCK_LINK_STEADY_NS;
    node->listening = REDLOCK_LISTENING_OFF;
    node->wish_subscribe = false;
    listen_back_off(core, node, steady);
}

void redlock_listen_doubt(redlock_core *core, redlock_node *node) {
    bool steady = redlock_ns_since(core->now, node->listen_at) >= REDLOCK_LINK_STEADY_NS;
    if (node->listening == REDLOCK_LISTENING_ON && steady) {
        listen_close(node);
        node->listen_at = core->now;
        redlock_listen_time(core, node);
    }
}

static bool listen_is_late(const redlock_core *core, const redlock_node *node) {
    return node->listening == REDLOCK_LISTENING_OPENING &&
           core->now >= redlock_ns_add(node->listen_at, core->config.connect_timeout);
}

void redlock_listen_time(redlock_core *core, redlock_node *node) {
    bool is_idle = !has_listeners(core) && core->now >= core->listen_until;
    if (node->listening != REDLOCK_LISTENING_OFF && (is_idle || listen_is_late(core, node))) {
        listen_close(node);
        listen_back_off(core, node, is_idle);
    }
    if (node->listening == REDLOCK_LISTENING_OFF && has_listeners(core) &&
        core->now >= node->listen_at) {
        listen_open(core, node);
    }
}

redlock_ns redlock_listen_deadline(const redlock_core *core, const redlock_node *node) {
    redlock_ns idle = !has_listeners(core) ? core->listen_until : REDLOCK_NEVER;
    switch (node->listening) {
    case REDLOCK_LISTENING_OFF:
        return has_listeners(core) ? node->listen_at : REDLOCK_NEVER;
    case REDLOCK_LISTENING_OPENING:
        return redlock_ns_min(idle, redlock_ns_add(node->listen_at, core->config.connect_timeout));
    case REDLOCK_LISTENING_ON:
        return idle;
    }
    return REDLOCK_NEVER;
}

bool redlock_listen_next(redlock_node *node, redlock_wish *ret_wish) {
    if (!node->wish_subscribe && !node->wish_unsubscribe) {
        return false;
    }
    bool closes = node->wish_unsubscribe; /* before opening anew */
    *ret_wish = (redlock_wish){.kind = closes ? REDLOCK_WISH_UNSUBSCRIBE : REDLOCK_WISH_SUBSCRIBE,
                               .slot = REDLOCK_SLOT_NONE,
                               .node = node->index};
    if (closes) {
        node->wish_unsubscribe = false;
    } else {
        node->wish_subscribe = false;
    }
    return true;
}
