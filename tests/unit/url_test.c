/* url_test.c -- server URLs: what is understood, and what is said about the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/url.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static redlock_status parse(const char *text, redlock_url *url, redlock_url_error *error) {
    /* A copy of the exact length: the text need not end with a NUL. */
    size_t len = strlen(text);
    uint8_t *copy = malloc(len + 1);

    assert_non_null(copy);
    memcpy(copy + 1, text, len);
    redlock_status status =
        redlock_url_parse((redlock_bytes){.at = copy + 1, .len = len}, url, error);

    free(copy);
    return status;
}

static void urls_are_understood(void **state) {
    static const struct {
        const char *text;
        redlock_url_scheme scheme;
        const char *place; /* host or path */
        unsigned port;
        uint32_t db;
        const char *user, *password;
        const char *shown;
    } rows[] = {
        {"redis://a", REDLOCK_URL_TCP, "a", 6379, 0, "", "", "redis://a:6379/0"},
        {"redis://a/", REDLOCK_URL_TCP, "a", 6379, 0, "", "", "redis://a:6379/0"},
        {"redis://a:1/7", REDLOCK_URL_TCP, "a", 1, 7, "", "", "redis://a:1/7"},
        {"REDIS://a.b-c_d:65535", REDLOCK_URL_TCP, "a.b-c_d", 65535, 0, "", "",
         "redis://a.b-c_d:65535/0"},
        {"rediss://10.0.0.1/65535", REDLOCK_URL_TLS, "10.0.0.1", 6379, 65535, "", "",
         "rediss://10.0.0.1:6379/65535"},
        {"redis://:secret@a", REDLOCK_URL_TCP, "a", 6379, 0, "", "secret", "redis://a:6379/0"},
        {"redis://me:secret@a:7/1", REDLOCK_URL_TCP, "a", 7, 1, "me", "secret", "redis://a:7/1"},
        {"redis://m%40e:s%2Fe%3a%25@a", REDLOCK_URL_TCP, "a", 6379, 0, "m@e", "s/e:%",
         "redis://a:6379/0"},
        {"redis://me:p@ss:w@rd@a", REDLOCK_URL_TCP, "a", 6379, 0, "me", "p@ss:w@rd",
         "redis://a:6379/0"},
        {"redis://[::1]", REDLOCK_URL_TCP, "::1", 6379, 0, "", "", "redis://[::1]:6379/0"},
        {"redis://u:p@[fe80::1%25eth0]:7000/2", REDLOCK_URL_TCP, "fe80::1%eth0", 7000, 2, "u", "p",
         "redis://[fe80::1%eth0]:7000/2"},
        {"[::ffff:10.0.0.1]:7", REDLOCK_URL_TCP, "::ffff:10.0.0.1", 7, 0, "", "",
         "redis://[::ffff:10.0.0.1]:7/0"},
        {"localhost", REDLOCK_URL_TCP, "localhost", 6379, 0, "", "", "redis://localhost:6379/0"},
        {"localhost:6380", REDLOCK_URL_TCP, "localhost", 6380, 0, "", "",
         "redis://localhost:6380/0"},
        {"unix:///run/redis.sock", REDLOCK_URL_UNIX, "/run/redis.sock", 0, 0, "", "",
         "unix:///run/redis.sock"},
        {"unix:///a%20b%3Fc?db=5", REDLOCK_URL_UNIX, "/a b?c", 0, 5, "", "", "unix:///a b?c?db=5"},
        {"unix://:secret@/s", REDLOCK_URL_UNIX, "/s", 0, 0, "", "secret", "unix:///s"},
        {"unix://me:secret@/s", REDLOCK_URL_UNIX, "/s", 0, 0, "me", "secret", "unix:///s"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_url url;
        redlock_url_error error;
        char shown[128];

        assert_int_equal(parse(rows[i].text, &url, &error), REDLOCK_OK);
        assert_int_equal(url.scheme, rows[i].scheme);
        assert_string_equal(url.scheme == REDLOCK_URL_UNIX ? url.path : url.host, rows[i].place);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.db, rows[i].db);
        assert_string_equal(url.user, rows[i].user);
        assert_string_equal(url.password, rows[i].password);
        redlock_url_to_text(&url, shown, sizeof shown);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void wrong_urls_are_refused_with_a_place_and_a_sentence(void **state) {
    static const struct {
        const char *text;
        size_t offset;
        const char *begins; /* the sentence */
    } rows[] = {
        {"", 0, "the URL is empty"},
        {"redis://", 8, "the host is missing"},
        {"redis:///1", 8, "the host is missing"},
        {"redis://:7", 8, "the host is missing"},
        {"redis://u:p@:7", 12, "the host is missing"},
        {":7", 0, "the host is missing"},
        {"redis://a:", 10, "behind ':' stands a port"},
        {"redis://a:0", 10, "behind ':' stands a port"},
        {"redis://a:65536", 10, "behind ':' stands a port"},
        {"redis://a:7x", 10, "behind ':' stands a port"},
        {"redis://u:pa/ss@a", 10, "behind ':' stands a port"},
        {"a:99999999999999999999", 2, "behind ':' stands a port"},
        {"redis://a b", 9, "this character can't be part of a host name"},
        {"redis://ab%3Ac", 10, "this character can't be part of a host name"},
        {"redis://a%0a", 9, "this character can't be part of a host name"},
        {"redis://a%zz", 9, "a '%' is followed by two hex digits"},
        {"redis://a%4", 9, "a '%' is followed by two hex digits"},
        {"redis://u:p%@a", 11, "a '%' is followed by two hex digits"},
        {"redis://u:p%00@a", 11, "a NUL byte"},
        {"redis://u@a", 9, "a password belongs in front of the '@'"},
        {"redis://@a", 8, "a password belongs in front of the '@'"},
        {"redis://u:@a", 10, "the password is empty"},
        {"redis://::1", 8, "an IPv6 address is written in brackets"},
        {"::1", 0, "an IPv6 address is written in brackets"},
        {"fe80::1", 0, "an IPv6 address is written in brackets"},
        {"redis://[::1", 8, "the '[' of an IPv6 address has no ']'"},
        {"redis://[]", 9, "an IPv6 address is missing"},
        {"redis://[::g]", 11, "an IPv6 address consists of hex digits"},
        {"redis://[::1%24]", 12, "an IPv6 address consists of hex digits"},
        {"redis://[::1%25]", 12, "an IPv6 address consists of hex digits"},
        {"redis://[::1%25a%2f]", 16, "this character can't be part of a host name"},
        {"redis://[::1]7", 13, "only a ':' and a port"},
        {"redis://a/x", 10, "the database is a number"},
        {"redis://a/65536", 10, "the database is a number"},
        {"redis://a/1/", 10, "the database is a number"},
        {"redis://a?db=1", 9, "nothing may follow here"},
        {"redis://a/1?x", 11, "nothing may follow here"},
        {"redis://a#x", 9, "nothing may follow here"},
        {"unix://", 7, "the path of the socket is missing"},
        {"unix:///", 8, "the path of the socket is missing"},
        {"unix:///?db=1", 8, "the path of the socket is missing"},
        {"unix://run/s", 7, "the path of a socket begins with '/'"},
        {"unix://u@/s", 8, "a password belongs in front of the '@'"},
        {"unix:///s?", 9, "behind the path only ?db=N"},
        {"unix:///s?x=1", 9, "behind the path only ?db=N"},
        {"unix:///s?db=", 13, "the database is a number"},
        {"unix:///s?db=a", 13, "the database is a number"},
        {"a/1", 1, "short for a server is"},
        {"u:p@a", 3, "short for a server is"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_url url = {.port = 1};
        redlock_url_error error = {.offset = 999, .text = ""};

        assert_int_equal(parse(rows[i].text, &url, &error), REDLOCK_BAD_URL);
        if (error.offset != rows[i].offset ||
            strncmp(error.text, rows[i].begins, strlen(rows[i].begins)) != 0) {
            fail_msg("%s: at %zu: %s", rows[i].text, error.offset, error.text);
        }
        assert_int_equal(url.port, 1); /* untouched */
    }
}

static void foreign_schemes_are_unsupported(void **state) {
    static const char *const rows[] = {"http://a",   "valkey://a", "redis+sentinel://a",
                                       "://a",       "local:",     "local:/tmp/x",
                                       "local:6379", "LOCAL://",   "redisss://a",
                                       "unixx:///a"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_url url;
        redlock_url_error error = {.offset = 9};

        assert_int_equal(parse(rows[i], &url, &error), REDLOCK_UNSUPPORTED);
        assert_int_equal(error.offset, 0);
        assert_int_equal(strstr(error.text, "command only") != NULL,
                         rows[i][0] == 'l' || rows[i][0] == 'L');
    }
}

static void nul_bytes_are_refused_where_they_stand(void **state) {
    const redlock_bytes text = {.at = (const uint8_t *)"redis://a\0b", .len = 11};
    redlock_url url;
    redlock_url_error error;

    (void)state;
    assert_int_equal(redlock_url_parse(text, &url, &error), REDLOCK_BAD_URL);
    assert_int_equal(error.offset, 9);
    assert_non_null(strstr(error.text, "NUL"));
}

/* "before" + `count` times 'x' + "behind" */
static redlock_status parse_long(const char *before, size_t count, const char *behind,
                                 redlock_url_error *error) {
    static char text[4096];
    redlock_url url;
    size_t len = strlen(before);

    memcpy(text, before, len);
    memset(text + len, 'x', count);
    memcpy(text + len + count, behind, strlen(behind) + 1);
    return parse(text, &url, error);
}

static void every_part_has_a_longest(void **state) {
    static const struct {
        const char *before, *behind;
        size_t max;
    } rows[] = {
        {"redis://", ":1", REDLOCK_URL_HOST_BYTES_MAX},
        {"", "", REDLOCK_URL_HOST_BYTES_MAX},
        {"redis://", ":p@a", REDLOCK_URL_USER_BYTES_MAX},
        {"redis://u:", "@a", REDLOCK_URL_PASSWORD_BYTES_MAX},
        {"unix:///", "", REDLOCK_URL_PATH_BYTES_MAX - 1},
    };
    redlock_url_error error;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(parse_long(rows[i].before, rows[i].max, rows[i].behind, &error),
                         REDLOCK_OK);
        assert_int_equal(parse_long(rows[i].before, rows[i].max + 1, rows[i].behind, &error),
                         REDLOCK_BAD_URL);
        assert_int_equal(error.offset, strlen(rows[i].before) + rows[i].max);
        assert_non_null(strstr(error.text, "at most"));
    }
    assert_int_equal(parse_long("redis://", REDLOCK_URL_BYTES_MAX, "", &error), REDLOCK_BAD_URL);
    assert_int_equal(error.offset, REDLOCK_URL_BYTES_MAX);
}

static void text_is_cut_to_its_place(void **state) {
    redlock_url url;
    redlock_url_error error;
    char text[12];

    (void)state;
    assert_int_equal(parse("redis://u:secret@host:7000/3", &url, &error), REDLOCK_OK);
    redlock_url_to_text(&url, text, sizeof text);
    assert_string_equal(text, "redis://hos");
    redlock_url_to_text(&url, text, 1);
    assert_string_equal(text, "");
}

static void same_server_is_told_by_spelling(void **state) {
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        {"redis://a", "a:6379", true},       {"redis://A.example", "redis://u:p@a.Example/0", true},
        {"redis://a", "rediss://a", true},   {"redis://a", "redis://a:6380", false},
        {"redis://a", "redis://a/1", false}, {"redis://a", "redis://ab", false},
        {"redis://ab", "redis://a", false},  {"unix:///s", "unix://:p@/s", true},
        {"unix:///s", "unix:///S", false},   {"unix:///s", "unix:///s?db=1", false},
        {"unix:///s", "redis://s", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        redlock_url a, b;
        redlock_url_error error;

        assert_int_equal(parse(rows[i].a, &a, &error), REDLOCK_OK);
        assert_int_equal(parse(rows[i].b, &b, &error), REDLOCK_OK);
        assert_int_equal(redlock_url_is_same_server(&a, &b), rows[i].is_same);
        assert_int_equal(redlock_url_is_same_server(&b, &a), rows[i].is_same);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_understood),
        cmocka_unit_test(wrong_urls_are_refused_with_a_place_and_a_sentence),
        cmocka_unit_test(foreign_schemes_are_unsupported),
        cmocka_unit_test(nul_bytes_are_refused_where_they_stand),
        cmocka_unit_test(every_part_has_a_longest),
        cmocka_unit_test(text_is_cut_to_its_place),
        cmocka_unit_test(same_server_is_told_by_spelling),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
