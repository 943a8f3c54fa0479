/* socket_test.c -- how sockets are set up. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive/socket.h"

static int option_of(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int listener_open(struct sockaddr_storage *ret_at, socklen_t *ret_len) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    memset(ret_at, 0, sizeof *ret_at);
    *ret_len = sizeof *ret_at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_at, ret_len), 0);
    return fd;
}

/* The connection that hears wakes sends nothing: without this it would be dead for two hours unnoticed. */
static void silent_connection_is_given_up_after_half_a_minute(void **state) {
    struct sockaddr_storage at;
    socklen_t len;
    int fd = -1;
    bool is_connected;
    int listener = listener_open(&at, &len);

    (void)state;
    assert_int_equal(redlock_socket_connect(&at, len, &fd, &is_connected), 0);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    int idle_s = option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    int probes_s =
        option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) * option_of(fd, IPPROTO_TCP, TCP_KEEPCNT);
    assert_int_equal(idle_s + probes_s, 30);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(listener), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_connection_is_given_up_after_half_a_minute),
    };

    return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
