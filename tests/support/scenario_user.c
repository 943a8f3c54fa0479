/* scenario_user.c -- the commands of a scenario for users. */
#include "scenario_inside.h"

#include <string.h>

static void remember(test_scenario *run, uint32_t lock) {
    if (run->lock_count == TEST_SCENARIO_LOCKS_MAX) {
        test_scenario_complain(run, "too many locks", "");
        return;
    }
    run->locks[run->lock_count++] = lock;
}

/* acquire A job ttl=10s wait=0 tries=3 retry=50ms jitter=250ms renew=3s margin=1s node-timeout=50ms
 *               own-token=TEXT plain queued poll=1s barge times=1
 *
 * times: so many such locks, one after the other in the same instant.  wait=never waits for ever,
 * queued in the queues of the nodes.  jitter is 0 and renew is off unless they are given. */
static void do_acquire(test_scenario *run, const test_line *line) {
    uint32_t client = test_line_client(run, line);
    uint64_t times = test_line_number(run, line, "times", 1);
    for (uint64_t i = 0; i < times && line->count >= 3; i++) {
        redlock_seek seek = test_line_seek(run, line, run->seek);
        remember(run, redlock_world_acquire(run->world, client, line->word[2], &seek,
                                            test_line_value(line, "own-token")));
    }
}

/* adopt B job token=TEXT fence=7 ttl=10s renew=3s
 *
 * The token may be written as the trace shows it: A#1. */
static void do_adopt(test_scenario *run, const test_line *line) {
    uint32_t client = test_line_client(run, line);
    const char *token = test_line_value(line, "token");
    if (line->count < 4 || token == NULL) {
        test_scenario_complain(run, "adopt needs a name and token=", line->word[0]);
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
    redlock_seek seek = test_line_seek(run, line, run->seek);
    uint64_t fence = test_line_number(run, line, "fence", 0);
    remember(run, redlock_world_adopt(run->world, client, line->word[2], &seek,
                                      redlock_bytes_of(token), fence));
}

/* extend A job ttl=20s once          once: one round, else until the old deadline */
static void do_extend(test_scenario *run, const test_line *line) {
    uint32_t lock = test_line_lock(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_ns ttl = test_line_time(run, line, "ttl", run->seek.ttl),
                   margin = test_line_time(run, line, "margin", run->seek.margin);
        redlock_world_extend(run->world, lock, ttl, margin, test_line_has(line, "once"));
    }
}

/* release A job */
static void do_release(test_scenario *run, const test_line *line) {
    uint32_t lock = test_line_lock(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_world_release(run->world, lock);
    }
}

/* cancel A job */
static void do_cancel(test_scenario *run, const test_line *line) {
    uint32_t lock = test_line_lock(run, line);
    if (lock != REDLOCK_WORLD_LOCK_NONE) {
        redlock_world_cancel(run->world, lock);
    }
}

/* look A job      break A job      what the user of inspect and break asks */
static void do_look(test_scenario *run, const test_line *line) {
    bool breaks = strcmp(line->word[0], "break") == 0;
    uint32_t client = test_line_client(run, line);
    if (line->count >= 3) {
        redlock_command_kind kind = breaks ? REDLOCK_COMMAND_BREAK : REDLOCK_COMMAND_LOOK;
        remember(run, redlock_world_look(run->world, client, line->word[2], kind,
                                         run->seek.node_timeout));
    }
}

const test_command test_commands_user[] = {
    {"acquire", do_acquire}, {"adopt", do_adopt}, {"extend", do_extend}, {"release", do_release},
    {"cancel", do_cancel},   {"look", do_look},   {"break", do_look},    {NULL, NULL},
};
