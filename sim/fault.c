#include "sim/fault.h"

#include <inttypes.h>

#include "sim/link.h"
#include "sim/listen.h"
#include "sim/picture.h"
#include "sim/trace.h"
#include "sim/user.h"
#include "sim/world.h"

#define MS REDLOCK_NS_PER_MS
#define YEAR_US INT64_C(31557600000000)

const char *redlock_sim_trouble_words(redlock_sim_trouble trouble) {
    switch (trouble) {
#define WORDS(name, words)                                                                         \
    case REDLOCK_SIM_TROUBLE_##name:                                                               \
        return words;
        REDLOCK_SIM_FAULT_MAP(WORDS)
#undef WORDS
    case REDLOCK_SIM_TROUBLE_COUNT:
        break;
    }
    return "?";
}

typedef struct mishap { /* one fault that was drawn, and where it strikes */
    redlock_sim_trouble trouble;
    uint32_t client, node;
    redlock_ns length;
} mishap;

static uint64_t upto(redlock_sim_world *world, uint64_t bound) {
    return redlock_sim_upto(&world->mishap, bound);
}

static bool one_in(redlock_sim_world *world, uint64_t n) {
    return redlock_sim_one_in(&world->mishap, n);
}

static void mend_later(redlock_sim_world *world, const mishap *what, uint64_t value) {
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = world->now + what->length,
                                                             .kind = REDLOCK_SIM_EVENT_MEND,
                                                             .client = what->client,
                                                             .node = what->node,
                                                             .number = what->trouble,
                                                             .value = value});
}

static redlock_sim_link *link_of(redlock_sim_world *world, const mishap *what) {
    return &world->client[what->client].link[what->node];
}

/* --- connections ----------------------------------------------------------------------------- */

static void half_open(redlock_sim_world *world, const mishap *what) {
    redlock_sim_link *link = link_of(world, what);
    link->is_stuck_there = link->is_stuck_back = true;
}

static void partition(redlock_sim_world *world, const mishap *what) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (i == what->node || one_in(world, 2)) {
            world->client[what->client].link[i].cut_until = world->now + what->length;
        }
    }
}

static void no_new_ones(redlock_sim_world *world, const mishap *what, redlock_ns *until) {
    *until = world->now + what->length;
    if (one_in(world, 2)) {
        redlock_sim_link_break(world, what->client, what->node, 0);
    }
}

static bool strike_ear(redlock_sim_world *world, const mishap *what) {
    redlock_sim_ear *ear = &world->client[what->client].ear[what->node];
    if (what->trouble == REDLOCK_SIM_TROUBLE_EAR_LOSES) {
        ear->loses += 1 + (uint32_t)upto(world, 3);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_EAR_RESET) {
        redlock_sim_listen_break(world, what->client, what->node);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_EAR_DEAF) {
        ear->is_deaf = ear->connection != 0;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_EAR_REFUSED) {
        ear->refused_until = world->now + what->length;
        redlock_sim_listen_break(world, what->client, what->node);
    } else {
        return false;
    }
    return true;
}

static bool strike_link(redlock_sim_world *world, const mishap *what) {
    redlock_sim_link *link = link_of(world, what);
    if (what->trouble == REDLOCK_SIM_TROUBLE_DROP_THERE) {
        link->is_stuck_there = true;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_DROP_BACK) {
        link->is_stuck_back = true;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_DELAY) {
        link->slow_until = world->now + what->length;
        link->slow = upto(world, world->plan.node_timeout * 3);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_RESEND) {
        link->breaks_behind = true;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_REORDER) {
        link->breaks_behind = true;
        link->breaks_asking = one_in(world, 2);
        link->break_delay = 1 + upto(world, world->plan.node_timeout * (one_in(world, 4) ? 4 : 1));
        if (link->breaks_asking) { /* late enough for what undoes it to overtake */
            link->break_delay =
                world->plan.node_timeout - upto(world, world->plan.node_timeout / 3);
        }
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_HALF_OPEN) {
        half_open(world, what);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_RESET) {
        redlock_sim_link_break(world, what->client, what->node,
                               one_in(world, 2) ? 0 : REDLOCK_NEVER);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_TORN) {
        link->tears = true;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_PARTITION) {
        partition(world, what);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_REFUSED) {
        no_new_ones(world, what, &link->refused_until);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_CONNECT_HANGS) {
        no_new_ones(world, what, &link->hangs_until);
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_DNS) {
        no_new_ones(world, what, &link->nameless_until);
    } else {
        return false;
    }
    return true;
}

/* --- nodes ----------------------------------------------------------------------------------- */

static void break_all(redlock_sim_world *world, uint32_t node) {
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        if (world->client[i].core == NULL) {
            continue;
        }
        if (one_in(world, 4)) { /* nobody tells the client: it has to find out */
            world->client[i].link[node].is_stuck_there = world->client[i].link[node].is_stuck_back =
                true;
        } else {
            redlock_sim_link_break(world, i, node, REDLOCK_NEVER);
        }
    }
}

static void crash(redlock_sim_world *world, const mishap *what) {
    redlock_sim_loss loss =
        what->trouble == REDLOCK_SIM_TROUBLE_CRASH_KEEP       ? REDLOCK_SIM_LOSE_NOTHING
        : what->trouble == REDLOCK_SIM_TROUBLE_CRASH_LOSE_ALL ? REDLOCK_SIM_LOSE_ALL
                                                              : REDLOCK_SIM_LOSE_UNSYNCED;
    if (world->node[what->node].is_down) {
        return;
    }
    redlock_sim_node_crash(world, what->node, loss);
    break_all(world, what->node);
    mend_later(world, what, 0);
}

/* Ahead by less than the margin within the life of any lease, and of any silence. */
static int64_t forward_room_us(const redlock_sim_world *world, const redlock_sim_node *node) {
    const redlock_sim_plan *plan = &world->plan;
    redlock_ns window = (plan->ttl + plan->margin + plan->guard) * 11 / 10 + world->lag;
    /* The smallest margin is that of the smallest ttl that users take. */
    int64_t room =
        (int64_t)(plan->ttl / 8 < plan->margin ? plan->ttl / 8 : plan->margin) / 1000 * 9 / 10;
    for (uint32_t i = 0; i < REDLOCK_SIM_JUMPS_MAX; i++) {
        if (node->jump[i].at + window > world->now) {
            room -= node->jump[i].us;
        }
    }
    return room;
}

static void jump(redlock_sim_world *world, const mishap *what) {
    redlock_sim_node *node = &world->node[what->node];
    int64_t us = (int64_t)(upto(world, 3 * world->plan.ttl) / REDLOCK_NS_PER_US);
    if (what->trouble == REDLOCK_SIM_TROUBLE_JUMP_BACK) {
        if (world->lag > 5 * world->plan.ttl) {
            return;
        }
        world->lag += (redlock_ns)us * REDLOCK_NS_PER_US;
        us = -us;
    } else if (what->trouble == REDLOCK_SIM_TROUBLE_JUMP_FORWARD) {
        int64_t room = forward_room_us(world, node);
        us = room <= 0 ? 0 : one_in(world, 2) ? room : us % room;
        node->jump[node->jump_next] = (redlock_sim_jump){.at = world->now, .us = us};
        node->jump_next = (node->jump_next + 1) % REDLOCK_SIM_JUMPS_MAX;
    }
    redlock_sim_trace_node(world, what->node, "clock jumps by %" PRId64 " us", us);
    node->offset_us += us;
}

/* The server's own state that makes it refuse; COUNT: none. */
static redlock_sim_fault server_fault(redlock_sim_trouble trouble) {
    static const struct {
        redlock_sim_trouble trouble;
        redlock_sim_fault fault;
    } map[] = {
        {REDLOCK_SIM_TROUBLE_OOM, REDLOCK_SIM_OOM},
        {REDLOCK_SIM_TROUBLE_MISCONF, REDLOCK_SIM_MISCONF},
        {REDLOCK_SIM_TROUBLE_READONLY, REDLOCK_SIM_READONLY},
        {REDLOCK_SIM_TROUBLE_NOREPLICAS, REDLOCK_SIM_NOREPLICAS},
        {REDLOCK_SIM_TROUBLE_LOADING, REDLOCK_SIM_LOADING},
        {REDLOCK_SIM_TROUBLE_BUSY, REDLOCK_SIM_BUSY},
        {REDLOCK_SIM_TROUBLE_NOPERM, REDLOCK_SIM_NOPERM},
        {REDLOCK_SIM_TROUBLE_MAXCLIENTS, REDLOCK_SIM_MAXCLIENTS},
        {REDLOCK_SIM_TROUBLE_EVICTS, REDLOCK_SIM_EVICTS},
        {REDLOCK_SIM_TROUBLE_GARBAGE, REDLOCK_SIM_GARBAGE},
        {REDLOCK_SIM_TROUBLE_OVERSIZED, REDLOCK_SIM_OVERSIZED},
    };
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].trouble == trouble) {
            return map[i].fault;
        }
    }
    return REDLOCK_SIM_FAULT_COUNT;
}

static bool strike_server(redlock_sim_world *world, const mishap *what) {
    redlock_sim_node *node = &world->node[what->node];
    redlock_sim_fault fault = server_fault(what->trouble);
    bool is_password = what->trouble == REDLOCK_SIM_TROUBLE_PASSWORD;
    if (fault == REDLOCK_SIM_FAULT_COUNT && !is_password) {
        return false;
    }
    if (is_password) {
        node->password++;
        redlock_sim_server_set_password(node->server, "another");
    } else {
        node->fault_count[fault]++;
        redlock_sim_server_set_fault(node->server, fault, true);
    }
    if (one_in(world, 2)) { /* some of them show in the greeting only */
        redlock_sim_link_break(world, what->client, what->node, 0);
    }
    mend_later(world, what, fault);
    return true;
}

static void evict(redlock_sim_world *world, const mishap *what) {
    uint8_t name[8];
    redlock_sim_node *node = &world->node[what->node];
    redlock_sim_server_set_clock(node->server, redlock_sim_node_wall_us(world, what->node));
    (void)redlock_sim_server_evict(
        node->server, redlock_sim_name_text((uint32_t)upto(world, world->plan.names - 1), name));
}

static void flush(redlock_sim_world *world, const mishap *what) {
    redlock_sim_node *node = &world->node[what->node];
    if (!node->is_down) {
        redlock_sim_server_set_clock(node->server, redlock_sim_node_wall_us(world, what->node));
        redlock_sim_server_flushall(node->server);
        node->lost_at = world->now;
    }
}

static bool strike_node(redlock_sim_world *world, const mishap *what) {
    redlock_sim_node *node = &world->node[what->node];
    redlock_sim_trouble trouble = what->trouble;
    if (trouble == REDLOCK_SIM_TROUBLE_CRASH_KEEP ||
        trouble == REDLOCK_SIM_TROUBLE_CRASH_LOSE_ALL ||
        trouble == REDLOCK_SIM_TROUBLE_CRASH_LOSE_SECOND) {
        crash(world, what);
    } else if (trouble == REDLOCK_SIM_TROUBLE_NODE_PAUSE ||
               trouble == REDLOCK_SIM_TROUBLE_CLIENT_PAUSE) {
        node->paused_until = redlock_ns_max(node->paused_until, world->now + what->length);
    } else if (trouble == REDLOCK_SIM_TROUBLE_JUMP_FORWARD ||
               trouble == REDLOCK_SIM_TROUBLE_JUMP_BACK ||
               trouble == REDLOCK_SIM_TROUBLE_JUMP_BEYOND) {
        jump(world, what);
    } else if (trouble == REDLOCK_SIM_TROUBLE_SCRIPT_FLUSH) {
        redlock_sim_server_script_flush(node->server);
    } else if (trouble == REDLOCK_SIM_TROUBLE_FLUSHALL) {
        flush(world, what);
    } else if (trouble == REDLOCK_SIM_TROUBLE_EVICT) {
        evict(world, what);
    } else if (trouble == REDLOCK_SIM_TROUBLE_ISOLATE) {
        node->is_isolated = true;
        mend_later(world, what, 0);
    } else {
        return strike_server(world, what);
    }
    return true;
}

/* --- clients --------------------------------------------------------------------------------- */

static void suspend(redlock_sim_world *world, const mishap *what) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        redlock_sim_link *link = &world->client[what->client].link[i];
        link->is_stuck_there = link->is_stuck_back = true; /* the peers have given up meanwhile */
        world->client[what->client].ear[i].is_deaf = true;
    }
}

static void strike_client(redlock_sim_world *world, const mishap *what) {
    redlock_sim_client *client = &world->client[what->client];
    redlock_sim_trouble trouble = what->trouble;
    if (client->core == NULL) {
        return;
    }
    if (trouble == REDLOCK_SIM_TROUBLE_PROCESS_PAUSE || trouble == REDLOCK_SIM_TROUBLE_SUSPEND) {
        if (trouble == REDLOCK_SIM_TROUBLE_PROCESS_PAUSE && one_in(world, 2)) {
            client->freezes_behind = what->length; /* where it hurts most: with answers under way */
            client->freezes_asking = one_in(world, 2);
            return;
        }
        client->frozen_until = redlock_ns_max(client->frozen_until, world->now + what->length);
        if (trouble == REDLOCK_SIM_TROUBLE_SUSPEND) {
            suspend(world, what);
        }
    } else if (trouble == REDLOCK_SIM_TROUBLE_PROCESS_CRASH ||
               trouble == REDLOCK_SIM_TROUBLE_FORK) {
        redlock_sim_client_crash(world, what->client, trouble == REDLOCK_SIM_TROUBLE_FORK);
        mend_later(world, what, 0);
    } else if (trouble == REDLOCK_SIM_TROUBLE_WALL_JUMP) {
        client->skew_us =
            (int64_t)upto(world, (uint64_t)world->plan.skew_max_us * 2) - world->plan.skew_max_us;
    } else if (trouble == REDLOCK_SIM_TROUBLE_POISON) {
        client->skew_us =
            one_in(world, 2) ? 10 * YEAR_US : INT64_C(3000000000); /* years, or 50 minutes */
        mend_later(world, what, 0);
    } else if (trouble == REDLOCK_SIM_TROUBLE_BREAK &&
               !redlock_sim_is_frozen(world, what->client)) {
        redlock_sim_user_break(world, what->client, (uint32_t)upto(world, world->plan.names - 1));
    }
}

/* --- one after the other --------------------------------------------------------------------- */

static bool is_standing(redlock_sim_trouble trouble) {
    return trouble == REDLOCK_SIM_TROUBLE_DRIFT || trouble == REDLOCK_SIM_TROUBLE_SKEW ||
           trouble == REDLOCK_SIM_TROUBLE_CAPACITY;
}

static bool draw(redlock_sim_world *world, mishap *ret_what) {
    redlock_sim_trouble found[REDLOCK_SIM_TROUBLE_COUNT];
    uint32_t count = 0;
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        if (world->plan.has[i] && !is_standing((redlock_sim_trouble)i)) {
            found[count++] = (redlock_sim_trouble)i;
        }
    }
    if (count == 0) {
        return false;
    }
    ret_what->trouble = found[upto(world, count - 1)];
    ret_what->client = (uint32_t)upto(world, world->plan.clients - 1);
    ret_what->node = (uint32_t)upto(world, world->plan.nodes - 1);
    ret_what->length = 1 + (one_in(world, 4) ? upto(world, 3 * world->plan.ttl)
                                             : upto(world, world->plan.ttl / 2));
    return true;
}

static bool is_of_client(redlock_sim_trouble trouble) {
    return trouble >= REDLOCK_SIM_TROUBLE_PROCESS_PAUSE;
}

static void strike(redlock_sim_world *world, const mishap *what) {
    world->counts.faults[what->trouble]++;
    redlock_sim_trace_line(world, "!", "%s: %c, n%" PRIu32 ", %" PRIu64 " ms",
                           redlock_sim_trouble_words(what->trouble), (char)('A' + what->client),
                           what->node + 1, what->length / MS);
    bool is_client = is_of_client(what->trouble);
    redlock_sim_picture_fault(world, what->trouble, what->client,
                              is_client ? REDLOCK_SIM_NONE : what->node, what->length);
    if (is_client) {
        strike_client(world, what);
    } else if (!strike_ear(world, what) && !strike_link(world, what)) {
        (void)strike_node(world, what);
    }
}

static void next_fault(redlock_sim_world *world) {
    redlock_ns delay = 1 + upto(world, 2 * world->plan.fault_every);
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = world->now + delay,
                                                             .kind = REDLOCK_SIM_EVENT_FAULT});
}

void redlock_sim_fault_begin(redlock_sim_world *world) {
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        bool is_on = world->plan.has[i] && is_standing((redlock_sim_trouble)i) &&
                     i != REDLOCK_SIM_TROUBLE_CAPACITY;
        world->counts.faults[i] += is_on ? world->plan.clients : 0;
    }
    next_fault(world);
}

void redlock_sim_fault_happen(redlock_sim_world *world, const redlock_sim_event *event) {
    mishap what;
    (void)event;
    if (world->calm_at != 0) {
        return;
    }
    if (draw(world, &what)) {
        strike(world, &what);
    }
    next_fault(world);
}

/* --- mending --------------------------------------------------------------------------------- */

static void mend_server(redlock_sim_world *world, uint32_t number, redlock_sim_fault fault) {
    redlock_sim_node *node = &world->node[number];
    if (node->fault_count[fault] > 0 && --node->fault_count[fault] == 0) {
        redlock_sim_server_set_fault(node->server, fault, false);
    }
}

void redlock_sim_fault_mend(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_sim_trouble trouble = (redlock_sim_trouble)event->number;
    redlock_sim_node *node = &world->node[event->node];
    redlock_sim_client *client = &world->client[event->client];
    if (trouble == REDLOCK_SIM_TROUBLE_PROCESS_CRASH || trouble == REDLOCK_SIM_TROUBLE_FORK) {
        if (client->core == NULL) {
            redlock_sim_trace_client(world, event->client, "starts again");
            redlock_sim_client_start(world, event->client);
        }
    } else if (trouble == REDLOCK_SIM_TROUBLE_POISON) {
        client->skew_us = 0;
    } else if (trouble == REDLOCK_SIM_TROUBLE_ISOLATE) {
        node->is_isolated = false;
    } else if (trouble == REDLOCK_SIM_TROUBLE_PASSWORD) {
        if (node->password > 0 && --node->password == 0) {
            redlock_sim_server_set_password(node->server, NULL);
        }
    } else if (server_fault(trouble) != REDLOCK_SIM_FAULT_COUNT) {
        mend_server(world, event->node, (redlock_sim_fault)event->value);
    } else {
        redlock_sim_node_restart(world, event->node);
    }
}

/* The network is as it should be, too: answers come well within their timeout. */
static void end_link(const redlock_sim_plan *plan, redlock_sim_link *link) {
    link->jitter = link->jitter < plan->node_timeout / 8 ? link->jitter : plan->node_timeout / 8;
    link->cut_until = link->refused_until = link->hangs_until = link->nameless_until =
        link->slow_until = 0;
    link->breaks_behind = link->breaks_asking = link->tears = false;
}

/* Pauses run out by themselves, and dead connections are found out about by the clients. */
void redlock_sim_fault_end(redlock_sim_world *world) {
    redlock_sim_trace_line(world, "", "the storm is over");
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        redlock_sim_node *node = &world->node[i];
        node->is_isolated = false;
        node->password = 0;
        redlock_sim_server_set_password(node->server, NULL);
        for (uint32_t f = 0; f < REDLOCK_SIM_FAULT_COUNT; f++) {
            node->fault_count[f] = 0;
            redlock_sim_server_set_fault(node->server, (redlock_sim_fault)f, false);
        }
        redlock_sim_node_restart(world, i);
    }
    for (uint32_t i = 0; i < world->plan.clients; i++) {
        for (uint32_t n = 0; n < world->plan.nodes; n++) {
            end_link(&world->plan, &world->client[i].link[n]);
            world->client[i].ear[n].loses = 0;
            world->client[i].ear[n].refused_until = 0;
        }
        world->client[i].freezes_behind = 0;
        if (world->client[i].skew_us > world->plan.skew_max_us) {
            world->client[i].skew_us = 0;
        }
        if (world->client[i].core == NULL) {
            redlock_sim_client_start(world, i);
        }
    }
}
