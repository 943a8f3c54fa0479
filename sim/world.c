#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/check.h"
#include "sim/link.h"
#include "sim/listen.h"
#include "sim/mutant.h"
#include "sim/queue_check.h"
#include "sim/trace.h"
#include "sim/user.h"
#include "wire/claim.h"
#include "wire/message.h"

#define MS REDLOCK_NS_PER_MS
#define PPM INT64_C(1000000)
#define SLOTS_FIRST 4u
#define SPINS_MAX 2000u

/* --- clocks and chance ----------------------------------------------------------------------- */

redlock_ns redlock_sim_local(const redlock_sim_client *client, redlock_ns at) {
    int64_t elapsed = (int64_t)(at - REDLOCK_SIM_START);
    return at + (redlock_ns)(elapsed / PPM * client->drift_ppm +
                             elapsed % PPM * client->drift_ppm / PPM);
}

redlock_ns redlock_sim_true(const redlock_sim_client *client, redlock_ns local) {
    if (local >= REDLOCK_NEVER / 4) {
        return REDLOCK_NEVER;
    }
    int64_t passed = (int64_t)(local - REDLOCK_SIM_START);
    int64_t rate = PPM + client->drift_ppm;
    redlock_ns at =
        REDLOCK_SIM_START + (redlock_ns)(passed / rate * PPM + passed % rate * PPM / rate);
    while (redlock_sim_local(client, at) < local) {
        at++;
    }
    return at;
}

static uint64_t wall_us(redlock_ns at, int64_t offset_us) {
    return (
        uint64_t)((int64_t)(REDLOCK_SIM_WALL_US + (at - REDLOCK_SIM_START) / REDLOCK_NS_PER_US) +
                  offset_us);
}

uint64_t redlock_sim_client_wall_us(const redlock_sim_world *world,
                                    const redlock_sim_client *client) {
    return wall_us(world->now, client->skew_us);
}

uint64_t redlock_sim_node_wall_us(const redlock_sim_world *world, uint32_t node) {
    const redlock_sim_node *at = &world->node[node];
    int64_t elapsed_us = (int64_t)((world->now - REDLOCK_SIM_START) / REDLOCK_NS_PER_US);
    return wall_us(world->now, at->offset_us + elapsed_us / PPM * at->drift_ppm +
                                   elapsed_us % PPM * at->drift_ppm / PPM);
}

uint64_t redlock_sim_upto(redlock_prng *prng, uint64_t bound) {
    return redlock_prng_upto(prng, bound);
}

bool redlock_sim_one_in(redlock_prng *prng, uint64_t n) {
    return redlock_prng_upto(prng, n - 1) == 0;
}

void redlock_sim_complain(redlock_sim_world *world, const char *number, const char *format, ...) {
    if (world->complaint[0] != '\0') {
        return;
    }
    char text[REDLOCK_SIM_COMPLAINT_BYTES - 16];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)snprintf(world->complaint, sizeof world->complaint, "%s: %s", number, text);
    redlock_sim_trace_line(world, "", "### %s", world->complaint);
}

static void hash_add(redlock_sim_world *world, uint64_t value) {
    world->hash = (world->hash ^ value) * UINT64_C(0x100000001b3);
    world->hash ^= world->hash >> 29;
}

/* --- tokens and names ------------------------------------------------------------------------ */

uint32_t redlock_sim_token_new(redlock_sim_world *world, uint32_t lock) {
    if (world->token_count == world->token_size) {
        world->token_size = world->token_size == 0 ? 64 : world->token_size * 2;
        world->token = redlock_sim_grown(world->token, world->token_size, sizeof *world->token);
    }
    world->token[world->token_count] = (redlock_sim_token){.lock = lock, .next = REDLOCK_SIM_NONE};
    return world->token_count++;
}

/* As redlock writes them: 32 hex digits, a colon, a label. */
redlock_bytes redlock_sim_token_text(uint32_t token, uint8_t *text) {
    static const char digits[] = "0123456789abcdef";
    uint64_t number = token * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < 16; i++) {
        text[i] = (uint8_t)digits[number >> (60 - 4 * i) & 15];
        text[16 + i] = (uint8_t)digits[(uint64_t)token >> (60 - 4 * i) & 15];
    }
    memcpy(text + 32, ":sim", 4);
    return (redlock_bytes){.at = text, .len = REDLOCK_SIM_TOKEN_BYTES};
}

static uint32_t digit_of(uint8_t byte) {
    return byte >= 'a' ? (uint32_t)(byte - 'a') + 10 : (uint32_t)(byte - '0');
}

uint32_t redlock_sim_token_number(const redlock_sim_world *world, redlock_bytes text) {
    if (text.len != REDLOCK_SIM_TOKEN_BYTES || memcmp(text.at + 32, ":sim", 4) != 0) {
        return REDLOCK_SIM_NONE;
    }
    uint32_t number = 0;
    for (uint32_t i = 24; i < 32; i++) {
        number = number << 4 | (digit_of(text.at[i]) & 15);
    }
    return number < world->token_count ? number : REDLOCK_SIM_NONE;
}

redlock_bytes redlock_sim_name_text(uint32_t name, uint8_t *text) {
    memcpy(text, "job", 3);
    text[3] = (uint8_t)('0' + name);
    return (redlock_bytes){.at = text, .len = 4};
}

/* --- clients --------------------------------------------------------------------------------- */

bool redlock_sim_is_frozen(const redlock_sim_world *world, uint32_t client) {
    return world->client[client].frozen_until > world->now;
}

static redlock_core_config core_config(redlock_sim_world *world) {
    const redlock_sim_plan *plan = &world->plan;
    return (redlock_core_config){
        .node_count = plan->nodes,
        .seed = redlock_prng_next(&world->jitter),
        .drift_ppm = 10000,
        .drift_floor = 2 * MS,
        .connect_timeout = plan->connect_timeout,
        .backoff_min = 10 * MS,
        .backoff_max = plan->node_timeout * 20,
        .silence_max = plan->silence_max,
        .release_timeout = plan->node_timeout * 10,
        .guard = plan->guard,
        .inflight_max = plan->inflight_max,
        .hand_off = plan->hand_off,
    };
}

/* One for each process, as random ones would be. */
static void channel_draw(redlock_sim_world *world, redlock_sim_client *client) {
    static const char digits[] = "0123456789abcdef";
    uint64_t number = ++world->processes;
    for (uint32_t i = 0; i < REDLOCK_CHANNEL_BYTES; i++) {
        client->channel[i] = (uint8_t)digits[i < 16 ? number >> (60 - 4 * i) & 15 : i & 15];
    }
}

redlock_bytes redlock_sim_channel_text(const redlock_sim_world *world, uint32_t client,
                                       uint8_t *text) {
    size_t len = sizeof REDLOCK_MESSAGE_PREFIX - 1;
    memcpy(text, REDLOCK_MESSAGE_PREFIX, len);
    memcpy(text + len, world->client[client].channel, REDLOCK_CHANNEL_BYTES);
    return (redlock_bytes){.at = text, .len = len + REDLOCK_CHANNEL_BYTES};
}

static void client_grow(redlock_sim_client *client, uint32_t slots) {
    void *table = redlock_sim_zeroed(1, redlock_core_table_size(slots));
    free(redlock_core_grow(client->core, table, slots));
    client->table = table;
    client->lock_of = redlock_sim_grown(client->lock_of, slots, sizeof *client->lock_of);
    client->slots = slots;
}

uint32_t redlock_sim_client_vacant(redlock_sim_world *world, uint32_t client) {
    redlock_sim_client *at = &world->client[client];
    if (redlock_core_vacant(at->core) == REDLOCK_SLOT_NONE) {
        client_grow(at, at->slots * 2);
    }
    return redlock_core_vacant(at->core);
}

void redlock_sim_client_start(redlock_sim_world *world, uint32_t client) {
    redlock_sim_client *at = &world->client[client];
    redlock_core_config config = core_config(world);
    channel_draw(world, at);
    memcpy(config.channel, at->channel, sizeof config.channel);
    at->memory = redlock_sim_zeroed(1, redlock_core_size());
    at->core = redlock_core_init(at->memory, &config);
    at->wake_at = REDLOCK_NEVER;
    at->slots = 0;
    at->lock_of = NULL;
    client_grow(at, SLOTS_FIRST);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        at->link[i].up_at = at->link[i].failed_at = 0;
        at->link[i].calls_in_row = 0;
    }
    for (uint32_t i = 0; i < world->plan.users; i++) {
        redlock_sim_user_begin(world, client, i);
    }
}

static void lock_forget(redlock_sim_world *world, uint32_t lock) {
    world->lock[lock].is_gone = true;
    for (uint32_t i = 0; i < world->live_count; i++) {
        if (world->live[i] == lock) {
            world->live[i] = world->live[--world->live_count];
            return;
        }
    }
}

/* What a dead process held may be found by another one, as by a program that was started again. */
static void leave_behind(redlock_sim_world *world, const redlock_sim_lock *lock) {
    if (lock->deadline == 0 || world->has_found || lock->is_shared || lock->is_own_token) {
        return;
    }
    world->has_found = true;
    world->found = (redlock_sim_found){
        .token = lock->token, .name = lock->name, .fence = lock->fence, .seek = lock->seek};
}

static void client_free(redlock_sim_client *at) {
    for (uint32_t i = 0; at->core != NULL && i < at->slots; i++) {
        free(redlock_core_memory(at->core, i));
    }
    free(at->table);
    free(at->memory);
    free(at->lock_of);
    at->core = NULL;
    at->memory = at->table = NULL;
    at->lock_of = NULL;
}

void redlock_sim_client_crash(redlock_sim_world *world, uint32_t client, bool keeps_sockets) {
    redlock_sim_client *at = &world->client[client];
    for (uint32_t i = world->live_count; i > 0; i--) {
        redlock_sim_lock *lock = &world->lock[world->live[i - 1]];
        if (lock->client == client) {
            if (lock->asked == REDLOCK_FACT_ACQUIRE) {
                leave_behind(world, lock);
            }
            lock->is_shared = true; /* nobody undoes what it may have left */
            lock->ended_at = lock->ended_at == 0 ? world->now : lock->ended_at;
            lock->shown_until = lock->shown_until == 0 ? world->now : lock->shown_until;
            lock->deadline = 0;
            lock_forget(world, world->live[i - 1]);
        }
    }
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (keeps_sockets) {
            redlock_sim_listen_drop(world, client, i);
        } else {
            redlock_sim_listen_close(world, client, i);
        }
        if (keeps_sockets) {
            redlock_sim_link_drop(world, client, i);
        } else if (redlock_sim_link_is_used(&at->link[i])) {
            redlock_sim_link_hang_up(world, client, i);
        }
    }
    client_free(at);
    at->life++;
    at->frozen_until = at->freezes_behind = 0;
}

uint32_t redlock_sim_lock_new(redlock_sim_world *world, uint32_t client, uint32_t slot) {
    if (world->lock_count == world->lock_size) {
        world->lock_size = world->lock_size == 0 ? 64 : world->lock_size * 2;
        world->lock = redlock_sim_grown(world->lock, world->lock_size, sizeof *world->lock);
    }
    if (world->live_count == world->live_size) {
        world->live_size = world->live_size == 0 ? 16 : world->live_size * 2;
        world->live = redlock_sim_grown(world->live, world->live_size, sizeof *world->live);
    }
    uint32_t lock = world->lock_count++;
    world->lock[lock] = (redlock_sim_lock){.client = client,
                                           .slot = slot,
                                           .token = REDLOCK_SIM_NONE,
                                           .answered_by = REDLOCK_NEVER,
                                           .release_by = REDLOCK_NEVER,
                                           .extend_by = REDLOCK_NEVER,
                                           .asked_at = world->now};
    world->lock[lock].asked_local = redlock_sim_local(&world->client[client], world->now);
    world->client[client].lock_of[slot] = lock;
    world->live[world->live_count++] = lock;
    return lock;
}

/* --- wishes ---------------------------------------------------------------------------------- */

static void wish_token(redlock_sim_world *world, uint32_t client, uint32_t slot) {
    uint32_t lock = world->client[client].lock_of[slot];
    redlock_sim_check_token(world, lock);
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = world->now,
                                                             .kind = REDLOCK_SIM_EVENT_TOKEN,
                                                             .client = client,
                                                             .life = world->client[client].life,
                                                             .number = lock});
}

static void wish_tell(redlock_sim_world *world, uint32_t client, const redlock_wish *wish) {
    redlock_tell tell = wish->as.tell.event;
    if (wish->slot == REDLOCK_SLOT_NONE) {
        redlock_sim_trace_client(world, client, "n%" PRIu32 " is %s %s", wish->node + 1,
                                 tell == REDLOCK_TELL_NODE_UP ? "up" : "down",
                                 redlock_sim_words_status(wish->as.tell.status));
        return;
    }
    uint32_t lock = world->client[client].lock_of[wish->slot];
    hash_add(world, (uint64_t)tell << 32 | lock);
    redlock_sim_check_told(world, lock, tell, wish->as.tell.status);
    redlock_sim_user_told(world, lock, tell);
}

static void wish_gone(redlock_sim_world *world, uint32_t client, const redlock_wish *wish) {
    uint32_t lock = world->client[client].lock_of[wish->slot];
    redlock_sim_check_gone(world, lock);
    lock_forget(world, lock);
    free(wish->as.gone.memory);
}

static void carry_out(redlock_sim_world *world, uint32_t client, const redlock_wish *wish) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        redlock_sim_check_sent(world, client, wish->node, world->client[client].lock_of[wish->slot],
                               &wish->as.send.command);
        redlock_sim_link_send(world, client, wish);
        return;
    case REDLOCK_WISH_CONNECT:
        redlock_sim_check_call(world, client, wish->node);
        redlock_sim_link_connect(world, client, wish->node);
        return;
    case REDLOCK_WISH_HANG_UP:
        redlock_sim_trace_client(world, client, "n%" PRIu32 " hang up", wish->node + 1);
        world->client[client].link[wish->node].failed_at =
            redlock_sim_local(&world->client[client], world->now);
        redlock_sim_link_hang_up(world, client, wish->node);
        return;
    case REDLOCK_WISH_SUBSCRIBE:
        redlock_sim_listen_open(world, client, wish->node);
        return;
    case REDLOCK_WISH_UNSUBSCRIBE:
        redlock_sim_listen_close(world, client, wish->node);
        return;
    case REDLOCK_WISH_TOKEN:
        wish_token(world, client, wish->slot);
        return;
    case REDLOCK_WISH_TELL:
        wish_tell(world, client, wish);
        return;
    case REDLOCK_WISH_GONE:
        wish_gone(world, client, wish);
        return;
    }
}

/* As drive/outbox.c has it. */
static bool is_claim_of(const redlock_wish *wish, const redlock_wish *behind) {
    return wish->kind == REDLOCK_WISH_SEND && behind->kind == REDLOCK_WISH_SEND &&
           wish->node == behind->node &&
           redlock_claim_suits(&wish->as.send.command, &behind->as.send.command);
}

static void carry_out_claim(redlock_sim_world *world, uint32_t client, redlock_wish *release,
                            const redlock_wish *grant) {
    release->as.send.command.claim = redlock_claim_of(&grant->as.send.command);
    carry_out(world, client, release);
    redlock_sim_check_sent(world, client, grant->node, world->client[client].lock_of[grant->slot],
                           &grant->as.send.command);
    redlock_sim_link_sent(world, client, grant);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void wake_set(redlock_sim_world *world, uint32_t client) {
    redlock_sim_client *at = &world->client[client];
    redlock_ns due = redlock_sim_true(at, redlock_core_deadline(at->core));
    if (due >= at->wake_at) {
        return;
    }
    at->wake_at = redlock_ns_max(due, world->now);
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = at->wake_at,
                                                             .kind = REDLOCK_SIM_EVENT_WAKE,
                                                             .client = client,
                                                             .life = at->life});
}

static void check_spin(redlock_sim_world *world, redlock_sim_client *at) {
    at->spins = at->spin_at == world->now ? at->spins + 1 : 0;
    at->spin_at = world->now;
    if (at->spins > SPINS_MAX) {
        redlock_sim_complain(world, "C8", "a core takes %u steps while no time passes", SPINS_MAX);
    }
}

void redlock_sim_step(redlock_sim_world *world, uint32_t client, redlock_fact *fact) {
    redlock_sim_client *at = &world->client[client];
    redlock_wish wish, behind;
    check_spin(world, at);
    redlock_core_step(at->core, fact, redlock_sim_local(at, world->now));
    for (bool has_more = redlock_core_next(at->core, &wish); has_more; wish = behind) {
        has_more = redlock_core_next(at->core, &behind);
        if (has_more && is_claim_of(&wish, &behind)) {
            carry_out_claim(world, client, &wish, &behind);
            has_more = redlock_core_next(at->core, &behind);
        } else {
            carry_out(world, client, &wish);
        }
    }
    redlock_core_check(at->core);
    redlock_sim_check_step(world, client);
    wake_set(world, client);
}

static void wake(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_sim_client *at = &world->client[event->client];
    if (event->at < at->wake_at) {
        return; /* an older one */
    }
    at->wake_at = REDLOCK_NEVER;
    if (redlock_core_deadline(at->core) <= redlock_sim_local(at, world->now)) {
        redlock_fact fact = {.kind = REDLOCK_FACT_TIME};
        redlock_sim_step(world, event->client, &fact);
    } else {
        wake_set(world, event->client);
    }
}

/* The next attempt's token: a fresh one, but for those who brought their own. */
static void token_given(redlock_sim_world *world, const redlock_sim_event *event) {
    redlock_sim_lock *lock = &world->lock[event->number];
    if (lock->is_gone) {
        return;
    }
    uint8_t text[REDLOCK_SIM_TOKEN_BYTES];
    if (!lock->is_own_token) {
        uint32_t token = redlock_sim_token_new(world, event->number);
        world->token[token].next = lock->token;
        lock->token = token;
    }
    redlock_fact fact = {.kind = REDLOCK_FACT_TOKEN, .slot = lock->slot};
    fact.as.token.token = redlock_sim_token_text(lock->token, text);
    fact.as.token.wall_us = redlock_sim_client_wall_us(world, &world->client[event->client]);
    lock->begun_at = 0;
    lock->said_no = lock->said_else = 0;
    lock->decided_local = 0;
    memset(lock->yes_sent, 0, sizeof lock->yes_sent);
    redlock_sim_step(world, event->client, &fact);
}

/* --- nodes ----------------------------------------------------------------------------------- */

static const char *run_id_next(redlock_sim_world *world, char *text) {
    (void)snprintf(text, REDLOCK_RUN_ID_BYTES + 1, "%040" PRIx32, ++world->runs);
    return text;
}

void redlock_sim_node_crash(redlock_sim_world *world, uint32_t node, redlock_sim_loss loss) {
    redlock_sim_node *at = &world->node[node];
    at->is_down = true;
    at->loss = loss;
    at->life++;
    at->paused_until = 0;
    redlock_sim_listen_node_gone(world, node);
}

void redlock_sim_node_restart(redlock_sim_world *world, uint32_t node) {
    char run_id[REDLOCK_RUN_ID_BYTES + 1];
    redlock_sim_node *at = &world->node[node];
    if (!at->is_down) {
        return;
    }
    redlock_sim_trace_node(world, node, "starts again");
    redlock_sim_server_set_clock(at->server, redlock_sim_node_wall_us(world, node));
    redlock_sim_server_restart(at->server, at->loss, run_id_next(world, run_id));
    at->lost_at = at->loss == REDLOCK_SIM_LOSE_NOTHING ? at->lost_at : world->now;
    at->is_down = false;
}

void redlock_sim_node_declare(redlock_sim_world *world, uint32_t node) {
    char run_id[REDLOCK_RUN_ID_BYTES + 1];
    (void)snprintf(run_id, sizeof run_id, "%040" PRIx32,
                   node + 1); /* as create named its first run */
    redlock_command command = {
        .kind = REDLOCK_COMMAND_DECLARE, .teach = true, .run_id = redlock_bytes_of(run_id)};
    redlock_sim_server_set_clock(world->node[node].server, redlock_sim_node_wall_us(world, node));
    (void)redlock_sim_server_command(world->node[node].server, &command, redlock_bytes_of(""));
    redlock_sim_server_sync(world->node[node].server);
}

static void second(redlock_sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        redlock_sim_node *node = &world->node[i];
        if (!node->is_down && node->paused_until <= world->now) {
            redlock_sim_server_sync(node->server);
        }
    }
    redlock_sim_check_overdue(world);
    redlock_sim_queue_check_second(world);
    redlock_sim_queue_put(&world->queue, (redlock_sim_event){.at = world->now + REDLOCK_NS_PER_S,
                                                             .kind = REDLOCK_SIM_EVENT_SECOND});
}

/* --- the loop -------------------------------------------------------------------------------- */

static bool is_of_process(redlock_sim_event_kind kind) {
    return kind == REDLOCK_SIM_EVENT_TOKEN || kind == REDLOCK_SIM_EVENT_WAKE ||
           kind == REDLOCK_SIM_EVENT_USER || kind == REDLOCK_SIM_EVENT_WRITE;
}

static bool is_at_client(redlock_sim_event_kind kind) {
    return is_of_process(kind) || kind == REDLOCK_SIM_EVENT_ACCEPTED ||
           kind == REDLOCK_SIM_EVENT_TO_CLIENT || kind == REDLOCK_SIM_EVENT_DOWN ||
           kind == REDLOCK_SIM_EVENT_EAR_ON || kind == REDLOCK_SIM_EVENT_EAR_WAKE ||
           kind == REDLOCK_SIM_EVENT_EAR_DOWN;
}

static bool is_at_node(redlock_sim_event_kind kind) {
    return kind == REDLOCK_SIM_EVENT_CALL || kind == REDLOCK_SIM_EVENT_TO_NODE ||
           kind == REDLOCK_SIM_EVENT_HANG_UP || kind == REDLOCK_SIM_EVENT_EAR_CALL ||
           kind == REDLOCK_SIM_EVENT_EAR_HANG_UP;
}

/* Who stands still finds everything in its order when it goes on. */
static bool is_put_off(redlock_sim_world *world, redlock_sim_event *event) {
    redlock_ns until = 0;
    if (is_at_client(event->kind)) {
        until = world->client[event->client].frozen_until;
    } else if (is_at_node(event->kind)) {
        until = world->node[event->node].paused_until;
    }
    if (until <= world->now) {
        return false;
    }
    event->at = until;
    if (event->kind == REDLOCK_SIM_EVENT_WAKE) {
        /* A driver looks at its sockets first, unless it has just done so when it was stopped. */
        event->at += redlock_sim_one_in(&world->mishap, 2) ? 1 : 0;
        world->client[event->client].wake_at = event->at;
    }
    redlock_sim_queue_put_off(&world->queue, *event);
    return true;
}

static void happen(redlock_sim_world *world, redlock_sim_event *event) {
    switch (event->kind) {
    case REDLOCK_SIM_EVENT_CALL:
    case REDLOCK_SIM_EVENT_TO_NODE:
    case REDLOCK_SIM_EVENT_HANG_UP:
    case REDLOCK_SIM_EVENT_ACCEPTED:
    case REDLOCK_SIM_EVENT_TO_CLIENT:
    case REDLOCK_SIM_EVENT_DOWN:
        redlock_sim_link_event(world, event);
        return;
    case REDLOCK_SIM_EVENT_EAR_CALL:
    case REDLOCK_SIM_EVENT_EAR_HANG_UP:
    case REDLOCK_SIM_EVENT_EAR_ON:
    case REDLOCK_SIM_EVENT_EAR_WAKE:
    case REDLOCK_SIM_EVENT_EAR_DOWN:
        redlock_sim_listen_event(world, event);
        return;
    case REDLOCK_SIM_EVENT_TOKEN:
        token_given(world, event);
        return;
    case REDLOCK_SIM_EVENT_WAKE:
        wake(world, event);
        return;
    case REDLOCK_SIM_EVENT_USER:
        redlock_sim_user_act(world, event);
        return;
    case REDLOCK_SIM_EVENT_WRITE:
        redlock_sim_user_write(world, event);
        return;
    case REDLOCK_SIM_EVENT_STORE:
        redlock_sim_check_store(world, event->number, event->value);
        return;
    case REDLOCK_SIM_EVENT_SECOND:
        second(world);
        return;
    case REDLOCK_SIM_EVENT_FAULT:
        redlock_sim_fault_happen(world, event);
        return;
    case REDLOCK_SIM_EVENT_MEND:
        redlock_sim_fault_mend(world, event);
        return;
    }
}

static void run_until(redlock_sim_world *world, redlock_ns limit) {
    redlock_sim_event event;
    while (world->complaint[0] == '\0' && redlock_sim_queue_due(&world->queue) <= limit &&
           redlock_sim_queue_take(&world->queue, &event)) {
        world->now = event.at;
        if (is_of_process(event.kind) && event.life != world->client[event.client].life) {
            free(event.parcel);
            continue; /* of a process that is gone */
        }
        if (is_put_off(world, &event)) {
            continue;
        }
        world->counts.events++;
        hash_add(world, event.at ^ (uint64_t)event.kind << 56 ^ (uint64_t)event.client << 48 ^
                            event.value);
        happen(world, &event);
        free(event.parcel);
    }
    world->now = world->complaint[0] == '\0' ? limit : world->now;
}

/* How long the last waiter may wait once everything is well: every holder's time, every silence. */
static redlock_ns calm_max(const redlock_sim_world *world) {
    const redlock_sim_plan *plan = &world->plan;
    redlock_ns lease = plan->ttl + plan->margin + world->lag;
    redlock_ns turn =
        plan->hold * 4 + plan->ttl + plan->node_timeout * 40 + plan->connect_timeout * 4;
    return 2 * (lease + plan->guard) + 2 * world->lag + (world->live_count + 2) * turn +
           plan->node_timeout * 100 + plan->silence_max * 4 + plan->ttl * 8;
}

bool redlock_sim_world_run(redlock_sim_world *world) {
    run_until(world, REDLOCK_SIM_START + world->plan.storm);
    redlock_ns limit = world->now + calm_max(world);
    redlock_sim_fault_end(world);
    world->calm_at = world->now;
    while (world->complaint[0] == '\0' && world->live_count > 0 && world->now < limit) {
        run_until(world, world->now + world->plan.ttl);
    }
    if (world->live_count > 0 && world->complaint[0] == '\0') {
        const redlock_sim_lock *lock = &world->lock[world->live[0]];
        redlock_sim_complain(world, "C10",
                             "all is well again since %" PRIu64 " ms, and a lock of %c is still %s",
                             (world->now - world->calm_at) / MS, (char)('A' + lock->client),
                             lock->acquired_at == 0 ? "waited for" : "not gone");
    }
    if (world->complaint[0] == '\0') {
        run_until(world, world->now + world->plan.ttl * 2 + world->plan.margin * 2 + world->lag +
                             100 * MS);
        redlock_sim_check_end(world);
    }
    world->counts.simulated = world->now - REDLOCK_SIM_START;
    return world->complaint[0] == '\0';
}

/* --- beginning and end ----------------------------------------------------------------------- */

static int64_t spread(redlock_prng *prng, int64_t most) {
    return (int64_t)redlock_prng_upto(prng, (uint64_t)most * 2) - most;
}

static void begin_nodes(redlock_sim_world *world) {
    char run_id[REDLOCK_RUN_ID_BYTES + 1];
    bool drifts = world->plan.has[REDLOCK_SIM_TROUBLE_DRIFT];
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        redlock_sim_node *node = &world->node[i];
        node->drift_ppm = drifts ? spread(&world->clocks, world->plan.drift_ppm) : 0;
        node->offset_us = spread(&world->clocks, 2000000);
        node->server = redlock_sim_server_create(world->plan.seed + i, run_id_next(world, run_id));
        if (world->plan.is_old) {
            redlock_sim_server_be_old(node->server);
        }
        redlock_sim_server_be(node->server, world->plan.make);
        if (i % 2 == 0) {
            redlock_sim_server_deny(node->server, world->plan.denial, world->plan.denies_each);
        }
        redlock_sim_mutant_patch(node->server);
        if (world->plan.is_declared) {
            redlock_sim_node_declare(world, i);
        }
    }
}

static void begin_clients(redlock_sim_world *world) {
    const redlock_sim_plan *plan = &world->plan;
    for (uint32_t c = 0; c < plan->clients; c++) {
        redlock_sim_client *client = &world->client[c];
        client->drift_ppm =
            plan->has[REDLOCK_SIM_TROUBLE_DRIFT] ? spread(&world->clocks, plan->drift_ppm) : 0;
        client->skew_us =
            plan->has[REDLOCK_SIM_TROUBLE_SKEW] ? spread(&world->clocks, plan->skew_max_us) : 0;
        for (uint32_t n = 0; n < plan->nodes; n++) {
            client->link[n].way =
                plan->latency / 2 + redlock_prng_upto(&world->network, plan->latency / 2);
            client->link[n].jitter = plan->jitter;
        }
        for (uint32_t u = 0; u < plan->users; u++) {
            client->user[u].own_token = REDLOCK_SIM_NONE;
        }
        redlock_sim_client_start(world, c);
    }
}

redlock_sim_world *redlock_sim_world_create(redlock_sim_kind kind, uint64_t seed,
                                            struct redlock_sim_trace *trace,
                                            struct redlock_sim_picture *picture) {
    redlock_sim_world *world = redlock_sim_zeroed(1, sizeof *world);
    redlock_sim_plan_draw(&world->plan, kind, seed);
    world->trace = trace;
    world->picture = picture;
    world->now = REDLOCK_SIM_START;
    world->hash = seed;
    world->scratch = redlock_sim_zeroed(1, REDLOCK_HELLO_BYTES_MAX);
    redlock_prng_init(&world->network, seed * 8 + 2);
    redlock_prng_init(&world->clocks, seed * 8 + 3);
    redlock_prng_init(&world->workload, seed * 8 + 4);
    redlock_prng_init(&world->jitter, seed * 8 + 5);
    redlock_prng_init(&world->mishap, seed * 8 + 6);
    begin_nodes(world);
    begin_clients(world);
    redlock_sim_fault_begin(world);
    redlock_sim_queue_put(&world->queue,
                          (redlock_sim_event){.at = world->now, .kind = REDLOCK_SIM_EVENT_SECOND});
    return world;
}

void redlock_sim_world_destroy(redlock_sim_world *world) {
    if (world == NULL) {
        return;
    }
    for (uint32_t c = 0; c < world->plan.clients; c++) {
        client_free(&world->client[c]);
        for (uint32_t n = 0; n < world->plan.nodes; n++) {
            free(world->client[c].link[n].pending);
            free(world->client[c].link[n].in);
        }
    }
    for (uint32_t n = 0; n < world->plan.nodes; n++) {
        redlock_sim_server_destroy(world->node[n].server);
    }
    for (uint32_t i = 0; i < REDLOCK_SIM_NAMES_MAX; i++) {
        free(world->resource[i].log);
        free(world->resource[i].fences);
    }
    redlock_sim_queue_deinit(&world->queue);
    free(world->lock);
    free(world->live);
    free(world->token);
    free(world->scratch);
    free(world);
}
