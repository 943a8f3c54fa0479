/* node.c -- one server as the core sees it: its link, what waits to be sent, what its clock shows.
 *
 *   DOWN --connect--> CONNECTING --LINK_UP--> UP
 *     ^------ LINK_DOWN, timeout -----------/
 *
 * A node that fails is called again after a delay that doubles, with full jitter; the first call
 * after a steady link broke comes at once. */
#include <string.h>

#include "base/mutant.h"
#include "core/inside.h"

#define BACKOFF_DOUBLINGS_MAX 16u

void redlock_node_init(redlock_core *core, uint32_t index) {
    redlock_node *node = &core->nodes[index];
    *node = (redlock_node){.index = index, .waiting_since = REDLOCK_NEVER, .status = REDLOCK_IO};
    redlock_list_init(&node->wants);
    redlock_list_init(&node->open);
}

/* --- queue ----------------------------------------------------------------------------------- */

void redlock_node_unask(redlock_vote *vote) {
    vote->want = 0;
    redlock_list_remove(&vote->want_link);
}

static void node_connect(redlock_core *core, redlock_node *node) {
    REDLOCK_ASSERT(node->link == REDLOCK_LINK_DOWN);
    node->link = REDLOCK_LINK_CONNECTING;
    node->connect_started = core->now;
    node->wish_connect = true;
}

bool redlock_node_ask(redlock_core *core, redlock_vote *vote, redlock_command_kind kind) {
    redlock_node *node = &core->nodes[vote->node];
    REDLOCK_ASSERT(vote->want == 0);
    if (node->link == REDLOCK_LINK_DOWN && core->now >= node->retry_at) {
        node_connect(core, node);
    }
    bool reachable = node->link != REDLOCK_LINK_DOWN;
    if (!reachable && kind != REDLOCK_COMMAND_RELEASE) {
        redlock_vote_fail(core, vote, node->status);
        return false;
    }
    vote->want = kind;
    redlock_list_append(&node->wants, &vote->want_link);
    return reachable;
}

bool redlock_node_next(redlock_core *core, redlock_node *node, redlock_wish *ret_wish) {
    if (node->wish_hang_up || node->wish_connect) {
        bool hang_up = node->wish_hang_up; /* before connecting anew */
        *ret_wish = (redlock_wish){.kind = hang_up ? REDLOCK_WISH_HANG_UP : REDLOCK_WISH_CONNECT,
                                   .slot = REDLOCK_SLOT_NONE,
                                   .node = node->index};
        if (hang_up) {
            node->wish_hang_up = false;
        } else {
            node->wish_connect = false;
        }
        return true;
    }
    if (node->link != REDLOCK_LINK_UP ||
        (node->inflight >= core->config.inflight_max && !REDLOCK_MUTANT(CAP_IGNORED))) {
        return false;
    }
    redlock_link *first = redlock_list_first(&node->wants);
    if (first == NULL) {
        return false;
    }
    if (node->inflight == 0) {
        node->waiting_since = core->now;
    }
    node->inflight++;
    redlock_vote_send(core, REDLOCK_LIST_ELEMENT(first, redlock_vote, want_link), ret_wish);
    return true;
}

/* --- link ------------------------------------------------------------------------------------ */

static bool status_needs_people(redlock_status status) {
    return status != REDLOCK_IO && status != REDLOCK_SILENT && status != REDLOCK_NOMEM;
}

static void node_back_off(redlock_core *core, redlock_node *node, bool steady) {
    if (steady || REDLOCK_MUTANT(BACKOFF_MISSING)) {
        node->failures = 0;
        node->retry_at = core->now;
        return;
    }
    uint32_t doublings =
        node->failures < BACKOFF_DOUBLINGS_MAX ? node->failures : BACKOFF_DOUBLINGS_MAX;
    redlock_ns reach =
        redlock_ns_min(core->config.backoff_min << doublings, core->config.backoff_max);
    if (status_needs_people(node->status)) {
        reach =
            core->config.backoff_max; /* a wrong password does not mend itself in milliseconds */
    }
    node->failures++;
    redlock_ns delay = redlock_prng_upto(&core->prng, reach);
    node->retry_at = redlock_ns_add(core->now, redlock_ns_max(delay, core->config.backoff_min));
}

/* What waits for this node and can't be sent: claims have failed, releases wait for the next link. */
static void fail_wants(redlock_core *core, redlock_node *node) {
    redlock_link *end = &node->wants.head;
    for (redlock_link *link = node->wants.head.next, *next; link != end; link = next) {
        next = link->next;
        redlock_vote *vote = REDLOCK_LIST_ELEMENT(link, redlock_vote, want_link);
        if (vote->want != REDLOCK_COMMAND_RELEASE) {
            redlock_node_unask(vote);
            redlock_vote_fail(core, vote, node->status);
        } else if (vote->slot->state == REDLOCK_SLOT_RELEASING &&
                   vote->outcome == REDLOCK_OUTCOME_OPEN) {
            redlock_vote_fail(core, vote, node->status);
        }
    }
}

static void node_lost_link(redlock_core *core, redlock_node *node) {
    REDLOCK_ASSERT(node->link != REDLOCK_LINK_DOWN);
    bool was_up = node->link == REDLOCK_LINK_UP;
    bool steady = was_up && redlock_ns_since(core->now, node->up_at) >= REDLOCK_LINK_STEADY_NS;
    node->link = REDLOCK_LINK_DOWN;
    node->tell_up = false;
    node->tell_down = was_up || node->status != node->told;
    node->told = node->status;
    node->inflight = 0;
    node->waiting_since = REDLOCK_NEVER;
    node_back_off(core, node, steady);
    bool needed = !redlock_list_is_empty(&node->open) || !redlock_list_is_empty(&node->wants);
    if (needed && core->now >= node->retry_at) {
        node_connect(core, node);
    }
    for (redlock_link *link; (link = redlock_list_first(&node->open)) != NULL;) {
        redlock_vote_cut(core, REDLOCK_LIST_ELEMENT(link, redlock_vote, open_link));
    }
    if (node->link == REDLOCK_LINK_DOWN) {
        fail_wants(core, node);
    }
}

static void node_refuse(redlock_core *core, redlock_node *node, redlock_status status,
                        int sys_errno, redlock_bytes words) {
    node->status = status;
    node->sys_errno = sys_errno;
    redlock_bytes_to_text(words, node->words, sizeof node->words);
    node_lost_link(core, node);
}

/* Two URLs that lead to one server would count its vote twice.  The first one keeps it. */
static bool run_is_taken(const redlock_core *core, const redlock_node *node) {
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_node *other = &core->nodes[i];
        if (other != node && other->link == REDLOCK_LINK_UP && other->run_id_len > 0 &&
            node->run_id_len == other->run_id_len &&
            memcmp(other->run_id, node->run_id, node->run_id_len) == 0) {
            return true;
        }
    }
    return false;
}

void redlock_node_up(redlock_core *core, const redlock_fact *fact) {
    redlock_node *node = &core->nodes[fact->node];
    if (node->link != REDLOCK_LINK_CONNECTING) {
        return; /* given up on meanwhile; the driver was told to hang up */
    }
    redlock_bytes run_id = fact->as.up.run_id;
    node->run_id_len =
        (uint32_t)(run_id.len < REDLOCK_RUN_ID_BYTES ? run_id.len : REDLOCK_RUN_ID_BYTES);
    if (node->run_id_len > 0) {
        memcpy(node->run_id, run_id.at, node->run_id_len);
    }
    if (run_is_taken(core, node)) {
        node->wish_hang_up = true;
        node_refuse(core, node, REDLOCK_SAME_NODE, 0,
                    redlock_bytes_of("another URL leads to this server too"));
        return;
    }
    if (core->config.guard > 0 && node->run_id_len == 0) {
        node->wish_hang_up = true;
        node_refuse(core, node, REDLOCK_UNSUPPORTED, 0,
                    redlock_bytes_of("it tells no run id, so the restart guard can't know it"));
        return;
    }
    node->link = REDLOCK_LINK_UP;
    node->epoch++;
    node->up_at = core->now;
    node->status = REDLOCK_OK;
    node->words[0] = '\0';
    node->told = REDLOCK_OK;
    node->tell_up = true;
    node->tell_down = false;
    node->inflight = 0;
    node->clock_known = fact->as.up.time_ms != 0;
    node->clock_ms = fact->as.up.time_ms;
    node->clock_at = node->connect_started;
    node->clock_slack = redlock_ns_since(core->now, node->connect_started);
    node->answer_took = redlock_ns_since(core->now, node->connect_started);
}

void redlock_node_down(redlock_core *core, const redlock_fact *fact) {
    redlock_node *node = &core->nodes[fact->node];
    if (node->link != REDLOCK_LINK_DOWN) {
        node_refuse(core, node, fact->as.down.status, fact->as.down.sys_errno, fact->as.down.words);
    }
}

static redlock_ns connect_limit(const redlock_core *core, const redlock_node *node) {
    return redlock_ns_add(node->connect_started, core->config.connect_timeout);
}

/* Whether somebody waits for this node, or holds a lock that it may have to confirm. */
static bool node_is_needed(const redlock_core *core, const redlock_node *node) {
    return !redlock_list_is_empty(&node->wants) || core->vacant_count < core->slot_count;
}

void redlock_node_time(redlock_core *core, redlock_node *node) {
    switch (node->link) {
    case REDLOCK_LINK_DOWN:
        if (core->now >= node->retry_at && node_is_needed(core, node)) {
            node_connect(core, node);
        }
        return;
    case REDLOCK_LINK_CONNECTING:
        if (core->now >= connect_limit(core, node)) {
            node->wish_hang_up = true;
            node->wish_connect = false;
            node_refuse(core, node, REDLOCK_SILENT, 0,
                        redlock_bytes_of("no connection within the connect timeout"));
        }
        return;
    case REDLOCK_LINK_UP:
        if (core->now >= redlock_ns_add(node->waiting_since, core->config.silence_max)) {
            node->wish_hang_up = true;
            node_refuse(core, node, REDLOCK_SILENT, 0,
                        redlock_bytes_of("connected, but it does not answer"));
        }
        return;
    }
    REDLOCK_ASSERT(false);
}

redlock_ns redlock_node_deadline(const redlock_core *core, const redlock_node *node) {
    switch (node->link) {
    case REDLOCK_LINK_DOWN:
        return node_is_needed(core, node) ? node->retry_at : REDLOCK_NEVER;
    case REDLOCK_LINK_CONNECTING:
        return connect_limit(core, node);
    case REDLOCK_LINK_UP:
        return redlock_ns_add(node->waiting_since, core->config.silence_max);
    }
    return REDLOCK_NEVER;
}

/* --- clock ----------------------------------------------------------------------------------- */

/* The node read its clock after the command was sent and before the answer was here, so its clock
 * shows at most time_ms + (now - sent_at), and at least time_ms.  The tighter upper bound is kept; one
 * that lies below what the node shows was proven wrong by a jump. */
void redlock_node_answered(redlock_core *core, redlock_node *node, const redlock_answer *answer,
                           redlock_ns sent_at) {
    REDLOCK_ASSERT(node->inflight > 0);
    node->inflight--;
    node->waiting_since = node->inflight > 0 ? core->now : REDLOCK_NEVER;
    node->answer_took = redlock_ns_since(core->now, sent_at);
    if (answer->kind == REDLOCK_ANSWER_ERROR) {
        redlock_bytes_to_text(answer->text, node->words, sizeof node->words);
    }
    if (answer->time_ms == 0) {
        return;
    }
    uint64_t bound = answer->time_ms + redlock_ns_to_ms_up(redlock_ns_since(core->now, sent_at));
    uint64_t old = redlock_node_clock_ms(core, node);
    if (!node->clock_known || bound <= old || old < answer->time_ms) {
        node->clock_known = true;
        node->clock_ms = answer->time_ms;
        node->clock_at = sent_at;
        node->clock_slack = redlock_ns_since(core->now, sent_at);
    }
}

uint64_t redlock_node_clock_ms(const redlock_core *core, const redlock_node *node) {
    if (!node->clock_known) {
        return 0;
    }
    return node->clock_ms + redlock_ns_to_ms_up(redlock_ns_since(core->now, node->clock_at));
}
