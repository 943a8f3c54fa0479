/* private_test.c -- small things below the connections: secrets in files, growing buffers, paths of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive/buffer.h"
#include "drive/private.h"
#include "drive/socket.h"

static char path[] = "/tmp/redlock-private-XXXXXX";

static int setup(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state) {
    (void)state;
    return unlink(path);
}

static void write_file(const char *bytes, size_t len) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void secret_is_the_first_line_whatever_ends_it(void **state) {
    static const struct {
        const char *bytes;
        size_t len;
    } files[] = {{"hush\nmore", 9}, {"hush\r\nmore", 10}, {"hush\0more", 9}, {"hush", 4}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char out[16];
        const char *words = NULL;
        write_file(files[i].bytes, files[i].len);
        assert_int_equal(redlock_private_read(path, out, sizeof out, &words), REDLOCK_OK);
        assert_string_equal(out, "hush");
        for (size_t at = 4; at < sizeof out; at++) {
            assert_int_equal(out[at], 0); /* of the rest nothing stays in memory */
        }
    }
}

static void secret_that_is_none_is_refused_and_wiped(void **state) {
    char out[16];
    const char *words = NULL;
    static const char wiped[sizeof out];
    (void)state;
    write_file("a secret that is too long\n", 26);
    assert_int_equal(redlock_private_read(path, out, sizeof out, &words), REDLOCK_INVALID);
    assert_string_equal(words, "its first line is too long");
    assert_memory_equal(out, wiped, sizeof out);
    write_file("\nhush\n", 6);
    assert_int_equal(redlock_private_read(path, out, sizeof out, &words), REDLOCK_INVALID);
    assert_string_equal(words, "its first line is empty");
    assert_memory_equal(out, wiped, sizeof out);
}

static void file_that_others_may_read_or_own_is_refused(void **state) {
    char out[16];
    const char *words = NULL;
    (void)state;
    write_file("hush\n", 5);
    assert_int_equal(chmod(path, 0604), 0);
    assert_int_equal(redlock_private_read(path, out, sizeof out, &words), REDLOCK_INVALID);
    assert_non_null(strstr(words, "chmod 600"));
    assert_int_equal(redlock_private_read("/", out, sizeof out, &words), REDLOCK_INVALID);
    assert_string_equal(words, "it is not a regular file");
    if (geteuid() == 0) { /* nobody else can give a file away */
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_int_equal(redlock_private_read(path, out, sizeof out, &words), REDLOCK_INVALID);
        assert_string_equal(words, "it belongs to another user");
    }
}

static void buffer_does_not_grow_beyond_what_can_be_counted(void **state) {
    redlock_buffer buffer = {.at = NULL};
    (void)state;
    assert_true(redlock_buffer_reserve(&buffer, 100, 16));
    assert_true(buffer.size >= 100);
    buffer.len = 100;
    uint8_t *before = buffer.at;
    assert_false(redlock_buffer_reserve(&buffer, SIZE_MAX - 100, 16));
    assert_false(redlock_buffer_reserve(&buffer, SIZE_MAX / 4, 16));
    assert_ptr_equal(buffer.at, before); /* what it has stays */
    free(buffer.at);
}

static void path_of_a_socket_fits_or_is_refused(void **state) {
    redlock_addresses addresses = {.count = 0};
    struct sockaddr_un at;
    char longest[sizeof at.sun_path + 1];
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(redlock_socket_address(longest, &addresses));
    assert_int_equal(addresses.count, 0);
    longest[sizeof longest - 2] = '\0';
    assert_true(redlock_socket_address(longest, &addresses));
    memcpy(&at, &addresses.item[0].at, sizeof at);
    assert_string_equal(at.sun_path, longest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_is_the_first_line_whatever_ends_it),
        cmocka_unit_test(secret_that_is_none_is_refused_and_wiped),
        cmocka_unit_test(file_that_others_may_read_or_own_is_refused),
        cmocka_unit_test(buffer_does_not_grow_beyond_what_can_be_counted),
        cmocka_unit_test(path_of_a_socket_fits_or_is_refused),
    };

    return cmocka_run_group_tests_name("secrets, buffers, paths", tests, setup, teardown);
}
