/* conn_connect_test.c -- how a connection comes up, over which socket and to which address, and what is
 * told when it cannot; against a scripted server and against a real one. */
#include "drive/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cmocka.h>

#include "rig.h"

/* --- getaddrinfo: "missing.test" does not exist, "two.test" has two ports --------------------- */

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

/* --- connecting ------------------------------------------------------------------------------- */

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

/* --- a real server ---------------------------------------------------------------------------- */

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
        cmocka_unit_test(link_comes_up_over_tcp),
        cmocka_unit_test(missing_socket_is_told_by_the_next_dispatch),
        cmocka_unit_test(refused_port_is_told_each_time),
        cmocka_unit_test(addresses_are_tried_in_turn),
        cmocka_unit_test(unknown_host_is_told_in_words),
        cmocka_unit_test(lookup_can_be_hung_up_or_destroyed),
        cmocka_unit_test(tls_is_refused_in_words),
        cmocka_unit_test(server_that_never_accepts_is_hung_up),
        cmocka_unit_test(real_server_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
