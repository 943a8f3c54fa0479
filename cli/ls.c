/* ls.c -- `redlock ls [PATTERN]`: the locks of a set, one a line. */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/survey.h"
#include "cli/view.h"

/* A pipe gets whole names, however long. */
static size_t output_width(void) {
    struct winsize size;

    return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col
                                                                                      : 0;
}

static void table_print(const redlock_survey *survey) {
    bool has_color = redlock_line_wants_color(STDOUT_FILENO);
    redlock_columns columns = redlock_columns_fit(survey, output_width());
    redlock_line line;

    if (survey->entry_count == 0) {
        return;
    }
    redlock_line_start(&line, has_color);
    redlock_line_style(&line, REDLOCK_STYLE_DIM);
    redlock_print_heads(&line, &columns);
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);
    for (size_t i = 0; i < survey->entry_count; i++) {
        redlock_line_start(&line, has_color);
        redlock_print_entry(&line, &columns, &survey->entries[i], survey);
        redlock_line_put(&line, stdout);
    }
}

static int ls_show(const redlock_view_options *options) {
    const redlock_query query = {
        .prefix = options->key_prefix, .pattern = options->word, .has_free = options->has_free};
    redlock_peers nodes;
    redlock_survey survey;

    redlock_peers_init(&nodes, &options->urls, options->timeout_ms);
    redlock_survey_take(&survey, &nodes, &query);
    if (options->is_json) {
        for (size_t i = 0; i < survey.entry_count; i++) {
            redlock_print_entry_json(&survey.entries[i], &survey, true);
        }
    } else {
        table_print(&survey);
    }
    redlock_say_down(&options->say, &survey);
    int code = survey.up_count >= survey.quorum ? REDLOCK_EXIT_OK : redlock_exit_of_survey(&survey);
    redlock_survey_deinit(&survey);
    redlock_peers_deinit(&nodes);
    return code;
}

int redlock_ls_main(int argc, char **argv) {
    redlock_view_options options;
    int code = redlock_view_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = ls_show(&options);
    }
    redlock_view_options_deinit(&options);
    return code;
}
