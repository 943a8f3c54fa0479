/* own_loop_test.c -- a client that the application's own loop drives: locks are kept, losses told, and
 * connections made anew, by one thread that sleeps in poll for no longer than it is told to. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fleet.h"

#define SLACK_MS 300 /* for a thread that is ready to run and does not get to */
#define TRIES 5      /* ... and so often, where a busy machine may give it less at times */

static test_fleet fleet;
static test_server *server;
static redlock_client *client;
static pthread_t main_thread;
static int thread_count;
static uint32_t heard[16];     /* events by kind */
static uint32_t heard_outside; /* on another thread, or while nobody called us */
static bool is_inside;         /* of a call of the client */

static void hear(const redlock_event *event, void *user) {
    (void)user;
    assert_in_range(event->kind, 1, 15);
    heard[event->kind]++;
    heard_outside += !is_inside || !pthread_equal(pthread_self(), main_thread);
}

static int client_make(void) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    options.on_event = hear;
    options.release_timeout_ms = 400;
    memset(heard, 0, sizeof heard);
    heard_outside = 0;
    main_thread = pthread_self();
    is_inside = true; /* unless said otherwise */
    thread_count = test_thread_count();
    client = test_fleet_client(&fleet, &options);
    return 0;
}

static int setup_one(void **state) {
    (void)state;
    test_fleet_start(&fleet, 1, false);
    server = fleet.server[0];
    return client_make();
}

static int setup_five(void **state) {
    (void)state;
    test_fleet_start(&fleet, 5, false);
    server = fleet.server[0];
    test_fleet_init_nodes(&fleet);
    return client_make();
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    client = NULL;
    test_fleet_stop(&fleet);
    return 0;
}

/* --- the loop -------------------------------------------------------------------------------- */

/* One turn of it: sleeps as long as it is told to, and no longer than `max_ms`.  Nothing but its
 * descriptor and its deadline ends the sleep. */
static void turn(int64_t max_ms) {
    struct pollfd news = {.fd = redlock_client_fd(client), .events = POLLIN};
    int64_t ms = redlock_client_deadline_ms(client);
    assert_true(news.fd >= 0);
    assert_true(ms >= 0 && (ms <= 1000 || ms == REDLOCK_FOREVER));
    (void)poll(&news, 1, (int)(ms < max_ms ? ms : max_ms));
    is_inside = true;
    assert_int_equal(redlock_client_process(client), REDLOCK_OK);
    is_inside = false;
}

/* Returns how many turns it took. */
static uint32_t loop_for(int64_t ms) {
    int64_t until = test_now_ms() + ms;
    uint32_t turns = 0;
    is_inside = false;
    for (int64_t now = test_now_ms(); now < until; now = test_now_ms()) {
        turn(until - now);
        turns++;
    }
    is_inside = true;
    return turns;
}

static bool loop_until(uint32_t kind, uint32_t count) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    is_inside = false;
    while (heard[kind] < count && test_now_ms() < until) {
        turn(TEST_PATIENCE_MS);
    }
    is_inside = true;
    return heard[kind] >= count;
}

static bool is_readable(int fd) {
    struct pollfd news = {.fd = fd, .events = POLLIN};
    return poll(&news, 1, 0) == 1;
}

/* --- keeping --------------------------------------------------------------------------------- */

static void lock_is_kept_without_a_thread(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 3000, 300);
    int64_t until = test_now_ms() + 7000;
    while (test_now_ms() < until) {
        (void)loop_for(500);
        assert_true(redlock_lock_is_held(lock));
        assert_int_equal(test_thread_count(), thread_count);
    }
    assert_true(heard[REDLOCK_EVENT_RENEWED] >= 15);
    assert_int_equal(heard[REDLOCK_EVENT_LOST], 0);
    assert_int_equal(heard_outside, 0);
    test_give(lock);
    assert_int_equal(test_thread_count(), thread_count);
}

/* Each renewal is some turns, and in between nothing is. */
static void loop_does_not_turn_in_vain(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 6000, 500);
    uint32_t turns = loop_for(3000);
    assert_in_range(heard[REDLOCK_EVENT_RENEWED], 1, 8);
    assert_in_range(turns, 2, 60);
    test_give(lock);
    assert_in_range(loop_for(1000), 1, 10); /* with nothing to keep, it sleeps */
    assert_true(redlock_client_deadline_ms(client) > 100);
}

static void deadline_alone_will_do(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 3000, 300);
    int64_t until = test_now_ms() + 5000;
    while (test_now_ms() < until) {
        int64_t ms = redlock_client_deadline_ms(client);
        assert_true(ms <= 1000); /* never FOREVER: no descriptor would tell */
        (void)poll(NULL, 0, (int)ms);
        assert_int_equal(redlock_client_process(client), REDLOCK_OK);
        assert_true(redlock_lock_is_held(lock));
    }
    assert_true(heard[REDLOCK_EVENT_RENEWED] >= 8);
    test_give(lock);
}

static void fifty_locks_are_kept(void **state) {
    (void)state;
    redlock_lock *locks[50];
    for (int i = 0; i < 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "job-%d", i);
        locks[i] = test_take_kept(client, name, 4000, 400);
    }
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 50 * 8)); /* the oldest for a ttl at least */
    for (int i = 0; i < 50; i++) {
        assert_true(redlock_lock_is_held(locks[i]));
        test_give(locks[i]);
    }
}

/* Asked for while something is held already, and the same ever after. */
static void descriptor_may_be_asked_for_late(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 3000, 200);
    test_nap_ms(600);
    int fd = redlock_client_fd(client);
    assert_true(fd >= 0);
    assert_int_equal(redlock_client_deadline_ms(client), 0); /* a renewal is overdue */
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 2));
    assert_int_equal(redlock_client_fd(client), fd);
    test_give(lock);
}

/* A call that waits drives everything itself: it needs no keeper either. */
static void waiting_starts_no_thread(void **state) {
    (void)state;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_kept(client, "job", 4000, 200), *none = NULL;
    free(test_server_ask(server, "SET", "taken", "somebody", "PX", "600000", NULL));
    options.wait_ms = 1500;
    TEST_STATUS(redlock_acquire(client, "taken", 5, &options, &none, &report), REDLOCK_TIMEOUT,
                &report);
    assert_true(heard[REDLOCK_EVENT_RENEWED] >= 2); /* by the one who waited */
    assert_int_equal(test_thread_count(), thread_count);
    (void)loop_for(300);
    assert_int_equal(test_thread_count(), thread_count);
    free(test_server_ask(server, "DEL", "taken", NULL));
    test_give(lock);
}

/* --- losing ---------------------------------------------------------------------------------- */

/* The server stands still: our own clock has to tell.  Returns how late we heard of it. */
static int64_t silence_is_heard_late_by(void) {
    uint32_t lost = heard[REDLOCK_EVENT_LOST];
    redlock_lock *lock = test_take(client, "job", 900);
    int lost_fd = redlock_lock_lost_fd(lock);
    (void)loop_for(500);
    test_server_pause(server);
    (void)loop_for(50); /* an answer that was under way has been counted */
    int64_t deadline_ms = test_now_ms() + redlock_lock_remaining_ms(lock) + 1;
    assert_true(loop_until(REDLOCK_EVENT_LOST, lost + 1));
    int64_t late_ms = test_now_ms() - deadline_ms;
    assert_false(redlock_lock_is_held(lock));
    assert_true(is_readable(lost_fd));
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
    test_server_resume(server);
    return late_ms;
}

static void deadline_passes_in_silence(void **state) {
    (void)state;
    int64_t late_ms = INT64_MAX;
    for (int i = 0; i < TRIES && late_ms > SLACK_MS; i++) {
        late_ms = silence_is_heard_late_by();
    }
    assert_true(late_ms <= SLACK_MS);
}

/* Nobody processes: the clock tells all the same, the event comes with the next process. */
static void loop_that_stays_away_loses(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "job", 500);
    int lost_fd = redlock_lock_lost_fd(lock);
    (void)redlock_client_fd(client);
    test_nap_ms(600);
    assert_false(redlock_lock_is_held(lock));
    assert_int_equal(redlock_lock_remaining_ms(lock), 0);
    assert_int_equal(heard[REDLOCK_EVENT_LOST], 0);
    assert_int_equal(redlock_client_deadline_ms(client), 0);
    assert_int_equal(redlock_client_process(client), REDLOCK_OK);
    assert_int_equal(heard[REDLOCK_EVENT_LOST], 1);
    assert_true(is_readable(lost_fd));
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
}

static void theft_is_seen_at_the_next_renewal(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 20000, 300);
    free(test_server_ask(server, "SET", "job", "thief", "PX", "600000", NULL));
    assert_true(loop_until(REDLOCK_EVENT_LOST, 1));
    assert_false(redlock_lock_is_held(lock));
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
}

/* --- connections ----------------------------------------------------------------------------- */

static void server_dies_and_comes_back(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 30000, 300);
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 1));
    for (uint32_t i = 1; i <= 2; i++) {
        test_server_kill(server);
        assert_true(loop_until(REDLOCK_EVENT_NODE_DOWN, i));
        assert_true(loop_until(REDLOCK_EVENT_RENEW_LATE, 1));
        assert_in_range(loop_for(500), 1, 200); /* tries again and again, and sleeps in between */
        uint32_t ups = heard[REDLOCK_EVENT_NODE_UP], renewed = heard[REDLOCK_EVENT_RENEWED];
        test_server_restart(server, false);
        assert_true(loop_until(REDLOCK_EVENT_NODE_UP, ups + 1));
        assert_true(loop_until(REDLOCK_EVENT_RENEWED, renewed + 2));
    }
    assert_true(redlock_lock_is_held(lock));
    assert_int_equal(test_thread_count(), thread_count);
    test_give(lock);
}

/* Each step of a new connection is told by the descriptor, and not only by the next deadline. */
static void connection_is_back_at_once(void **state) {
    (void)state;
    redlock_lock *lock = test_take_unkept(client, "job", 30000);
    int64_t took_ms = INT64_MAX;
    (void)loop_for(50);
    for (int i = 0; i < TRIES && took_ms > 600; i++) {
        uint32_t ups = heard[REDLOCK_EVENT_NODE_UP];
        int64_t before = test_now_ms();
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        assert_true(loop_until(REDLOCK_EVENT_NODE_UP, ups + 1));
        took_ms = test_now_ms() - before;
    }
    assert_true(took_ms <= 600);
    test_give(lock);
}

static void five_nodes_of_which_two_fail(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 4000, 300);
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 3));
    test_server_kill(fleet.server[1]);
    test_server_pause(fleet.server[2]);
    int64_t until = test_now_ms() + 6000;
    while (test_now_ms() < until) {
        (void)loop_for(500);
        assert_true(redlock_lock_is_held(lock));
        assert_int_equal(test_thread_count(), thread_count);
    }
    uint32_t ups = heard[REDLOCK_EVENT_NODE_UP];
    test_server_restart(fleet.server[1], false);
    test_server_resume(fleet.server[2]);
    assert_true(loop_until(REDLOCK_EVENT_NODE_UP, ups + 1));
    assert_int_equal(heard_outside, 0);
    test_give(lock);
}

/* --- forked children and descriptors --------------------------------------------------------- */

static int child_asks(redlock_lock *lock) {
    if (redlock_client_fd(client) != -1) {
        return 1;
    }
    if (redlock_client_deadline_ms(client) != REDLOCK_FOREVER) {
        return 2;
    }
    if (redlock_client_process(client) != REDLOCK_FORKED) {
        return 3;
    }
    if (redlock_lock_is_held(lock)) {
        return 4;
    }
    redlock_client_destroy(client); /* closes copies only: the parent's loop hears on */
    return 0;
}

static void child_is_told_and_parent_goes_on(void **state) {
    (void)state;
    int status = 0;
    redlock_lock *lock = test_take_kept(client, "job", 20000, 300);
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 1));
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        _exit(child_asks(lock));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 4));
    assert_true(redlock_lock_is_held(lock));
    test_give(lock);
}

/* A child keeps open what was closed here, with the end of the stream in it, and an epoll set goes on
 * telling that: the loop would turn for ever. */
static void sockets_of_a_child_are_not_heard(void **state) {
    (void)state;
    int status = 0;
    redlock_lock *lock = test_take_kept(client, "job", 30000, 300);
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, 1));
    pid_t child = fork();
    if (child == 0) {
        alarm(120); /* should this test fail before it ends it */
        (void)pause();
        _exit(0);
    }
    test_server_kill(server);
    assert_true(loop_until(REDLOCK_EVENT_NODE_DOWN, 1));
    test_server_restart(server, false);
    assert_true(loop_until(REDLOCK_EVENT_NODE_UP, 1));
    assert_true(loop_until(REDLOCK_EVENT_RENEWED, heard[REDLOCK_EVENT_RENEWED] + 2));
    assert_in_range(loop_for(2000), 1, 100);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    test_give(lock);
}

static void no_descriptor_is_left(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client *before = client;
    int fds = test_fd_count();
    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    for (int i = 0; i < 3; i++) {
        client = test_fleet_client(&fleet, &options);
        redlock_lock *lock = test_take(client, "job", 20000);
        (void)loop_for(30);
        test_give(lock);
        redlock_client_destroy(client);
        client = before;
        assert_int_equal(test_fd_count(), fds);
    }
}

static void without_the_flag_there_is_none(void **state) {
    (void)state;
    redlock_client *kept = test_fleet_client(&fleet, NULL);
    redlock_lock *lock = test_take_kept(kept, "job", 20000, 200);
    assert_int_equal(redlock_client_fd(kept), -1);
    assert_true(redlock_client_deadline_ms(kept) == REDLOCK_FOREVER);
    assert_int_equal(redlock_client_process(kept), REDLOCK_INVALID);
    assert_int_equal(redlock_client_fd(NULL), -1);
    assert_true(redlock_client_deadline_ms(NULL) == REDLOCK_FOREVER);
    assert_int_equal(redlock_client_process(NULL), REDLOCK_INVALID);
    assert_true(test_is_renewed(lock)); /* by the keeper */
    test_give(lock);
    redlock_client_destroy(kept);
}

int main(void) {
#define ONE(f) cmocka_unit_test_setup_teardown(f, setup_one, teardown)
#define FIVE(f) cmocka_unit_test_setup_teardown(f, setup_five, teardown)
    const struct CMUnitTest tests[] = {
        ONE(lock_is_kept_without_a_thread),
        ONE(loop_does_not_turn_in_vain),
        ONE(deadline_alone_will_do),
        ONE(fifty_locks_are_kept),
        ONE(descriptor_may_be_asked_for_late),
        ONE(waiting_starts_no_thread),
        ONE(deadline_passes_in_silence),
        ONE(loop_that_stays_away_loses),
        ONE(theft_is_seen_at_the_next_renewal),
        ONE(server_dies_and_comes_back),
        ONE(connection_is_back_at_once),
        FIVE(five_nodes_of_which_two_fail),
        ONE(child_is_told_and_parent_goes_on),
        ONE(sockets_of_a_child_are_not_heard),
        ONE(no_descriptor_is_left),
        ONE(without_the_flag_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
