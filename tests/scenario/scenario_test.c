/* scenario_test.c -- runs the scenario scripts that lie beside it and compares their traces.
 *
 * A scenario is one claim.  Its file begins with the claim as a comment; then come blocks of
 * commands, `----`, and what happens, each ended by an empty line; a block in which nothing
 * happens says `ok`.  Every command is described above its handler below; with the word `quietly`
 * behind it what it does is left out of the trace.
 *
 *     scenario_test                         runs all *.scn of $REDLOCK_TEST_DIR/scenario
 *     scenario_test FILE.scn...             runs these
 *     REDLOCK_SCN_REWRITE=1 scenario_test   writes what happened into the files: review the diff
 *
 * Times are `50ms`, `10s`, `1h`, `0`; times in a trace and in `until=` count from the world's
 * origin, at which every clock shows 100 s plus its skew.  Marks and fences are microseconds of that clock
 * unless the scenario says otherwise.  Prints TAP, one line for each file. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "world.h"

#define WORDS_MAX 24
#define LINE_BYTES 512
#define FILES_MAX 256
#define LOCKS_MAX 128
#define IDLE_LIMIT (REDLOCK_WORLD_ORIGIN + 24 * 3600 * REDLOCK_NS_PER_S)

typedef struct scenario {
    const char *path;
    int line; /* of the command being run */
    redlock_world *world;
    redlock_trace trace;
    redlock_seek seek;         /* what `world` set for every acquire that follows */
    uint32_t locks[LOCKS_MAX]; /* in the order in which they were asked for */
    uint32_t lock_count;
    bool is_wrong; /* a command could not be understood */
} scenario;

typedef struct command_line {
    char *word[WORDS_MAX]; /* [0] is the command */
    int count;
} command_line;

/* --- words of a command ---------------------------------------------------------------------- */

static void complain(scenario *run, const char *what, const char *word) {
    printf("# %s:%d: %s: %s\n", run->path, run->line, what, word);
    run->is_wrong = true;
}

/* The value of `key=value`, NULL when the command has no such word. */
static const char *value_of(const command_line *line, const char *key) {
    size_t len = strlen(key);
    for (int i = 1; i < line->count; i++) {
        if (strncmp(line->word[i], key, len) == 0 && line->word[i][len] == '=') {
            return line->word[i] + len + 1;
        }
    }
    return NULL;
}

static bool has_word(const command_line *line, const char *word) {
    for (int i = 1; i < line->count; i++) {
        if (strcmp(line->word[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t number_or(scenario *run, const command_line *line, const char *key,
                          uint64_t otherwise) {
    const char *text = value_of(line, key);
    if (text == NULL) {
        return otherwise;
    }
    uint64_t number = 0;
    if (!redlock_bytes_to_u64(redlock_bytes_of(text), UINT64_MAX - 1, &number)) {
        complain(run, "not a number", text);
    }
    return number;
}

static redlock_ns parse_time(scenario *run, const char *text) {
    static const struct {
        const char *unit;
        redlock_ns ns;
    } units[] = {{"ms", REDLOCK_NS_PER_MS},
                 {"us", REDLOCK_NS_PER_US},
                 {"s", REDLOCK_NS_PER_S},
                 {"h", 3600 * REDLOCK_NS_PER_S},
                 {"", 0}};
    if (strcmp(text, "never") == 0) {
        return REDLOCK_NEVER;
    }
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        bool is_unit = end != text && strcmp(end, units[i].unit) == 0;
        if (is_unit && (units[i].ns != 0 || number == 0)) {
            return number * units[i].ns;
        }
    }
    complain(run, "not a time", text);
    return 0;
}

static redlock_ns time_or(scenario *run, const command_line *line, const char *key,
                          redlock_ns otherwise) {
    const char *text = value_of(line, key);
    return text == NULL ? otherwise : parse_time(run, text);
}

/* n1 .. n15, or nothing */
static bool is_node(const scenario *run, const char *word, uint32_t *ret_node) {
    uint64_t number = 0;
    if (word[0] != 'n' ||
        !redlock_bytes_to_u64(redlock_bytes_of(word + 1), REDLOCK_NODE_MAX, &number)) {
        return false;
    }
    *ret_node = (uint32_t)number - 1;
    return number >= 1 && number <= run->world->config.node_count;
}

static bool is_client(const scenario *run, const char *word, uint32_t *ret_client) {
    bool is_letter = word[0] >= 'A' && word[0] <= 'F' && word[1] == '\0';
    *ret_client = is_letter ? (uint32_t)(word[0] - 'A') : 0;
    return is_letter && *ret_client < run->world->config.client_count;
}

static uint32_t client_of(scenario *run, const command_line *line) {
    uint32_t client = 0;
    if (line->count < 2 || !is_client(run, line->word[1], &client)) {
        complain(run, "the first word must be a client", line->word[0]);
    }
    return client;
}

typedef void node_fn(scenario *run, const command_line *line, uint32_t node);

static void each_node(scenario *run, const command_line *line, node_fn *act) {
    uint32_t node = 0, count = 0;
    for (int i = 1; i < line->count; i++) {
        if (is_node(run, line->word[i], &node)) {
            act(run, line, node);
            count++;
        }
    }
    if (count == 0) {
        complain(run, "no node is named", line->word[0]);
    }
}

typedef void link_fn(scenario *run, const command_line *line, uint32_t client, uint32_t node);

/* For the links between the clients and the nodes that are named; no client: all. */
static void each_link(scenario *run, const command_line *line, link_fn *act) {
    uint32_t named = 0, client = 0, node = 0;
    for (int i = 1; i < line->count; i++) {
        named |= is_client(run, line->word[i], &client) ? UINT32_C(1) << client : 0;
    }
    for (uint32_t c = 0; c < run->world->config.client_count; c++) {
        for (int i = 1; i < line->count && (named == 0 || (named >> c & 1) != 0); i++) {
            if (is_node(run, line->word[i], &node)) {
                act(run, line, c, node);
            }
        }
    }
}

/* The client's newest lock of that name, or with which=N its N-th; its user must not have ended it. */
static uint32_t lock_of(scenario *run, const command_line *line) {
    uint32_t client = client_of(run, line), found = REDLOCK_WORLD_LOCK_NONE;
    uint64_t which = number_or(run, line, "which", UINT64_MAX);
    for (uint32_t i = 0, nth = 0; i < run->lock_count && line->count >= 3 && nth < which; i++) {
        const redlock_world_lock *lock = &run->world->lock[run->locks[i]];
        if (lock->client == client && strcmp(lock->name, line->word[2]) == 0) {
            found = run->locks[i];
            nth++;
        }
    }
    if (found != REDLOCK_WORLD_LOCK_NONE) {
        return found;
    }
    complain(run, "there is no such lock", line->word[0]);
    return REDLOCK_WORLD_LOCK_NONE;
}

/* --- commands: the world --------------------------------------------------------------------- */

static redlock_seek seek_of(scenario *run, const command_line *line, redlock_seek base) {
    redlock_seek seek = base;
    seek.ttl = time_or(run, line, "ttl", base.ttl);
    seek.margin = time_or(run, line, "margin", base.margin);
    seek.node_timeout = time_or(run, line, "node-timeout", base.node_timeout);
    seek.wait = time_or(run, line, "wait", base.wait);
    seek.tries_max = (uint32_t)number_or(run, line, "tries", base.tries_max);
    seek.retry_min = time_or(run, line, "retry", base.retry_min);
    seek.retry_jitter = time_or(run, line, "jitter", base.retry_jitter);
    seek.renew = time_or(run, line, "renew", base.renew);
    seek.fenced = has_word(line, "plain") ? false : base.fenced;
    seek.queued = has_word(line, "queued") || base.queued;
    seek.barge = has_word(line, "barge") || base.barge;
    seek.poll = time_or(run, line, "poll", base.poll);
    return seek;
}

/* world nodes=3 clients=2 latency=1ms guard=60s fresh ttl=10s margin=1s node-timeout=50ms renew=3s plain
 *
 * Must come first.  All clients are connected to all nodes when the scenario begins, unless `cold`
 * is said.  `latency` is one way.  guard: the restart guard; nodes are declared ready unless
 * `fresh` is said.  silence, connect-timeout, release-timeout, backoff, backoff-max, inflight,
 * hand-off and seed are the core's.  What acquire takes may be said here for all that follow. */
static void do_world(scenario *run, const command_line *line) {
    redlock_world_config config = {
        .client_count = (uint32_t)number_or(run, line, "clients", 1),
        .node_count = (uint32_t)number_or(run, line, "nodes", 3),
        .latency = time_or(run, line, "latency", REDLOCK_NS_PER_MS),
        .guard = time_or(run, line, "guard", 0),
        .is_fresh = has_word(line, "fresh"),
        .seed = number_or(run, line, "seed", 1),
        .core = {.silence_max = time_or(run, line, "silence", 0),
                 .connect_timeout = time_or(run, line, "connect-timeout", 0),
                 .release_timeout = time_or(run, line, "release-timeout", 0),
                 .backoff_min = time_or(run, line, "backoff", 0),
                 .backoff_max = time_or(run, line, "backoff-max", 0),
                 .hand_off = time_or(run, line, "hand-off", 0),
                 .inflight_max = (uint32_t)number_or(run, line, "inflight", 0)},
    };
    run->world = redlock_world_create(&config);
    run->seek = seek_of(run, line, redlock_world_seek());
    if (!has_word(line, "cold")) {
        redlock_world_warm_up(run->world);
    }
    redlock_world_run_until(run->world, REDLOCK_WORLD_ORIGIN);
    redlock_trace_init(&run->trace, config.node_count, REDLOCK_WORLD_ORIGIN);
}

/* run until=80ms       everything that happens up to that instant, it included
 * run for=80ms         the same, counted from now
 * run until=told       until a user is told something about a lock
 * run until=idle       until nothing is under way and nothing is awaited; a lock that is held and not
 *                      renewed is LOST before that */
static void do_run(scenario *run, const command_line *line) {
    const char *until = value_of(line, "until");
    redlock_world *world = run->world;
    bool is_over = true;
    if (until == NULL) {
        redlock_world_run_until(world, redlock_ns_add(world->now, time_or(run, line, "for", 0)));
    } else if (strcmp(until, "idle") == 0) {
        is_over = redlock_world_settle(world, IDLE_LIMIT);
    } else if (strcmp(until, "told") == 0) {
        is_over = redlock_world_until_told(world, IDLE_LIMIT);
    } else {
        redlock_world_run_until(world,
                                redlock_ns_add(REDLOCK_WORLD_ORIGIN, parse_time(run, until)));
    }
    if (!is_over) {
        redlock_trace_line(&run->trace, "(it does not come to an end)");
    }
}

static void state_of_node(scenario *run, const command_line *line, uint32_t node) {
    const redlock_world *world = run->world;
    const char *name = line->word[1];
    redlock_bytes value = redlock_world_value(world, node, name);
    char holder[REDLOCK_MODEL_VALUE_BYTES + 1], words[REDLOCK_TRACE_WORDS_BYTES];
    redlock_words_token(value, holder, sizeof holder);
    uint64_t mark = redlock_model_mark(&world->node[node].model, redlock_bytes_of(name),
                                       redlock_world_node_us(world, node));
    (void)snprintf(words, sizeof words, "%s %s%s, mark %" PRIu64, name,
                   value.len > 0 ? "held by " : "is free", holder, mark);
    redlock_trace_node(&run->trace, world->now, ' ', '=', node, words);
}

/* "job waited for by A#1 B#1", in the order of the queue; `!` behind those whose time is over. */
static void state_of_queue(scenario *run, const command_line *line, uint32_t node) {
    const redlock_world *world = run->world;
    redlock_bytes name = redlock_bytes_of(line->word[1]);
    uint64_t now_us = redlock_world_node_us(world, node);
    const redlock_model_waiter *waiter;
    char words[REDLOCK_TRACE_WORDS_BYTES];
    size_t len = (size_t)snprintf(words, sizeof words, "%s waited for by", line->word[1]);
    uint32_t place = 1;
    for (;
         (waiter = redlock_model_waiter_at(&world->node[node].model, name, place, now_us)) != NULL;
         place++) {
        char token[REDLOCK_MODEL_VALUE_BYTES + 1];
        redlock_bytes bytes = {.at = waiter->token, .len = waiter->token_len};
        redlock_words_token(bytes, token, sizeof token);
        const char *after = waiter->until_ms < now_us / 1000 ? "!" : "";
        if (len + strlen(token) + 8 < sizeof words) {
            len += (size_t)snprintf(words + len, sizeof words - len, " %s%s", token, after);
        }
    }
    if (place > 1) {
        redlock_trace_node(&run->trace, world->now, ' ', '=', node, words);
    }
}

/* state job            what each node holds, who waits there, and what each client believes to hold */
static void do_state(scenario *run, const command_line *line) {
    if (line->count < 2) {
        complain(run, "no name is given", line->word[0]);
        return;
    }
    for (uint32_t n = 0; n < run->world->config.node_count; n++) {
        state_of_node(run, line, n);
    }
    for (uint32_t n = 0; n < run->world->config.node_count; n++) {
        state_of_queue(run, line, n);
    }
    for (uint32_t i = 0; i < run->lock_count; i++) {
        const redlock_world_lock *lock = &run->world->lock[run->locks[i]];
        if (redlock_world_is_held(run->world, run->locks[i])) {
            char words[REDLOCK_TRACE_WORDS_BYTES];
            redlock_ns until =
                redlock_core_held_until(run->world->client[lock->client].core, lock->slot);
            (void)snprintf(words, sizeof words, "%s until %" PRIu64 "ms", lock->name,
                           (until - REDLOCK_WORLD_ORIGIN) / REDLOCK_NS_PER_MS);
            redlock_trace_told(&run->trace, run->world->now, (char)('A' + lock->client), "holds",
                               words);
        }
    }
}

/* --- commands: users ------------------------------------------------------------------------- */

static void remember(scenario *run, uint32_t lock) {
    if (run->lock_count == LOCKS_MAX) {
        complain(run, "too many locks", "");
        return;
    }
    run->locks[run->lock_count++] = lock;
}

/* acquire A job ttl=10s wait=0 tries=3 retry=50ms jitter=250ms renew=3s margin=1s node-timeout=50ms
 *               own-token=TEXT plain queued poll=1s barge times=1
 *
 * times: so many such locks, one after the other in the same instant.  wait=never waits for ever, queued in the queues of the nodes.  jitter is 0 and renew is off unless they are given. */
static void do_acquire(scenario *run, const command_line *line) {
    uint32_t client = client_of(run, line);
    uint64_t times = number_or(run, line, "times", 1);
    for (uint64_t i = 0; i < times && line->count >= 3; i++) {
        redlock_seek seek = seek_of(run, line, run->seek);
        remember(run, redlock_world_acquire(run->world, client, line->word[2], &seek,
                                            value_of(line, "own-token")));
    }
}

/* adopt B job token=TEXT fence=7 ttl=10s renew=3s
 *
 * The token may be written as the trace shows it: A#1. */
static void do_adopt(scenario *run, const command_line *line) {
    uint32_t client = client_of(run, line);
    const char *token = value_of(line, "token");
    if (line->count < 4 || token == NULL) {
        complain(run, "adopt needs a name and token=", line->word[0]);
        return;
    }
    char made[REDLOCK_WORLD_TOKEN_BYTES + 1];
    uint64_t number = 0;
    bool is_short = token[0] >= 'A' && token[0] <= 'F' && token[1] == '#' &&
                    redlock_bytes_to_u64(redlock_bytes_of(token + 2), 9999, &number);
    if (is_short) {
        redlock_world_token((uint32_t)(token[0] - 'A'), (uint32_t)number, made);
        token = made;
    }
    redlock_seek seek = seek_of(run, line, run->seek);
    uint64_t fence = number_or(run, line, "fence", 0);
    remember(run, redlock_world_adopt(run->world, client, line->word[2], &seek,
                                      redlock_bytes_of(token), fence));
}

/* extend A job ttl=20s once          once: one round, else until the old deadline */
static void do_extend(scenario *run, const command_line *line) {
    uint32_t lock = lock_of(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_ns ttl = time_or(run, line, "ttl", run->seek.ttl),
                   margin = time_or(run, line, "margin", run->seek.margin);
        redlock_world_extend(run->world, lock, ttl, margin, has_word(line, "once"));
    }
}

/* release A job */
static void do_release(scenario *run, const command_line *line) {
    uint32_t lock = lock_of(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_world_release(run->world, lock);
    }
}

/* cancel A job */
static void do_cancel(scenario *run, const command_line *line) {
    uint32_t lock = lock_of(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_world_cancel(run->world, lock);
    }
}

/* look A job      break A job      what the user of inspect and break asks */
static void do_look(scenario *run, const command_line *line) {
    bool breaks = strcmp(line->word[0], "break") == 0;
    uint32_t client = client_of(run, line);
    if (line->count >= 3) {
        redlock_command_kind kind = breaks ? REDLOCK_COMMAND_BREAK : REDLOCK_COMMAND_LOOK;
        remember(run, redlock_world_look(run->world, client, line->word[2], kind,
                                         run->seek.node_timeout));
    }
}

/* --- commands: faults of links --------------------------------------------------------------- */

static void link_delay(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    if (value_of(line, "to") != NULL) {
        link->there = link->back = time_or(run, line, "to", 0) / 2;
    }
    link->there = time_or(run, line, "there", link->there);
    link->back = time_or(run, line, "back", link->back);
}

/* delay n2 n3 to=80ms        a round trip takes so long, half of it each way
 * delay A n1 there=5ms back=1ms */
static void do_delay(scenario *run, const command_line *line) {
    each_link(run, line, link_delay);
}

static void link_drop(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    link->drop_there = (uint32_t)number_or(run, line, "commands", link->drop_there);
    link->drop_back = (uint32_t)number_or(run, line, "answers", link->drop_back);
}

/* drop n1 commands=1         so many of the next commands never arrive
 * drop A n1 answers=1        so many of the next answers never arrive */
static void do_drop(scenario *run, const command_line *line) {
    each_link(run, line, link_drop);
}

static void link_cut(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    run->world->client[client].link[node].is_cut = strcmp(line->word[0], "cut") == 0;
}

/* cut A n1                   nothing passes and nobody is told; no client named: all of them
 * heal-link A n1             new connections work again; the old one stays dead */
static void do_cut(scenario *run, const command_line *line) {
    each_link(run, line, link_cut);
}

static void link_hang(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    run->world->client[client].link[node].is_mute = strcmp(line->word[0], "hang") == 0;
}

/* hang n1                    commands are carried out, but answers do not pass
 * unhang n1 */
static void do_hang(scenario *run, const command_line *line) {
    each_link(run, line, link_hang);
}

static void link_break(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    (void)line;
    redlock_world_break(run->world, client, node);
}

/* break-link A n1            the client sees the connection break now; what it sent still arrives */
static void do_break_link(scenario *run, const command_line *line) {
    each_link(run, line, link_break);
}

/* --- commands: faults of being woken --------------------------------------------------------- */

static void link_wakes(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    link->wake_way = time_or(run, line, "take", link->wake_way);
    link->drop_wakes = (uint32_t)number_or(run, line, "lose", link->drop_wakes);
    link->is_refusing_listen =
        has_word(line, "refuse") || (link->is_refusing_listen && !has_word(line, "allow"));
}

/* wakes A n1 take=5ms        a wake is on its way for so long, whatever answers take
 * wakes n1 lose=2            so many of the next wakes never arrive
 * wakes n1 refuse            subscribing is refused; `allow` ends that */
static void do_wakes(scenario *run, const command_line *line) {
    each_link(run, line, link_wakes);
}

static void link_deafen(scenario *run, const command_line *line, uint32_t client, uint32_t node) {
    redlock_world_deafen(run->world, client, node, has_word(line, "unheard"));
}

/* deafen A n1 unheard        the subscription ends at the node; the client hears of it, or does not */
static void do_deafen(scenario *run, const command_line *line) {
    each_link(run, line, link_deafen);
}

/* --- commands: faults of nodes --------------------------------------------------------------- */

static void node_pause(scenario *run, const command_line *line, uint32_t node) {
    if (strcmp(line->word[0], "pause") == 0) {
        redlock_world_pause(run->world, node);
    } else {
        redlock_world_resume(run->world, node);
    }
}

/* pause n1                   as by SIGSTOP: what arrives waits, also from connections closed meanwhile
 * resume n1                  it is carried out in the order of arrival */
static void do_pause(scenario *run, const command_line *line) {
    each_node(run, line, node_pause);
}

static void node_crash(scenario *run, const command_line *line, uint32_t node) {
    if (strcmp(line->word[0], "crash") == 0) {
        redlock_world_crash(run->world, node);
    } else {
        redlock_world_restart(run->world, node, has_word(line, "lose"));
    }
}

/* crash n1                   connections break, new ones are refused
 * restart n1 lose            comes back with another run id, and without its data if `lose` is said */
static void do_crash(scenario *run, const command_line *line) {
    each_node(run, line, node_crash);
}

static void node_refuse(scenario *run, const command_line *line, uint32_t node) {
    run->world->node[node].is_refusing = !has_word(line, "no-more");
    for (uint32_t c = 0; c < run->world->config.client_count && !has_word(line, "no-more"); c++) {
        redlock_world_break(run->world, c, node);
        redlock_world_deafen(run->world, c, node, false);
    }
}

/* refuse n1                  connections break and new ones are refused; the data live on
 * refuse n1 no-more */
static void do_refuse(scenario *run, const command_line *line) {
    each_node(run, line, node_refuse);
}

static void node_fail(scenario *run, const command_line *line, uint32_t node) {
    (void)line;
    run->world->node[node].model.fails_with =
        has_word(line, "no-more") ? REDLOCK_OK : REDLOCK_REFUSED;
}

/* fail n1                    every command is answered with an error
 * fail n1 no-more */
static void do_fail(scenario *run, const command_line *line) {
    each_node(run, line, node_fail);
}

static void node_forget(scenario *run, const command_line *line, uint32_t node) {
    (void)line;
    run->world->node[node].model.steps_forgotten = UINT32_MAX;
}

/* forget n1                  the node forgets all steps, as by SCRIPT FLUSH */
static void do_forget(scenario *run, const command_line *line) {
    each_node(run, line, node_forget);
}

static void node_compare(scenario *run, const command_line *line, uint32_t node) {
    run->world->node[node].model.has_compare = true;
    run->world->node[node].model.refuses_compare = has_word(line, "refused");
}

/* compares n1 refused        the node gives plain names back by a command of its own; the first one is
 *                            refused, and from then on the connection uses the step */
static void do_compares(scenario *run, const command_line *line) {
    each_node(run, line, node_compare);
}

static void node_expire(scenario *run, const command_line *line, uint32_t node) {
    redlock_model_expire(&run->world->node[node].model, redlock_bytes_of(line->word[1]));
}

/* lose job n1 n2             the name's key is gone there; its mark stays */
static void do_lose(scenario *run, const command_line *line) {
    each_node(run, line, node_expire);
}

static void node_plant(scenario *run, const command_line *line, uint32_t node) {
    redlock_ns ttl = time_or(run, line, "ttl", 10 * REDLOCK_NS_PER_S);
    redlock_world_plant(run->world, node, line->word[1], line->word[2], ttl,
                        number_or(run, line, "mark", 0));
}

/* plant job OTHER n1 n2 ttl=5s mark=7     somebody else holds the name there, past all rules */
static void do_plant(scenario *run, const command_line *line) {
    if (line->count < 4) {
        complain(run, "plant needs a name, a value and nodes", line->word[0]);
        return;
    }
    each_node(run, line, node_plant);
}

/* skew n1 +5s                the node's wall clock jumps; -5s: backwards
 * skew A -200ms              the client's */
static void do_skew(scenario *run, const command_line *line) {
    uint32_t index = 0;
    const char *by = line->word[line->count - 1];
    int64_t us =
        (int64_t)(parse_time(run, by + (by[0] == '+' || by[0] == '-')) / REDLOCK_NS_PER_US);
    us = by[0] == '-' ? -us : us;
    for (int i = 1; i + 1 < line->count; i++) {
        if (is_client(run, line->word[i], &index)) {
            run->world->client[index].skew_us += us;
        } else if (is_node(run, line->word[i], &index)) {
            run->world->node[index].skew_us += us;
        } else {
            complain(run, "neither a client nor a node", line->word[i]);
        }
    }
}

/* freeze A for=12s           the client's process stands still; what arrives waits */
static void do_freeze(scenario *run, const command_line *line) {
    uint32_t client = client_of(run, line);
    run->world->client[client].frozen_until =
        redlock_ns_add(run->world->now, time_or(run, line, "for", 0));
}

/* kill A                     the process is gone, and its connections with it */
static void do_kill(scenario *run, const command_line *line) {
    redlock_world_kill(run->world, client_of(run, line));
}

/* --- running a file -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*act)(scenario *run, const command_line *line);
} commands[] = {
    {"world", do_world},     {"run", do_run},
    {"state", do_state},     {"acquire", do_acquire},
    {"adopt", do_adopt},     {"extend", do_extend},
    {"release", do_release}, {"cancel", do_cancel},
    {"look", do_look},       {"break", do_look},
    {"delay", do_delay},     {"drop", do_drop},
    {"cut", do_cut},         {"heal-link", do_cut},
    {"hang", do_hang},       {"unhang", do_hang},
    {"pause", do_pause},     {"resume", do_pause},
    {"crash", do_crash},     {"restart", do_crash},
    {"refuse", do_refuse},   {"fail", do_fail},
    {"forget", do_forget},   {"lose", do_lose},
    {"plant", do_plant},     {"skew", do_skew},
    {"freeze", do_freeze},   {"break-link", do_break_link},
    {"wakes", do_wakes},     {"deafen", do_deafen},
    {"kill", do_kill},       {"compares", do_compares},
};

static command_line split(char *text) {
    command_line line = {.count = 0};
    char *rest = text;
    for (char *word; line.count < WORDS_MAX && (word = strsep(&rest, " \t\n")) != NULL;) {
        if (word[0] != '\0') {
            line.word[line.count++] = word;
        }
    }
    return line;
}

static void run_command(scenario *run, const char *text) {
    char copy[LINE_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", text);
    command_line line = split(copy);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        bool is_it = strcmp(line.word[0], commands[i].name) == 0;
        if (is_it && (run->world != NULL) == (commands[i].act == do_world)) {
            complain(run, "`world` must be the first command, and the only one of its kind",
                     line.word[0]);
            return;
        }
        if (is_it) {
            bool is_quiet = run->world != NULL && has_word(&line, "quietly");
            if (is_quiet) {
                run->world->trace = NULL;
            }
            commands[i].act(run, &line);
            run->world->trace = &run->trace;
            return;
        }
    }
    complain(run, "no such command", line.word[0]);
}

typedef struct text { /* grows at its end */
    char *at;
    size_t len, size;
} text;

static void text_add(text *to, const char *more) {
    size_t len = strlen(more);
    if (to->len + len + 1 > to->size) {
        to->size = (to->size + len + 1) * 2;
        to->at = realloc(to->at, to->size);
        REDLOCK_ASSERT(to->at != NULL);
    }
    memcpy(to->at + to->len, more, len + 1);
    to->len += len;
}

typedef struct block { /* what lies between two empty lines */
    int first_line;    /* of what is expected */
    text wanted;
    bool is_open; /* `----` was seen */
} block;

static bool block_end(scenario *run, block *open, text *rewritten) {
    const char *got = run->world == NULL ? "" : redlock_trace_take(&run->trace);
    got = got[0] == '\0' ? "ok\n" : got;
    text_add(rewritten, got);
    const char *wanted = open->wanted.at == NULL ? "" : open->wanted.at;
    bool is_same = strcmp(got, wanted) == 0;
    if (!is_same && getenv("REDLOCK_SCN_REWRITE") == NULL) {
        printf("# %s:%d: wanted:\n%s# got:\n%s", run->path, open->first_line, wanted, got);
    }
    open->is_open = false;
    open->wanted.len = 0;
    if (open->wanted.at != NULL) {
        open->wanted.at[0] = '\0';
    }
    return is_same;
}

static bool is_blank(const char *line) {
    return line[strspn(line, " \t\n")] == '\0';
}

/* One line of the file; false when a block ended in which something else happened than expected. */
static bool take_line(scenario *run, block *open, text *rewritten, const char *line) {
    bool is_right = true;
    if (open->is_open && is_blank(line)) {
        is_right = block_end(run, open, rewritten);
    } else if (open->is_open) {
        text_add(&open->wanted, line);
        return true;
    } else if (strcmp(line, "----\n") == 0) {
        open->is_open = true;
        open->first_line = run->line + 1;
    } else if (!is_blank(line) && line[0] != '#') {
        run_command(run, line);
    }
    text_add(rewritten, line);
    return is_right;
}

static bool write_back(const char *path, const text *rewritten) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    bool is_written = fwrite(rewritten->at, 1, rewritten->len, file) == rewritten->len;
    return fclose(file) == 0 && is_written;
}

static bool run_file(const char *path) {
    scenario run = {.path = path};
    block open = {.is_open = false};
    text rewritten = {.at = NULL};
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("# %s: cannot be opened\n", path);
        return false;
    }
    bool is_right = true;
    for (run.line = 1; !run.is_wrong && fgets(line, sizeof line, file) != NULL; run.line++) {
        is_right = take_line(&run, &open, &rewritten, line) && is_right;
    }
    (void)fclose(file);
    if (open.is_open && !run.is_wrong) {
        is_right = block_end(&run, &open, &rewritten) && is_right;
    }
    if (!is_right && !run.is_wrong && getenv("REDLOCK_SCN_REWRITE") != NULL) {
        is_right = write_back(path, &rewritten);
    }
    bool is_ok = is_right && !run.is_wrong && run.world != NULL;
    redlock_world_destroy(run.world);
    redlock_trace_deinit(&run.trace);
    free(open.wanted.at);
    free(rewritten.at);
    return is_ok;
}

/* --- all of them ----------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_files(const char *folder, char **paths) {
    DIR *dir = opendir(folder);
    int count = 0;
    for (struct dirent *entry;
         dir != NULL && count < FILES_MAX && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len > 4 && strcmp(entry->d_name + len - 4, ".scn") == 0) {
            size_t size = strlen(folder) + len + 2;
            paths[count] = malloc(size);
            REDLOCK_ASSERT(paths[count] != NULL);
            (void)snprintf(paths[count++], size, "%s/%s", folder, entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    qsort(paths, (size_t)count, sizeof paths[0], by_name);
    return count;
}

static int run_files(char *const *paths, int count) {
    int failed = count == 0;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        bool is_ok = run_file(paths[i]);
        const char *slash = strrchr(paths[i], '/');
        printf("%s %d - %s\n", is_ok ? "ok" : "not ok", i + 1,
               slash == NULL ? paths[i] : slash + 1);
        (void)fflush(stdout);
        failed += !is_ok;
    }
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return run_files(argv + 1, argc - 1);
    }
    char *paths[FILES_MAX], folder[LINE_BYTES];
    const char *tests = getenv("REDLOCK_TEST_DIR");
    (void)snprintf(folder, sizeof folder, "%s/scenario", tests != NULL ? tests : "tests");
    int count = find_files(folder, paths);
    int result = run_files(paths, count);
    for (int i = 0; i < count; i++) {
        free(paths[i]);
    }
    return result;
}
