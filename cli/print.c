/* print.c -- what status, ls and top print alike. */
#include "cli/print.h"

#include <string.h>

#include "cli/exit.h"
#include "cli/json.h"
#include "cli/key.h"

enum { LEFT_WIDTH = 8, FENCE_WIDTH = 16, NODES_WIDTH = 5, WAIT_WIDTH = 4, GAPS = 5 };

bool redlock_entry_is_same(const redlock_entry *entry, const redlock_found *found) {
    bool is_held = found != NULL && found->left_ms != -2;

    if (entry->holder == NULL || !is_held) {
        return entry->holder == NULL && !is_held;
    }
    return found->value_len == entry->holder->value_len &&
           memcmp(found->value, entry->holder->value, found->value_len) == 0;
}

/* --- JSON ------------------------------------------------------------------------------------ */

/* The token is the right to release the lock, so it is not shown; the label is enough. */
static void holder_json(redlock_json *json, const redlock_found *found) {
    size_t len;

    if (found == NULL || found->left_ms == -2) {
        redlock_json_null(json, "holder");
        return;
    }
    const char *who = redlock_found_holder(found, &len);
    redlock_json_bytes(json, "holder", who, len);
}

static void left_json(redlock_json *json, bool is_held, int64_t left_ms) {
    if (is_held && left_ms >= 0) {
        redlock_json_number(json, "left_ms", left_ms);
    } else {
        redlock_json_null(json, "left_ms");
    }
}

static void fence_json(redlock_json *json, const char *key, uint64_t fence) {
    if (fence > 0) {
        redlock_json_number(json, key, (int64_t)fence);
    } else {
        redlock_json_null(json, key);
    }
}

/* Whether nobody waits or nobody tells are two things. */
static void waiting_json(redlock_json *json, int64_t count) {
    if (count >= 0) {
        redlock_json_number(json, "waiting", count);
    } else {
        redlock_json_null(json, "waiting");
    }
}

static void waiters_json(redlock_json *json, const redlock_survey *survey) {
    const redlock_survey_node *queue = redlock_survey_queue(survey);

    redlock_json_open(json, "waiters", '[');
    for (size_t i = 0; i < queue->waiters_shown; i++) {
        redlock_json_bytes(json, NULL, queue->waiters[i].label, queue->waiters[i].len);
    }
    redlock_json_close(json, ']');
}

static void node_json(redlock_json *json, const redlock_entry *entry, const redlock_survey *survey,
                      size_t index) {
    const redlock_survey_node *node = &survey->node[index];
    const redlock_found *found = entry->at[index];

    redlock_json_open(json, NULL, '{');
    redlock_json_text(json, "server", node->report.where);
    redlock_json_bool(json, "up", node->is_up);
    if (node->is_up) {
        redlock_json_number(json, "trip_us", node->report.latency_us);
        holder_json(json, found);
        left_json(json, found != NULL, found != NULL ? found->left_ms : 0);
        fence_json(json, "mark", found != NULL ? found->mark : 0);
        waiting_json(json, found != NULL ? found->waiter_count : 0);
        redlock_json_bool(json, "differs", !redlock_entry_is_same(entry, found));
    } else {
        redlock_json_text(json, "status", redlock_status_name(node->report.status));
        redlock_json_text(json, "why", node->why);
    }
    redlock_json_close(json, '}');
}

void redlock_print_entry_json(const redlock_entry *entry, const redlock_survey *survey,
                              bool has_nodes) {
    redlock_json json = {.out = stdout};

    redlock_json_open(&json, NULL, '{');
    redlock_json_bytes(&json, "name", entry->name, entry->name_len);
    redlock_json_text(&json, "state", redlock_verdict_text(entry->verdict));
    holder_json(&json, entry->holder);
    left_json(&json, entry->holder != NULL, entry->left_ms);
    fence_json(&json, "fence", entry->fence);
    redlock_json_number(&json, "held_on", (int64_t)entry->holder_count);
    redlock_json_number(&json, "up", (int64_t)survey->up_count);
    redlock_json_number(&json, "servers", (int64_t)survey->node_count);
    redlock_json_number(&json, "quorum", (int64_t)survey->quorum);
    waiting_json(&json, entry->waiter_count);
    if (has_nodes) {
        waiters_json(&json, survey);
        redlock_json_open(&json, "nodes", '[');
        for (size_t i = 0; i < survey->node_count; i++) {
            node_json(&json, entry, survey, i);
        }
        redlock_json_close(&json, ']');
    }
    redlock_json_close(&json, '}');
    redlock_json_end_line(&json);
}

/* --- servers that don't answer --------------------------------------------------------------- */

int redlock_exit_of_survey(const redlock_survey *survey) {
    int shared = REDLOCK_OK;

    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_survey_node *node = &survey->node[i];

        if (!node->is_up) {
            shared = shared == REDLOCK_OK || shared == node->report.status ? node->report.status
                                                                           : REDLOCK_NO_QUORUM;
        }
    }
    return redlock_exit_of_status(shared == REDLOCK_OK ? REDLOCK_NO_QUORUM : shared);
}

void redlock_say_down(const redlock_say *say, const redlock_survey *survey) {
    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_survey_node *node = &survey->node[i];

        if (!node->is_up) {
            redlock_say_error(say, "%s: %s",
                              node->report.where[0] != '\0' ? node->report.where : "a server",
                              node->why);
        } else if (node->is_cut) {
            redlock_say_error(say, "%s has more than %d names; the others are left out",
                              node->report.where, REDLOCK_SURVEY_NAMES_MAX);
        }
    }
    if (survey->is_out_of_memory) {
        redlock_say_error(say, "no memory left for all the names");
    }
}

/* --- a table --------------------------------------------------------------------------------- */

redlock_columns redlock_columns_fit(const redlock_survey *survey, size_t width) {
    const size_t fixed = LEFT_WIDTH + FENCE_WIDTH + NODES_WIDTH + WAIT_WIDTH + GAPS;
    redlock_columns columns = {.name = 4, .holder = 6};

    for (size_t i = 0; i < survey->entry_count; i++) {
        const redlock_entry *entry = &survey->entries[i];
        size_t len = 0;
        const char *who = entry->holder != NULL ? redlock_found_holder(entry->holder, &len) : "";
        size_t name = redlock_text_width(entry->name, entry->name_len);
        size_t holder = redlock_text_width(who, len);

        columns.name = name > columns.name ? name : columns.name;
        columns.holder = holder > columns.holder ? holder : columns.holder;
    }
    if (width == 0 || fixed + columns.name + columns.holder <= width) {
        return columns;
    }
    /* Names matter most: the holder gives way first, down to a third of the room. */
    size_t room = width > fixed + 12 ? width - fixed : 12;
    size_t third = room / 3;
    size_t holder = columns.name < room - third ? room - columns.name : third;

    columns.holder = holder < columns.holder ? holder : columns.holder;
    columns.name = room - columns.holder;
    return columns;
}

void redlock_print_heads(redlock_line *line, const redlock_columns *columns) {
    redlock_line_cell(line, "NAME", 4, columns->name + 1);
    redlock_line_cell(line, "HOLDER", 6, columns->holder + 1);
    redlock_line_cell_right(line, "LEFT", LEFT_WIDTH);
    redlock_line_add(line, " ");
    redlock_line_cell(line, "FENCE", 5, FENCE_WIDTH + 1);
    redlock_line_cell_right(line, "WAIT", WAIT_WIDTH);
    redlock_line_add(line, " ");
    redlock_line_cell(line, "ON", 2, NODES_WIDTH);
}

static redlock_style entry_style(const redlock_entry *entry, const redlock_survey *survey) {
    switch (entry->verdict) {
    case REDLOCK_FREE:
        return REDLOCK_STYLE_DIM;
    case REDLOCK_TAKEN:
        return entry->holder_count == survey->node_count ? REDLOCK_STYLE_PLAIN : REDLOCK_STYLE_WARN;
    case REDLOCK_CONTESTED:
    case REDLOCK_UNCLEAR:
        return REDLOCK_STYLE_BAD;
    }
    return REDLOCK_STYLE_PLAIN;
}

static void holder_add(redlock_line *line, const redlock_entry *entry, size_t width) {
    size_t len = 0;

    if (entry->verdict == REDLOCK_TAKEN) {
        const char *who = redlock_found_holder(entry->holder, &len);

        redlock_line_cell(line, who, len, width);
    } else {
        const char *text = redlock_verdict_text(entry->verdict);

        redlock_line_cell(line, text, strlen(text), width);
    }
}

static const char *waiting_text(int64_t count, char out[REDLOCK_LENGTH_BYTES]) {
    if (count <= 0) {
        return count < 0 ? "?" : "-";
    }
    (void)snprintf(out, REDLOCK_LENGTH_BYTES, "%lld", (long long)(count < 9999 ? count : 9999));
    return out;
}

void redlock_print_entry(redlock_line *line, const redlock_columns *columns,
                         const redlock_entry *entry, const redlock_survey *survey) {
    char text[REDLOCK_LENGTH_BYTES];
    bool is_held = entry->holder != NULL;

    redlock_line_style(line, entry_style(entry, survey));
    redlock_line_cell(line, entry->name, entry->name_len, columns->name);
    redlock_line_add(line, " ");
    holder_add(line, entry, columns->holder);
    redlock_line_add(line, " ");
    redlock_line_cell_right(line, is_held ? redlock_length_text(entry->left_ms, text) : "-",
                            LEFT_WIDTH);
    redlock_line_add(line, " ");
    if (entry->fence > 0) {
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)entry->fence);
    } else {
        (void)snprintf(text, sizeof(text), "-");
    }
    redlock_line_cell(line, text, strlen(text), FENCE_WIDTH);
    redlock_line_add(line, " ");
    redlock_line_cell_right(line, waiting_text(entry->waiter_count, text), WAIT_WIDTH);
    redlock_line_print(line, " %zu/%zu", entry->holder_count, survey->node_count);
    redlock_line_style(line, REDLOCK_STYLE_PLAIN);
}
