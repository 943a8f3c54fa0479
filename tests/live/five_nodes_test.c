/* five_nodes_test.c -- a quorum of real servers: nodes that die, hang, restart empty, lose their
 * scripts or our connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet.h"

#define NODES 5u

static test_fleet fleet;
static redlock_client *client;

static int group_setup(void **state) {
    (void)state;
    test_fleet_start(&fleet, NODES, false);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_fleet_stop(&fleet);
    return 0;
}

static int setup(void **state) {
    (void)state;
    test_fleet_clear(&fleet);
    client = test_fleet_client(&fleet, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet,
                           5000); /* a release that waited for a connection ended with the client */
    return 0;
}

static void ask_every_node(const char *a, const char *b, const char *c) {
    for (uint32_t i = 0; i < NODES; i++) {
        if (test_server_pid(fleet.server[i]) != 0) {
            free(test_server_ask(fleet.server[i], a, b, c, NULL));
        }
    }
}

static uint32_t count_holding(const redlock_lock *lock) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        count += test_server_pid(fleet.server[i]) != 0 &&
                 test_value_is(fleet.server[i], redlock_lock_name(lock, NULL),
                               redlock_lock_token(lock, NULL));
    }
    return count;
}

/* Grants that come after the quorum join the hold, and what they have missed renewals heal: in the end
 * it lies on `wanted` nodes. */
static void assert_holding_becomes(const redlock_lock *lock, uint32_t wanted) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (count_holding(lock) != wanted && test_now_ms() < until) {
        test_nap_ms(10);
    }
    assert_int_equal(count_holding(lock), wanted);
}

/* The nodes whose votes have this status after one more round of questions. */
static uint32_t count_voting(redlock_lock *lock, int status, redlock_report *report) {
    uint32_t count = 0;
    report->struct_size = sizeof *report;
    TEST_STATUS(redlock_extend(lock, 0, report), REDLOCK_OK, report);
    for (uint32_t i = 0; i < NODES; i++) {
        count += report->node[i].status == status;
    }
    return count;
}

/* --- quorums --------------------------------------------------------------------------------- */

static void all_five_hold(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "job", 8000), *other = NULL;
    assert_true(redlock_lock_fence(lock) > 0);
    assert_holding_becomes(lock, NODES);
    redlock_client *second = test_fleet_client(&fleet, NULL);
    redlock_report report = REDLOCK_INIT(redlock_report);
    TEST_STATUS(test_acquire(second, "job", NULL, &other, &report), REDLOCK_HELD, &report);
    redlock_client_destroy(second);
    test_give(lock);
}

static void fences_grow_over_changing_quorums(void **state) {
    (void)state;
    uint64_t last = 0;
    for (uint32_t i = 0; i < 60; i++) {
        if (i % 20 == 10) {
            test_server_pause(fleet.server[i / 20]);
        }
        redlock_lock *lock = test_take(client, "job", 8000);
        assert_true(redlock_lock_fence(lock) > last);
        last = redlock_lock_fence(lock);
        test_give(lock);
        if (i % 20 == 19) {
            test_server_resume(fleet.server[i / 20]);
        }
    }
    test_fleet_assert_free(&fleet, 5000);
}

static void dead_minority_and_dead_majority(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *none = NULL;
    for (uint32_t dead = 1; dead <= 2; dead++) {
        test_server_kill(fleet.server[dead]);
        redlock_lock *lock = test_take(client, "job", 8000);
        assert_holding_becomes(lock, NODES - dead);
        test_give(lock);
    }
    test_server_kill(fleet.server[4]);
    int64_t took_ms = INT64_MAX;
    for (int i = 0; i < 5 && took_ms >= 800; i++) { /* a busy machine may be slow once */
        int64_t before = test_now_ms();
        TEST_STATUS(redlock_acquire(client, "job", 3, NULL, &none, &report), REDLOCK_NO_QUORUM,
                    &report);
        took_ms = test_now_ms() - before;
    }
    assert_true(took_ms < 800); /* before any timeout */
    test_fleet_assert_free(&fleet, 5000);
}

static void hung_node_changes_nothing(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "warm", 8000);
    test_give(lock);
    test_server_pause(fleet.server[2]);
    lock = test_take(client, "job", 2000);
    test_give(lock);
    redlock_client *fresh = test_fleet_client(&fleet, NULL);
    lock = test_take(fresh, "job", 2000); /* it never saw the hung node */
    test_give(lock);
    test_server_resume(fleet.server[2]);
    test_fleet_assert_free(&fleet, 5000);
    redlock_client_destroy(fresh);
    lock = test_take(client, "job", 8000);
    test_give(lock);
}

static void two_clients_take_turns(void **state) {
    (void)state;
    redlock_client *second = test_fleet_client(&fleet, NULL);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    uint64_t last = 0;
    options.ttl_ms = 5000;
    options.wait_ms = TEST_PATIENCE_MS;
    options.retry_min_ms = 5;
    options.retry_jitter_ms = 20;
    for (int i = 0; i < 20; i++) {
        redlock_client *const now = i % 2 == 0 ? client : second, *const then =
                                                                      i % 2 == 0 ? second : client;
        redlock_lock *lock = NULL, *none = NULL;
        TEST_STATUS(redlock_acquire(now, "job", 3, &options, &lock, &report), REDLOCK_OK, &report);
        TEST_STATUS(test_acquire(then, "job", NULL, &none, &report), REDLOCK_HELD, &report);
        assert_true(redlock_lock_fence(lock) > last);
        last = redlock_lock_fence(lock);
        test_give(lock);
    }
    redlock_client_destroy(second);
}

/* --- restart guard --------------------------------------------------------------------------- */

static void new_nodes_are_not_ready(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *none = NULL;
    ask_every_node("FLUSHALL", NULL, NULL);
    TEST_STATUS(test_acquire(client, "job", NULL, &none, &report), REDLOCK_NOT_READY, &report);
    assert_non_null(strstr(report.sentence, "redlock init"));
    ask_every_node("FLUSHALL", NULL, NULL); /* asking began the silence: as if it had not */
    TEST_STATUS(redlock_client_init_nodes(client, 0, &report), REDLOCK_OK, &report);
    TEST_STATUS(redlock_client_init_nodes(client, 0, &report), REDLOCK_OK,
                &report); /* again is fine */
    test_give(test_take(client, "job", 8000));
}

static void node_restarted_empty_gives_no_vote(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(client, "job", 8000);
    test_give(lock);
    test_server_restart(fleet.server[1], true);
    redlock_client *fresh = test_fleet_client(&fleet, NULL);
    lock = test_take(fresh, "job", 8000);
    assert_holding_becomes(lock, NODES - 1);
    int64_t until =
        test_now_ms() + TEST_PATIENCE_MS; /* its connection may be the last to be ready */
    while (count_voting(lock, REDLOCK_NOT_READY, &report) != 1 && test_now_ms() < until) {
        test_nap_ms(10);
    }
    assert_int_equal(report.node[1].status, REDLOCK_NOT_READY);
    assert_true(report.node[1].left_ms > 60000);
    assert_int_equal(test_lock_count(fleet.server[1]), 0);
    TEST_STATUS(redlock_client_init_nodes(fresh, 0, &report), REDLOCK_NOT_READY, &report);
    TEST_STATUS(redlock_client_init_nodes(fresh, 1, &report), REDLOCK_OK, &report);
    assert_true(test_is_renewed(lock));
    assert_holding_becomes(lock, NODES);
    test_give(lock);
    redlock_client_destroy(fresh);
}

static void emptied_node_is_noticed(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(client, "job", 8000);
    assert_holding_becomes(lock, NODES);
    free(test_server_ask(fleet.server[3], "FLUSHALL", NULL));
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (count_voting(lock, REDLOCK_NOT_READY, &report) != 1 && test_now_ms() < until) {
        test_nap_ms(10);
    }
    assert_int_equal(report.node[3].status, REDLOCK_NOT_READY);
    assert_int_equal(test_lock_count(fleet.server[3]), 0);
    assert_holding_becomes(lock, NODES - 1);
    test_give(lock);
}

static void without_guard_a_node_is_healed(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_GUARD_OFF;
    redlock_client *open = test_fleet_client(&fleet, &options);
    redlock_lock *lock = test_take_kept(open, "job", 6000, 300);
    assert_holding_becomes(lock, NODES);
    test_server_restart(fleet.server[0], true);
    assert_holding_becomes(lock, NODES);
    assert_true(redlock_lock_is_held(lock));
    free(test_server_ask(fleet.server[4], "DEL", "job", NULL));
    assert_holding_becomes(lock, NODES);
    test_give(lock);
    redlock_client_destroy(open);
}

/* --- renewing against odds ------------------------------------------------------------------- */

static void forgotten_scripts_are_taught_again(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 400);
    ask_every_node("SCRIPT", "FLUSH", NULL);
    assert_true(test_is_renewed(lock));
    assert_true(test_is_renewed(lock));
    ask_every_node("SCRIPT", "FLUSH", NULL);
    test_give(lock);
    ask_every_node("SCRIPT", "FLUSH", NULL);
    test_give(test_take(client, "job", 8000));
}

static void killed_connections_come_back(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 400);
    for (int i = 0; i < 3; i++) {
        for (uint32_t node = 0; node < NODES; node++) {
            free(test_server_ask(fleet.server[node], "CLIENT", "KILL", "TYPE", "normal", NULL));
        }
        assert_true(test_is_renewed(lock));
    }
    test_give(lock);
}

static void hold_outlives_a_dead_minority(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_kept(client, "job", 3000, 400);
    test_server_kill(fleet.server[0]);
    test_server_pause(fleet.server[1]);
    assert_true(test_is_renewed(lock));
    assert_true(test_is_renewed(lock));
    test_server_pause(fleet.server[2]);   /* a majority is gone now */
    int64_t until = test_now_ms() + 3000; /* its ttl */
    while (redlock_lock_is_held(lock) && test_now_ms() < until) {
        test_nap_ms(5);
    }
    assert_false(redlock_lock_is_held(lock));
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
    test_server_resume(fleet.server[1]);
    test_server_resume(fleet.server[2]);
    test_fleet_assert_free(&fleet, TEST_PATIENCE_MS);
}

/* The answers of the slower nodes are still on their way when the client ends. */
static void ending_at_once_leaves_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        redlock_client *brief = test_fleet_client(&fleet, NULL);
        test_give(test_take(brief, "job", 8000));
        redlock_client_destroy(brief);
        test_fleet_assert_free(&fleet, 5000);
    }
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(all_five_hold),
        LIVE(fences_grow_over_changing_quorums),
        LIVE(dead_minority_and_dead_majority),
        LIVE(hung_node_changes_nothing),
        LIVE(two_clients_take_turns),
        LIVE(new_nodes_are_not_ready),
        LIVE(node_restarted_empty_gives_no_vote),
        LIVE(emptied_node_is_noticed),
        LIVE(without_guard_a_node_is_healed),
        LIVE(forgotten_scripts_are_taught_again),
        LIVE(killed_connections_come_back),
        LIVE(ending_at_once_leaves_nothing),
        LIVE(hold_outlives_a_dead_minority),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
