#include "rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive/clock.h"

static redlock_bytes label(void) {
    return redlock_bytes_of("redlock-test");
}

static void rig_take(void *ctx, const redlock_fact *fact, redlock_ns now) {
    test_rig *rig = ctx;
    test_seen *entry = &rig->seen[rig->count++ % TEST_SEEN_MAX];
    redlock_bytes text = {0};
    (void)now;
    memset(entry, 0, sizeof *entry);
    entry->kind = fact->kind;
    assert_int_equal(fact->node, 3);
    if (fact->kind == REDLOCK_FACT_LINK_UP) {
        text = fact->as.up.run_id;
    } else if (fact->kind == REDLOCK_FACT_LINK_DOWN) {
        entry->status = fact->as.down.status;
        entry->sys_errno = fact->as.down.sys_errno;
        text = fact->as.down.words;
    } else if (fact->kind == REDLOCK_FACT_WAKE) {
        entry->tag = fact->as.wake.tag;
    } else if (fact->kind != REDLOCK_FACT_SUBSCRIBED && fact->kind != REDLOCK_FACT_UNSUBSCRIBED) {
        assert_int_equal(fact->kind, REDLOCK_FACT_REPLY);
        entry->tag = fact->as.reply.tag;
        entry->answer = fact->as.reply.answer.kind;
        entry->status = fact->as.reply.answer.status;
        text = fact->as.reply.answer.text;
    }
    redlock_bytes_to_text(text, entry->text, sizeof entry->text);
    if (rig->react != NULL) {
        rig->react(rig, fact);
    }
}

void test_rig_dispatch(test_rig *rig) {
    redlock_conn_sink sink = {.take = rig_take, .ctx = rig};
    redlock_conn_dispatch(rig->conn, redlock_clock_now(), &sink);
}

void test_rig_flush(test_rig *rig) {
    while (redlock_conn_flush_begin(rig->conn)) {
        redlock_conn_write(rig->conn);
        (void)redlock_conn_flush_end(rig->conn); /* the only thread: nobody to wake */
    }
}

/* One round of the engine's loop.  False: nothing happened within the timeout. */
bool test_rig_pump(test_rig *rig, int timeout_ms) {
    struct pollfd fds[2] = {{.fd = rig->wake.read_fd, .events = POLLIN}};
    test_rig_flush(rig);
    fds[1].fd = redlock_conn_poll_want(rig->conn, &fds[1].events);
    bool has_news = redlock_conn_has_news(rig->conn);
    int n = poll(fds, 2, has_news ? 0 : timeout_ms);
    assert_true(n >= 0);
    redlock_conn_receive(rig->conn, fds[1].revents);
    redlock_wake_clear(&rig->wake);
    test_rig_dispatch(rig);
    test_rig_flush(rig);
    return n > 0 || has_news;
}

void test_rig_await(test_rig *rig, uint32_t count) {
    while (rig->count < count) {
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    assert_int_equal(rig->count, count);
}

const test_seen *test_rig_seen(const test_rig *rig, uint32_t index) {
    assert_true(index < rig->count);
    return &rig->seen[index % TEST_SEEN_MAX];
}

void test_rig_assert_down(const test_rig *rig, uint32_t index, redlock_status status, int sys_errno,
                          const char *words) {
    const test_seen *entry = test_rig_seen(rig, index);
    assert_int_equal(entry->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(entry->status, status);
    assert_int_equal(entry->sys_errno, sys_errno);
    assert_string_equal(entry->text, words);
}

void test_rig_assert_up(const test_rig *rig, uint32_t index) {
    assert_int_equal(test_rig_seen(rig, index)->kind, REDLOCK_FACT_LINK_UP);
    assert_string_equal(test_rig_seen(rig, index)->text, TEST_RUN_ID);
}

void test_rig_assert_error_reply(const test_rig *rig, uint32_t index, uint64_t tag,
                                 const char *words) {
    assert_int_equal(test_rig_seen(rig, index)->kind, REDLOCK_FACT_REPLY);
    assert_int_equal(test_rig_seen(rig, index)->tag, tag);
    assert_int_equal(test_rig_seen(rig, index)->answer, REDLOCK_ANSWER_ERROR);
    assert_string_equal(test_rig_seen(rig, index)->text, words);
}

void test_rig_send(test_rig *rig, redlock_bytes name) {
    redlock_command command = {.kind = REDLOCK_COMMAND_GRANT,
                               .name = name,
                               .token = redlock_bytes_of("0123456789abcdef"),
                               .ttl_ms = 30000};
    redlock_conn_send(rig->conn, ++rig->next_tag, &command);
}

void test_rig_send_many(test_rig *rig, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        test_rig_send(rig, redlock_bytes_of("name"));
    }
}

test_rig *test_rig_create(void) {
    test_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    assert_true(redlock_wake_init(&rig->wake));
    rig->resolver = redlock_resolver_create(&rig->wake);
    assert_non_null(rig->resolver);
    assert_true(snprintf(rig->path, sizeof rig->path, "/tmp/redlock-conn-%d.sock", getpid()) > 0);
    return rig;
}

void test_rig_open(test_rig *rig) {
    redlock_hello hello;
    rig->conn = redlock_conn_create(3, &rig->url, label(), (redlock_bytes){0}, rig->resolver);
    assert_non_null(rig->conn);
    rig->greeting_len =
        redlock_hello_start(&hello, &rig->url, label(), rig->greeting, sizeof rig->greeting);
    redlock_bytes greeting = {rig->greeting, rig->greeting_len};
    rig->replies_len = redlock_fake_greeting_replies(greeting, rig->replies, sizeof rig->replies);
    assert_true(rig->replies_len <= sizeof rig->replies);
}

void test_rig_open_unix(test_rig *rig) {
    rig->url.scheme = REDLOCK_URL_UNIX;
    memcpy(rig->url.path, rig->path, sizeof rig->path);
    test_rig_open(rig);
}

void test_rig_open_tcp(test_rig *rig, const char *host, uint16_t port) {
    rig->url.scheme = REDLOCK_URL_TCP;
    rig->url.port = port;
    memcpy(rig->url.host, host, strlen(host) + 1);
    test_rig_open(rig);
}

/* The server of a script whose GREET steps need not say which greeting. */
void test_rig_serve(test_rig *rig, const char *path, const redlock_fake_step *steps,
                    uint32_t count) {
    redlock_fake_step copy[REDLOCK_FAKE_STEPS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = steps[i];
        if (copy[i].kind == REDLOCK_FAKE_GREET) {
            copy[i].bytes = (redlock_bytes){rig->greeting, rig->greeting_len};
        }
    }
    rig->fake = redlock_fake_start(path, copy, count);
}

test_rig *test_rig_start(const redlock_fake_step *steps, uint32_t count) {
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    test_rig_serve(rig, rig->path, steps, count);
    redlock_conn_connect(rig->conn);
    return rig;
}

/* The same over TCP: the port is known only when the server listens. */
test_rig *test_rig_start_tcp(const redlock_fake_step *steps, uint32_t count) {
    test_rig *rig = test_rig_create();
    test_rig_open_tcp(rig, "127.0.0.1", 0);
    redlock_conn_destroy(rig->conn);
    test_rig_serve(rig, NULL, steps, count);
    test_rig_open_tcp(rig, "127.0.0.1", redlock_fake_port(rig->fake));
    redlock_conn_connect(rig->conn);
    return rig;
}

void test_rig_free(test_rig *rig) {
    redlock_conn_destroy(rig->conn);
    redlock_resolver_destroy(rig->resolver);
    redlock_wake_deinit(&rig->wake);
    free(rig);
}

void test_rig_end(test_rig *rig) {
    assert_true(redlock_fake_finish(rig->fake, NULL));
    test_rig_free(rig);
}
