/* threads_queue_test.c -- waiting in queues on real servers: who is served when, and what a waiter
 * that gives up, dies or is cut off leaves to the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet.h"

#define WAITERS_MAX 24
#define PATIENCE_MS 60000

typedef struct live_bench {
    test_fleet fleet, five;
    test_server *server;
    redlock_client *client;
} live_bench;

static int group_setup(void **state) {
    live_bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    test_fleet_start(&bench->fleet, 1, false);
    test_fleet_start(&bench->five, 5, false);
    test_fleet_init_nodes(&bench->five);
    bench->server = bench->fleet.server[0];
    *state = bench;
    return 0;
}

static int group_teardown(void **state) {
    live_bench *bench = *state;
    test_fleet_stop(&bench->fleet);
    test_fleet_stop(&bench->five);
    free(bench);
    return 0;
}

static int setup(void **state) {
    live_bench *bench = *state;
    free(test_server_ask(bench->server, "FLUSHALL", NULL));
    bench->client = test_fleet_client(&bench->fleet, NULL);
    return 0;
}

static int teardown(void **state) {
    live_bench *bench = *state;
    redlock_client_destroy(bench->client);
    return 0;
}

/* --- waiters --------------------------------------------------------------------------------- */

typedef struct waiter {
    pthread_t thread;
    redlock_client *client;
    redlock_wait *wait;
    redlock_acquire_options options;
    char label[16];
    int64_t hold_ms;
    atomic_int *served; /* counts up: who was when */
    int status, place;
    uint64_t fence;
    int64_t acquired_ms;
} waiter;

static void *waiter_main(void *ctx) {
    waiter *self = ctx;
    redlock_lock *lock = NULL;
    self->options.wait = self->wait;
    self->options.label = self->label;
    self->status = redlock_acquire(self->client, "job", 3, &self->options, &lock, NULL);
    if (self->status == REDLOCK_OK) {
        self->acquired_ms = test_now_ms();
        self->place = atomic_fetch_add(self->served, 1);
        self->fence = redlock_lock_fence(lock);
        test_nap_ms(self->hold_ms);
        (void)redlock_release(lock, NULL);
    }
    return NULL;
}

static void waiter_start(waiter *self, redlock_client *client, int number, int64_t wait_ms,
                         atomic_int *served) {
    *self = (waiter){.client = client, .served = served, .status = 1};
    self->options = (redlock_acquire_options)REDLOCK_INIT(redlock_acquire_options);
    self->options.wait_ms = wait_ms;
    (void)snprintf(self->label, sizeof self->label, "w%d", number);
    assert_int_equal(redlock_wait_create(client, &self->wait), REDLOCK_OK);
}

static void waiter_go(waiter *self) {
    assert_int_equal(pthread_create(&self->thread, NULL, waiter_main, self), 0);
}

static void waiter_end(waiter *self) {
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    redlock_wait_destroy(self->wait);
}

static uint32_t waiter_count(redlock_client *client, redlock_info *info) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    *info = (redlock_info)REDLOCK_INIT(redlock_info);
    int64_t until = test_now_ms() + PATIENCE_MS;
    int status = redlock_inspect(client, "job", 3, info, &report);
    while (test_was_unheard(status, &report) && test_now_ms() < until) {
        status = redlock_inspect(client, "job", 3, info, &report);
    }
    TEST_STATUS(status, REDLOCK_OK, &report);
    return info->waiter_count;
}

/* Until so many wait, and are subscribed. */
static void await_waiters(redlock_client *client, uint32_t count) {
    redlock_info info;
    int64_t until = test_now_ms() + PATIENCE_MS;
    while (waiter_count(client, &info) != count) {
        assert_true(test_now_ms() < until);
        test_nap_ms(2);
    }
}

static void await_subscribers(test_server *server, const char *wanted) {
    int64_t until = test_now_ms() + PATIENCE_MS;
    for (bool is_there = false; !is_there;) {
        char *channels = test_server_ask(server, "PUBSUB", "CHANNELS", "redlock:wake:*", NULL);
        size_t lines = 0;
        for (const char *at = channels; at != NULL && *at != '\0'; at++) {
            lines += *at == '\n';
        }
        is_there = lines == strtoul(wanted, NULL, 10);
        free(channels);
        assert_true(test_now_ms() < until);
        test_nap_ms(is_there ? 0 : 2);
    }
}

/* --- order ----------------------------------------------------------------------------------- */

static void first_in_is_first_out(void **state) {
    live_bench *bench = *state;
    waiter waiters[12];
    atomic_int served = 0;
    redlock_client *other = test_fleet_client(&bench->fleet, NULL);
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    for (int i = 0; i < 12; i++) {
        waiter_start(&waiters[i], i % 2 == 0 ? bench->client : other, i, PATIENCE_MS, &served);
        waiter_go(&waiters[i]);
        await_waiters(bench->client, (uint32_t)i + 1);
    }
    await_subscribers(bench->server, "2");
    uint64_t fence = redlock_lock_fence(lock);
    test_give(lock);
    for (int i = 0; i < 12; i++) {
        waiter_end(&waiters[i]);
        assert_int_equal(waiters[i].status, REDLOCK_OK);
        assert_int_equal(waiters[i].place, i);
        assert_true(waiters[i].fence > fence);
        fence = waiters[i].fence;
    }
    redlock_client_destroy(other);
    test_fleet_assert_free(&bench->fleet, 0);
}

static void inspect_tells_waiters_in_order(void **state) {
    live_bench *bench = *state;
    waiter waiters[3];
    atomic_int served = 0;
    redlock_info info;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    for (int i = 0; i < 3; i++) {
        waiter_start(&waiters[i], bench->client, i, PATIENCE_MS, &served);
        waiter_go(&waiters[i]);
        await_waiters(bench->client, (uint32_t)i + 1);
    }
    assert_int_equal(waiter_count(bench->client, &info), 3);
    assert_string_equal(info.waiters, "w0\nw1\nw2\n");
    redlock_cancel(waiters[1].wait);
    await_waiters(bench->client, 2);
    assert_int_equal(waiter_count(bench->client, &info), 2);
    assert_string_equal(info.waiters, "w0\nw2\n");
    test_give(lock);
    for (int i = 0; i < 3; i++) {
        waiter_end(&waiters[i]);
        assert_int_equal(waiters[i].status, i == 1 ? REDLOCK_CANCELED : REDLOCK_OK);
    }
    assert_int_equal(waiter_count(bench->client, &info), 0);
    assert_string_equal(info.waiters, "");
}

static void an_info_of_the_first_release_is_filled(void **state) {
    live_bench *bench = *state;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    redlock_info info;
    memset(&info, 0x5a, sizeof info);
    info.struct_size = offsetof(redlock_info, waiter_count);
    assert_int_equal(redlock_inspect(bench->client, "job", 3, &info, NULL), REDLOCK_OK);
    assert_int_equal(info.holder_count, 1);
    assert_int_equal(info.waiter_count, 0x5a5a5a5a); /* not its caller's memory */
    test_give(lock);
}

static void place_is_told(void **state) {
    live_bench *bench = *state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_EVENT_QUEUE;
    redlock_client *client = test_fleet_client(&bench->fleet, &options);
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    waiter one;
    atomic_int served = 0;
    waiter_start(&one, client, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    redlock_event event = {.kind = 0};
    for (int64_t until = test_now_ms() + PATIENCE_MS; event.kind != REDLOCK_EVENT_WAITING;) {
        assert_true(test_now_ms() < until);
        if (!redlock_client_next_event(client, &event)) {
            test_nap_ms(2);
        }
    }
    assert_int_equal(event.place, 1);
    assert_ptr_equal(event.wait, one.wait);
    test_give(lock);
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    redlock_client_destroy(client);
}

/* Who tries once does not take a name that others wait for, unless it barges. */
static void newcomers_do_not_overtake(void **state) {
    live_bench *bench = *state;
    redlock_client *other = test_fleet_client(&bench->fleet, NULL);
    waiter one;
    atomic_int served = 0;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = test_take(bench->client, "job", 20000), *stolen = NULL;
    waiter_start(&one, other, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    await_subscribers(bench->server, "1");
    free(test_server_ask(bench->server, "DEL", "job", NULL)); /* free, and nobody was told */
    int status = test_acquire(bench->client, "job", &options, &stolen, NULL);
    assert_int_equal(status, REDLOCK_HELD);
    waiter_end(&one); /* that attempt has woken it */
    assert_int_equal(one.status, REDLOCK_OK);
    (void)redlock_release(lock, NULL);
    redlock_client_destroy(other);
}

/* HELD when the waiter was faster: it asks once more when it is subscribed. */
static int barge_past_one(live_bench *bench) {
    redlock_client *other = test_fleet_client(&bench->fleet, NULL);
    waiter one;
    atomic_int served = 0;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = test_take(bench->client, "job", 20000), *stolen = NULL;
    waiter_start(&one, other, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    await_subscribers(bench->server, "1");
    test_nap_ms(50);
    free(test_server_ask(bench->server, "DEL", "job", NULL));
    options.flags = REDLOCK_ACQUIRE_BARGE;
    int status = test_acquire(bench->client, "job", &options, &stolen, NULL);
    if (status == REDLOCK_OK) {
        test_give(stolen);
    }
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    (void)redlock_release(lock, NULL);
    redlock_client_destroy(other);
    return status;
}

static void barging_takes_what_is_free(void **state) {
    int status = REDLOCK_HELD;
    for (int i = 0; i < 10 && status == REDLOCK_HELD; i++) {
        status = barge_past_one(*state);
    }
    assert_int_equal(status, REDLOCK_OK);
}

/* --- giving up ------------------------------------------------------------------------------- */

static void who_times_out_leaves_the_queue(void **state) {
    live_bench *bench = *state;
    waiter one;
    atomic_int served = 0;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    waiter_start(&one, bench->client, 0, 1000, &served);
    waiter_go(&one);
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_TIMEOUT);
    await_waiters(bench->client, 0);
    test_give(lock);
    test_fleet_assert_free(&bench->fleet, 5000);
}

/* A process of its own that waits, for killing and freezing; it says on a pipe when it holds. */
static pid_t child_that_waits(live_bench *bench, int *ret_told) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
        redlock_lock *lock = NULL;
        redlock_client *client = NULL;
        options.wait_ms = PATIENCE_MS;
        (void)close(ends[0]);
        if (redlock_client_create(bench->fleet.url, 1, NULL, &client, NULL) == REDLOCK_OK &&
            redlock_acquire(client, "job", 3, &options, &lock, NULL) == REDLOCK_OK) {
            (void)!write(ends[1], "h", 1); /* the test reads it */
            (void)redlock_release(lock, NULL);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    *ret_told = ends[0];
    return child;
}

static void dead_waiters_at_the_head_are_passed_over(void **state) {
    live_bench *bench = *state;
    enum { DEAD = 20 };
    pid_t dead[DEAD];
    int told[DEAD];
    waiter one;
    atomic_int served = 0;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    for (int i = 0; i < DEAD; i++) {
        dead[i] = child_that_waits(bench, &told[i]);
    }
    await_waiters(bench->client, DEAD);
    waiter_start(&one, bench->client, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, DEAD + 1);
    await_subscribers(bench->server, "21");
    for (int i = 0; i < DEAD; i++) {
        assert_int_equal(kill(dead[i], SIGKILL), 0);
        assert_int_equal(waitpid(dead[i], NULL, 0), dead[i]);
        (void)close(told[i]);
    }
    await_subscribers(bench->server, "1");
    int64_t released_ms = test_now_ms();
    test_give(lock);
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    /* Less than any lease or poll; ./dev bench handoff has the figure. */
    assert_true(one.acquired_ms - released_ms < 4000);
}

static void a_frozen_waiter_costs_no_more_than_its_grant(void **state) {
    live_bench *bench = *state;
    int told;
    waiter one;
    atomic_int served = 0;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    pid_t frozen = child_that_waits(bench, &told);
    await_waiters(bench->client, 1);
    waiter_start(&one, bench->client, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 2);
    await_subscribers(bench->server, "2");
    assert_int_equal(kill(frozen, SIGSTOP), 0);
    int64_t released_ms = test_now_ms();
    test_give(lock);
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    assert_true(one.acquired_ms - released_ms >= 1900); /* it was handed the name */
    assert_true(one.acquired_ms - released_ms <
                2000 + 8000); /* and a poll has waited for its end */
    assert_int_equal(kill(frozen, SIGCONT), 0);
    char word = 0;
    assert_int_equal(read(told, &word, 1), 1); /* it comes later, and is served */
    assert_int_equal(waitpid(frozen, NULL, 0), frozen);
    (void)close(told);
}

/* --- what servers do ------------------------------------------------------------------------- */

static void a_lost_subscription_comes_back_and_keeps_the_place(void **state) {
    live_bench *bench = *state;
    redlock_client *other = test_fleet_client(&bench->fleet, NULL);
    waiter waiters[2];
    atomic_int served = 0;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    waiter_start(&waiters[0], other, 0, PATIENCE_MS, &served);
    waiter_go(&waiters[0]);
    await_waiters(bench->client, 1);
    await_subscribers(bench->server, "1");
    waiter_start(&waiters[1], bench->client, 1, PATIENCE_MS, &served);
    waiter_go(&waiters[1]);
    await_waiters(bench->client, 2);
    await_subscribers(bench->server, "2");
    free(test_server_ask(bench->server, "CLIENT", "KILL", "TYPE", "pubsub", NULL));
    await_subscribers(bench->server, "2");
    test_give(lock);
    for (int i = 0; i < 2; i++) {
        waiter_end(&waiters[i]);
        assert_int_equal(waiters[i].status, REDLOCK_OK);
        assert_int_equal(waiters[i].place, i);
    }
    redlock_client_destroy(other);
}

static void who_may_not_subscribe_is_served_by_polling(void **state) {
    live_bench *bench = *state;
    char *told = test_server_ask(bench->server, "ACL", "SETUSER", "mute", "on", "nopass", "~*",
                                 "+@all", "-subscribe", NULL);
    assert_string_equal(told, "OK");
    free(told);
    char url[200];
    (void)snprintf(url, sizeof url, "unix://mute:x@%s", test_server_socket(bench->server));
    const char *urls[] = {url};
    redlock_client *mute = NULL;
    redlock_report report = REDLOCK_INIT(redlock_report);
    TEST_STATUS(redlock_client_create(urls, 1, NULL, &mute, &report), REDLOCK_OK, &report);
    waiter one;
    atomic_int served = 0;
    redlock_lock *lock = test_take(bench->client, "job", 20000);
    waiter_start(&one, mute, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    test_give(lock);
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    redlock_client_destroy(mute);
    free(test_server_ask(bench->server, "ACL", "DELUSER", "mute", NULL));
}

/* Another library's lock is deleted without a word to anybody. */
static void foreign_holders_are_waited_for(void **state) {
    live_bench *bench = *state;
    waiter one;
    atomic_int served = 0;
    free(test_server_ask(bench->server, "SET", "job", "8f14e45fceea167a", "PX", "20000", NULL));
    waiter_start(&one, bench->client, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    free(test_server_ask(bench->server, "DEL", "job", NULL));
    int64_t freed_ms = test_now_ms();
    waiter_end(&one);
    assert_int_equal(one.status, REDLOCK_OK);
    assert_true(one.acquired_ms - freed_ms <
                4500); /* 50 to 300 ms, on a machine that is not busy; behind others 5 s */
}

static void a_queue_that_is_gone_is_made_anew(void **state) {
    live_bench *bench = *state;
    waiter one;
    atomic_int served = 0;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_lock *lock = NULL;
    options.ttl_ms = 3000; /* its margin is 750 */
    options.renew_ms = REDLOCK_NO_RENEW;
    assert_int_equal(test_acquire(bench->client, "job", &options, &lock, NULL), REDLOCK_OK);
    waiter_start(&one, bench->client, 0, PATIENCE_MS, &served);
    waiter_go(&one);
    await_waiters(bench->client, 1);
    free(test_server_ask(bench->server, "DEL", "redlock:{job}:queue", "redlock:{job}:alive", NULL));
    waiter_end(&one); /* nobody releases: the key runs out, and a poll finds that */
    assert_int_equal(one.status, REDLOCK_OK);
    (void)redlock_release(lock, NULL);
}

/* --- several nodes --------------------------------------------------------------------------- */

static void five_nodes_serve_everybody(void **state) {
    live_bench *bench = *state;
    waiter waiters[WAITERS_MAX];
    atomic_int served = 0;
    redlock_client *clients[3];
    for (int i = 0; i < 3; i++) {
        clients[i] = test_fleet_client(&bench->five, NULL);
    }
    redlock_lock *lock = test_take(clients[0], "job", 20000);
    for (int i = 0; i < WAITERS_MAX; i++) {
        waiter_start(&waiters[i], clients[i % 3], i, PATIENCE_MS, &served);
        waiter_go(&waiters[i]);
    }
    await_waiters(clients[0], WAITERS_MAX);
    test_give(lock);
    for (int i = 0; i < WAITERS_MAX; i++) {
        waiter_end(&waiters[i]);
        assert_int_equal(waiters[i].status, REDLOCK_OK);
    }
    for (int i = 0; i < WAITERS_MAX; i++) { /* fences grow in the order of the grants */
        for (int j = 0; j < WAITERS_MAX; j++) {
            assert_true(waiters[i].place >= waiters[j].place ||
                        waiters[i].fence < waiters[j].fence);
        }
    }
    for (int i = 0; i < 3; i++) {
        redlock_client_destroy(clients[i]);
    }
    test_fleet_assert_free(&bench->five, 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_in_is_first_out, setup, teardown),
        cmocka_unit_test_setup_teardown(inspect_tells_waiters_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(an_info_of_the_first_release_is_filled, setup, teardown),
        cmocka_unit_test_setup_teardown(place_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(newcomers_do_not_overtake, setup, teardown),
        cmocka_unit_test_setup_teardown(barging_takes_what_is_free, setup, teardown),
        cmocka_unit_test_setup_teardown(who_times_out_leaves_the_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(dead_waiters_at_the_head_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frozen_waiter_costs_no_more_than_its_grant, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_subscription_comes_back_and_keeps_the_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_may_not_subscribe_is_served_by_polling, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(foreign_holders_are_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_that_is_gone_is_made_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(five_nodes_serve_everybody, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
