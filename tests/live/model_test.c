/* model_test.c -- the simulator's model server against real ones: every precondition of every step,
 * random commands, and random commands about sorted sets and hashes.  pair.h says how the two are compared. */
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

#include "base/command.h"
#include "base/prng.h"
#include "pair.h"
#include "sim/server.h"

#define RANDOM_STEPS 10000
#define COLLECTION_STEPS 8000
#define RUN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RUN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HOUR_US UINT64_C(3600000000)

/* --- every precondition of every step --------------------------------------------------------- */

#define MARK_AT 1000
#define LOCK_KEY "job"
#define MARK_KEY "redlock:{job}:fence"
#define BOOT_KEY "redlock:{boot}"

typedef enum lock_state { LOCK_FREE = 0, LOCK_OWN, LOCK_FOREIGN, LOCK_EXPIRED } lock_state;
typedef enum mark_state { MARK_NONE = 0, MARK_THERE, MARK_AHEAD, MARK_JUNK } mark_state;
typedef enum boot_state {
    BOOT_OFF = 0,
    BOOT_NONE,
    BOOT_READY,
    BOOT_SILENT,
    BOOT_OVER,
    BOOT_OTHER,
    BOOT_FUTURE,
    BOOT_RESTARTED,
    BOOT_JUNK
} boot_state;
typedef enum late_state { LATE_NEVER = 0, LATE_NO, LATE_YES } late_state;

typedef struct setting { /* one combination */
    redlock_command_kind kind;
    lock_state lock;
    mark_state mark;
    boot_state boot;
    late_state late;
    uint32_t fence;
    bool heal, is_short;
    uint64_t now_us; /* the real clock, shortly before */
} setting;

static void before_set(test_step *s, const char *key, const char *value, uint64_t expires_ms) {
    char digits[24];

    snprintf(digits, sizeof digits, "%" PRIu64, expires_ms);
    if (value == NULL) {
        test_bytes_add_words(&s->before, "DEL", key, NULL);
    } else if (expires_ms == 0) {
        test_bytes_add_words(&s->before, "SET", key, value, NULL);
    } else {
        test_bytes_add_words(&s->before, "SET", key, value, "PXAT", digits, NULL);
    }
    s->before_count++;
}

static void before_lock(test_step *s, const setting *with) {
    uint64_t now_ms = with->now_us / 1000;

    switch (with->lock) {
    case LOCK_FREE:
        before_set(s, LOCK_KEY, NULL, 0);
        return;
    case LOCK_OWN:
        before_set(s, LOCK_KEY, "own", now_ms + 20000);
        return;
    case LOCK_FOREIGN:
        before_set(s, LOCK_KEY, "foreign", with->is_short ? 0 : now_ms + 20000);
        return;
    case LOCK_EXPIRED:
        before_set(s, LOCK_KEY, "own", now_ms - 5);
        return;
    }
}

static void before_mark(test_step *s, const setting *with) {
    uint64_t expires_ms = with->now_us / 1000 + 60000;
    char ahead[24];

    snprintf(ahead, sizeof ahead, "%" PRIu64, with->now_us + 30 * HOUR_US);
    switch (with->mark) {
    case MARK_NONE:
        before_set(s, MARK_KEY, NULL, 0);
        return;
    case MARK_THERE:
        before_set(s, MARK_KEY, "1000", expires_ms);
        return;
    case MARK_AHEAD:
        before_set(s, MARK_KEY, ahead, expires_ms);
        return;
    case MARK_JUNK:
        before_set(s, MARK_KEY, "12x", expires_ms);
        return;
    }
}

static void before_boot_since(test_step *s, const char *run, uint64_t since_ms, const char *after) {
    char value[96];

    snprintf(value, sizeof value, "%s %" PRIu64 "%s", run, since_ms, after);
    before_set(s, BOOT_KEY, value, 0);
}

static void before_boot(test_step *s, const setting *with) {
    uint64_t now_ms = with->now_us / 1000;

    switch (with->boot) {
    case BOOT_OFF:
    case BOOT_NONE:
        before_set(s, BOOT_KEY, NULL, 0);
        return;
    case BOOT_READY:
        before_boot_since(s, RUN_A, 0, "");
        return;
    case BOOT_SILENT:
        before_boot_since(s, RUN_A, now_ms - 1000, "");
        return;
    case BOOT_OVER:
        before_boot_since(s, RUN_A, now_ms - 80000, " restarted");
        return;
    case BOOT_OTHER:
        before_boot_since(s, RUN_B, 0, "");
        return;
    case BOOT_FUTURE:
        before_boot_since(s, RUN_A, now_ms + 50000, " restarted");
        return;
    case BOOT_RESTARTED:
        before_boot_since(s, RUN_A, now_ms - 1000, " restarted");
        return;
    case BOOT_JUNK:
        before_set(s, BOOT_KEY, "what is this", 0);
        return;
    }
}

static uint64_t setting_not_after(const setting *with) {
    switch (with->late) {
    case LATE_NEVER:
        return 0;
    case LATE_NO:
        return with->now_us / 1000 + 60000;
    case LATE_YES:
        return with->now_us / 1000 - 1;
    }
    return 0;
}

static redlock_command setting_command(const setting *with) {
    const uint64_t fences[] = {0,
                               MARK_AT - 1,
                               MARK_AT,
                               MARK_AT + 1,
                               with->now_us + 2 * HOUR_US,
                               with->now_us + 25 * HOUR_US};

    return (redlock_command){
        .kind = with->kind,
        .fenced = with->fence > 0,
        .may_hold = true,
        .heal = with->heal,
        .name = redlock_bytes_of(LOCK_KEY),
        .token = redlock_bytes_of("own"),
        .ttl_ms = with->is_short ? 10000 : 30000,
        .fence = fences[with->fence],
        .not_after_ms = setting_not_after(with),
        .run_id = redlock_bytes_of(with->boot == BOOT_OFF ? "" : RUN_A),
        .guard_ms = 71000,
    };
}

static void setting_run(test_pair *p, const setting *with) {
    const redlock_bytes keys[] = {redlock_bytes_of(LOCK_KEY), redlock_bytes_of(MARK_KEY),
                                  redlock_bytes_of(BOOT_KEY)};
    redlock_command command = setting_command(with);
    test_step s;

    test_step_init(&s, keys, 3);
    before_lock(&s, with);
    before_mark(&s, with);
    before_boot(&s, with);
    test_step_run_typed(p, &s, &command);
}

/* Which parts of a setting a kind of command looks at. */
static bool kind_has_lock(redlock_command_kind kind) {
    return kind != REDLOCK_COMMAND_PROBE && kind != REDLOCK_COMMAND_DECLARE;
}

static bool kind_has_not_after(redlock_command_kind kind) {
    return kind == REDLOCK_COMMAND_GRANT || kind == REDLOCK_COMMAND_RAISE ||
           kind == REDLOCK_COMMAND_RENEW || kind == REDLOCK_COMMAND_RELEASE;
}

static bool kind_has_boot(redlock_command_kind kind) {
    return kind != REDLOCK_COMMAND_RELEASE && kind != REDLOCK_COMMAND_LOOK &&
           kind != REDLOCK_COMMAND_BREAK;
}

static bool kind_has_fence(redlock_command_kind kind) {
    return kind == REDLOCK_COMMAND_GRANT || kind == REDLOCK_COMMAND_RAISE ||
           kind == REDLOCK_COMMAND_RENEW;
}

/* False when another setting of the same kind says the same. */
static bool setting_is_worthy(const setting *with) {
    bool is_renew = with->kind == REDLOCK_COMMAND_RENEW;
    bool is_of_boot = !kind_has_lock(with->kind);

    return (kind_has_lock(with->kind) || (with->lock == LOCK_FREE && with->mark == MARK_NONE)) &&
           (kind_has_not_after(with->kind) || with->late == LATE_NEVER) &&
           (kind_has_boot(with->kind) || with->boot == BOOT_OFF) &&
           (kind_has_fence(with->kind) || with->fence <= 1) && (is_renew || !with->heal) &&
           !(is_of_boot && with->boot == BOOT_OFF) &&
           !(with->kind == REDLOCK_COMMAND_RAISE && with->fence == 0);
}

/* The settings of a kind, by number; false when there are no more. */
static bool setting_of(redlock_command_kind kind, uint32_t number, setting *ret_with) {
    ret_with->kind = kind;
    ret_with->lock = (lock_state)(number % 4);
    ret_with->mark = (mark_state)(number / 4 % 4);
    ret_with->boot = (boot_state)(number / 16 % 9);
    ret_with->late = (late_state)(number / 144 % 3);
    ret_with->fence = number / 432 % 6;
    ret_with->is_short = number / 2592 % 2 == 1;
    ret_with->heal = number / 5184 % 2 == 1;
    return number < 10368;
}

static void every_precondition(void **state) {
    test_pair *p = *state;
    setting with;
    uint64_t count = 0;

    for (int kind = REDLOCK_COMMAND_GRANT; kind <= REDLOCK_COMMAND_DECLARE; kind++) {
        with.now_us = test_pair_time(p);
        for (uint32_t i = 0; setting_of((redlock_command_kind)kind, i, &with); i++) {
            with.now_us = i % 256 == 0 ? test_pair_time(p) : with.now_us;
            if (setting_is_worthy(&with)) {
                setting_run(p, &with);
                count++;
            }
        }
    }
    printf("# %" PRIu64 " combinations\n", count);
}

/* --- random commands -------------------------------------------------------------------------- */

static uint64_t draw(test_pair *p, uint64_t count) {
    return redlock_prng_upto(&p->prng, count - 1);
}

#define DRAW_FROM(p, list) ((list)[draw((p), sizeof(list) / sizeof((list)[0]))])

/* Two names, one of them with a hash tag of its own, and one that is no text. */
static redlock_bytes draw_name(test_pair *p) {
    static const uint8_t odd[] = {'x', 0, 0xff, '\r', '\n'};
    const redlock_bytes names[] = {
        redlock_bytes_of(LOCK_KEY), redlock_bytes_of("a{b}c"), {.at = odd, .len = sizeof odd}};

    return DRAW_FROM(p, names);
}

static redlock_bytes draw_key(test_pair *p) {
    const char *const keys[] = {LOCK_KEY, LOCK_KEY, "a{b}c", MARK_KEY, "redlock:=a{b}c:fence",
                                BOOT_KEY};

    return redlock_bytes_of(DRAW_FROM(p, keys));
}

static uint64_t draw_fence(test_pair *p, uint64_t now_us) {
    const uint64_t fences[] = {1,
                               5,
                               now_us,
                               now_us + 1,
                               now_us + 2 * HOUR_US,
                               now_us + 25 * HOUR_US,
                               now_us - HOUR_US,
                               REDLOCK_FENCE_MAX - 1,
                               REDLOCK_FENCE_MAX,
                               REDLOCK_FENCE_MAX + 1};

    /* Mostly what clients say. */
    return draw(p, 3) > 0 ? now_us + draw(p, 100) : DRAW_FROM(p, fences);
}

static uint64_t draw_not_after(test_pair *p, uint64_t now_us) {
    uint64_t now_ms = now_us / 1000;
    const uint64_t instants[] = {
        0, 0, 0, now_ms - 1, now_ms, now_ms + 1, now_ms + 100, now_ms + 1000};

    return DRAW_FROM(p, instants);
}

static redlock_command draw_typed(test_pair *p) {
    const char *const tokens[] = {"own", "own", "other", "third", ""};
    const char *const runs[] = {"", "", RUN_A, RUN_A, RUN_B, "not hex"};
    const uint64_t ttls[] = {1, 1, 2, 3, 5, 10, 30, 1000, 90000000, 90000001};
    const uint64_t guards[] = {0, 1, 3, 10, 500};
    uint64_t now_us = test_pair_time(p);
    bool is_fenced = draw(p, 4) > 0;

    return (redlock_command){
        .kind = (redlock_command_kind)(1 + draw(p, REDLOCK_COMMAND_DECLARE)),
        .teach = draw(p, 8) == 0,
        .fenced = is_fenced,
        .may_hold = draw(p, 2) == 0,
        .heal = draw(p, 2) == 0,
        .name = draw_name(p),
        .token = redlock_bytes_of(DRAW_FROM(p, tokens)),
        .ttl_ms = DRAW_FROM(p, ttls),
        .fence = is_fenced ? draw_fence(p, now_us) : 0,
        .not_after_ms = draw_not_after(p, now_us),
        .run_id = redlock_bytes_of(DRAW_FROM(p, runs)),
        .guard_ms = DRAW_FROM(p, guards),
    };
}

static void draw_set(test_pair *p, test_bytes *to) {
    static uint8_t large[300];
    const char *const values[] = {"own", "other", "12", "9007199254740990", "9007199254740991", ""};
    const char *const options[] = {"NX", "XX", "KEEPTTL", "nx", "PX", "zz"};
    const char *const ttls[] = {"1", "2", "5", "40", "0", "-1", "05", "9223372036854775807"};
    redlock_bytes words[6] = {redlock_bytes_of("SET"), draw_key(p)};
    size_t count = 3;

    memset(large, 'v', sizeof large);
    words[2] = draw(p, 10) == 0 ? (redlock_bytes){.at = large, .len = sizeof large}
                                : redlock_bytes_of(DRAW_FROM(p, values));
    if (draw(p, 2) == 0) {
        words[count++] = redlock_bytes_of(DRAW_FROM(p, options));
    }
    if (draw(p, 2) == 0) {
        words[count++] = redlock_bytes_of("PX");
        words[count++] = redlock_bytes_of(DRAW_FROM(p, ttls));
    }
    test_bytes_add_command(to, words, count);
}

static void draw_pexpire(test_pair *p, test_bytes *to) {
    const char *const ttls[] = {"1", "3", "50", "0", "-5", "x", "9223372036854775807"};
    const char *const options[] = {"NX", "XX", "GT", "LT", "what"};
    redlock_bytes words[4] = {redlock_bytes_of("PEXPIRE"), draw_key(p),
                              redlock_bytes_of(DRAW_FROM(p, ttls)),
                              redlock_bytes_of(DRAW_FROM(p, options))};

    test_bytes_add_command(to, words, draw(p, 2) == 0 ? 4 : 3);
}

static void draw_raw(test_pair *p, test_bytes *to) {
    redlock_bytes words[] = {redlock_bytes_of("GET"), draw_key(p), draw_key(p)};

    switch (draw(p, 16)) {
    case 0:
        test_bytes_add_words(to, "SCRIPT", "FLUSH", NULL);
        return;
    case 1:
        test_bytes_add_words(to, "FLUSHALL", NULL);
        return;
    case 2:
    case 3:
        draw_pexpire(p, to);
        return;
    case 4:
    case 5:
        words[0] = redlock_bytes_of("DEL");
        test_bytes_add_command(to, words, 3);
        return;
    case 6:
        words[0] = redlock_bytes_of("EXISTS");
        test_bytes_add_command(to, words, 3);
        return;
    case 7:
    case 8:
        words[0] = redlock_bytes_of("PTTL");
        test_bytes_add_command(to, words, 2);
        return;
    case 9:
        test_bytes_add_command(to, words, 2);
        return;
    default:
        draw_set(p, to);
        return;
    }
}

static void random_commands(void **state) {
    static const uint8_t odd[] = {'x', 0, 0xff, '\r', '\n'};
    static const uint8_t odd_mark[] = {'r',  'e',  'd',  'l', 'o', 'c', 'k', ':', '{', 'x', 0,
                                       0xff, '\r', '\n', '}', ':', 'f', 'e', 'n', 'c', 'e'};
    const redlock_bytes keys[] = {redlock_bytes_of(LOCK_KEY),
                                  redlock_bytes_of(MARK_KEY),
                                  redlock_bytes_of("a{b}c"),
                                  redlock_bytes_of("redlock:=a{b}c:fence"),
                                  redlock_bytes_of(BOOT_KEY),
                                  {.at = odd, .len = sizeof odd},
                                  {.at = odd_mark, .len = sizeof odd_mark}};
    test_pair *p = *state;
    test_step s;

    for (uint32_t i = 0; i < RANDOM_STEPS; i++) {
        test_step_init(&s, keys, 7);
        if (draw(p, 3) == 0) {
            draw_raw(p, &s.command);
            test_step_run(p, &s);
        } else {
            redlock_command command = draw_typed(p);
            test_step_run_typed(p, &s, &command);
        }
        if (draw(p, 8) == 0) {
            usleep((useconds_t)draw(p, 3000)); /* lets keys end */
        }
    }
    printf("# %" PRIu64 " steps, %" PRIu64 " of them over the end of a millisecond\n",
           p->step_count, p->edge_count);
}

/* --- sorted sets and hashes ------------------------------------------------------------------- */

#define FORM_WORDS_MAX 6

/* "%k" is any key, "%m" a member or field, "%s" a score, "%r" a rank, "%t" a ttl. */
static const char *const forms[][FORM_WORDS_MAX] = {
    {"ZADD", "%k", "%s", "%m"},
    {"ZADD", "%k", "%s", "%m"},
    {"ZADD", "%k", "%s", "%m", "%s", "%m"},
    {"ZADD", "%k", "%s", "%m", "%s"},
    {"ZREM", "%k", "%m"},
    {"ZREM", "%k", "%m", "%m"},
    {"ZRANGE", "%k", "%r", "%r"},
    {"ZRANGE", "%k", "%r", "%r", "WITHSCORES"},
    {"ZREVRANGE", "%k", "%r", "%r"},
    {"ZREVRANGE", "%k", "%r", "%r", "withscores"},
    {"ZRANGE", "%k", "%r", "%r", "%m"},
    {"ZPOPMIN", "%k"},
    {"ZRANK", "%k", "%m"},
    {"ZSCORE", "%k", "%m"},
    {"ZCARD", "%k"},
    {"HSET", "%k", "%m", "%s"},
    {"HSET", "%k", "%m", "%s", "%m", "%m"},
    {"HSET", "%k", "%m", "%s", "%m"},
    {"HGET", "%k", "%m"},
    {"HDEL", "%k", "%m"},
    {"HDEL", "%k", "%m", "%m"},
    {"HLEN", "%k"},
    {"TYPE", "%k"},
    {"EXISTS", "%k", "%k"},
    {"PTTL", "%k"},
    {"PEXPIRE", "%k", "%t"},
    {"PEXPIRE", "%k", "%t"},
    {"SET", "%k", "%m"},
    {"SET", "%k", "%m", "PX", "%t"},
    {"SET", "%k", "%m", "XX", "KEEPTTL"},
    {"GET", "%k"},
    {"DEL", "%k"},
    {"PUBLISH", "%k", "%m"},
    {"FLUSHALL"},
};

static redlock_bytes draw_member(test_pair *p) {
    static const uint8_t odd[] = {'b', 0, 0xff};
    const char *const members[] = {"a", "b", "bb", "c", "d", "e", "aa", "", "B", "0", "%m"};

    return draw(p, 12) == 0 ? (redlock_bytes){.at = odd, .len = sizeof odd}
                            : redlock_bytes_of(DRAW_FROM(p, members));
}

/* Newer versions write numbers in other ways, so they are given plain ones only. */
static redlock_bytes draw_score(test_pair *p) {
    const char *const plain[] = {"0", "1", "1", "2", "-1", "1800000000000000", "9007199254740991"};
    const char *const any[] = {
        "9007199254740993", "1e17", "0.1", "-2.5e-3", "1e300",  "inf", "-Infinity", "-0", "0x10",
        "1e-310",           "+5",   "nan", "1e400",   "1e-400", "x",   "",          " 1", "1 "};

    return redlock_bytes_of(p->is_exact && draw(p, 3) == 0 ? DRAW_FROM(p, any)
                                                           : DRAW_FROM(p, plain));
}

static redlock_bytes draw_word(test_pair *p, const char *form) {
    const char *const keys[] = {"queue", "queue", "queue", "fields", "fields", "third"};
    const char *const ranks[] = {"0",  "0",
                                 "1",  "2",
                                 "5",  "-1",
                                 "-1", "-2",
                                 "-9", "9223372036854775807",
                                 "x",  "-9223372036854775808"};
    const char *const ttls[] = {"1", "2", "5", "20", "20", "0"};

    if (form[0] != '%') {
        return redlock_bytes_of(form);
    }
    switch (form[1]) {
    case 'k':
        return redlock_bytes_of(DRAW_FROM(p, keys));
    case 's':
        return draw_score(p);
    case 'r':
        return redlock_bytes_of(DRAW_FROM(p, ranks));
    case 't':
        return redlock_bytes_of(DRAW_FROM(p, ttls));
    default:
        return draw_member(p);
    }
}

/* As a client's command, or as a script's. */
static void draw_form(test_pair *p, test_bytes *to) {
    const char *const scripts[] = {
        "return redis.call(unpack(ARGV))",
        "local r = redis.pcall(unpack(ARGV)) return {type(r), r}",
        "local r = redis.call(unpack(ARGV)) return type(r) == 'table' and #r or r",
    };
    const char *const *form = DRAW_FROM(p, forms);
    redlock_bytes words[FORM_WORDS_MAX + 3] = {
        redlock_bytes_of("EVAL"), redlock_bytes_of(DRAW_FROM(p, scripts)), redlock_bytes_of("0")};
    size_t count = 3;

    for (size_t i = 0; i < FORM_WORDS_MAX && form[i] != NULL; i++) {
        words[count++] = draw_word(p, form[i]);
    }
    if (draw(p, 3) == 0) {
        test_bytes_add_command(to, words, count);
    } else {
        test_bytes_add_command(to, words + 3, count - 3);
    }
}

static void random_collections(void **state) {
    const redlock_bytes keys[] = {redlock_bytes_of("queue"), redlock_bytes_of("fields"),
                                  redlock_bytes_of("third")};
    test_pair *p = *state;
    test_step s;

    for (uint32_t i = 0; i < COLLECTION_STEPS; i++) {
        test_step_init(&s, keys, 3);
        draw_form(p, &s.command);
        test_step_run(p, &s);
        if (draw(p, 16) == 0) {
            usleep((useconds_t)draw(p, 3000));
        }
    }
}

/* Real servers keep short ones in another form than long ones. */
static void a_long_queue(void **state) {
    const redlock_bytes keys[] = {redlock_bytes_of("none")};
    test_pair *p = *state;
    test_step s;

    for (uint32_t i = 0; i < 1000; i++) {
        char score[24], member[80];

        snprintf(score, sizeof score, "%" PRIu64, 1800000000000000 + draw(p, 300));
        snprintf(member, sizeof member, "%064" PRIx64, redlock_prng_next(&p->prng));
        test_step_init(&s, keys, 1);
        test_bytes_add_words(&s.command, "ZADD", "queue", score, member, NULL);
        test_step_run(p, &s);
        test_step_init(&s, keys, 1);
        test_bytes_add_words(&s.command, "ZRANK", "queue", member, NULL);
        test_step_run(p, &s);
    }
    for (uint32_t i = 0; i < 1001; i++) {
        test_step_init(&s, keys, 1);
        test_bytes_add_words(&s.command, "ZPOPMIN", "queue", NULL);
        test_step_run(p, &s);
    }
}

int main(void) {
    static const test_part parts[] = {
        {"every precondition of every step", every_precondition},
        {"random commands", random_commands},
        {"random sorted sets and hashes", random_collections},
        {"a long queue", a_long_queue},
    };

    return test_pairs_run("model", parts, sizeof parts / sizeof parts[0]);
}
