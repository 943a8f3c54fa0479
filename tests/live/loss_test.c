/* loss_test.c -- keeping a lock, and learning in time that it is lost: by every way there is to hear
 * of it, and never later than its own deadline. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
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
#define HEARD_MAX 512

typedef struct heard_event {
    redlock_event event;
    int64_t at_ms;
    int held; /* what the lock said inside the callback; -1: no lock */
} heard_event;

typedef struct ear { /* what the callback has heard */
    pthread_mutex_t mutex;
    heard_event heard[HEARD_MAX];
    uint32_t count;
} ear;

static test_fleet fleet;
static test_server *server;
static redlock_client *client;
static ear my_ear;

static void hear(const redlock_event *event, void *user) {
    ear *at = user;
    (void)pthread_mutex_lock(&at->mutex);
    if (at->count < HEARD_MAX) {
        heard_event *heard = &at->heard[at->count++];
        *heard = (heard_event){.event = *event, .at_ms = test_now_ms(), .held = -1};
        if (event->lock != NULL && event->kind != REDLOCK_EVENT_RELEASED) {
            heard->held = redlock_lock_is_held(event->lock);
            (void)redlock_lock_remaining_ms(event->lock);
            (void)redlock_lock_fence(event->lock);
        }
    }
    (void)pthread_mutex_unlock(&at->mutex);
}

static uint32_t ear_count(uint32_t kind) {
    uint32_t count = 0;
    (void)pthread_mutex_lock(&my_ear.mutex);
    for (uint32_t i = 0; i < my_ear.count; i++) {
        count += my_ear.heard[i].event.kind == kind;
    }
    (void)pthread_mutex_unlock(&my_ear.mutex);
    return count;
}

static bool ear_waits(uint32_t kind, uint32_t count) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (ear_count(kind) < count && test_now_ms() < until) {
        test_nap_ms(2);
    }
    return ear_count(kind) >= count;
}

static void ear_forget(void) {
    (void)pthread_mutex_lock(&my_ear.mutex);
    my_ear.count = 0;
    (void)pthread_mutex_unlock(&my_ear.mutex);
}

static heard_event ear_first(uint32_t kind) {
    heard_event found = {.at_ms = 0};
    (void)pthread_mutex_lock(&my_ear.mutex);
    for (uint32_t i = my_ear.count; i-- > 0;) {
        found = my_ear.heard[i].event.kind == kind ? my_ear.heard[i] : found;
    }
    (void)pthread_mutex_unlock(&my_ear.mutex);
    return found;
}

static int group_setup(void **state) {
    (void)state;
    (void)pthread_mutex_init(&my_ear.mutex, NULL);
    test_fleet_start(&fleet, 1, false);
    server = fleet.server[0];
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_fleet_stop(&fleet);
    (void)pthread_mutex_destroy(&my_ear.mutex);
    return 0;
}

static int setup(void **state) {
    (void)state;
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.flags = REDLOCK_CLIENT_EVENT_QUEUE;
    options.on_event = hear;
    options.user = &my_ear;
    options.release_timeout_ms = 400;
    ear_forget();
    client = test_fleet_client(&fleet, &options);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    redlock_client_destroy(client);
    test_fleet_assert_free(&fleet, 0);
    return 0;
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* Takes events off the queue until one of this kind comes. */
static bool queue_has(uint32_t kind) {
    redlock_event event = REDLOCK_INIT(redlock_event);
    while (redlock_client_next_event(client, &event) == 1) {
        if (event.kind == kind) {
            return true;
        }
    }
    return false;
}

/* --- keeping --------------------------------------------------------------------------------- */

static void renewals_keep_it(void **state) {
    (void)state;
    int64_t before = test_now_ms(), until = before + TEST_PATIENCE_MS;
    redlock_lock *lock = test_take_kept(client, "job", 4000, 250);
    uint64_t fence = redlock_lock_fence(lock);
    while (ear_count(REDLOCK_EVENT_RENEWED) < 9 && test_now_ms() < until) {
        assert_true(redlock_lock_is_held(lock));
        assert_in_range(redlock_lock_remaining_ms(lock), 0, 4000);
        assert_in_range(test_pttl(server, "job"), 1, 5000);
        test_nap_ms(10);
    }
    uint32_t renewed = ear_count(REDLOCK_EVENT_RENEWED);
    assert_true(renewed >= 9);
    assert_true(test_now_ms() - before >= 9 * 225); /* a tenth early at most, so none too many */
    assert_int_equal(ear_count(REDLOCK_EVENT_ACQUIRED), 1);
    assert_int_equal(ear_count(REDLOCK_EVENT_LOST), 0);
    assert_int_equal(redlock_lock_fence(lock), fence);
    assert_false(is_readable(redlock_lock_lost_fd(lock), 0));
    test_give(lock);
    assert_true(ear_waits(REDLOCK_EVENT_RELEASED, 1));
}

static void fifty_locks_are_kept(void **state) {
    (void)state;
    redlock_lock *locks[50];
    int64_t until_ms[50]; /* without a renewal */
    for (int i = 0; i < 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "job-%d", i);
        locks[i] = test_take_kept(client, name, 6000, 400);
        until_ms[i] = test_now_ms() + 6000;
    }
    test_nap_ms(1500);
    for (int i = 0; i < 50; i++) {
        assert_true(redlock_lock_remaining_ms(locks[i]) + test_now_ms() > until_ms[i] ||
                    test_is_renewed(locks[i]));
        assert_true(redlock_lock_is_held(locks[i]));
        test_give(locks[i]);
    }
}

static void late_renewal_that_comes_in_time(void **state) {
    (void)state;
    redlock_lock *lock = test_take_kept(client, "job", 12000, 500);
    test_server_pause(server);
    uint32_t renewed = ear_count(REDLOCK_EVENT_RENEWED);
    bool late = ear_waits(REDLOCK_EVENT_RENEW_LATE, 1);
    heard_event heard = ear_first(REDLOCK_EVENT_RENEW_LATE);
    test_server_resume(server);
    assert_true(late);
    assert_true(heard.event.remaining_ms > 0);
    assert_ptr_equal(heard.event.lock, lock);
    assert_true(ear_waits(REDLOCK_EVENT_RENEWED, renewed + 1));
    assert_true(redlock_lock_is_held(lock));
    assert_int_equal(ear_count(REDLOCK_EVENT_LOST), 0);
    test_give(lock);
}

/* --- losing ---------------------------------------------------------------------------------- */

/* The server stands still: nothing but our own clock can tell.  Returns how late we heard of it. */
static int64_t silence_is_heard_late_by(void) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    bool has_moved = false;
    ear_forget();
    redlock_lock *lock = test_take(client, "job", 600);
    int lost_fd = redlock_lock_lost_fd(lock);
    assert_true(lost_fd >= 0);
    test_nap_ms(350);
    test_server_pause(server);
    test_nap_ms(30); /* an answer that was under way has been counted */
    int64_t last = redlock_lock_remaining_ms(lock), deadline_ms = test_now_ms() + last + 1;
    while (!is_readable(lost_fd, 2) && test_now_ms() < deadline_ms + TEST_PATIENCE_MS) {
        int64_t asked_ms = test_now_ms(), left = redlock_lock_remaining_ms(lock);
        if (left > last && !has_moved) { /* it was counted only now */
            has_moved = true;
            last = left;
            deadline_ms = test_now_ms() + left + 1;
        }
        assert_true(left <= last);
        assert_true(left == 0 || asked_ms <= deadline_ms);
        last = left;
    }
    int64_t heard_ms = test_now_ms();
    assert_false(redlock_lock_is_held(lock)); /* by the clock, whatever threads do */
    assert_int_equal(redlock_lock_remaining_ms(lock), 0);
    assert_true(is_readable(lost_fd, 0));
    assert_true(ear_waits(REDLOCK_EVENT_LOST, 1));
    heard_event lost = ear_first(REDLOCK_EVENT_LOST);
    assert_int_equal(lost.held, 0);
    assert_ptr_equal(lost.event.lock, lock);
    assert_true(is_readable(redlock_client_event_fd(client), 0));
    assert_true(queue_has(REDLOCK_EVENT_LOST));
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report); /* asks nobody */
    test_server_resume(server);
    test_fleet_assert_free(&fleet, 5000);
    return (heard_ms > lost.at_ms ? heard_ms : lost.at_ms) - deadline_ms;
}

static void deadline_passes_in_silence(void **state) {
    (void)state;
    int64_t late_ms = INT64_MAX;
    for (int i = 0; i < TRIES && late_ms > SLACK_MS; i++) {
        late_ms = silence_is_heard_late_by();
    }
    assert_true(late_ms <= SLACK_MS);
}

static void release_into_silence_is_unknown(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(client, "job", 20000);
    test_server_pause(server);
    int64_t before = test_now_ms();
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_UNKNOWN, &report);
    assert_in_range(test_now_ms() - before, 390, 4500); /* release_timeout_ms; else it is 5,000 */
    test_server_resume(server);
    test_fleet_assert_free(&fleet, 5000); /* long before its ttl */
}

static void theft_is_seen_at_the_next_renewal(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_kept(client, "job", 20000, 500);
    int lost_fd = redlock_lock_lost_fd(lock);
    free(test_server_ask(server, "SET", "job", "thief", "PX", "600000", NULL));
    assert_true(is_readable(lost_fd, 10000)); /* long before the deadline */
    assert_false(redlock_lock_is_held(lock));
    assert_true(ear_waits(REDLOCK_EVENT_LOST, 1));
    for (int i = 0; i < 2; i++) { /* the loss is final: every further question hears the same */
        TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_LOST, &report);
        assert_int_not_equal(report.sentence[0], '\0');
        TEST_STATUS(redlock_try_extend(lock, 2000, &report), REDLOCK_LOST, &report);
        assert_false(redlock_lock_is_held(lock));
        assert_int_equal(redlock_lock_remaining_ms(lock), 0);
        assert_true(is_readable(lost_fd, 0));
    }
    assert_int_equal(ear_count(REDLOCK_EVENT_LOST), 1);
    TEST_STATUS(redlock_release(lock, &report), REDLOCK_NOT_HELD, &report);
    assert_true(test_value_is(server, "job", "thief"));
    free(test_server_ask(server, "DEL", "job", NULL));
}

static void lost_fd_asked_for_after_the_loss(void **state) {
    (void)state;
    redlock_lock *lock = test_take(client, "job", 300);
    int fds = test_fd_count();
    free(test_server_ask(server, "SET", "job", "thief", "PX", "600000", NULL));
    assert_true(ear_waits(REDLOCK_EVENT_LOST, 1));
    assert_true(is_readable(redlock_lock_lost_fd(lock), 0));
    assert_int_equal(redlock_lock_lost_fd(lock), redlock_lock_lost_fd(lock));
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
    assert_int_equal(test_fd_count(), fds);
    free(test_server_ask(server, "DEL", "job", NULL));
}

static void unkept_lock_is_lost_at_its_deadline(void **state) {
    (void)state;
    int64_t late_ms = INT64_MAX;
    for (int i = 0; i < TRIES && late_ms > SLACK_MS; i++) {
        redlock_lock *lock = test_take_unkept(client, "job", 400);
        int64_t deadline_ms = test_now_ms() + redlock_lock_remaining_ms(lock) + 1;
        assert_true(is_readable(redlock_lock_lost_fd(lock), (int)TEST_PATIENCE_MS));
        late_ms = test_now_ms() - deadline_ms;
        assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
        test_fleet_assert_free(&fleet, 5000);
    }
    assert_true(late_ms <= SLACK_MS);
    assert_int_equal(ear_count(REDLOCK_EVENT_RENEWED), 0);
}

static void dead_server_loses_the_lock_and_says_why(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take(client, "job", 600);
    test_server_kill(server);
    assert_true(ear_waits(REDLOCK_EVENT_NODE_DOWN, 1));
    assert_true(ear_waits(REDLOCK_EVENT_LOST, 1));
    TEST_STATUS(redlock_try_extend(lock, 0, &report), REDLOCK_LOST, &report);
    assert_int_equal(redlock_release(lock, NULL), REDLOCK_NOT_HELD);
    uint32_t ups = ear_count(REDLOCK_EVENT_NODE_UP);
    test_server_restart(server, true);
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    options.wait_ms =
        TEST_PATIENCE_MS; /* a dead server is called again after pauses of up to 2 s */
    TEST_STATUS(redlock_acquire(client, "job", 3, &options, &lock, &report), REDLOCK_OK, &report);
    assert_true(ear_waits(REDLOCK_EVENT_NODE_UP, ups + 1));
    test_give(lock);
}

/* One round that fails, without the lock being lost: the caller may ask again. */
static void try_extend_fails_once(void **state) {
    (void)state;
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = test_take_unkept(client, "job", 20000);
    test_server_pause(server);
    int status = redlock_try_extend(lock, 0, &report);
    int held = redlock_lock_is_held(lock);
    test_server_resume(server);
    TEST_STATUS(status, REDLOCK_NO_QUORUM, &report);
    assert_true(held);
    TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_OK, &report);
    assert_true(redlock_lock_remaining_ms(lock) > 10000);
    test_give(lock);
}

/* --- a process that stands still ------------------------------------------------------------- */

_Noreturn static void sleeper(int ready_fd) {
    redlock_client *own = NULL;
    redlock_lock *lock = NULL;
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    const char *url = fleet.url[0];
    options.ttl_ms = 500;
    if (redlock_client_create(&url, 1, NULL, &own, NULL) != REDLOCK_OK ||
        test_acquire(own, "job", &options, &lock, NULL) != REDLOCK_OK) {
        _exit(3);
    }
    int64_t first_ms = test_now_ms(), last_ms = first_ms, gap_ms = 0;
    if (write(ready_fd, "!", 1) != 1) {
        _exit(4);
    }
    while (gap_ms < 700 && last_ms - first_ms < 60000) { /* until it was frozen */
        int64_t now_ms = test_now_ms();
        gap_ms = now_ms - last_ms;
        last_ms = now_ms;
    }
    int held = redlock_lock_is_held(lock); /* the first question after waking */
    int status = redlock_release(lock, NULL);
    int64_t took_ms = test_now_ms() - last_ms;
    redlock_client_destroy(own);
    _exit(gap_ms < 700 ? 5 : held ? 6 : status != REDLOCK_NOT_HELD ? 7 : took_ms > 4500 ? 8 : 0);
}

static void frozen_process_hears_the_truth(void **state) {
    (void)state;
    int ready[2], status = 0;
    char byte;
    assert_return_code(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sleeper(ready[1]);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    (void)kill(child, SIGSTOP);
    test_nap_ms(1000);
    (void)kill(child, SIGCONT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            frozen_process_hears_the_truth), /* first: it forks, with no client about */
        LIVE(renewals_keep_it),
        LIVE(fifty_locks_are_kept),
        LIVE(late_renewal_that_comes_in_time),
        LIVE(deadline_passes_in_silence),
        LIVE(release_into_silence_is_unknown),
        LIVE(theft_is_seen_at_the_next_renewal),
        LIVE(lost_fd_asked_for_after_the_loss),
        LIVE(unkept_lock_is_lost_at_its_deadline),
        LIVE(dead_server_loses_the_lock_and_says_why),
        LIVE(try_extend_fails_once),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
