/* pair.c -- sends to both, and looks for an instant at which the model says what the server said. */
#include "pair.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/step.h"

#define READINGS_MAX 16 /* no script reads the clock more often */
/* Between TIME and TIME.  In longer ones two places where time went on are too many to try. */
#define INSTANTS_MAX 1000
#define INSTANTS_OF_TWO_MAX 16
#define RUN_M "00000000000000000000000000000000000000aa"

/* --- words and bytes -------------------------------------------------------------------------- */

static void bytes_add(test_bytes *to, const uint8_t *at, size_t len) {
    assert_true(len <= sizeof to->at - to->len);
    if (len > 0) {
        memcpy(to->at + to->len, at, len);
    }
    to->len += len;
}

void test_bytes_add_command(test_bytes *to, const redlock_bytes *words, size_t count) {
    redlock_resp_writer writer = {.at = to->at + to->len, .size = sizeof to->at - to->len};

    redlock_resp_write_header(&writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        redlock_resp_write_bulk(&writer, words[i]);
    }
    assert_true(writer.len <= writer.size);
    to->len += writer.len;
}

void test_bytes_add_words(test_bytes *to, const char *word, ...) {
    redlock_bytes words[16];
    size_t count = 0;
    va_list more;

    va_start(more, word);
    for (; word != NULL; word = va_arg(more, const char *)) {
        words[count++] = redlock_bytes_of(word);
    }
    va_end(more);
    test_bytes_add_command(to, words, count);
}

static void bytes_add_typed(test_bytes *to, const redlock_command *command) {
    size_t size = sizeof to->at - to->len;
    size_t len = redlock_step_encode(command, redlock_bytes_of(""), to->at + to->len, size);

    assert_true(len <= size);
    to->len += len;
}

/* What people can read of RESP: the long texts of scripts are cut. */
static void print_bytes(const char *title, redlock_bytes shown) {
    fprintf(stderr, "# %s: ", title);
    for (size_t i = 0; i < shown.len && i < 700; i++) {
        uint8_t byte = shown.at[i];
        if (byte == '\r') {
            continue;
        }
        if (byte == '\n') {
            fputc(' ', stderr);
        } else if (byte < ' ' || byte > '~') {
            fprintf(stderr, "\\x%02x", (unsigned)byte);
        } else {
            fputc(byte, stderr);
        }
    }
    fputc('\n', stderr);
}

/* --- the real server -------------------------------------------------------------------------- */

void test_pair_connect(test_pair *p) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "%s", test_server_socket(p->server));
    p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->in_len = 0;
    p->in_used = 0;
    assert_true(p->fd >= 0);
    assert_return_code(connect(p->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void test_pair_send(test_pair *p, const test_bytes *out) {
    for (size_t sent = 0; sent < out->len;) {
        ssize_t count = send(p->fd, out->at + sent, out->len - sent, MSG_NOSIGNAL);

        assert_true(count > 0);
        sent += (size_t)count;
    }
}

redlock_bytes test_pair_read(test_pair *p) {
    redlock_resp_status status;
    size_t used = 0;

    memmove(p->in, p->in + p->in_used, p->in_len - p->in_used);
    p->in_len -= p->in_used;
    p->in_used = 0;
    redlock_resp_reader_init(&p->reader);
    while ((status = redlock_resp_read(&p->reader, p->in, p->in_len, &used)) == REDLOCK_RESP_MORE) {
        ssize_t count = recv(p->fd, p->in + p->in_len, sizeof p->in - p->in_len, 0);

        assert_true(count > 0);
        p->in_len += (size_t)count;
    }
    assert_int_equal(status, REDLOCK_RESP_DONE);
    p->in_used = used;
    return (redlock_bytes){.at = p->in, .len = used};
}

static uint64_t link_read_time(test_pair *p) {
    uint64_t s, us;

    (void)test_pair_read(p);
    assert_int_equal(p->reader.value_count, 3);
    assert_true(redlock_bytes_to_u64(redlock_resp_text(&p->reader.values[1], p->in),
                                     REDLOCK_FENCE_MAX / 1000000, &s));
    assert_true(redlock_bytes_to_u64(redlock_resp_text(&p->reader.values[2], p->in), 999999, &us));
    return s * 1000000 + us;
}

uint64_t test_pair_time(test_pair *p) {
    test_bytes out;

    out.len = 0;
    test_bytes_add_words(&out, "TIME", NULL);
    test_pair_send(p, &out);
    return link_read_time(p);
}

/* --- one step --------------------------------------------------------------------------------- */

#define SEEN_TEXTS_MAX REDLOCK_RESP_ELEMENTS_MAX

typedef struct seen_key {
    bool is_there;
    redlock_sim_type type;
    int64_t expires_ms; /* -2: no key, -1: no expiry */
    uint8_t bytes[2048];
    struct {
        size_t at, len;
    } texts[SEEN_TEXTS_MAX]; /* the string; members and scores; fields and values */
    size_t text_count;
} seen_key;

typedef struct seen { /* what the real server said */
    uint64_t from_us, to_us, end_us;
    uint8_t reply[8192];
    size_t reply_len;
    uint64_t mark; /* of a script's reply */
    seen_key keys[TEST_STEP_KEYS_MAX];
} seen;

static void key_ask(test_bytes *to, redlock_bytes key) {
    redlock_bytes get[] = {redlock_bytes_of("GET"), key};
    redlock_bytes range[] = {redlock_bytes_of("ZRANGE"), key, redlock_bytes_of("0"),
                             redlock_bytes_of("-1"), redlock_bytes_of("WITHSCORES")};
    redlock_bytes fields[] = {redlock_bytes_of("HGETALL"), key};
    redlock_bytes expiry[] = {redlock_bytes_of("PEXPIRETIME"), key};

    test_bytes_add_command(to, get, 2);
    test_bytes_add_command(to, range, 5);
    test_bytes_add_command(to, fields, 2);
    test_bytes_add_command(to, expiry, 2);
}

static void step_send(test_pair *p, const test_step *s) {
    test_bytes out;

    out.len = 0;
    bytes_add(&out, s->before.at, s->before.len);
    test_bytes_add_words(&out, "TIME", NULL);
    bytes_add(&out, s->command.at, s->command.len);
    test_bytes_add_words(&out, "TIME", NULL);
    for (size_t i = 0; i < s->key_count; i++) {
        key_ask(&out, s->keys[i]);
    }
    test_bytes_add_words(&out, "TIME", NULL);
    test_pair_send(p, &out);
}

/* Keeps the texts of the reply, which is all there is of a key of that type. */
static void key_keep(const test_pair *p, seen_key *key, redlock_sim_type type) {
    size_t used = 0;

    key->is_there = true;
    key->type = type;
    key->text_count = 0;
    for (uint32_t i = 0; i < p->reader.value_count; i++) {
        const redlock_resp_value *value = &p->reader.values[i];
        redlock_bytes text = redlock_resp_text(value, p->in);

        if (value->kind == REDLOCK_RESP_BULK) {
            assert_true(text.len <= sizeof key->bytes - used);
            if (text.len > 0) {
                memcpy(key->bytes + used, text.at, text.len);
            }
            key->texts[key->text_count].at = used;
            key->texts[key->text_count++].len = text.len;
            used += text.len;
        }
    }
}

/* Those that don't fit the key's type are answered by an error, or by nothing. */
static void key_see(test_pair *p, seen_key *key) {
    key->is_there = false;
    (void)test_pair_read(p);
    if (p->reader.values[0].kind == REDLOCK_RESP_BULK) {
        key_keep(p, key, REDLOCK_SIM_STRING);
    }
    (void)test_pair_read(p);
    if (p->reader.value_count > 1) {
        key_keep(p, key, REDLOCK_SIM_ZSET);
    }
    (void)test_pair_read(p);
    if (p->reader.value_count > 1) {
        key_keep(p, key, REDLOCK_SIM_HASH);
    }
    (void)test_pair_read(p);
    assert_int_equal(p->reader.values[0].kind, REDLOCK_RESP_INTEGER);
    key->expires_ms = p->reader.values[0].integer;
}

static void step_see(test_pair *p, const test_step *s, seen *saw) {
    redlock_bytes reply;

    for (size_t i = 0; i < s->before_count; i++) {
        reply = test_pair_read(p);
        if (reply.at[0] == '-') {
            print_bytes("preparing", reply);
            fail();
        }
    }
    saw->from_us = link_read_time(p);
    reply = test_pair_read(p);
    assert_true(reply.len <= sizeof saw->reply);
    memcpy(saw->reply, reply.at, reply.len);
    saw->reply_len = reply.len;
    saw->mark = 0;
    if (p->reader.value_count > 2 && p->reader.values[2].kind == REDLOCK_RESP_INTEGER) {
        saw->mark = (uint64_t)p->reader.values[2].integer;
    }
    saw->to_us = link_read_time(p);
    for (size_t i = 0; i < s->key_count; i++) {
        key_see(p, &saw->keys[i]);
    }
    saw->end_us = link_read_time(p);
    assert_true(saw->from_us <= saw->to_us && saw->to_us <= saw->end_us);
}

/* --- the model's side ------------------------------------------------------------------------- */

static redlock_bytes seen_text(const seen_key *saw, size_t index) {
    return (redlock_bytes){.at = saw->bytes + saw->texts[index].at, .len = saw->texts[index].len};
}

/* Scores have to be the same numbers, however a version writes them. */
static bool score_agrees(redlock_bytes saw, double score) {
    char text[64];

    redlock_bytes_to_text(saw, text, sizeof text);
    double number = strtod(text, NULL);
    return !(number < score) && !(number > score);
}

/* Members come in the order of their scores. */
static bool zset_agrees(redlock_bytes packed, const seen_key *saw) {
    redlock_sim_element element;
    size_t i = 0;

    for (size_t cursor = 0; redlock_sim_packed_next(packed, &cursor, &element); i += 2) {
        if (i + 1 >= saw->text_count || !redlock_bytes_equal(element.name, seen_text(saw, i)) ||
            !score_agrees(seen_text(saw, i + 1), element.score)) {
            return false;
        }
    }
    return i == saw->text_count;
}

/* Fields come in no order. */
static bool hash_agrees(redlock_bytes packed, const seen_key *saw) {
    redlock_sim_element element;
    size_t rank;

    for (size_t i = 0; i + 1 < saw->text_count; i += 2) {
        if (!redlock_sim_packed_find(packed, seen_text(saw, i), &element, &rank) ||
            !redlock_bytes_equal(element.value, seen_text(saw, i + 1))) {
            return false;
        }
    }
    return redlock_sim_packed_count(packed) * 2 == saw->text_count;
}

static bool value_agrees(const redlock_sim_entry *entry, const seen_key *saw) {
    if (entry->type != saw->type) {
        return false;
    }
    switch (entry->type) {
    case REDLOCK_SIM_STRING:
        return redlock_bytes_equal(entry->value, seen_text(saw, 0));
    case REDLOCK_SIM_ZSET:
        return zset_agrees(entry->value, saw);
    case REDLOCK_SIM_HASH:
        return hash_agrees(entry->value, saw);
    }
    return false;
}

/* A key that the server had no more when it was looked at may have ended in between.  Newer servers
 * clean up in the last millisecond of a key already, where one that is asked still has it. */
static bool key_agrees(const test_pair *p, const redlock_sim_entry *entry, bool is_there,
                       const seen_key *saw, uint64_t end_us) {
    if (!saw->is_there || saw->expires_ms == -2) {
        uint64_t over_ms = end_us / 1000 + (p->is_exact ? 0 : 1);
        return !is_there || (entry->has_expiry && entry->expires_ms < over_ms);
    }
    if (!is_there) {
        return false;
    }
    int64_t expires_ms = entry->has_expiry ? (int64_t)entry->expires_ms : -1;

    return expires_ms == saw->expires_ms && value_agrees(entry, saw);
}

/* Wordings differ between versions; of an error it matters what redlock makes of it. */
static bool reply_agrees(const test_pair *p, redlock_bytes said, redlock_bytes saw) {
    if (redlock_bytes_equal(said, saw)) {
        return true;
    }
    bool is_error = said.len > 0 && saw.len > 0 && said.at[0] == '-' && saw.at[0] == '-';
    if (p->is_exact || !is_error) {
        return false;
    }
    redlock_bytes said_words = {.at = said.at + 1, .len = said.len - 1};
    redlock_bytes saw_words = {.at = saw.at + 1, .len = saw.len - 1};
    return redlock_step_error_status(said_words) == redlock_step_error_status(saw_words);
}

typedef struct course { /* of time, while a command runs */
    uint64_t at_us;
    size_t jump_count;
    struct {
        uint32_t reading; /* of the clock, that is the first to see the later time */
        uint64_t to_us;
    } jumps[2];
} course;

/* Feeds what prepares the step, and gives the model's clock this course. */
static void model_prepare(test_pair *p, const test_step *s, const course *time) {
    redlock_bytes before = {.at = s->before.at, .len = s->before.len};
    uint64_t at_us = time->at_us;

    redlock_sim_server_set_clock(p->model, at_us);
    (void)redlock_sim_server_feed(p->model, TEST_PAIR_LINK, before);
    for (size_t i = 0; i < time->jump_count; i++) {
        redlock_sim_server_add_pause(p->model, time->jumps[i].reading,
                                     time->jumps[i].to_us - at_us);
        at_us = time->jumps[i].to_us;
    }
}

/* Runs the step in this course of time; true when nothing tells it from the server. */
static bool model_agrees(test_pair *p, const test_step *s, const seen *saw, const course *time) {
    redlock_bytes command = {.at = s->command.at, .len = s->command.len};
    redlock_bytes reply = {.at = saw->reply, .len = saw->reply_len};
    bool agrees;

    model_prepare(p, s, time);
    agrees =
        reply_agrees(p, redlock_sim_server_feed(p->model, TEST_PAIR_LINK, command).bytes, reply);
    for (size_t i = 0; agrees && i < s->key_count; i++) {
        redlock_sim_entry entry;
        bool is_there = redlock_sim_server_get(p->model, s->keys[i], &entry);

        agrees = key_agrees(p, &entry, is_there, &saw->keys[i], saw->end_us);
    }
    return agrees;
}

/* Takes away the keys whose last millisecond this is; true when there were some. */
static bool model_cleans_up(test_pair *p, const test_step *s, uint64_t at_us) {
    bool has_some = false;

    redlock_sim_server_set_clock(p->model, at_us);
    for (size_t i = 0; i < s->key_count; i++) {
        redlock_sim_entry entry;
        bool is_last = redlock_sim_server_get(p->model, s->keys[i], &entry) && entry.has_expiry &&
                       entry.expires_ms == at_us / 1000;

        has_some = has_some || is_last;
        if (is_last) {
            (void)redlock_sim_server_evict(p->model, s->keys[i]);
        }
    }
    return has_some;
}

static bool model_tries(test_pair *p, const test_step *s, const seen *saw, const course *time) {
    if (model_agrees(p, s, saw, time)) {
        return true;
    }
    redlock_sim_server_rewind(p->model);
    if (!p->is_exact && model_cleans_up(p, s, time->at_us)) {
        if (model_agrees(p, s, saw, time)) {
            return true;
        }
        redlock_sim_server_rewind(p->model);
    }
    return false;
}

/* The first instant of each millisecond in which the command may have run. */
static uint64_t instant_us(const seen *saw, uint64_t index) {
    return index == 0 ? saw->from_us : (saw->from_us / 1000 + index) * 1000;
}

static uint64_t instant_count(const seen *saw) {
    return saw->to_us / 1000 - saw->from_us / 1000 + 1;
}

/* All of the command in one millisecond. */
static bool model_tries_still(test_pair *p, const test_step *s, const seen *saw) {
    for (uint64_t i = 0; i < instant_count(saw); i++) {
        course time = {.at_us = instant_us(saw, i)};
        if (model_tries(p, s, saw, &time)) {
            return true;
        }
    }
    return false;
}

/* One more jump, at each reading behind those that the course has, to each later instant. */
static bool model_tries_jump(test_pair *p, const test_step *s, const seen *saw, course time) {
    size_t at = time.jump_count++;
    uint64_t now_us = at == 0 ? time.at_us : time.jumps[at - 1].to_us;
    uint32_t first = at == 0 ? 1 : time.jumps[at - 1].reading + 1;

    for (uint64_t i = 1; i < instant_count(saw); i++) {
        for (uint32_t reading = first; reading <= READINGS_MAX; reading++) {
            time.jumps[at].reading = reading;
            time.jumps[at].to_us = instant_us(saw, i);
            if (time.jumps[at].to_us > now_us && model_tries(p, s, saw, &time)) {
                return true;
            }
        }
    }
    return false;
}

static bool model_tries_one_jump(test_pair *p, const test_step *s, const seen *saw) {
    for (uint64_t i = 0; i + 1 < instant_count(saw); i++) {
        course time = {.at_us = instant_us(saw, i)};
        if (model_tries_jump(p, s, saw, time)) {
            return true;
        }
    }
    return false;
}

static bool model_tries_two_jumps_from(test_pair *p, const test_step *s, const seen *saw,
                                       uint64_t first) {
    for (uint64_t i = first + 1; i + 1 < instant_count(saw); i++) {
        for (uint32_t reading = 1; reading < READINGS_MAX; reading++) {
            course time = {.at_us = instant_us(saw, first),
                           .jump_count = 1,
                           .jumps[0] = {.reading = reading, .to_us = instant_us(saw, i)}};
            if (model_tries_jump(p, s, saw, time)) {
                return true;
            }
        }
    }
    return false;
}

static bool model_tries_two_jumps(test_pair *p, const test_step *s, const seen *saw) {
    for (uint64_t i = 0; i + 2 < instant_count(saw); i++) {
        if (model_tries_two_jumps_from(p, s, saw, i)) {
            return true;
        }
    }
    return false;
}

/* The mark says to the microsecond what the first reading was: TIME's. */
static bool model_tries_break(test_pair *p, const test_step *s, const seen *saw) {
    if (!s->is_break || saw->mark < saw->from_us || saw->mark > saw->to_us) {
        return false;
    }
    for (uint64_t i = 0; i < instant_count(saw) && instant_us(saw, i) <= saw->mark; i++) {
        course time = {.at_us = instant_us(saw, i),
                       .jump_count = 1,
                       .jumps[0] = {.reading = 1, .to_us = saw->mark}};
        if (model_tries(p, s, saw, &time) || model_tries_jump(p, s, saw, time)) {
            return true;
        }
    }
    return false;
}

static bool model_follows(test_pair *p, const test_step *s, const seen *saw) {
    redlock_sim_server_sync(p->model); /* what a wrong try does is taken back to here */
    p->edge_count += instant_count(saw) > 1;
    assert_true(instant_count(saw) <= INSTANTS_MAX);
    return model_tries_break(p, s, saw) || model_tries_still(p, s, saw) ||
           model_tries_one_jump(p, s, saw) ||
           (instant_count(saw) <= INSTANTS_OF_TWO_MAX && model_tries_two_jumps(p, s, saw));
}

static void step_explain(test_pair *p, const test_step *s, const seen *saw) {
    redlock_sim_said said;
    redlock_bytes command = {.at = s->command.at, .len = s->command.len};
    course time = {.at_us = saw->from_us};

    fprintf(stderr, "# step %" PRIu64 ", REDLOCK_SEED=%" PRIu64 "\n", p->step_count, p->seed);
    print_bytes("before", (redlock_bytes){.at = s->before.at, .len = s->before.len});
    print_bytes("command", command);
    print_bytes("server", (redlock_bytes){.at = saw->reply, .len = saw->reply_len});
    model_prepare(p, s, &time);
    said = redlock_sim_server_feed(p->model, TEST_PAIR_LINK, command);
    print_bytes("model ", said.bytes);
    fprintf(stderr, "# between %" PRIu64 " and %" PRIu64 "\n", saw->from_us, saw->to_us);
    for (size_t i = 0; i < s->key_count; i++) {
        redlock_sim_entry entry = {.has_expiry = false};
        bool is_there = redlock_sim_server_get(p->model, s->keys[i], &entry);

        print_bytes("key", s->keys[i]);
        fprintf(stderr, "#   server: %d expires %" PRId64 "; model: %d expires %" PRIu64 "\n",
                saw->keys[i].is_there, saw->keys[i].expires_ms, is_there, entry.expires_ms);
    }
}

void test_step_run(test_pair *p, const test_step *s) {
    seen saw;

    p->step_count++;
    step_send(p, s);
    step_see(p, s, &saw);
    if (!model_follows(p, s, &saw)) {
        step_explain(p, s, &saw);
        fail_msg("the model and the server differ");
    }
}

void test_step_init(test_step *s, const redlock_bytes *keys, size_t key_count) {
    s->before.len = 0;
    s->before_count = 0;
    s->command.len = 0;
    s->is_break = false;
    s->key_count = key_count;
    for (size_t i = 0; i < key_count; i++) {
        s->keys[i] = keys[i];
    }
}

void test_step_run_typed(test_pair *p, test_step *s, const redlock_command *command) {
    s->is_break = command->kind == REDLOCK_COMMAND_BREAK;
    bytes_add_typed(&s->command, command);
    test_step_run(p, s);
}

void test_pair_run_blind(test_pair *p, const test_bytes *command) {
    redlock_bytes sent = {.at = command->at, .len = command->len};

    test_pair_send(p, command);
    redlock_bytes saw = test_pair_read(p);
    redlock_sim_said said = redlock_sim_server_feed(p->model, TEST_PAIR_LINK, sent);
    if (!reply_agrees(p, said.bytes, saw)) {
        print_bytes("command", sent);
        print_bytes("server", saw);
        print_bytes("model ", said.bytes);
        fail_msg("the model and the server differ");
    }
}

/* --- the servers ------------------------------------------------------------------------------ */

static uint64_t seed_of_run(void) {
    const char *given = getenv("REDLOCK_SEED");
    uint64_t seed = 1;

    if (given != NULL && given[0] != '\0') {
        return strtoull(given, NULL, 10);
    }
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

static bool server_is_exact(test_pair *p) {
    char *info = test_server_ask(p->server, "INFO", "server", NULL);
    bool is_exact = info != NULL && strstr(info, "redis_version:7.0.") != NULL &&
                    strstr(info, "valkey_version:") == NULL;

    free(info);
    return is_exact;
}

static test_pair *pair_create(void) {
    static const char *const arguments[] = {"--enable-protected-configs", "yes", NULL};
    test_pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->server = test_server_start(arguments);
    p->is_exact = server_is_exact(p);
    p->seed = seed_of_run();
    redlock_prng_init(&p->prng, p->seed);
    p->model = redlock_sim_server_create(p->seed, RUN_M);
    test_pair_connect(p);
    printf("# REDLOCK_SEED=%" PRIu64 "%s\n", p->seed,
           p->is_exact ? "" : " (another version: only the kinds of errors are compared)");
    return p;
}

static void pair_destroy(test_pair *p) {
    close(p->fd);
    redlock_sim_server_destroy(p->model);
    test_server_stop(p->server);
    free(p);
}

/* Each part begins empty on both sides, whatever became of the one before. */
static int part_setup(void **state) {
    test_pair *p = *state;

    for (int fault = 0; fault < REDLOCK_SIM_FAULT_COUNT; fault++) {
        redlock_sim_server_set_fault(p->model, (redlock_sim_fault)fault, false);
    }
    close(p->fd);
    test_pair_connect(p);
    redlock_sim_server_hang_up(p->model, TEST_PAIR_LINK);
    redlock_sim_server_flushall(p->model);
    redlock_sim_server_script_flush(p->model);
    free(test_server_ask(p->server, "FLUSHALL", NULL));
    free(test_server_ask(p->server, "SCRIPT", "FLUSH", NULL));
    return 0;
}

#define PARTS_MAX 16

int test_pairs_run(const char *title, const test_part *list, size_t count) {
    struct CMUnitTest tests[PARTS_MAX];
    test_pair *p = pair_create();
    int failed;

    assert_true(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        tests[i] = (struct CMUnitTest){.name = list[i].name,
                                       .test_func = list[i].function,
                                       .setup_func = part_setup,
                                       .initial_state = p};
    }
    failed = _cmocka_run_group_tests(title, tests, count, NULL, NULL);
    pair_destroy(p);
    return failed;
}
