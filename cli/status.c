/* status.c -- `redlock status NAME`: who holds one lock, as each server tells it.
 *
 * Since when it is held is nothing that servers know, so it is not said. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/key.h"
#include "cli/line.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/survey.h"
#include "cli/view.h"

/* A name that no server has anything about has no entry. */
static redlock_entry entry_of(const redlock_survey *survey, const char *name) {
    size_t silent = survey->node_count - survey->up_count;

    if (survey->entry_count > 0) {
        return survey->entries[0];
    }
    return (redlock_entry){
        .name = name,
        .name_len = strlen(name),
        .verdict = silent >= survey->quorum ? REDLOCK_UNCLEAR : REDLOCK_FREE,
    };
}

static void left_add(redlock_line *line, int64_t left_ms) {
    char text[REDLOCK_LENGTH_BYTES];

    if (left_ms < 0) {
        redlock_line_add(line, ", with no end: this key has no expiry, so redlock did not make it");
    } else {
        redlock_line_print(line, ", for %s unless renewed", redlock_length_text(left_ms, text));
    }
}

static void verdict_add(redlock_line *line, const redlock_entry *entry,
                        const redlock_survey *survey) {
    size_t len = 0;
    const char *who = entry->holder != NULL ? redlock_found_holder(entry->holder, &len) : "";

    switch (entry->verdict) {
    case REDLOCK_FREE:
        redlock_line_add(line, "free");
        return;
    case REDLOCK_TAKEN:
        redlock_line_add(line, "held by ");
        redlock_line_cell(line, who, len, redlock_text_width(who, len));
        left_add(line, entry->left_ms);
        return;
    case REDLOCK_CONTESTED:
        redlock_line_print(line,
                           "held by nobody: no token is on %zu of %zu servers; somebody is "
                           "acquiring it, or an attempt left these behind",
                           survey->quorum, survey->node_count);
        return;
    case REDLOCK_UNCLEAR:
        redlock_line_print(line, "unclear: %zu of %zu servers answered, and %zu have to agree",
                           survey->up_count, survey->node_count, survey->quorum);
        return;
    }
}

static redlock_style verdict_style(redlock_verdict verdict) {
    switch (verdict) {
    case REDLOCK_FREE:
        return REDLOCK_STYLE_GOOD;
    case REDLOCK_TAKEN:
        return REDLOCK_STYLE_BOLD;
    case REDLOCK_CONTESTED:
    case REDLOCK_UNCLEAR:
        return REDLOCK_STYLE_WARN;
    }
    return REDLOCK_STYLE_PLAIN;
}

static void head_print(const redlock_entry *entry, const redlock_survey *survey, bool has_color) {
    redlock_line line;

    redlock_line_start(&line, has_color);
    redlock_line_add(&line, "'");
    redlock_line_cell(&line, entry->name, entry->name_len,
                      redlock_text_width(entry->name, entry->name_len));
    redlock_line_add(&line, "' is ");
    redlock_line_style(&line, verdict_style(entry->verdict));
    verdict_add(&line, entry, survey);
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);

    redlock_line_start(&line, has_color);
    if (entry->holder != NULL && entry->fence > 0) {
        redlock_line_print(&line, "fence %llu, ", (unsigned long long)entry->fence);
    } else if (entry->fence > 0) {
        redlock_line_print(&line, "last fence %llu, ", (unsigned long long)entry->fence);
    } else if (entry->holder != NULL) {
        redlock_line_add(&line, "no fence, ");
    }
    redlock_line_print(&line, "on %zu of %zu servers; %zu make a quorum", entry->holder_count,
                       survey->node_count, survey->quorum);
    if (entry->waiter_count > 0) {
        redlock_line_print(&line, "; %lld wait%s", (long long)entry->waiter_count,
                           entry->waiter_count == 1 ? "s" : "");
    }
    redlock_line_put(&line, stdout);
}

static size_t where_width(const redlock_survey *survey) {
    size_t width = 6;

    for (size_t i = 0; i < survey->node_count; i++) {
        size_t one = strlen(survey->node[i].report.where);

        width = one > width ? one : width;
    }
    return width;
}

static void found_add(redlock_line *line, const redlock_found *found, bool is_same) {
    char text[REDLOCK_LENGTH_BYTES];
    bool is_held = found != NULL && found->left_ms != -2;
    size_t len = 4;
    const char *who = is_held ? redlock_found_holder(found, &len) : "free";

    redlock_line_style(line, is_same ? REDLOCK_STYLE_PLAIN : REDLOCK_STYLE_WARN);
    redlock_line_cell(line, who, len, 28);
    redlock_line_cell_right(line, is_held ? redlock_length_text(found->left_ms, text) : "-", 8);
    if (found != NULL && found->mark > 0) {
        redlock_line_print(line, "  %-16llu", (unsigned long long)found->mark);
    } else {
        redlock_line_print(line, "  %-16s", "-");
    }
    redlock_line_add(line, is_same ? "" : "  differs");
    redlock_line_style(line, REDLOCK_STYLE_PLAIN);
}

static void node_print(const redlock_entry *entry, const redlock_survey *survey, size_t index,
                       bool has_color) {
    const redlock_survey_node *node = &survey->node[index];
    const redlock_found *found = entry->at[index];
    char text[REDLOCK_LENGTH_BYTES];
    redlock_line line;

    redlock_line_start(&line, has_color);
    redlock_line_cell(&line, node->report.where, strlen(node->report.where), where_width(survey));
    if (node->is_up) {
        redlock_line_cell_right(&line, redlock_trip_text(node->report.latency_us, text), 9);
        redlock_line_add(&line, "  ");
        found_add(&line, found, redlock_entry_is_same(entry, found));
    } else {
        redlock_line_cell_right(&line, "-", 9);
        redlock_line_style(&line, REDLOCK_STYLE_BAD);
        redlock_line_print(&line, "  no answer: %s", node->why);
        redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    }
    redlock_line_put(&line, stdout);
}

static void waiters_print(const redlock_entry *entry, const redlock_survey *survey,
                          bool has_color) {
    const redlock_survey_node *queue = redlock_survey_queue(survey);
    int64_t more = entry->waiter_count - (int64_t)queue->waiters_shown;
    redlock_line line;

    if (queue->waiters_shown == 0) {
        return;
    }
    redlock_line_start(&line, has_color);
    redlock_line_put(&line, stdout);
    redlock_line_style(&line, REDLOCK_STYLE_DIM);
    redlock_line_add(&line, "WAITING");
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);
    for (size_t i = 0; i < queue->waiters_shown; i++) {
        const redlock_waiter *waiter = &queue->waiters[i];

        redlock_line_start(&line, has_color);
        redlock_line_print(&line, "%2zu  ", i + 1);
        redlock_line_cell(&line, waiter->label, waiter->len,
                          redlock_text_width(waiter->label, waiter->len));
        redlock_line_put(&line, stdout);
    }
    if (more > 0) {
        redlock_line_start(&line, has_color);
        redlock_line_print(&line, "    and %lld more", (long long)more);
        redlock_line_put(&line, stdout);
    }
}

static void status_print(const redlock_entry *entry, const redlock_survey *survey) {
    bool has_color = redlock_line_wants_color(1);
    redlock_line line;

    head_print(entry, survey, has_color);
    redlock_line_start(&line, has_color);
    redlock_line_put(&line, stdout);
    redlock_line_style(&line, REDLOCK_STYLE_DIM);
    redlock_line_cell(&line, "SERVER", 6, where_width(survey));
    redlock_line_print(&line, "%9s  %-28s%8s  %s", "TRIP", "HOLDER", "LEFT", "MARK");
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);
    for (size_t i = 0; i < survey->node_count; i++) {
        node_print(entry, survey, i, has_color);
    }
    waiters_print(entry, survey, has_color);
}

static int status_show(const redlock_view_options *options) {
    const size_t name_len = strlen(options->word);
    const redlock_query query = {.prefix = options->key_prefix,
                                 .names = &options->word,
                                 .name_lens = &name_len,
                                 .name_count = 1};
    redlock_peers nodes;
    redlock_survey survey;

    redlock_peers_init(&nodes, &options->urls, options->timeout_ms);
    redlock_survey_take(&survey, &nodes, &query);
    redlock_entry entry = entry_of(&survey, options->word);
    if (options->is_json) {
        redlock_print_entry_json(&entry, &survey, true);
    } else {
        status_print(&entry, &survey);
    }
    int code = survey.up_count >= survey.quorum ? REDLOCK_EXIT_OK : redlock_exit_of_survey(&survey);
    redlock_survey_deinit(&survey);
    redlock_peers_deinit(&nodes);
    return code;
}

int redlock_status_main(int argc, char **argv) {
    redlock_view_options options;
    int code = redlock_view_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        const char *name;
        size_t len;
        bool is_name = redlock_key_is_lock(options.word, strlen(options.word), "", &name, &len);

        code = is_name ? status_show(&options)
                       : redlock_say_usage("status", "%s", redlock_status_text(REDLOCK_BAD_NAME));
    }
    redlock_view_options_deinit(&options);
    return code;
}
