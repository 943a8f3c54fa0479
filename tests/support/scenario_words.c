/* scenario_words.c -- the words of a scenario's command: values, times, nodes, clients, locks. */
#include "scenario_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void test_scenario_complain(test_scenario *run, const char *what, const char *word) {
    printf("# %s:%d: %s: %s\n", run->path, run->line, what, word);
    run->is_wrong = true;
}

const char *test_line_value(const test_line *line, const char *key) {
    size_t len = strlen(key);
    for (int i = 1; i < line->count; i++) {
        if (strncmp(line->word[i], key, len) == 0 && line->word[i][len] == '=') {
            return line->word[i] + len + 1;
        }
    }
    return NULL;
}

bool test_line_has(const test_line *line, const char *word) {
    for (int i = 1; i < line->count; i++) {
        if (strcmp(line->word[i], word) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t test_line_number(test_scenario *run, const test_line *line, const char *key,
                          uint64_t otherwise) {
    const char *text = test_line_value(line, key);
    if (text == NULL) {
        return otherwise;
    }
    uint64_t number = 0;
    if (!redlock_bytes_to_u64(redlock_bytes_of(text), UINT64_MAX - 1, &number)) {
        test_scenario_complain(run, "not a number", text);
    }
    return number;
}

redlock_ns test_scenario_parse_time(test_scenario *run, const char *text) {
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
    test_scenario_complain(run, "not a time", text);
    return 0;
}

redlock_ns test_line_time(test_scenario *run, const test_line *line, const char *key,
                          redlock_ns otherwise) {
    const char *text = test_line_value(line, key);
    return text == NULL ? otherwise : test_scenario_parse_time(run, text);
}

/* --- nodes, clients and locks ---------------------------------------------------------------- */

bool test_scenario_is_node(const test_scenario *run, const char *word, uint32_t *ret_node) {
    uint64_t number = 0;
    if (word[0] != 'n' ||
        !redlock_bytes_to_u64(redlock_bytes_of(word + 1), REDLOCK_NODE_MAX, &number)) {
        return false;
    }
    *ret_node = (uint32_t)number - 1;
    return number >= 1 && number <= run->world->config.node_count;
}

bool test_scenario_is_client(const test_scenario *run, const char *word, uint32_t *ret_client) {
    bool is_letter = word[0] >= 'A' && word[0] <= 'F' && word[1] == '\0';
    *ret_client = is_letter ? (uint32_t)(word[0] - 'A') : 0;
    return is_letter && *ret_client < run->world->config.client_count;
}

uint32_t test_line_client(test_scenario *run, const test_line *line) {
    uint32_t client = 0;
    if (line->count < 2 || !test_scenario_is_client(run, line->word[1], &client)) {
        test_scenario_complain(run, "the first word must be a client", line->word[0]);
    }
    return client;
}

void test_line_each_node(test_scenario *run, const test_line *line, test_node_fn *act) {
    uint32_t node = 0, count = 0;
    for (int i = 1; i < line->count; i++) {
        if (test_scenario_is_node(run, line->word[i], &node)) {
            act(run, line, node);
            count++;
        }
    }
    if (count == 0) {
        test_scenario_complain(run, "no node is named", line->word[0]);
    }
}

void test_line_each_link(test_scenario *run, const test_line *line, test_link_fn *act) {
    uint32_t named = 0, client = 0, node = 0;
    for (int i = 1; i < line->count; i++) {
        named |= test_scenario_is_client(run, line->word[i], &client) ? UINT32_C(1) << client : 0;
    }
    for (uint32_t c = 0; c < run->world->config.client_count; c++) {
        for (int i = 1; i < line->count && (named == 0 || (named >> c & 1) != 0); i++) {
            if (test_scenario_is_node(run, line->word[i], &node)) {
                act(run, line, c, node);
            }
        }
    }
}

uint32_t test_line_lock(test_scenario *run, const test_line *line) {
    uint32_t client = test_line_client(run, line), found = REDLOCK_WORLD_LOCK_NONE;
    uint64_t which = test_line_number(run, line, "which", UINT64_MAX);
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
    test_scenario_complain(run, "there is no such lock", line->word[0]);
    return REDLOCK_WORLD_LOCK_NONE;
}

/* --- what acquire takes ---------------------------------------------------------------------- */

redlock_seek test_line_seek(test_scenario *run, const test_line *line, redlock_seek base) {
    redlock_seek seek = base;
    seek.ttl = test_line_time(run, line, "ttl", base.ttl);
    seek.margin = test_line_time(run, line, "margin", base.margin);
    seek.node_timeout = test_line_time(run, line, "node-timeout", base.node_timeout);
    seek.wait = test_line_time(run, line, "wait", base.wait);
    seek.tries_max = (uint32_t)test_line_number(run, line, "tries", base.tries_max);
    seek.retry_min = test_line_time(run, line, "retry", base.retry_min);
    seek.retry_jitter = test_line_time(run, line, "jitter", base.retry_jitter);
    seek.renew = test_line_time(run, line, "renew", base.renew);
    seek.fenced = test_line_has(line, "plain") ? false : base.fenced;
    seek.queued = test_line_has(line, "queued") || base.queued;
    seek.barge = test_line_has(line, "barge") || base.barge;
    seek.poll = test_line_time(run, line, "poll", base.poll);
    return seek;
}
