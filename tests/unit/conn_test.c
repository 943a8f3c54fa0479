/* conn_test.c -- a connection against a scripted server, byte by byte, and against a real one.
 *
 * One test plays the engine with threads, for the thread sanitizer to judge. */
#include "drive/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cmocka.h>

#include "drive/clock.h"
#include "script/script.h"
#include "support/fake_server.h"
#include "support/rig.h"

/* --- getaddrinfo: "missing.test" does not exist, "two.test" has two ports ----------------------- */

/* The linker puts the second in front of the first, in programs of every kind. */
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);

static char two_ports[2][6]; /* what "two.test" answers */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret) {
    bool is_numeric = (hints->ai_flags & AI_NUMERICHOST) != 0;
    if (!is_numeric && strcmp(host, "missing.test") == 0) {
        return EAI_NONAME;
    }
    if (is_numeric || strcmp(host, "two.test") != 0) {
        return __real_getaddrinfo(host, service, hints, ret);
    }
    int rc = __real_getaddrinfo("127.0.0.1", two_ports[0], hints, ret);
    return rc != 0 ? rc : __real_getaddrinfo("127.0.0.1", two_ports[1], hints, &(*ret)->ai_next);
}

/* --- connecting ----------------------------------------------------------------------------------- */

static void link_comes_up_over_unix_socket(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    assert_null(redlock_conn_hello(rig->conn));
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    assert_string_equal(redlock_conn_hello(rig->conn)->version, "7.0.15");
    test_rig_end(rig);
}

/* A server that knows all scripts but the first.  `answers` comes after that script and a command. */
static test_rig *rig_start_unlearned(const redlock_fake_step *answers) {
    redlock_hello hello = {.status = REDLOCK_OK, .lacks = 1};
    static uint8_t script[REDLOCK_HELLO_BYTES_MAX];
    size_t script_len = redlock_hello_teach(&hello, script, sizeof script);
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    assert_memory_equal(rig->replies + rig->replies_len - 32, ":1\r\n:1\r\n", 8);
    rig->replies[rig->replies_len - 31] = '0';
    const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        {.kind = REDLOCK_FAKE_EXPECT, .bytes = {rig->greeting, rig->greeting_len}},
        {.kind = REDLOCK_FAKE_SEND, .bytes = {rig->replies, rig->replies_len}},
        {.kind = REDLOCK_FAKE_EXPECT, .bytes = {script, script_len}},
        STEP_COUNT(COMMANDS, 1),
        *answers,
        STEP(STALL)};
    rig->fake = redlock_fake_start(rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_send_many(rig, 1);
    return rig;
}

static void script_is_taught_in_front_of_the_first_command(void **state) {
    char said[64];
    int len = snprintf(said, sizeof said, "$40\r\n%s\r\n-ERR x\r\n",
                       redlock_script_of(REDLOCK_COMMAND_GRANT)->sha1);
    const redlock_fake_step answers = {.kind = REDLOCK_FAKE_SEND,
                                       .bytes = {(const uint8_t *)said, (size_t)len}};
    (void)state;
    test_rig *rig = rig_start_unlearned(&answers);
    test_rig_await(rig, 2);
    test_rig_assert_error_reply(rig, 1, 1, "ERR x");
    test_rig_end(rig);
}

static void script_that_is_refused_ends_the_link(void **state) {
    static const redlock_fake_step answers = SEND("-NOPERM no scripts\r\n-NOSCRIPT x\r\n");
    (void)state;
    test_rig *rig = rig_start_unlearned(&answers);
    test_rig_await(rig, 2);
    test_rig_assert_down(rig, 1, REDLOCK_NO_PERMISSION, 0, "NOPERM no scripts");
    test_rig_end(rig);
}

static void link_comes_up_over_tcp(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
}

static void missing_socket_is_told_by_the_next_dispatch(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    (void)unlink(rig->path);
    redlock_conn_connect(rig->conn);
    assert_true(redlock_conn_has_news(rig->conn));
    assert_int_equal(rig->count, 0);
    test_rig_dispatch(rig);
    assert_int_equal(rig->count, 1);
    test_rig_assert_down(rig, 0, REDLOCK_IO, ENOENT, "cannot connect");
    assert_false(redlock_conn_has_news(rig->conn));
    test_rig_free(rig);
}

/* A bound socket that does not listen: its port refuses for sure. */
static int port_reserve(uint16_t *ret_port) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void refused_port_is_told_each_time(void **state) {
    uint16_t port;
    int fd = port_reserve(&port);
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_tcp(rig, "127.0.0.1", port);
    for (uint32_t i = 0; i < 3; i++) {
        redlock_conn_connect(rig->conn);
        test_rig_await(rig, i + 1);
        test_rig_assert_down(rig, i, REDLOCK_IO, ECONNREFUSED, "cannot connect");
    }
    test_rig_free(rig);
    (void)close(fd);
}

static void addresses_are_tried_in_turn(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(STALL)};
    uint16_t port;
    int fd = port_reserve(&port);
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_tcp(rig, "two.test", 1);
    test_rig_serve(rig, NULL, steps, COUNT_OF(steps));
    (void)snprintf(two_ports[0], sizeof two_ports[0], "%hu", port);
    (void)snprintf(two_ports[1], sizeof two_ports[1], "%hu", redlock_fake_port(rig->fake));
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
    (void)close(fd);
}

static void unknown_host_is_told_in_words(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_tcp(rig, "missing.test", 1);
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_down(rig, 0, REDLOCK_IO, 0, gai_strerror(EAI_NONAME));
    test_rig_free(rig);
}

static void lookup_can_be_hung_up_or_destroyed(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_tcp(rig, "missing.test", 1);
    for (int i = 0; i < 5; i++) {
        redlock_conn_connect(rig->conn);
        redlock_conn_hang_up(rig->conn);
        test_rig_dispatch(rig);
    }
    redlock_conn_connect(rig->conn);
    assert_int_equal(rig->count, 0);
    test_rig_free(rig);
}

static void tls_is_refused_in_words(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    rig->url.scheme = REDLOCK_URL_TLS;
    memcpy(rig->url.host, "127.0.0.1", 10);
    test_rig_open(rig);
    redlock_conn_connect(rig->conn);
    test_rig_await(rig, 1);
    test_rig_assert_down(rig, 0, REDLOCK_UNSUPPORTED, 0, "TLS is not in this build");
    test_rig_free(rig);
}

static void server_that_never_accepts_is_hung_up(void **state) {
    (void)state;
    test_rig *rig = test_rig_start(NULL, 0);
    assert_false(test_rig_pump(rig, 0) && test_rig_pump(rig, 0));
    redlock_conn_hang_up(rig->conn);
    assert_false(redlock_conn_has_news(rig->conn));
    assert_false(test_rig_pump(rig, 0));
    redlock_conn_connect(rig->conn); /* and again, the second descriptor being a new one */
    assert_false(test_rig_pump(rig, 0) && test_rig_pump(rig, 0));
    assert_int_equal(rig->count, 0);
    test_rig_end(rig);
}

/* --- the greeting ---------------------------------------------------------------------------------- */

static void greeting_cut_in_two(size_t cut) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(EXPECT), STEP(SEND),
                                 STEP(PAUSE),  STEP(SEND),   STEP(STALL)};
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    steps[1].bytes = (redlock_bytes){rig->greeting, rig->greeting_len};
    steps[2].bytes = (redlock_bytes){rig->replies, cut};
    steps[4].bytes = (redlock_bytes){rig->replies + cut, rig->replies_len - cut};
    test_rig_serve(rig, rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    while (!test_rig_pump(rig, TEST_RIG_WAIT_MS)) {
    }
    assert_int_equal(rig->count, 0);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
}

static void greeting_may_be_cut_at_every_byte(void **state) {
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    size_t len = rig->replies_len;
    test_rig_free(rig);
    for (size_t cut = 1; cut < len; cut++) {
        greeting_cut_in_two(cut);
    }
}

static void greeting_may_come_byte_by_byte(void **state) {
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(EXPECT), STEP(SEND_SLOWLY), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_create();
    test_rig_open_unix(rig);
    steps[1].bytes = (redlock_bytes){rig->greeting, rig->greeting_len};
    steps[2].bytes = (redlock_bytes){rig->replies, rig->replies_len};
    test_rig_serve(rig, rig->path, steps, COUNT_OF(steps));
    redlock_conn_connect(rig->conn);
    for (size_t i = 0; i < rig->replies_len; i++) {
        assert_int_equal(rig->count, 0);
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    test_rig_await(rig, 1);
    test_rig_assert_up(rig, 0);
    test_rig_end(rig);
}

static void greeting_that_is_not_resp_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), SEND("HTTP/1.1 400 Bad Request\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_PROTOCOL);
    assert_memory_equal(test_rig_seen(rig, 0)->text, "not RESP: ", 10);
    assert_true(strlen(test_rig_seen(rig, 0)->text) > 10);
    test_rig_end(rig);
}

#define NOAUTH "-NOAUTH Authentication required.\r\n"

static void greeting_that_is_refused_ends_the_link(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        SEND(NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH
                 NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH NOAUTH),
        STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_AUTH_REQUIRED);
    assert_false(test_rig_pump(rig, 0)); /* nothing more from the replies behind */
    test_rig_end(rig);
}

static void server_that_closes_in_the_greeting_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    assert_int_equal(test_rig_seen(rig, 0)->status, REDLOCK_IO);
    test_rig_end(rig);
}

/* --- replies --------------------------------------------------------------------------------------- */

static void replies_may_come_byte_by_byte(void **state) {
    static const char replies[] = "-ERR one\r\n-ERR two\r\n-ERR three\r\n";
    redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 3),
                                 STEP(SEND_SLOWLY), STEP(STALL)};
    (void)state;
    steps[3].bytes = redlock_bytes_of(replies);
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 3);
    for (size_t i = 0; i < sizeof replies - 1; i++) {
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    test_rig_await(rig, 4);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_error_reply(rig, 2, 2, "ERR two");
    test_rig_assert_error_reply(rig, 3, 3, "ERR three");
    test_rig_end(rig);
}

static void plain_grant_is_answered_yes(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("+OK\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->answer, REDLOCK_ANSWER_YES);
    test_rig_end(rig);
}

static void many_commands_are_answered_in_order(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1000),
                                              {.kind = REDLOCK_FAKE_SEND_TIMES,
                                               .count = 1000,
                                               .bytes = {(const uint8_t *)"-ERR x\r\n", 8}},
                                              STEP_COUNT(COMMANDS, 1000),
                                              {.kind = REDLOCK_FAKE_SEND_TIMES,
                                               .count = 1000,
                                               .bytes = {(const uint8_t *)"-ERR y\r\n", 8}},
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    for (uint32_t round = 0; round < 2; round++) {
        test_rig_send_many(rig, 1000);
        test_rig_await(rig, 1001 + round * 1000);
    }
    for (uint32_t i = 1; i <= 2000; i++) {
        test_rig_assert_error_reply(rig, i, i, i <= 1000 ? "ERR x" : "ERR y");
    }
    test_rig_end(rig);
}

static void rig_renew(test_rig *rig, const char *name, uint64_t ttl_ms) {
    redlock_command command = {.kind = REDLOCK_COMMAND_RENEW,
                               .fenced = true,
                               .name = redlock_bytes_of(name),
                               .token = redlock_bytes_of("0123456789abcdef"),
                               .fence = 7,
                               .ttl_ms = ttl_ms};
    redlock_conn_send(rig->conn, ++rig->next_tag, &command);
}

#define RENEWED_HEAD(elements) "*" #elements "\r\n:1\r\n:0\r\n:99\r\n:0\r\n"
#define RENEWED ":1\r\n:7\r\n$0\r\n\r\n"
#define DENIED ":3\r\n:7\r\n$0\r\n\r\n"

/* Seven commands, in five: what is sent in between keeps its place, and so does each answer. */
static void renewals_in_a_row_share_a_command(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT),
        STEP(GREET),
        STEP_COUNT(COMMANDS, 5),
        SEND("-ERR a\r\n" RENEWED_HEAD(13) RENEWED DENIED RENEWED "-ERR b\r\n"),
        SEND(RENEWED_HEAD(7) RENEWED "-ERR c\r\n"),
        STEP(STALL)};
    static const redlock_answer_kind kinds[] = {
        REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_YES, REDLOCK_ANSWER_NO,   REDLOCK_ANSWER_YES,
        REDLOCK_ANSWER_ERROR, REDLOCK_ANSWER_YES, REDLOCK_ANSWER_ERROR};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send(rig, redlock_bytes_of("name"));
    rig_renew(rig, "a", 10000);
    rig_renew(rig, "b", 10000);
    rig_renew(rig, "c", 10000);
    test_rig_send(rig, redlock_bytes_of("name"));
    rig_renew(rig, "d", 10000);
    rig_renew(rig, "e", 20000); /* another ttl: a command of its own */
    test_rig_await(rig, 8);
    for (uint32_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_int_equal(test_rig_seen(rig, 1 + i)->tag, 1 + i);
        assert_int_equal(test_rig_seen(rig, 1 + i)->answer, kinds[i]);
    }
    test_rig_end(rig);
}

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

static void replies_before_the_end_are_told_first(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 2),
                                              SEND("-ERR one\r\n-ERR tw"), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 2);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_down(rig, 2, REDLOCK_IO, 0, "the server closed the connection");
    test_rig_end(rig);
}

static void reset_is_told_with_its_errno(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(PAUSE), STEP(RESET)};
    (void)state;
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 2);
    test_rig_assert_down(rig, 1, REDLOCK_IO, ECONNRESET, "the connection broke");
    test_rig_end(rig);
}

/* Writing finds the end first; the server's last words are read all the same.  No SIGPIPE. */
static void last_words_are_read_after_a_failed_write(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR bye\r\n"), STEP(CLOSE)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_flush(rig);
    redlock_fake_await(rig->fake); /* it closes before we read */
    for (int i = 0; i < 3; i++) {
        test_rig_send_many(rig, 1);
        test_rig_flush(rig);
    }
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR bye");
    test_rig_assert_down(rig, 2, REDLOCK_IO, 0, "the server closed the connection");
    assert_false(test_rig_pump(rig, 0));
    test_rig_end(rig);
}

static void malformed_reply_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 2),
                                              SEND("-ERR one\r\n?what\r\n-ERR two\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 2);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    assert_int_equal(test_rig_seen(rig, 2)->status, REDLOCK_PROTOCOL);
    assert_true(strlen(test_rig_seen(rig, 2)->text) > 0);
    test_rig_end(rig);
}

static void reply_that_nobody_asked_for_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR one\r\n-ERR two\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_down(rig, 2, REDLOCK_PROTOCOL, 0, "a reply that nobody asked for");
    test_rig_end(rig);
}

static void endless_bulk_is_told(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1),
                                              SEND("$999999999\r\n"), STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->status, REDLOCK_PROTOCOL);
    test_rig_end(rig);
}

/* Each part is within the codec's caps; the whole is more than a connection keeps. */
static void oversized_reply_is_told(void **state) {
    static uint8_t bulk[8 + 60000 + 2];
    redlock_fake_step steps[] = {STEP(ACCEPT),
                                 STEP(GREET),
                                 STEP_COUNT(COMMANDS, 1),
                                 SEND("*10\r\n"),
                                 STEP_COUNT(SEND_TIMES, 4),
                                 STEP(PAUSE),
                                 STEP_COUNT(SEND_TIMES, 6)};
    (void)state;
    memset(bulk, 'b', sizeof bulk);
    memcpy(bulk, "$60000\r\n", 8);
    memcpy(bulk + sizeof bulk - 2, "\r\n", 2);
    steps[4].bytes = (redlock_bytes){bulk, sizeof bulk};
    steps[6].bytes = (redlock_bytes){bulk, sizeof bulk};
    test_rig *rig = test_rig_start_tcp(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    redlock_fake_go(rig->fake);
    test_rig_await(rig, 2);
    assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_LINK_DOWN);
    assert_int_equal(test_rig_seen(rig, 1)->status, REDLOCK_PROTOCOL);
    (void)redlock_fake_finish(rig->fake, NULL); /* it may be stuck in sending the rest */
    test_rig_free(rig);
}

/* --- hanging up ------------------------------------------------------------------------------------- */

static void react_by_reconnecting(test_rig *rig, const redlock_fact *fact) {
    if (fact->kind == REDLOCK_FACT_REPLY) {
        rig->react = NULL;
        redlock_conn_hang_up(rig->conn);
        redlock_conn_connect(rig->conn);
    }
}

/* The replies behind the first belong to a link that is gone: the next one must not see them. */
static void sink_may_hang_up_and_connect(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 3),
                                              SEND("-ERR one\r\n-ERR two\r\n-ERR thr"),
                                              STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND("-ERR new\r\n"),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    rig->react = react_by_reconnecting;
    test_rig_send_many(rig, 3);
    test_rig_await(rig, 3);
    test_rig_assert_error_reply(rig, 1, 1, "ERR one");
    test_rig_assert_up(rig, 2);
    test_rig_send_many(rig, 1);
    test_rig_await(rig, 4);
    test_rig_assert_error_reply(rig, 3, 4, "ERR new");
    test_rig_end(rig);
}

/* The first of three that one reply answers ends the link. */
static void sink_may_hang_up_inside_of_a_reply(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND(RENEWED_HEAD(13) RENEWED RENEWED RENEWED),
                                              STEP(ACCEPT),
                                              STEP(GREET),
                                              STEP_COUNT(COMMANDS, 1),
                                              SEND(RENEWED_HEAD(7) DENIED),
                                              STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    rig->react = react_by_reconnecting;
    for (uint32_t i = 0; i < 3; i++) {
        rig_renew(rig, "name", 10000);
    }
    test_rig_await(rig, 3);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 1);
    test_rig_assert_up(rig, 2);
    rig_renew(rig, "name", 10000);
    test_rig_await(rig, 4);
    assert_int_equal(test_rig_seen(rig, 3)->tag, 4);
    assert_int_equal(test_rig_seen(rig, 3)->answer, REDLOCK_ANSWER_NO);
    test_rig_end(rig);
}

/* A follower hangs up while the leader is between poll and receive. */
static void bytes_of_a_doomed_descriptor_are_never_told(void **state) {
    static const redlock_fake_step steps[] = {
        STEP(ACCEPT), STEP(GREET), STEP_COUNT(COMMANDS, 1), SEND("-ERR old\r\n"), STEP(ACCEPT),
        STEP(GREET),  STEP(STALL)};
    (void)state;
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 1);
    test_rig_flush(rig);
    struct pollfd pollfd;
    pollfd.fd = redlock_conn_poll_want(rig->conn, &pollfd.events);
    assert_int_equal(poll(&pollfd, 1, TEST_RIG_WAIT_MS), 1);
    redlock_conn_hang_up(rig->conn);
    redlock_conn_connect(rig->conn);
    redlock_conn_receive(rig->conn, pollfd.revents);
    assert_false(redlock_conn_has_news(rig->conn));
    test_rig_dispatch(rig);
    assert_int_equal(rig->count, 1);
    test_rig_await(rig, 2);
    test_rig_assert_up(rig, 1);
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

static void destroy_works_in_the_middle_of_everything(void **state) {
    static const redlock_fake_step steps[] = {STEP(ACCEPT), STEP(GREET), STEP(STALL)};
    (void)state;
    redlock_conn_destroy(NULL);
    test_rig *rig = test_rig_start(steps, COUNT_OF(steps));
    test_rig_await(rig, 1);
    test_rig_send_many(rig, 100);
    assert_true(redlock_conn_flush_begin(rig->conn));
    test_rig_end(rig);
}

/* --- a connection that only listens ----------------------------------------------------------- */

#define CHANNEL "0123456789abcdef0123456789abcdef"
#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$45\r\nredlock:wake:" CHANNEL "\r\n:1\r\n"
#define MESSAGE(words) "*3\r\n$7\r\nmessage\r\n$45\r\nredlock:wake:" CHANNEL "\r\n" words "\r\n"

/* After CLIENT SETNAME and SUBSCRIBE the server says what `steps` say. */
static test_rig *rig_listen(const redlock_fake_step *steps, uint32_t count) {
    static const redlock_fake_step greeting[] = {STEP(ACCEPT), STEP_COUNT(COMMANDS, 2),
                                                 SEND("+OK\r\n")};
    redlock_fake_step all[REDLOCK_FAKE_STEPS_MAX];
    test_rig *rig = test_rig_create();
    rig->url.scheme = REDLOCK_URL_UNIX;
    memcpy(rig->url.path, rig->path, sizeof rig->path);
    rig->conn = redlock_conn_create_listening(3, &rig->url, redlock_bytes_of("redlock-test"),
                                              redlock_bytes_of(CHANNEL), rig->resolver);
    assert_non_null(rig->conn);
    memcpy(all, greeting, sizeof greeting);
    memcpy(all + COUNT_OF(greeting), steps, count * sizeof steps[0]);
    test_rig_serve(rig, rig->path, all, COUNT_OF(greeting) + count);
    redlock_conn_connect(rig->conn);
    return rig;
}

static void listener_hears_wakes_until_the_end(void **state) {
    static const redlock_fake_step steps[] = {
        SEND(SUBSCRIBED MESSAGE("$1\r\n7") MESSAGE("$5\r\nhello")),
        SEND(MESSAGE("$20\r\n18446744073709551615")), STEP(CLOSE)};
    (void)state;
    test_rig *rig = rig_listen(steps, COUNT_OF(steps));
    test_rig_await(rig, 4);
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
    assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_WAKE);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 7);
    assert_int_equal(test_rig_seen(rig, 2)->kind, REDLOCK_FACT_WAKE);
    assert_true(test_rig_seen(rig, 2)->tag == UINT64_MAX);
    assert_int_equal(test_rig_seen(rig, 3)->kind, REDLOCK_FACT_UNSUBSCRIBED);
    test_rig_end(rig);
}

static void listener_hears_wakes_byte_by_byte(void **state) {
    static const redlock_fake_step steps[] = {
        {.kind = REDLOCK_FAKE_SEND_SLOWLY,
         .bytes = {(const uint8_t *)SUBSCRIBED MESSAGE("$1\r\n7"),
                   sizeof SUBSCRIBED MESSAGE("$1\r\n7") - 1}},
        STEP(STALL)};
    (void)state;
    test_rig *rig = rig_listen(steps, COUNT_OF(steps));
    for (uint32_t i = 0; rig->count < 2; i++) {
        assert_true(i < 1000);
        redlock_fake_go(rig->fake);
        assert_true(test_rig_pump(rig, TEST_RIG_WAIT_MS));
    }
    assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 7);
    test_rig_end(rig);
}

static void listener_that_is_refused_is_told(void **state) {
    static const redlock_fake_step rows[][2] = {
        {SEND("-NOPERM this user has no permissions\r\n"), STEP(STALL)},
        {SEND("+OK\r\n"), STEP(STALL)},
        {SEND("hello\r\n"), STEP(STALL)},
        {STEP(CLOSE), STEP(STALL)},
    };
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        test_rig *rig = rig_listen(rows[i], rows[i][0].kind == REDLOCK_FAKE_CLOSE ? 1 : 2);
        test_rig_await(rig, 1);
        assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_UNSUBSCRIBED);
        test_rig_end(rig);
    }
}

static void listener_ends_with_what_is_no_message(void **state) {
    static const redlock_fake_step rows[][2] = {
        {SEND(SUBSCRIBED ":7\r\n" MESSAGE("$1\r\n7")), STEP(STALL)},
        {SEND(SUBSCRIBED "-ERR no\r\n" MESSAGE("$1\r\n7")), STEP(STALL)},
        {SEND(SUBSCRIBED "?\r\n"), STEP(STALL)},
    };
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        test_rig *rig = rig_listen(rows[i], 2);
        test_rig_await(rig, 2);
        assert_int_equal(test_rig_seen(rig, 0)->kind, REDLOCK_FACT_SUBSCRIBED);
        assert_int_equal(test_rig_seen(rig, 1)->kind, REDLOCK_FACT_UNSUBSCRIBED);
        test_rig_end(rig);
    }
}

/* --- threads ---------------------------------------------------------------------------------------- */

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

/* --- a real server ------------------------------------------------------------------------------------ */

static pid_t server_start(const char *path, uint16_t port) {
    char port_text[6];
    (void)snprintf(port_text, sizeof port_text, "%hu", port);
    (void)unlink(path);
    pid_t pid = fork();
    if (pid == 0) { /* it must not outlive a test that fails, nor hold its output open */
#ifdef __linux__
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        (void)!freopen("/dev/null", "w", stdout);
        (void)!freopen("/dev/null", "w", stderr);
        execlp("redis-server", "redis-server", "--port", port_text, "--bind", "127.0.0.1",
               "--unixsocket", path, "--save", "", "--dir", "/tmp", (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Connects until the server is there; false: it ended, so there is none on this machine. */
static bool server_await(test_rig *rig, pid_t pid) {
    for (;;) {
        rig->count = 0;
        redlock_conn_connect(rig->conn);
        test_rig_await(rig, 1);
        if (test_rig_seen(rig, 0)->kind == REDLOCK_FACT_LINK_UP) {
            return true;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return false;
        }
        (void)poll(NULL, 0, 10);
    }
}

static void real_server_grants(test_rig *rig) {
    test_rig_send(rig, redlock_bytes_of("redlock-conn-test"));
    test_rig_send(rig, redlock_bytes_of("redlock-conn-test"));
    test_rig_await(rig, 3);
    assert_int_equal(test_rig_seen(rig, 1)->tag, 1);
    assert_int_equal(test_rig_seen(rig, 2)->tag, 2);
    assert_int_equal(test_rig_seen(rig, 1)->answer, REDLOCK_ANSWER_YES);
    assert_int_equal(strlen(test_rig_seen(rig, 0)->text), REDLOCK_RUN_ID_BYTES);
    redlock_command release = {.kind = REDLOCK_COMMAND_RELEASE,
                               .name = redlock_bytes_of("redlock-conn-test"),
                               .token = redlock_bytes_of("0123456789abcdef")};
    redlock_conn_send(rig->conn, 3, &release);
    test_rig_await(rig, 4);
    assert_int_equal(test_rig_seen(rig, 3)->answer, REDLOCK_ANSWER_YES);
}

static void real_server_answers(void **state) {
    uint16_t port;
    (void)state;
    test_rig *unix_rig = test_rig_create();
    test_rig *tcp_rig = test_rig_create();
    (void)close(port_reserve(&port));
    pid_t pid = server_start(unix_rig->path, port);
    assert_true(pid > 0);
    test_rig_open_unix(unix_rig);
    test_rig_open_tcp(tcp_rig, "127.0.0.1", port);
    bool is_there = server_await(unix_rig, pid);
    if (is_there) {
        real_server_grants(unix_rig);
        assert_true(server_await(tcp_rig, pid));
        real_server_grants(tcp_rig);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        test_rig_await(unix_rig, 5);
        assert_int_equal(test_rig_seen(unix_rig, 4)->kind, REDLOCK_FACT_LINK_DOWN);
    }
    (void)unlink(unix_rig->path);
    test_rig_free(unix_rig);
    test_rig_free(tcp_rig);
    if (!is_there) {
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_comes_up_over_unix_socket),
        cmocka_unit_test(script_is_taught_in_front_of_the_first_command),
        cmocka_unit_test(script_that_is_refused_ends_the_link),
        cmocka_unit_test(link_comes_up_over_tcp),
        cmocka_unit_test(missing_socket_is_told_by_the_next_dispatch),
        cmocka_unit_test(refused_port_is_told_each_time),
        cmocka_unit_test(addresses_are_tried_in_turn),
        cmocka_unit_test(unknown_host_is_told_in_words),
        cmocka_unit_test(lookup_can_be_hung_up_or_destroyed),
        cmocka_unit_test(tls_is_refused_in_words),
        cmocka_unit_test(server_that_never_accepts_is_hung_up),
        cmocka_unit_test(greeting_may_be_cut_at_every_byte),
        cmocka_unit_test(greeting_may_come_byte_by_byte),
        cmocka_unit_test(greeting_that_is_not_resp_is_told),
        cmocka_unit_test(greeting_that_is_refused_ends_the_link),
        cmocka_unit_test(server_that_closes_in_the_greeting_is_told),
        cmocka_unit_test(replies_may_come_byte_by_byte),
        cmocka_unit_test(plain_grant_is_answered_yes),
        cmocka_unit_test(many_commands_are_answered_in_order),
        cmocka_unit_test(renewals_in_a_row_share_a_command),
        cmocka_unit_test(bytes_that_the_kernel_refuses_wait),
        cmocka_unit_test(replies_before_the_end_are_told_first),
        cmocka_unit_test(reset_is_told_with_its_errno),
        cmocka_unit_test(last_words_are_read_after_a_failed_write),
        cmocka_unit_test(malformed_reply_is_told),
        cmocka_unit_test(reply_that_nobody_asked_for_is_told),
        cmocka_unit_test(endless_bulk_is_told),
        cmocka_unit_test(oversized_reply_is_told),
        cmocka_unit_test(sink_may_hang_up_and_connect),
        cmocka_unit_test(sink_may_hang_up_inside_of_a_reply),
        cmocka_unit_test(bytes_of_a_doomed_descriptor_are_never_told),
        cmocka_unit_test(flusher_keeps_the_descriptor_open),
        cmocka_unit_test(destroy_works_in_the_middle_of_everything),
        cmocka_unit_test(listener_hears_wakes_until_the_end),
        cmocka_unit_test(listener_hears_wakes_byte_by_byte),
        cmocka_unit_test(listener_that_is_refused_is_told),
        cmocka_unit_test(listener_ends_with_what_is_no_message),
        cmocka_unit_test(threads_share_a_connection),
        cmocka_unit_test(real_server_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
