/* worker.c -- redlock-chaos-worker: a client process to be killed, frozen and cut off.
 *
 * Some threads share one client of the library.  Each acquires names at random, holds them for a
 * while, writes to the register that the name guards, and releases.  What it believes at each moment
 * goes to the history, and only that: whether the beliefs can be true together is for another
 * program to judge.  A line about the beginning of a hold is written behind the call that began it,
 * and one about its end in front of the call that ends it, so the history never says that somebody
 * held for longer than he did.
 *
 * SIGTERM ends it in good order: waits are canceled, locks released, and it says bye. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <redlock/redlock.h>

#include "history.h"
#include "resource.h"

enum { THREADS_MAX = 8, TOKEN_BYTES_MAX = 40, NAME_BYTES_MAX = 32 };
enum { ASK_EVERY_MS = 20, LOST_FD_PATIENCE_MS = 5000 };

typedef struct worker_options {
    const char *who, *history, *folder;
    int64_t seed, threads, names, ttl_min_ms, ttl_max_ms, margin_ms, node_timeout_ms, think_ms;
    int64_t long_percent; /* how many holds last for several ttls */
    bool guard, init;
} worker_options;

typedef struct worker {
    worker_options options;
    redlock_client *client;
    int history_fd;
    atomic_bool stopping;
} worker;

typedef struct contender { /* one thread */
    worker *worker;
    int index;
    uint64_t random;
    redlock_wait *wait;
    pthread_t thread;
} contender;

typedef struct chaos_hold {
    redlock_lock *lock;
    const char *name;
    char token[TOKEN_BYTES_MAX]; /* its random digits: they name the hold in the history */
    uint64_t fence;
    int64_t ttl_ms;
    int64_t yes_us; /* read before the last question that was answered: held */
} chaos_hold;

/* --- small things ---------------------------------------------------------------------------- */

/* splitmix64: S. Vigna, public domain; the constants are its definition. */
static uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int64_t random_below(contender *me, int64_t limit) {
    return limit > 0 ? (int64_t)(random_next(&me->random) % (uint64_t)limit) : 0;
}

static bool chance(contender *me, int64_t percent) {
    return random_below(me, 100) < percent;
}

static bool is_stopping(const contender *me) {
    return atomic_load(&me->worker->stopping);
}

/* Sleeps, in pieces, so that an order to stop is heard. */
static void rest(const contender *me, int64_t ms) {
    int64_t until_us = chaos_now_us() + ms * 1000;

    while (!is_stopping(me) && chaos_now_us() < until_us) {
        int64_t left_ms = (until_us - chaos_now_us()) / 1000 + 1;
        (void)poll(NULL, 0, left_ms < 50 ? (int)left_ms : 50);
    }
}

static void token_of(const redlock_lock *lock, char ret_token[TOKEN_BYTES_MAX]) {
    const char *token = redlock_lock_token(lock, NULL);
    size_t length = strcspn(token, ":");

    length = length < TOKEN_BYTES_MAX ? length : TOKEN_BYTES_MAX - 1;
    memcpy(ret_token, token, length);
    ret_token[length] = '\0';
}

/* What is left is asked between two readings of the clock, because the process may be frozen in
 * between: the true deadline is not before the first and not after the second. */
typedef struct deadline_bounds {
    int64_t earliest_us, latest_us;
} deadline_bounds;

static deadline_bounds deadline_of(const redlock_lock *lock) {
    deadline_bounds bounds = {.earliest_us = chaos_now_us()};
    int64_t left_ms = redlock_lock_remaining_ms(lock);

    bounds.latest_us = chaos_now_us() + (left_ms + 1) * 1000;
    bounds.earliest_us += left_ms * 1000;
    return bounds;
}

static void renewal_note(const worker *me, const redlock_lock *lock, const char *token) {
    deadline_bounds bounds = deadline_of(lock);

    chaos_history_write(me->history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"renewed\",\"token\":\"%s\","
                        "\"deadline\":%" PRId64 ",\"latest\":%" PRId64 "}",
                        chaos_now_us(), token, bounds.earliest_us, bounds.latest_us);
}

/* --- events: what the library says by itself -------------------------------------------------- */

static void on_event(const redlock_event *event, void *user) {
    const worker *me = user;
    char token[TOKEN_BYTES_MAX];
    bool is_renewed = event->kind == REDLOCK_EVENT_RENEWED;

    if (event->lock == NULL || (!is_renewed && event->kind != REDLOCK_EVENT_LOST)) {
        return;
    }
    token_of(event->lock, token);
    if (is_renewed) {
        renewal_note(me, event->lock, token);
    } else {
        chaos_history_write(me->history_fd,
                            "{\"at\":%" PRId64 ",\"do\":\"event\",\"token\":\"%s\"}",
                            chaos_now_us(), token);
    }
}

/* --- one hold --------------------------------------------------------------------------------- */

static void hold_note(const contender *me, const chaos_hold *hold, const char *what) {
    chaos_history_write(me->worker->history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"%s\",\"token\":\"%s\",\"yes\":%" PRId64 "}",
                        chaos_now_us(), what, hold->token, hold->yes_us);
}

static bool hold_ask(chaos_hold *hold) {
    int64_t now_us = chaos_now_us();

    if (!redlock_lock_is_held(hold->lock)) {
        return false;
    }
    hold->yes_us = now_us;
    return true;
}

/* Mostly short; some end within their ttl, some have to be renewed. */
static int64_t hold_length_ms(contender *me, const chaos_hold *hold) {
    int64_t longs = me->worker->options.long_percent, percent = random_below(me, 100);

    if (percent < longs) {
        return hold->ttl_ms + random_below(me, 2 * hold->ttl_ms);
    }
    return percent < 2 * longs ? random_below(me, hold->ttl_ms) : random_below(me, 12);
}

static void hold_extend(contender *me, chaos_hold *hold) {
    int64_t ttl_ms = chance(me, 50) ? 0 : hold->ttl_ms;

    if (redlock_try_extend(hold->lock, ttl_ms, NULL) == REDLOCK_OK) {
        renewal_note(me->worker, hold->lock, hold->token);
    }
}

/* Works until `length_ms` have passed or the lock is lost; true while it is held. */
static bool hold_work(contender *me, chaos_hold *hold, int64_t length_ms) {
    int64_t until_us = chaos_now_us() + length_ms * 1000;
    struct pollfd lost = {.fd = redlock_lock_lost_fd(hold->lock), .events = POLLIN};

    while (hold_ask(hold)) {
        int64_t left_ms = (until_us - chaos_now_us()) / 1000;

        if (left_ms <= 0 || is_stopping(me)) {
            return true;
        }
        (void)poll(&lost, 1, left_ms < ASK_EVERY_MS ? (int)left_ms : ASK_EVERY_MS);
    }
    return false;
}

/* Without a fence there is nothing to compare. */
static void hold_write(const contender *me, const chaos_hold *hold) {
    if (hold->fence != 0) {
        chaos_resource_write(me->worker->options.folder, hold->name, hold->token, hold->fence,
                             me->worker->history_fd);
    }
}

/* The descriptor has to say it, too.  Who is careless writes all the same: this is what fences are
 * for. */
static void hold_mourn(contender *me, chaos_hold *hold) {
    struct pollfd lost = {.fd = redlock_lock_lost_fd(hold->lock), .events = POLLIN};
    int rc;

    hold_note(me, hold, "lost");
    do {
        rc = poll(&lost, 1, LOST_FD_PATIENCE_MS);
    } while (rc < 0 && errno == EINTR);
    hold_note(me, hold, rc > 0 ? "lost_fd" : "lost_fd_silent");
    if (hold_ask(hold)) { /* being lost is final */
        hold_note(me, hold, "held_again");
    }
    if (chance(me, 70)) {
        hold_write(me, hold);
    }
}

static void hold_use(contender *me, chaos_hold *hold) {
    int64_t length_ms = hold_length_ms(me, hold);

    if (chance(me, 50)) {
        hold_write(me, hold);
    }
    if (chance(me, 8)) {
        hold_extend(me, hold);
    }
    if (!hold_work(me, hold, length_ms)) {
        hold_mourn(me, hold);
        return;
    }
    hold_write(me, hold);
    hold_note(me, hold, "released");
}

static void hold_end(contender *me, chaos_hold *hold) {
    int rc = redlock_release(hold->lock, NULL);

    chaos_history_write(me->worker->history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"freed\",\"token\":\"%s\",\"said\":\"%s\"}",
                        chaos_now_us(), hold->token, redlock_status_name(rc));
}

static void hold_begin(contender *me, chaos_hold *hold, int64_t began_us) {
    int64_t now_us = chaos_now_us();
    deadline_bounds bounds = deadline_of(hold->lock);

    token_of(hold->lock, hold->token);
    hold->fence = redlock_lock_fence(hold->lock);
    chaos_history_write(me->worker->history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"granted\",\"who\":\"%s\",\"name\":\"%s\","
                        "\"token\":\"%s\",\"fence\":%" PRIu64 ",\"began\":%" PRId64
                        ",\"deadline\":%" PRId64 ",\"latest\":%" PRId64 "}",
                        now_us, me->worker->options.who, hold->name, hold->token, hold->fence,
                        began_us, bounds.earliest_us, bounds.latest_us);
}

/* --- one turn after the other ----------------------------------------------------------------- */

static redlock_acquire_options wishes(contender *me) {
    const worker_options *options = &me->worker->options;
    redlock_acquire_options wish = REDLOCK_INIT(redlock_acquire_options);

    wish.ttl_ms =
        options->ttl_min_ms + random_below(me, options->ttl_max_ms - options->ttl_min_ms + 1);
    wish.margin_ms = options->margin_ms;
    wish.node_timeout_ms = options->node_timeout_ms;
    wish.wait = me->wait;
    if (!chance(me, 25)) {
        wish.wait_ms = chance(me, 10) ? REDLOCK_FOREVER : 1 + random_below(me, 3000);
    }
    if (chance(me, 15)) {
        wish.renew_ms = REDLOCK_NO_RENEW;
    }
    wish.flags =
        (chance(me, 8) ? REDLOCK_ACQUIRE_BARGE : 0u) | (chance(me, 8) ? REDLOCK_ACQUIRE_POLL : 0u);
    return wish;
}

/* Half of the turns crowd on a few names.  Plain locks have names of their own, because they give no
 * fence to compare. */
static void name_choose(contender *me, bool is_plain, char ret_name[NAME_BYTES_MAX]) {
    int64_t names = me->worker->options.names;
    int64_t number = random_below(me, chance(me, 50) ? (names + 5) / 6 : names);

    (void)snprintf(ret_name, NAME_BYTES_MAX, "%s-%" PRId64, is_plain ? "plain" : "job", number);
}

static void turn(contender *me) {
    char name[NAME_BYTES_MAX];
    redlock_acquire_options wish = wishes(me);
    chaos_hold hold = {.name = name, .ttl_ms = wish.ttl_ms};
    int64_t began_us = chaos_now_us();

    name_choose(me, (wish.flags & REDLOCK_ACQUIRE_PLAIN) != 0, name);
    int rc = redlock_acquire(me->worker->client, name, strlen(name), &wish, &hold.lock, NULL);
    if (rc != REDLOCK_OK) {
        chaos_history_write(me->worker->history_fd,
                            "{\"at\":%" PRId64 ",\"do\":\"refused\",\"who\":\"%s\","
                            "\"said\":\"%s\",\"began\":%" PRId64 ",\"wait\":%" PRId64 "}",
                            chaos_now_us(), me->worker->options.who, redlock_status_name(rc),
                            began_us, wish.wait_ms);
        rest(me, 20 + random_below(me, 80));
        return;
    }
    hold_begin(me, &hold, began_us);
    hold_use(me, &hold);
    hold_end(me, &hold);
    rest(me, random_below(me, me->worker->options.think_ms + 1));
}

static void *contender_run(void *argument) {
    contender *me = argument;

    while (!is_stopping(me)) {
        turn(me);
    }
    return NULL;
}

/* --- the process ------------------------------------------------------------------------------ */

static int64_t descriptors_count(void) {
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = 0;

    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static bool client_start(worker *me, char **urls, size_t count) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    const char *list[REDLOCK_NODES_MAX];

    for (size_t i = 0; i < count; i++) {
        list[i] = urls[i];
    }
    options.flags = me->options.guard ? REDLOCK_CLIENT_GUARD_ON : REDLOCK_CLIENT_GUARD_OFF;
    options.ttl_max_ms = me->options.ttl_max_ms;
    options.release_timeout_ms = 2000;
    options.label = me->options.who;
    options.on_event = on_event;
    options.user = me;
    int rc = redlock_client_create(list, count, &options, &me->client, &report);
    if (rc == REDLOCK_OK && me->options.init) {
        /* By force, so that it can be repeated: nobody holds anything yet. */
        rc = redlock_client_init_nodes(me->client, 1, &report);
    }
    if (rc != REDLOCK_OK) {
        (void)fprintf(stderr, "redlock-chaos-worker: %s\n", report.sentence);
    }
    return rc == REDLOCK_OK;
}

static void await_sigterm(const sigset_t *term) {
    int number = 0;

    while (sigwait(term, &number) != 0) {
    }
}

static void contenders_run(worker *me, const sigset_t *term) {
    contender contenders[THREADS_MAX];
    int count = (int)me->options.threads;

    for (int i = 0; i < count; i++) {
        contenders[i] = (contender){.worker = me, .index = i};
        contenders[i].random = (uint64_t)me->options.seed * THREADS_MAX + (uint64_t)i;
        if (redlock_wait_create(me->client, &contenders[i].wait) != REDLOCK_OK ||
            pthread_create(&contenders[i].thread, NULL, contender_run, &contenders[i]) != 0) {
            abort();
        }
    }
    await_sigterm(term);
    atomic_store(&me->stopping, true);
    for (int i = 0; i < count; i++) {
        redlock_cancel(contenders[i].wait);
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_join(contenders[i].thread, NULL);
        redlock_wait_destroy(contenders[i].wait);
    }
}

static bool number_parse(const char *text, int64_t *ret) {
    char *end = NULL;

    *ret = strtoll(text, &end, 10);
    return end != text && *end == '\0';
}

static bool option_parse(worker_options *options, const char *name, const char *value) {
    const struct {
        const char *name;
        int64_t *place;
    } numbers[] = {
        {"--seed", &options->seed},
        {"--threads", &options->threads},
        {"--names", &options->names},
        {"--ttl-min", &options->ttl_min_ms},
        {"--ttl-max", &options->ttl_max_ms},
        {"--margin", &options->margin_ms},
        {"--node-timeout", &options->node_timeout_ms},
        {"--think", &options->think_ms},
        {"--long", &options->long_percent},
    };
    const struct {
        const char *name;
        const char **place;
    } texts[] = {
        {"--who", &options->who},
        {"--history", &options->history},
        {"--folder", &options->folder},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            return number_parse(value, numbers[i].place);
        }
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].place = value;
            return true;
        }
    }
    return false;
}

/* Returns the index of the first URL, 0 when the command line is not understood. */
static int options_parse(worker_options *options, int argc, char **argv) {
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--guard") == 0) {
            options->guard = true;
        } else if (strcmp(argv[i], "--init") == 0) {
            options->init = true;
        } else if (i + 1 >= argc || !option_parse(options, argv[i], argv[i + 1])) {
            return 0;
        } else {
            i++;
        }
    }
    bool is_whole = i < argc && argc - i <= REDLOCK_NODES_MAX && options->history != NULL &&
                    options->folder != NULL && options->threads <= THREADS_MAX;
    return is_whole ? i : 0;
}

int main(int argc, char **argv) {
    worker me = {.options = {.who = "0",
                             .threads = 5,
                             .names = 8,
                             .ttl_min_ms = 400,
                             .ttl_max_ms = 1500,
                             .margin_ms = 300,
                             .node_timeout_ms = 200,
                             .think_ms = 25,
                             .long_percent = 3}};
    sigset_t term;
    int first = options_parse(&me.options, argc, argv);

    if (first == 0) {
        (void)fprintf(stderr, "usage: redlock-chaos-worker [OPTION VALUE...] URL...\n");
        return 64;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end it else */
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &term, NULL);
    me.history_fd = chaos_history_open(me.options.history);
    int64_t before = descriptors_count();
    bool is_fine = client_start(&me, argv + first, (size_t)(argc - first));
    if (is_fine && !me.options.init) {
        contenders_run(&me, &term);
    }
    redlock_client_destroy(me.client);
    chaos_history_write(me.history_fd,
                        "{\"at\":%" PRId64 ",\"do\":\"bye\",\"who\":\"%s\",\"leaked\":%" PRId64 "}",
                        chaos_now_us(), me.options.who, descriptors_count() - before);
    return is_fine ? 0 : 1;
}
