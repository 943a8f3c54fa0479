/* model_messages_test.c -- publishing and subscribing on the model server, against real ones: how
 * many get a message, who, and in which bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "pair.h"
#include "sim/server.h"

#define LISTENERS 4
#define FIRST_NUMBER 10 /* of their connections to the model */
#define RANDOM_STEPS 5000

typedef struct listener { /* a connection to either side */
    uint32_t number;
    test_pair real;
    test_bytes wanted; /* what the model said that was not read from the real one yet */
} listener;

typedef struct audience {
    test_pair *pair;
    listener listeners[LISTENERS];
} audience;

static void listener_open(listener *l) {
    struct timeval limit = {.tv_sec = 5};

    test_pair_connect(&l->real);
    assert_return_code(setsockopt(l->real.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    l->wanted.len = 0;
}

static void wanted_add(listener *l, redlock_bytes bytes) {
    assert_true(bytes.len <= sizeof l->wanted.at - l->wanted.len);
    if (bytes.len > 0) {
        memcpy(l->wanted.at + l->wanted.len, bytes.at, bytes.len);
    }
    l->wanted.len += bytes.len;
}

/* As many bytes as the model said, and the same. */
static void listener_compare(listener *l) {
    uint8_t got[TEST_BYTES_MAX];
    size_t len = 0;

    while (len < l->wanted.len) {
        ssize_t count = recv(l->real.fd, got + len, l->wanted.len - len, 0);
        if (count <= 0) {
            fail_msg("%zu bytes of %zu came: %.*s", len, l->wanted.len, (int)l->wanted.len,
                     (const char *)l->wanted.at);
        }
        len += (size_t)count;
    }
    if (memcmp(got, l->wanted.at, len) != 0) {
        fail_msg("server: %.*s\nmodel: %.*s", (int)len, (const char *)got, (int)len,
                 (const char *)l->wanted.at);
    }
    l->wanted.len = 0;
}

static redlock_sim_said listener_say(audience *all, listener *l, const test_bytes *command) {
    redlock_bytes bytes = {.at = command->at, .len = command->len};
    redlock_sim_said said = redlock_sim_server_feed(all->pair->model, l->number, bytes);

    test_pair_send(&l->real, command);
    wanted_add(l, said.bytes);
    listener_compare(l);
    return said;
}

static void messages_carry(audience *all) {
    redlock_sim_message message;

    while (redlock_sim_server_next_message(all->pair->model, &message)) {
        uint32_t index = message.connection - FIRST_NUMBER;
        assert_true(index < LISTENERS);
        wanted_add(&all->listeners[index], message.bytes);
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        listener_compare(&all->listeners[i]);
    }
}

static uint64_t draw(audience *all, uint64_t count) {
    return redlock_prng_upto(&all->pair->prng, count - 1);
}

#define DRAW_FROM(all, list) ((list)[draw((all), sizeof(list) / sizeof((list)[0]))])

static redlock_bytes draw_channel(audience *all) {
    static const uint8_t odd[] = {'c', 0, '\r', '\n'};
    const redlock_bytes channels[] = {
        redlock_bytes_of("a"), redlock_bytes_of("b"), redlock_bytes_of(""), {.at = odd, .len = 4}};

    return DRAW_FROM(all, channels);
}

static void publish(audience *all) {
    const char *const scripts[] = {
        "return redis.call('PUBLISH', ARGV[1], ARGV[2])",
        "return {redis.call('PUBLISH', ARGV[1], ARGV[2]), redis.call('PUBLISH', 'a', '')}",
        "redis.call('PUBLISH', ARGV[1], ARGV[2]) error('after all')",
    };
    redlock_bytes words[] = {redlock_bytes_of("EVAL"), redlock_bytes_of(DRAW_FROM(all, scripts)),
                             redlock_bytes_of("0"),    redlock_bytes_of("PUBLISH"),
                             draw_channel(all),        redlock_bytes_of("some text\r\n")};
    test_bytes out = {.len = 0};

    if (draw(all, 2) == 0) {
        words[3] = words[4];
        words[4] = words[5];
        test_bytes_add_command(&out, words, 5);
    } else {
        test_bytes_add_command(&out, words + 3, 3);
    }
    test_pair_run_blind(all->pair, &out);
    messages_carry(all);
}

static void subscribe(audience *all, listener *l) {
    redlock_bytes words[] = {redlock_bytes_of("subscribe"), draw_channel(all), draw_channel(all),
                             draw_channel(all)};
    test_bytes out = {.len = 0};

    test_bytes_add_command(&out, words, 2 + draw(all, 3));
    (void)listener_say(all, l, &out);
}

/* From all at once only where the order is the same on both sides: when one is left, or none. */
static void unsubscribe(audience *all, listener *l) {
    redlock_bytes words[] = {redlock_bytes_of("UNSUBSCRIBE"), redlock_bytes_of("a"),
                             redlock_bytes_of("b"), redlock_bytes_of("")};
    test_bytes out = {.len = 0};

    test_bytes_add_command(&out, words, 2 + draw(all, 3));
    if (draw(all, 2) == 0) {
        out.len = 0;
        test_bytes_add_command(&out, words, 4);
        test_bytes_add_command(&out, words, 1);
    }
    (void)listener_say(all, l, &out);
}

static void ask(audience *all, listener *l) {
    test_bytes out = {.len = 0};

    test_bytes_add_words(&out, "PING", NULL);
    test_bytes_add_words(&out, "PING", "x", NULL);
    if (all->pair->is_exact) { /* others say it in other words */
        test_bytes_add_words(&out, "PING", "x", "y", NULL);
        test_bytes_add_words(&out, "GET", "k", NULL);
        test_bytes_add_words(&out, "PUBLISH", "nobody", "x", NULL);
        test_bytes_add_words(&out, "CLIENT", "SETNAME", "x", NULL);
        test_bytes_add_words(&out, "SUBSCRIBE", NULL);
        test_bytes_add_words(&out, "NOPE", NULL);
    }
    (void)listener_say(all, l, &out);
}

/* RESET keeps the connection and ends what it waits for; QUIT ends both. */
static void leave(audience *all, listener *l) {
    test_bytes out = {.len = 0};
    uint8_t byte;
    bool is_quit = draw(all, 2) == 0;

    test_bytes_add_words(&out, is_quit ? "QUIT" : "RESET", NULL);
    redlock_sim_said said = listener_say(all, l, &out);
    assert_int_equal(said.is_closed, is_quit);
    if (is_quit) {
        assert_int_equal(recv(l->real.fd, &byte, 1, 0), 0);
        close(l->real.fd);
        listener_open(l);
    }
}

static void messages_at_random(void **state) {
    audience *all = test_calloc(1, sizeof *all);

    all->pair = *state;
    for (uint32_t i = 0; i < LISTENERS; i++) {
        all->listeners[i].number = FIRST_NUMBER + i;
        all->listeners[i].real.server = all->pair->server;
        listener_open(&all->listeners[i]);
    }
    for (uint32_t i = 0; i < RANDOM_STEPS; i++) {
        listener *l = &all->listeners[draw(all, LISTENERS)];
        uint64_t what = draw(all, 16);

        if (what < 9) {
            publish(all);
        } else if (what < 12) {
            subscribe(all, l);
        } else if (what < 13) {
            unsubscribe(all, l);
        } else if (what < 15) {
            ask(all, l);
        } else {
            leave(all, l);
        }
    }
    for (uint32_t i = 0; i < LISTENERS; i++) {
        ask(all, &all->listeners[i]); /* nothing more had come */
        close(all->listeners[i].real.fd);
        redlock_sim_server_hang_up(all->pair->model, all->listeners[i].number);
    }
    test_free(all);
}

int main(void) {
    static const test_part parts[] = {
        {"messages at random", messages_at_random},
    };

    return test_pairs_run("model_messages", parts, sizeof parts / sizeof parts[0]);
}
