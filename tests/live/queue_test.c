/* queue_test.c -- how a name is handed over, step by step on a real server with somebody who listens: who
 * gets it, for how long, what is published, and that a claim in a release is as good as one behind it. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "node.h"
#include "wire/claim.h"
#include "wire/message.h"

#define NAME "job"
#define MARK_KEY "redlock:{job}:fence"
#define QUEUE_KEY "redlock:{job}:queue"
#define ALIVE_KEY "redlock:{job}:alive"
#define HERE "here" /* the channel that is listened to */
#define AWAY "away"
#define TTL_MS 1000000
#define HAND_OFF_MS 2000
#define POLL_MS 100000
#define MARK 1000
#define END_TAG 999 /* of the message that says: there was none before me */
#define ROUNDS 300

typedef struct crossing { /* a server, one who speaks and one who listens */
    test_node node, ear;
} crossing;

static void say(test_node *node, const char *words) {
    test_node_send(node, (const uint8_t *)words, strlen(words));
}

static int setup(void **state) {
    crossing *at = calloc(1, sizeof *at);
    redlock_hello hello;

    assert_non_null(at);
    at->node.server = at->ear.server = test_server_start(NULL);
    test_node_connect(&at->node);
    test_node_connect(&at->ear);
    const char *url = test_server_url(at->node.server);
    assert_int_equal(test_node_greet(&at->node, url, &hello), REDLOCK_OK);
    assert_int_equal(test_node_greet(&at->ear, url, &hello), REDLOCK_OK);
    say(&at->ear, "SUBSCRIBE redlock:wake:" HERE "\r\n");
    test_node_read(&at->ear);
    *state = at;
    return 0;
}

static int teardown(void **state) {
    crossing *at = *state;

    close(at->node.fd);
    close(at->ear.fd);
    test_server_stop(at->node.server);
    free(at);
    return 0;
}

static int begin_anew(void **state) {
    crossing *at = *state;

    free(test_server_ask(at->node.server, "FLUSHALL", NULL));
    return 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static redlock_command grant_of(const char *name, const char *token) {
    return (redlock_command){.kind = REDLOCK_COMMAND_GRANT,
                             .fenced = true,
                             .name = redlock_bytes_of(name),
                             .token = redlock_bytes_of(token),
                             .ttl_ms = TTL_MS,
                             .fence = MARK};
}

static redlock_command waiting(redlock_command grant, const char *channel, uint64_t tag) {
    grant.entry = (redlock_queue_entry){
        .poll_ms = POLL_MS, .channel = redlock_bytes_of(channel), .wake_tag = tag};
    return grant;
}

static redlock_command release_of(const char *name, const char *token) {
    return (redlock_command){.kind = REDLOCK_COMMAND_RELEASE,
                             .fenced = true,
                             .name = redlock_bytes_of(name),
                             .token = redlock_bytes_of(token),
                             .hand_off_ms = HAND_OFF_MS};
}

static redlock_command with_claim(redlock_command release, redlock_command grant) {
    release.claim = redlock_claim_of(&grant);
    return release;
}

/* "a" holds, and these wait, the first to the right of it with tag 1. */
static void prepare(crossing *at, const char *first, const char *first_channel, const char *second,
                    const char *second_channel) {
    const char *tokens[] = {first, second}, *channels[] = {first_channel, second_channel};
    redlock_answer answer = test_node_run(&at->node, grant_of(NAME, "a"));

    assert_int_equal(answer.kind, REDLOCK_ANSWER_YES);
    for (uint32_t i = 0; i < 2 && tokens[i] != NULL; i++) {
        answer = test_node_run(&at->node, waiting(grant_of(NAME, tokens[i]), channels[i], i + 1));
        assert_int_equal(answer.kind, REDLOCK_ANSWER_NO);
        assert_int_equal(answer.place, i + 1);
    }
}

/* --- what is there ---------------------------------------------------------------------------- */

static void assert_left_between(crossing *at, int64_t least, int64_t most) {
    test_node_assert_left(&at->node, NAME, least, most);
}

static void assert_holder(crossing *at, const char *token) {
    test_node_assert_value(&at->node, NAME, token);
}

static void assert_mark(crossing *at, const char *mark) {
    test_node_assert_value(&at->node, MARK_KEY, mark);
}

/* `lines`: the tokens, each ended by a newline. */
static void assert_queue(crossing *at, const char *lines) {
    char *said = test_server_ask(at->node.server, "ZRANGE", QUEUE_KEY, "0", "-1", NULL);

    assert_non_null(said);
    assert_string_equal(said, lines);
    free(said);
    test_node_assert_says(&at->node, lines, "HKEYS", ALIVE_KEY, NULL);
}

static redlock_wake_call next_call(crossing *at) {
    redlock_wake_call call = {0};

    test_node_read(&at->ear);
    assert_int_equal(redlock_message_decode(at->ear.reader.values, at->ear.in, &call),
                     REDLOCK_MESSAGE_WAKE);
    return call;
}

static uint64_t next_tag(crossing *at) {
    return next_call(at).tag;
}

/* Who was woken since the last time; 0: nobody. */
static uint64_t woken(crossing *at) {
    free(test_server_ask(at->node.server, "PUBLISH", "redlock:wake:" HERE, "999", NULL));
    uint64_t first = next_tag(at);

    if (first == END_TAG) {
        return 0;
    }
    assert_int_equal(next_tag(at), END_TAG); /* one at most */
    return first;
}

/* --- hand-overs ------------------------------------------------------------------------------- */

static void first_waiter_is_handed_the_name(void **state) {
    crossing *at = *state;

    prepare(at, "b", HERE, "c", HERE);
    assert_int_equal(woken(at), 0);
    assert_int_equal(test_node_run(&at->node, release_of(NAME, "a")).kind, REDLOCK_ANSWER_YES);
    assert_int_equal(woken(at), 1);
    assert_holder(at, "b");
    assert_left_between(at, 1, HAND_OFF_MS);
    assert_mark(at, "1001");
    assert_queue(at, "c\n");

    redlock_answer claim = test_node_run(&at->node, waiting(grant_of(NAME, "b"), HERE, 1));
    assert_int_equal(claim.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(claim.mark, MARK + 1);
    assert_left_between(at, HAND_OFF_MS + 1, TTL_MS);
}

/* "THEN LEFT NOW", by the server's clock and from one script. */
static void times_of(crossing *at, const char *script, uint64_t *ret_then, uint64_t *ret_until) {
    char *said = test_server_ask(at->node.server, "EVAL", script, "1", NAME, NULL);
    unsigned long long then, left, now;

    assert_non_null(said);
    assert_int_equal(sscanf(said, "%llu\n%llu\n%llu", &then, &left, &now), 3);
    *ret_then = then;
    *ret_until = now + left;
    free(said);
}

#define NOW                                                                                        \
    "local function now() local t = redis.call('TIME') "                                           \
    "return math.floor((t[1] * 1000000 + t[2]) / 1000) end "

/* The waiter counts on the key for as long from that time on (core/handoff.c). */
static void hand_off_is_told_with_its_mark_and_a_time_not_after_it(void **state) {
    crossing *at = *state;
    uint64_t then, until;

    prepare(at, "b", HERE, "c", HERE);
    assert_int_equal(test_node_run(&at->node, release_of(NAME, "a")).kind, REDLOCK_ANSWER_YES);
    redlock_wake_call call = next_call(at);
    assert_int_equal(call.tag, 1);
    assert_int_equal(call.mark, MARK + 1);
    assert_true(redlock_bytes_equal(call.token, redlock_bytes_of("b")));
    times_of(at, NOW "return {now(), redis.call('PTTL', KEYS[1]), now()}", &then, &until);
    assert_in_range(call.time_ms, then - 1000, then);
    assert_true(call.time_ms + HAND_OFF_MS <= until + 1); /* PTTL rounds down */
}

/* What that rests on: a key that a script writes lives from the TIME that the script has read on, even if
 * the server takes the time for both from when the script began, long ago.  When it ends is asked apart. */
static void key_lives_from_the_time_that_its_script_has_read(void **state) {
    crossing *at = *state;
    uint64_t then, written, later, until;

    times_of(at,
             NOW "local n = 0 for i = 1, 3000000 do n = n + i % 7 end local then_ms = now() "
                 "redis.call('SET', KEYS[1], n, 'PX', 60000) return {then_ms, 0, 0}",
             &then, &written);
    times_of(at, NOW "return {now(), redis.call('PTTL', KEYS[1]), now()}", &later, &until);
    assert_true(then + 60000 <= until + 1);
    assert_true(then <= later);
}

static void who_does_not_listen_is_passed_over_and_keeps_its_place(void **state) {
    crossing *at = *state;

    prepare(at, "b", AWAY, "c", HERE);
    assert_int_equal(test_node_run(&at->node, release_of(NAME, "a")).kind, REDLOCK_ANSWER_YES);
    assert_int_equal(woken(at), 2);
    assert_holder(at, "c");
    assert_queue(at, "b\n");
}

static void name_is_free_when_nobody_can_be_reached(void **state) {
    crossing *at = *state;

    prepare(at, "b", AWAY, "c", AWAY);
    assert_int_equal(test_node_run(&at->node, release_of(NAME, "a")).kind, REDLOCK_ANSWER_YES);
    assert_holder(at, "(nil)");
    assert_mark(at, "1000");
    assert_queue(at, "b\nc\n");
}

static void stranger_cannot_hand_over(void **state) {
    crossing *at = *state;
    redlock_command release = with_claim(release_of(NAME, "x"), grant_of(NAME, "b"));

    prepare(at, "b", HERE, "c", HERE);
    assert_int_equal(test_node_run(&at->node, release).kind, REDLOCK_ANSWER_NO);
    assert_int_equal(woken(at), 0);
    assert_holder(at, "a");
    assert_queue(at, "b\nc\n");
}

/* --- claims ----------------------------------------------------------------------------------- */

static void claim_that_is_next_is_served_whole_and_wakes_nobody(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "b"));

    prepare(at, "b", HERE, "c", HERE);
    redlock_answer release = test_node_run(&at->node, both);
    redlock_answer grant = redlock_claim_answer(&release);
    assert_int_equal(release.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(grant.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(grant.mark, MARK + 1);
    assert_int_equal(woken(at), 0);
    assert_holder(at, "b");
    assert_left_between(at, HAND_OFF_MS + 1, TTL_MS);
    assert_mark(at, "1001");
    assert_queue(at, "c\n");
}

/* Its client is there: it is the one who asks. */
static void claim_needs_nobody_to_listen(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "b"));

    prepare(at, "b", AWAY, "c", HERE);
    redlock_answer release = test_node_run(&at->node, both);
    assert_int_equal(redlock_claim_answer(&release).kind, REDLOCK_ANSWER_YES);
    assert_int_equal(woken(at), 0);
    assert_holder(at, "b");
    assert_queue(at, "c\n");
}

static void claim_does_not_overtake(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "c"));

    prepare(at, "b", HERE, "c", HERE);
    redlock_answer release = test_node_run(&at->node, both);
    redlock_answer grant = redlock_claim_answer(&release);
    assert_int_equal(release.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(grant.kind, REDLOCK_ANSWER_UNSEEN);
    assert_int_equal(woken(at), 1);
    assert_holder(at, "b");
    assert_left_between(at, 1, HAND_OFF_MS);
    assert_queue(at, "c\n");
}

static void late_claim_is_a_waiter_like_any_other(void **state) {
    crossing *at = *state;
    redlock_command grant = grant_of(NAME, "b");

    grant.not_after_ms = 1;
    prepare(at, "b", HERE, "c", HERE);
    redlock_answer release = test_node_run(&at->node, with_claim(release_of(NAME, "a"), grant));
    assert_int_equal(redlock_claim_answer(&release).kind, REDLOCK_ANSWER_UNSEEN);
    assert_int_equal(woken(at), 1);
    assert_holder(at, "b");
    assert_left_between(at, 1, HAND_OFF_MS);
}

static void late_release_serves_no_claim(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "b"));

    both.not_after_ms = 1;
    prepare(at, "b", HERE, NULL, NULL);
    redlock_answer release = test_node_run(&at->node, both);
    assert_int_equal(release.kind, REDLOCK_ANSWER_LATE);
    assert_int_equal(redlock_claim_answer(&release).kind, REDLOCK_ANSWER_UNSEEN);
    assert_holder(at, "a");
    assert_queue(at, "b\n");
}

static void claim_of_who_is_not_in_the_queue_is_not_looked_at(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "b"));

    prepare(at, NULL, NULL, NULL, NULL);
    redlock_answer release = test_node_run(&at->node, both);
    assert_int_equal(release.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(redlock_claim_answer(&release).kind, REDLOCK_ANSWER_UNSEEN);
    assert_holder(at, "(nil)");
}

/* A grant without a mark could share a fence with another: the claim asks like a newcomer. */
static void without_a_mark_no_claim_is_served(void **state) {
    crossing *at = *state;
    redlock_command both = with_claim(release_of(NAME, "a"), grant_of(NAME, "b"));

    prepare(at, "b", HERE, NULL, NULL);
    test_node_assert_says(&at->node, "1", "DEL", MARK_KEY, NULL);
    redlock_answer release = test_node_run(&at->node, both);
    assert_int_equal(release.kind, REDLOCK_ANSWER_YES);
    assert_int_equal(redlock_claim_answer(&release).kind, REDLOCK_ANSWER_UNSEEN);
    assert_holder(at, "(nil)");
    assert_mark(at, "(nil)");
}

static void bad_claim_is_refused_before_anything_is_written(void **state) {
    crossing *at = *state;
    redlock_command grant = grant_of(NAME, "b");

    prepare(at, "b", HERE, NULL, NULL);
    grant.ttl_ms = 0;
    redlock_answer release = test_node_run(&at->node, with_claim(release_of(NAME, "a"), grant));
    assert_int_equal(release.kind, REDLOCK_ANSWER_ERROR);
    assert_true(redlock_bytes_equal(release.text, redlock_bytes_of("ERR redlock: bad ttl_ms")));
    assert_holder(at, "a");
    assert_queue(at, "b\n");
}

/* --- as good as two commands ------------------------------------------------------------------ */

typedef struct scene {  /* before the release of "own"; "next" is who claims, and listens */
    const char *holder; /* NULL: the name is free */
    const char *waiter[3];
    bool has_mark, leaves, release_is_late, claim_is_late;
} scene;

static scene scene_draw(redlock_prng *prng) {
    static const char *const holders[] = {"own", "own", "own", "own", "other", NULL};
    const char *waiters[] = {"next", "here", "away"};
    scene drawn = {.holder = holders[redlock_prng_upto(prng, 5)]};

    for (uint32_t i = 0; i < 3; i++) { /* in any order, and each perhaps not */
        uint64_t pick = i + redlock_prng_upto(prng, 2 - i);
        const char *waiter = waiters[pick];
        waiters[pick] = waiters[i];
        waiters[i] = waiter;
        drawn.waiter[i] = redlock_prng_upto(prng, 3) > 0 ? waiter : NULL;
    }
    drawn.has_mark = redlock_prng_upto(prng, 7) > 0;
    drawn.leaves = redlock_prng_upto(prng, 3) == 0;
    drawn.release_is_late = redlock_prng_upto(prng, 9) == 0;
    drawn.claim_is_late = redlock_prng_upto(prng, 5) == 0;
    return drawn;
}

static void scene_set(crossing *at, const scene *drawn, const char *name) {
    char mark_key[64];

    (void)snprintf(mark_key, sizeof mark_key, "redlock:{%s}:fence", name);
    (void)test_node_run(&at->node, grant_of(name, "own"));
    for (uint32_t i = 0; i < 3; i++) {
        const char *token = drawn->waiter[i];
        if (token != NULL) {
            const char *channel = strcmp(token, "away") == 0 ? AWAY : HERE;
            (void)test_node_run(&at->node, waiting(grant_of(name, token), channel, i + 1));
        }
    }
    if (drawn->holder == NULL) {
        free(test_server_ask(at->node.server, "DEL", name, NULL));
    } else if (strcmp(drawn->holder, "own") != 0) {
        free(test_server_ask(at->node.server, "SET", name, drawn->holder, "PX", "900000", NULL));
    }
    if (!drawn->has_mark) {
        free(test_server_ask(at->node.server, "DEL", mark_key, NULL));
    }
}

typedef struct outcome { /* of the release and of the claim, and what is there then */
    redlock_answer_kind release, grant;
    uint64_t mark;
    uint32_t place;
    char there[512];
} outcome;

static void keep_said(crossing *at, outcome *to, const char *a, const char *name,
                      const char *companion, const char *b, const char *c) {
    char key[64];
    size_t len = strlen(to->there);

    (void)snprintf(key, sizeof key, companion == NULL ? "%s" : "redlock:{%s}:%s", name, companion);
    char *said = test_server_ask(at->node.server, a, key, b, c, NULL);
    assert_non_null(said);
    if (strcmp(a, "PTTL") == 0) { /* a hand-off, or whole; how long the test takes does not count */
        long long left = strtoll(said, NULL, 10);
        (void)snprintf(to->there + len, sizeof to->there - len, " left %s",
                       left < 0             ? "-"
                       : left > HAND_OFF_MS ? "much"
                                            : "little");
    } else {
        (void)snprintf(to->there + len, sizeof to->there - len, " %s %s", a, said);
    }
    free(said);
}

static void look(crossing *at, outcome *to, const char *name) {
    to->there[0] = '\0';
    keep_said(at, to, "GET", name, NULL, NULL, NULL);
    keep_said(at, to, "PTTL", name, NULL, NULL, NULL);
    keep_said(at, to, "GET", name, "fence", NULL, NULL);
    keep_said(at, to, "ZRANGE", name, "queue", "0", "-1");
    keep_said(at, to, "HLEN", name, "alive", NULL, NULL);
}

/* Both ways; a claim that is not looked at is said again, as the core does. */
static outcome play(crossing *at, const scene *drawn, const char *name, bool is_one_command) {
    redlock_command release = release_of(name, "own");
    redlock_command grant = waiting(grant_of(name, "next"), HERE, 7);
    outcome came = {.grant = REDLOCK_ANSWER_UNSEEN};

    release.place = drawn->leaves ? REDLOCK_PLACE_LEAVE : REDLOCK_PLACE_NONE;
    release.not_after_ms = drawn->release_is_late ? 1 : 0;
    grant.follows = true;
    grant.not_after_ms = drawn->claim_is_late ? 1 : 0;
    if (is_one_command) {
        assert_true(redlock_claim_suits(&release, &grant));
        release.claim = redlock_claim_of(&grant);
    }
    redlock_answer released = test_node_run(&at->node, release);
    redlock_answer granted = redlock_claim_answer(&released);
    came.release = released.kind;
    if (!is_one_command || granted.kind == REDLOCK_ANSWER_UNSEEN) {
        grant.not_after_ms = 0;
        granted = test_node_run(&at->node, grant);
    }
    came.grant = granted.kind;
    came.mark = granted.mark;
    came.place = granted.place;
    look(at, &came, name);
    return came;
}

static void claim_in_a_release_is_as_good_as_one_behind_it(void **state) {
    crossing *at = *state;
    redlock_prng prng;
    uint32_t served = 0;

    redlock_prng_init(&prng, 20261121);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        scene drawn = scene_draw(&prng);
        (void)begin_anew(state);
        scene_set(at, &drawn, "two");
        outcome two = play(at, &drawn, "two", false);
        scene_set(at, &drawn, "one");
        outcome one = play(at, &drawn, "one", true);
        if (one.release != two.release || one.grant != two.grant || one.mark != two.mark ||
            one.place != two.place || strcmp(one.there, two.there) != 0) {
            fail_msg("round %" PRIu32 ": in one command %d, %d, mark %" PRIu64 ", place %" PRIu32
                     "%s; in two %d, %d, mark %" PRIu64 ", place %" PRIu32 "%s",
                     i, (int)one.release, (int)one.grant, one.mark, one.place, one.there,
                     (int)two.release, (int)two.grant, two.mark, two.place, two.there);
        }
        served += one.grant == REDLOCK_ANSWER_YES;
    }
    assert_in_range(served, ROUNDS / 10, ROUNDS - ROUNDS / 10);
    free(test_server_ask(at->node.server, "PUBLISH", "redlock:wake:" HERE, "999", NULL));
    while (next_tag(at) != END_TAG) { /* all that the rounds have published, for the next test */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_waiter_is_handed_the_name, begin_anew),
        cmocka_unit_test_setup(hand_off_is_told_with_its_mark_and_a_time_not_after_it, begin_anew),
        cmocka_unit_test_setup(key_lives_from_the_time_that_its_script_has_read, begin_anew),
        cmocka_unit_test_setup(who_does_not_listen_is_passed_over_and_keeps_its_place, begin_anew),
        cmocka_unit_test_setup(name_is_free_when_nobody_can_be_reached, begin_anew),
        cmocka_unit_test_setup(stranger_cannot_hand_over, begin_anew),
        cmocka_unit_test_setup(claim_that_is_next_is_served_whole_and_wakes_nobody, begin_anew),
        cmocka_unit_test_setup(claim_needs_nobody_to_listen, begin_anew),
        cmocka_unit_test_setup(claim_does_not_overtake, begin_anew),
        cmocka_unit_test_setup(late_claim_is_a_waiter_like_any_other, begin_anew),
        cmocka_unit_test_setup(late_release_serves_no_claim, begin_anew),
        cmocka_unit_test_setup(claim_of_who_is_not_in_the_queue_is_not_looked_at, begin_anew),
        cmocka_unit_test_setup(without_a_mark_no_claim_is_served, begin_anew),
        cmocka_unit_test_setup(bad_claim_is_refused_before_anything_is_written, begin_anew),
        cmocka_unit_test_setup(claim_in_a_release_is_as_good_as_one_behind_it, begin_anew),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
