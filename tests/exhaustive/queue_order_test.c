/* queue_order_test.c -- who waits is served in the order in which the questions reached the node.
 *
 * Random worlds without a fault: users of several clients ask for one name at random instants, hold it
 * for a while and give it back.  On one node the order in which they get it must be the order in which
 * their first questions arrived, which the twin knows from the instants and the links alone.  On
 * several nodes, where each gives its own votes, everybody must be served, one at a time, though some
 * pass over the queue. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define USERS_MAX 40u
#define WORLDS_FIFO 400u
#define WORLDS_QUORUM 200u
#define WAY_MAX (5 * REDLOCK_NS_PER_MS)
#define HOLD_MAX (20 * REDLOCK_NS_PER_MS)
#define LIMIT (600 * REDLOCK_NS_PER_S)

typedef struct user {
    uint32_t client, lock;
    bool barges;
    redlock_ns asks_at, holds_for, gives_back_at; /* NEVER: not yet known, or done */
    redlock_ns arrives_at;                        /* the twin's: at the only node */
} user;

typedef struct party { /* all users of one world */
    redlock_world *world;
    redlock_prng prng;
    user user[USERS_MAX];
    uint32_t user_count;
    uint32_t served[USERS_MAX]; /* in the order in which they were */
    uint32_t served_count, holding;
    uint64_t fence;
} party;

static uint32_t user_of_lock(const party *all, uint32_t lock) {
    uint32_t i = 0;
    while (i < all->user_count && all->user[i].lock != lock) {
        i++;
    }
    return i;
}

/* A user is told something: whoever acquires plans to give back. */
static void told(void *context, redlock_world *world, uint32_t lock, redlock_tell tell) {
    party *all = context;
    uint32_t index = user_of_lock(all, lock);
    assert_int_not_equal(tell, REDLOCK_TELL_FAILED);
    assert_int_not_equal(tell, REDLOCK_TELL_LOST);
    if (tell == REDLOCK_TELL_ACQUIRED && index < all->user_count) {
        assert_int_equal(all->holding, 0);
        assert_true(world->lock[lock].fence > all->fence);
        all->fence = world->lock[lock].fence;
        all->holding++;
        all->served[all->served_count++] = index;
        all->user[index].gives_back_at = world->now + all->user[index].holds_for;
    }
}

static redlock_seek seek_waiting(void) {
    redlock_seek seek = redlock_world_seek();
    seek.wait = REDLOCK_NEVER;
    seek.queued = true;
    return seek;
}

/* Each client has waited before, so that nodes can wake it: until then it may be passed over. */
static void everybody_listens(redlock_world *world) {
    redlock_seek seek = seek_waiting();
    for (uint32_t n = 0; n < world->config.node_count; n++) {
        redlock_world_plant(world, n, "warm up", "OTHER", REDLOCK_NS_PER_S, 0);
    }
    for (uint32_t c = 0; c < world->config.client_count; c++) {
        uint32_t lock = redlock_world_acquire(world, c, "warm up", &seek, NULL);
        redlock_world_run_until(world, world->now + 100 * REDLOCK_NS_PER_MS);
        redlock_world_cancel(world, lock);
    }
    redlock_world_run_until(world, world->now + REDLOCK_NS_PER_S);
}

static void party_begin(party *all, uint64_t seed, uint32_t node_count) {
    memset(all, 0, sizeof *all);
    redlock_prng_init(&all->prng, seed);
    redlock_world_config config = {
        .client_count = 2 + (uint32_t)redlock_prng_upto(&all->prng, 3),
        .node_count = node_count,
        .seed = seed,
    };
    all->world = redlock_world_create(&config);
    for (uint32_t c = 0; c < config.client_count; c++) {
        for (uint32_t n = 0; n < node_count; n++) {
            redlock_world_link *link = &all->world->client[c].link[n];
            link->there = 1 + redlock_prng_upto(&all->prng, WAY_MAX);
            link->back = 1 + redlock_prng_upto(&all->prng, WAY_MAX);
        }
    }
    redlock_world_warm_up(all->world);
    everybody_listens(all->world);
    all->world->on_tell = told;
    all->world->context = all;
}

/* Closely one after the other, or hardly ever two at a time. */
static void users_plan(party *all, uint32_t user_count) {
    redlock_ns spread = redlock_prng_upto(&all->prng, 2 * HOLD_MAX);
    redlock_ns at = all->world->now;
    all->user_count = user_count;
    for (uint32_t i = 0; i < all->user_count; i++) {
        user *made = &all->user[i];
        at += 1 + redlock_prng_upto(&all->prng, spread);
        made->client = (uint32_t)redlock_prng_upto(&all->prng, all->world->config.client_count - 1);
        made->lock = REDLOCK_WORLD_LOCK_NONE;
        made->asks_at = at;
        made->holds_for = redlock_prng_upto(&all->prng, HOLD_MAX);
        made->gives_back_at = REDLOCK_NEVER;
        made->arrives_at = at + all->world->client[made->client].link[0].there;
    }
}

static redlock_ns next_plan(const party *all) {
    redlock_ns next = REDLOCK_NEVER;
    for (uint32_t i = 0; i < all->user_count; i++) {
        next = redlock_ns_min(next, all->user[i].asks_at);
        next = redlock_ns_min(next, all->user[i].gives_back_at);
    }
    return next;
}

static void act(party *all, uint32_t index) {
    user *now = &all->user[index];
    if (all->world->now >= now->asks_at) {
        redlock_seek seek = seek_waiting();
        now->asks_at = REDLOCK_NEVER;
        seek.barge = now->barges;
        now->lock = redlock_world_acquire(all->world, now->client, "job", &seek, NULL);
    } else if (all->world->now >= now->gives_back_at) {
        now->gives_back_at = REDLOCK_NEVER;
        all->holding--;
        redlock_world_release(all->world, now->lock);
    }
}

static void party_run(party *all) {
    while (all->served_count < all->user_count || all->holding > 0) {
        if (redlock_world_until_told(all->world, redlock_ns_min(next_plan(all), LIMIT))) {
            continue; /* the plans may have changed */
        }
        if (all->world->now >= LIMIT) {
            fail_msg("%" PRIu32 " of %" PRIu32 " were served", all->served_count, all->user_count);
        }
        for (uint32_t i = 0; i < all->user_count; i++) {
            act(all, i);
        }
    }
    redlock_world_run_until(all->world, all->world->now + 20 * REDLOCK_NS_PER_S);
}

/* Nothing is left when all have been served. */
static void party_end(party *all) {
    for (uint32_t n = 0; n < all->world->config.node_count; n++) {
        assert_int_equal(redlock_world_value(all->world, n, "job").len, 0);
        assert_null(redlock_model_waiter_at(&all->world->node[n].model, redlock_bytes_of("job"), 1,
                                            redlock_world_node_us(all->world, n)));
    }
    redlock_world_destroy(all->world);
}

static void check_order(const party *all, uint64_t seed) {
    for (uint32_t i = 1; i < all->served_count; i++) {
        const user *first = &all->user[all->served[i - 1]], *second = &all->user[all->served[i]];
        if (first->arrives_at > second->arrives_at) {
            fail_msg("seed %" PRIu64 ": %c was served before %c, who had asked %" PRIu64
                     " us before it",
                     seed, 'A' + (char)first->client, 'A' + (char)second->client,
                     (first->arrives_at - second->arrives_at) / REDLOCK_NS_PER_US);
        }
    }
}

static void one_node_serves_in_the_order_of_arrival(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS_FIFO; seed++) {
        party all;
        party_begin(&all, seed, 1);
        users_plan(&all, 2 + (uint32_t)redlock_prng_upto(&all.prng, USERS_MAX - 2));
        party_run(&all);
        check_order(&all, seed);
        party_end(&all);
    }
}

static void several_nodes_serve_everybody(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS_QUORUM; seed++) {
        party all;
        party_begin(&all, seed, 3 + 2 * (uint32_t)(seed % 2));
        users_plan(&all, 2 + (uint32_t)redlock_prng_upto(&all.prng, USERS_MAX - 2));
        for (uint32_t i = 0; i < all.user_count; i++) {
            all.user[i].barges = redlock_prng_upto(&all.prng, 4) < seed % 3;
        }
        party_run(&all);
        party_end(&all);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_serves_in_the_order_of_arrival),
        cmocka_unit_test(several_nodes_serve_everybody),
    };
    return cmocka_run_group_tests_name("queue_order", tests, NULL, NULL);
}
