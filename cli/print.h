/* print.h -- what status, ls and top print alike. */
#ifndef REDLOCK_CLI_PRINT_H
#define REDLOCK_CLI_PRINT_H

#include "cli/line.h"
#include "cli/say.h"
#include "cli/survey.h"

/* Whether a server says the same as the set does: the holder's token, or nothing where nobody
 * holds. */
bool redlock_entry_is_same(const redlock_entry *entry, const redlock_found *found);
/* One line of JSON about one name. */
void redlock_print_entry_json(const redlock_entry *entry, const redlock_survey *survey,
                              bool has_nodes);
/* What to exit with when too few servers answered: the code of a cause that they share, or 69. */
int redlock_exit_of_survey(const redlock_survey *survey);
/* Tells which servers did not answer, or had more than could be taken. */
void redlock_say_down(const redlock_say *say, const redlock_survey *survey);

/* The columns of ls and top. */
typedef struct redlock_columns {
    size_t name, holder; /* widths */
} redlock_columns;

/* For a table of so many columns; names and holders no wider than need be.  0: as wide as it gets. */
redlock_columns redlock_columns_fit(const redlock_survey *survey, size_t width);
void redlock_print_heads(redlock_line *line, const redlock_columns *columns);
void redlock_print_entry(redlock_line *line, const redlock_columns *columns,
                         const redlock_entry *entry, const redlock_survey *survey);

#endif
