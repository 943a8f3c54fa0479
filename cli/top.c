/* top.c -- `redlock top [PATTERN]`: the locks, live on the whole screen. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/rounds.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/survey.h"
#include "cli/view.h"

enum { FILTER_BYTES = 64, HEAD_ROWS = 4, FOOT_ROWS = 1, GO_ON = -1 };

typedef struct top_row {
    const redlock_entry *entry;
    redlock_sort sort;
    bool is_reversed;
} top_row;

typedef struct top_state {
    const redlock_view_options *options;
    redlock_screen screen;
    redlock_rounds rounds;
    redlock_survey survey; /* what is shown */
    int64_t round_count;
    top_row *rows; /* what the filter lets through, sorted */
    size_t row_count, row_first;
    redlock_sort sort;
    bool is_reversed;
    bool is_editing; /* the filter */
    char filter[FILTER_BYTES];
} top_state;

/* --- rows ------------------------------------------------------------------------------------ */

static int holder_compare(const redlock_entry *a, const redlock_entry *b) {
    size_t a_len = 0;
    size_t b_len = 0;
    const char *left = a->holder != NULL ? redlock_found_holder(a->holder, &a_len) : "";
    const char *right = b->holder != NULL ? redlock_found_holder(b->holder, &b_len) : "";
    int order = memcmp(left, right, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int entry_compare(const redlock_entry *a, const redlock_entry *b, redlock_sort sort) {
    switch (sort) {
    case REDLOCK_SORT_NAME:
        return 0; /* entries come sorted by name */
    case REDLOCK_SORT_HOLDER:
        return holder_compare(a, b);
    case REDLOCK_SORT_LEFT:
        return (a->left_ms > b->left_ms) - (a->left_ms < b->left_ms);
    case REDLOCK_SORT_FENCE:
        return (a->fence < b->fence) - (a->fence > b->fence); /* the newest first */
    }
    return 0;
}

static int row_compare(const void *left, const void *right) {
    const top_row *a = left;
    const top_row *b = right;
    int order = entry_compare(a->entry, b->entry, a->sort);

    order = order != 0 ? order : (a->entry > b->entry) - (a->entry < b->entry);
    return a->is_reversed ? -order : order;
}

static bool entry_passes(const redlock_entry *entry, const char *filter) {
    size_t len = 0;
    const char *who = entry->holder != NULL ? redlock_found_holder(entry->holder, &len) : "";
    size_t filter_len = strlen(filter);

    return memmem(entry->name, entry->name_len, filter, filter_len) != NULL ||
           memmem(who, len, filter, filter_len) != NULL;
}

static void rows_make(top_state *top) {
    size_t count = top->survey.entry_count;
    top_row *rows = realloc(top->rows, (count + 1) * sizeof(rows[0]));

    top->row_count = 0;
    if (rows == NULL) {
        return; /* an empty list is shown, and the next round may have better luck */
    }
    top->rows = rows;
    for (size_t i = 0; i < count; i++) {
        const redlock_entry *entry = &top->survey.entries[i];

        if (entry_passes(entry, top->filter)) {
            rows[top->row_count++] =
                (top_row){.entry = entry, .sort = top->sort, .is_reversed = top->is_reversed};
        }
    }
    qsort(rows, top->row_count, sizeof(rows[0]), row_compare);
}

/* --- drawing --------------------------------------------------------------------------------- */

static const char *sort_text(redlock_sort sort) {
    switch (sort) {
    case REDLOCK_SORT_NAME:
        return "name";
    case REDLOCK_SORT_HOLDER:
        return "holder";
    case REDLOCK_SORT_LEFT:
        return "left";
    case REDLOCK_SORT_FENCE:
        return "fence";
    }
    return "";
}

static size_t held_count(const redlock_survey *survey) {
    size_t count = 0;

    for (size_t i = 0; i < survey->entry_count; i++) {
        count += survey->entries[i].verdict == REDLOCK_TAKEN;
    }
    return count;
}

static void title_draw(const top_state *top, redlock_line *line) {
    const redlock_survey *survey = &top->survey;
    bool has_quorum = survey->up_count >= survey->quorum;

    redlock_line_style(line, REDLOCK_STYLE_BOLD);
    redlock_line_add(line, "redlock top");
    redlock_line_style(line, REDLOCK_STYLE_PLAIN);
    if (top->round_count == 0) {
        redlock_line_add(line, "  asking the servers ...");
        return;
    }
    redlock_line_print(line, "  %zu held  ", held_count(survey));
    redlock_line_style(line, !has_quorum                             ? REDLOCK_STYLE_BAD
                             : survey->up_count < survey->node_count ? REDLOCK_STYLE_WARN
                                                                     : REDLOCK_STYLE_GOOD);
    redlock_line_print(line, "%zu of %zu servers answer%s", survey->up_count, survey->node_count,
                       has_quorum ? "" : ": no quorum");
    redlock_line_style(line, REDLOCK_STYLE_PLAIN);
    redlock_line_print(line, "  by %s%s", sort_text(top->sort),
                       top->is_reversed ? ", reversed" : "");
    if (top->filter[0] != '\0') {
        redlock_line_print(line, "  only '%s'", top->filter);
    }
}

static void servers_draw(const top_state *top, redlock_line *line) {
    char text[REDLOCK_LENGTH_BYTES];

    for (size_t i = 0; i < top->survey.node_count; i++) {
        const redlock_survey_node *node = &top->survey.node[i];

        if (node->is_up) {
            redlock_line_print(line, "%zu %s  ", i + 1,
                               redlock_trip_text(node->report.latency_us, text));
        } else {
            redlock_line_style(line, REDLOCK_STYLE_BAD);
            redlock_line_print(line, "%zu %s: %s  ", i + 1, node->report.where, node->why);
            redlock_line_style(line, REDLOCK_STYLE_PLAIN);
        }
    }
}

static void foot_draw(const top_state *top, redlock_line *line) {
    if (top->is_editing) {
        redlock_line_print(line, "/%s_", top->filter);
    } else {
        redlock_line_style(line, REDLOCK_STYLE_DIM);
        redlock_line_add(line, "q quit  / filter  sort: n name  h holder  l left  f fence  "
                               "r reverse  a free too");
        redlock_line_style(line, REDLOCK_STYLE_PLAIN);
    }
}

static size_t rows_visible(const top_state *top) {
    size_t taken = HEAD_ROWS + FOOT_ROWS;

    return top->screen.rows > taken ? top->screen.rows - taken : 1;
}

static void table_draw(top_state *top) {
    redlock_screen *screen = &top->screen;
    redlock_columns columns = redlock_columns_fit(&top->survey, screen->columns);
    size_t visible = rows_visible(top);
    size_t last = top->row_count > visible ? top->row_count - visible : 0;

    top->row_first = top->row_first < last ? top->row_first : last;
    redlock_line_style(&screen->lines[3], REDLOCK_STYLE_HEAD);
    redlock_print_heads(&screen->lines[3], &columns);
    redlock_line_pad(&screen->lines[3], screen->columns);
    redlock_line_style(&screen->lines[3], REDLOCK_STYLE_PLAIN);
    for (size_t i = 0; i < visible && top->row_first + i < top->row_count; i++) {
        redlock_print_entry(&screen->lines[HEAD_ROWS + i], &columns,
                            top->rows[top->row_first + i].entry, &top->survey);
    }
    if (top->row_count > visible) {
        redlock_line_print(&screen->lines[2], "%zu to %zu of %zu", top->row_first + 1,
                           top->row_first + visible, top->row_count);
    }
}

static void draw(top_state *top) {
    redlock_screen *screen = &top->screen;

    redlock_screen_start(screen);
    title_draw(top, &screen->lines[0]);
    if (screen->rows > HEAD_ROWS + FOOT_ROWS) {
        servers_draw(top, &screen->lines[1]);
        table_draw(top);
        foot_draw(top, &screen->lines[screen->rows - 1]);
    }
    redlock_screen_show(screen);
}

/* --- keys ------------------------------------------------------------------------------------ */

static void filter_key(top_state *top, redlock_input input, char key) {
    size_t len = strlen(top->filter);

    if (input == REDLOCK_INPUT_CHAR && key >= ' ' && len + 1 < sizeof(top->filter)) {
        top->filter[len] = key;
        top->filter[len + 1] = '\0';
    } else if (input == REDLOCK_INPUT_BACKSPACE && len > 0) {
        top->filter[len - 1] = '\0';
    } else if (input == REDLOCK_INPUT_ENTER) {
        top->is_editing = false;
    } else if (input == REDLOCK_INPUT_ESCAPE) {
        top->is_editing = false;
        top->filter[0] = '\0';
    }
}

static void sort_by(top_state *top, redlock_sort sort) {
    top->sort = sort;
    top->is_reversed = false;
    top->row_first = 0;
}

static void rows_move(top_state *top, bool is_up, size_t by) {
    if (!is_up) {
        top->row_first += by; /* the drawing knows where the end is */
    } else {
        top->row_first -= by < top->row_first ? by : top->row_first;
    }
}

static void free_toggle(top_state *top) {
    atomic_store(&top->rounds.has_free, !atomic_load(&top->rounds.has_free));
    redlock_rounds_hurry(&top->rounds);
}

static int letter_key(top_state *top, char key) {
    switch (key) {
    case 'q':
        return REDLOCK_EXIT_OK;
    case '/':
        top->is_editing = true;
        break;
    case 'n':
        sort_by(top, REDLOCK_SORT_NAME);
        break;
    case 'h':
        sort_by(top, REDLOCK_SORT_HOLDER);
        break;
    case 'l':
        sort_by(top, REDLOCK_SORT_LEFT);
        break;
    case 'f':
        sort_by(top, REDLOCK_SORT_FENCE);
        break;
    case 'r':
        top->is_reversed = !top->is_reversed;
        break;
    case 'a':
        free_toggle(top);
        break;
    case 'k':
    case 'j':
        rows_move(top, key == 'k', 1);
        break;
    case 'b':
    case ' ':
        rows_move(top, key == 'b', rows_visible(top));
        break;
    default:
        break;
    }
    return GO_ON;
}

static int command_key(top_state *top, redlock_input input, char key) {
    switch (input) {
    case REDLOCK_INPUT_CHAR:
        return letter_key(top, key);
    case REDLOCK_INPUT_UP:
    case REDLOCK_INPUT_DOWN:
        rows_move(top, input == REDLOCK_INPUT_UP, 1);
        return GO_ON;
    case REDLOCK_INPUT_PAGE_UP:
    case REDLOCK_INPUT_PAGE_DOWN:
        rows_move(top, input == REDLOCK_INPUT_PAGE_UP, rows_visible(top));
        return GO_ON;
    case REDLOCK_INPUT_ESCAPE:
        top->filter[0] = '\0';
        return GO_ON;
    case REDLOCK_INPUT_END:
        return REDLOCK_EXIT_SYSTEM;
    case REDLOCK_INPUT_REDRAW:
    case REDLOCK_INPUT_NONE:
    case REDLOCK_INPUT_ENTER:
    case REDLOCK_INPUT_BACKSPACE:
        break;
    }
    return GO_ON;
}

static int keys_take(top_state *top) {
    int code = GO_ON;
    redlock_input input;
    char key;

    while (code == GO_ON &&
           (input = redlock_screen_read(&top->screen, &key)) != REDLOCK_INPUT_NONE) {
        if (input == REDLOCK_INPUT_REDRAW) {
            redlock_screen_measure(&top->screen);
        } else if (top->is_editing && input != REDLOCK_INPUT_END) {
            filter_key(top, input, key);
        } else {
            code = command_key(top, input, key);
        }
    }
    rows_make(top);
    return code;
}

/* --- signals --------------------------------------------------------------------------------- */

/* Stops until we are in the foreground, as the terminal does with whoever writes from behind.
 * SIGSTOP, because SIGTSTP is one of the signals that are read and not delivered. */
static int foreground_await(top_state *top, const redlock_signals *signals) {
    while (!redlock_screen_is_ours(&top->screen)) {
        int signal;

        (void)kill(getpid(), SIGSTOP);
        while ((signal = redlock_signals_next(signals)) != 0) {
            if (redlock_signals_is_deadly(signal)) {
                return REDLOCK_EXIT_SIGNAL + signal;
            }
        }
    }
    redlock_screen_open(&top->screen);
    return GO_ON;
}

static int signals_take(top_state *top, const redlock_signals *signals) {
    int code = GO_ON;
    int signal;

    while (code == GO_ON && (signal = redlock_signals_next(signals)) != 0) {
        if (redlock_signals_is_deadly(signal)) {
            code = REDLOCK_EXIT_SIGNAL + signal;
        } else if (signal == SIGTSTP) {
            redlock_screen_close(&top->screen);
            (void)kill(getpid(), SIGSTOP);
            code = foreground_await(top, signals);
        } else if (signal == SIGWINCH || signal == SIGCONT) {
            redlock_screen_measure(&top->screen);
        }
    }
    return code;
}

/* --- the loop -------------------------------------------------------------------------------- */

static int round_take(top_state *top) {
    if (redlock_rounds_take(&top->rounds, &top->survey)) {
        top->round_count++;
        rows_make(top);
    }
    return top->options->count > 0 && top->round_count >= top->options->count ? REDLOCK_EXIT_OK
                                                                              : GO_ON;
}

static int top_loop(top_state *top, const redlock_signals *signals) {
    struct pollfd fds[3] = {
        {.fd = signals->fd, .events = POLLIN},
        {.fd = top->screen.fd, .events = POLLIN},
        {.fd = top->rounds.ready_fd[0], .events = POLLIN},
    };
    int code = GO_ON;

    while (code == GO_ON) {
        draw(top);
        if (poll(fds, 3, -1) < 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            code = signals_take(top, signals);
        }
        if (code == GO_ON && fds[1].revents != 0) {
            code = keys_take(top);
        }
        if (code == GO_ON && fds[2].revents != 0) {
            code = round_take(top);
        }
    }
    return code;
}

static int top_run(top_state *top, redlock_peers *peers, const redlock_query *query,
                   const redlock_signals *signals) {
    if (!redlock_rounds_init(&top->rounds, peers, query, top->options->interval_ms)) {
        return REDLOCK_EXIT_SYSTEM;
    }
    int code = foreground_await(top, signals);
    if (code == GO_ON) {
        code = top_loop(top, signals);
    }
    redlock_screen_close(&top->screen); /* before the thread, which may wait for a server */
    redlock_rounds_deinit(&top->rounds);
    redlock_survey_deinit(&top->survey);
    free(top->rows);
    return code;
}

static int top_on_screen(const redlock_view_options *options, redlock_peers *peers,
                         const redlock_query *query) {
    top_state top = {.options = options, .sort = options->sort};
    redlock_signals signals;

    if (isatty(STDOUT_FILENO) != 1 || !redlock_screen_init(&top.screen)) {
        return redlock_say_usage("top", "it needs a terminal; 'redlock ls' prints the list once, "
                                        "and 'redlock top --json' goes into a pipe");
    }
    if (!redlock_signals_init(&signals)) {
        redlock_screen_deinit(&top.screen);
        return REDLOCK_EXIT_SYSTEM;
    }
    int code = top_run(&top, peers, query, &signals);
    redlock_screen_deinit(&top.screen);
    redlock_signals_deinit(&signals);
    return code;
}

/* --- without a screen ------------------------------------------------------------------------ */

static int top_as_json(const redlock_view_options *options, redlock_peers *peers,
                       const redlock_query *query) {
    for (int64_t round = 1;; round++) {
        redlock_survey survey;

        redlock_survey_take(&survey, peers, query);
        for (size_t i = 0; i < survey.entry_count; i++) {
            redlock_print_entry_json(&survey.entries[i], &survey, false);
        }
        redlock_say_down(&options->say, &survey);
        redlock_survey_deinit(&survey);
        if (round == options->count || ferror(stdout)) {
            return REDLOCK_EXIT_OK;
        }
        (void)poll(NULL, 0, (int)(options->interval_ms < 3600000 ? options->interval_ms : 3600000));
    }
}

int redlock_top_main(int argc, char **argv) {
    redlock_view_options options;
    int code = redlock_view_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        const redlock_query query = {
            .prefix = options.key_prefix, .pattern = options.word, .has_free = options.has_free};
        redlock_peers peers;

        redlock_peers_init(&peers, &options.urls, options.timeout_ms);
        code = options.is_json ? top_as_json(&options, &peers, &query)
                               : top_on_screen(&options, &peers, &query);
        redlock_peers_deinit(&peers);
    }
    redlock_view_options_deinit(&options);
    return code;
}
