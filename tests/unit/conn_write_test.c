/* conn_write_test.c -- writing under pressure: a kernel that takes no more, a hang-up in the middle of a
 * flush, and many threads on one connection.
 *
 * One test plays the engine with threads, for the thread sanitizer to judge. */
#include "drive/conn.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "rig.h"

/* --- one thread ------------------------------------------------------------------------------- */

/* A server that reads nothing for a while, behind a socket that holds little. */
static void bytes_that_the_kernel_refuses_wait(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP(PAUSE),
                                              STEP_COUNT(COMMANDS, 1000),
                                              {.kind = REDLOCK_FAKE_SEND_TIMES,
                                               .count = 1000,
                                               .bytes = {(const uint8_t *)"-ERR x\r\n", 8}},
                                              STEP(STALL)};
    uint8_t name[REDLOCK_NAME_BYTES_MAX];
    short events;
    int tiny = 1;
    (void)state;
    memset(name, 'n', sizeof name);
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    int fd = redlock_conn_poll_want(rig->conn, &events);
    assert_int_equal(events, POLLIN);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny), 0);
    for (int i = 0; i < 1000; i++) {
        test_rig_send(rig, (redlock_bytes){name, sizeof name});
        test_rig_flush(rig);
    }
    assert_false(redlock_conn_flush_begin(rig->conn));
    (void)redlock_conn_poll_want(rig->conn, &events);
    assert_int_equal(events, POLLIN | POLLOUT);
    assert_false(test_rig_pump(rig, 0));
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 1001);
    test_rig_assert_error_reply(rig, 1000, 1000, "ERR x");
    (void)redlock_conn_poll_want(rig->conn, &events);
    assert_int_equal(events, POLLIN);
    test_rig_end(rig);
}

static void flusher_keeps_the_descriptor_open(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(ACCEPT), STEP(GREET),
                                              STEP(STALL)};
    short events;
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    assert_true(redlock_conn_flush_begin(rig->conn));
    assert_false(redlock_conn_flush_begin(rig->conn));
    redlock_conn_hang_up(rig->conn);
    redlock_conn_connect(rig->conn);
    assert_int_equal(redlock_conn_poll_want(rig->conn, &events), -1);
    redlock_conn_write(rig->conn);
    assert_true(redlock_conn_flush_end(rig->conn));
    assert_true(redlock_conn_poll_want(rig->conn, &events) >= 0);
    test_rig_await(rig, 2);
    test_rig_assert_up(rig, 1);
    test_rig_end(rig);
}

/* --- threads ---------------------------------------------------------------------------------- */

#define FOLLOWERS 4
#define LINKS 25u
#define SENDS_PER_LINK 400u

typedef struct crowd {
    pthread_mutex_t mutex;
    test_rig *rig;
    bool is_up, is_done;
    uint32_t ups, sends, replies;
} crowd;

static void crowd_take(void *ctx, const redlock_fact *fact, redlock_ns now) {
    crowd *all = ctx;
    (void)now;
    if (fact->kind == REDLOCK_FACT_REPLY) {
        all->replies++;
        return;
    }
    all->is_up = fact->kind == REDLOCK_FACT_LINK_UP;
    all->ups += all->is_up ? 1 : 0;
    all->sends = 0;
    if (!all->is_up) {
        redlock_conn_connect(all->rig->conn);
    }
}

static void crowd_flush(crowd *all, bool is_leader) {
    redlock_conn *conn = all->rig->conn;
    while (redlock_conn_flush_begin(conn)) {
        pthread_mutex_unlock(&all->mutex);
        redlock_conn_write(conn);
        pthread_mutex_lock(&all->mutex);
        if (redlock_conn_flush_end(conn) && !is_leader) {
            redlock_wake_raise(&all->rig->wake);
        }
    }
}

static void crowd_dispatch(crowd *all) {
    redlock_conn_sink sink = {.take = crowd_take, .ctx = all};
    redlock_conn_dispatch(all->rig->conn, 1, &sink);
}

/* After enough commands on one link it is hung up, with the rest of them unanswered. */
static void crowd_act(crowd *all) {
    redlock_conn *conn = all->rig->conn;
    redlock_command command = {.kind = REDLOCK_COMMAND_GRANT,
                               .name = redlock_bytes_of("name"),
                               .token = redlock_bytes_of("token"),
                               .ttl_ms = 1000};
    if (all->sends < SENDS_PER_LINK) {
        redlock_conn_send(conn, ++all->sends, &command);
        return;
    }
    all->is_up = false;
    if (all->ups == LINKS) {
        all->is_done = true;
    } else {
        redlock_conn_hang_up(conn);
        redlock_conn_connect(conn);
    }
    redlock_wake_raise(&all->rig->wake);
}

static void *follower_run(void *argument) {
    crowd *all = argument;
    pthread_mutex_lock(&all->mutex);
    while (!all->is_done) {
        if (all->is_up) {
            crowd_act(all);
        }
        crowd_dispatch(all);
        crowd_flush(all, false);
        pthread_mutex_unlock(&all->mutex);
        (void)poll(NULL, 0, 0);
        pthread_mutex_lock(&all->mutex);
    }
    pthread_mutex_unlock(&all->mutex);
    return NULL;
}

static void leader_run(crowd *all) {
    redlock_conn *conn = all->rig->conn;
    pthread_mutex_lock(&all->mutex);
    while (!all->is_done) {
        struct pollfd fds[2] = {{.fd = all->rig->wake.read_fd, .events = POLLIN}};
        crowd_flush(all, true);
        fds[1].fd = redlock_conn_poll_want(conn, &fds[1].events);
        int timeout = redlock_conn_has_news(conn) ? 0 : TEST_RIG_WAIT_MS;
        pthread_mutex_unlock(&all->mutex);
        int n = poll(fds, 2, timeout);
        redlock_conn_receive(conn, fds[1].revents);
        redlock_wake_clear(&all->rig->wake);
        pthread_mutex_lock(&all->mutex);
        assert_true(n > 0 || timeout == 0);
        crowd_dispatch(all);
    }
    pthread_mutex_unlock(&all->mutex);
}

static void threads_share_a_connection(void **state) {
    redlock_fake_step steps[2 * LINKS];
    pthread_t threads[FOLLOWERS];
    crowd all = {.is_up = false};
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(steps); i++) {
        steps[i] =
            (redlock_fake_step){.kind = i % 2 == 0 ? REDLOCK_FAKE_ACCEPT : REDLOCK_FAKE_SERVE};
    }
    all.rig = test_rig_start(steps, COUNT_OF(steps));
    assert_int_equal(pthread_mutex_init(&all.mutex, NULL), 0);
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, follower_run, &all), 0);
    }
    leader_run(&all);
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(all.ups, LINKS);
    assert_true(all.replies > 0);
    pthread_mutex_destroy(&all.mutex);
    (void)redlock_fake_finish(all.rig->fake, NULL); /* its last connection is still open */
    test_rig_free(all.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_the_kernel_refuses_wait),
        cmocka_unit_test(flusher_keeps_the_descriptor_open),
        cmocka_unit_test(threads_share_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
