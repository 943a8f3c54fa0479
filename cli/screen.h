/* screen.h -- the whole terminal, line by line.
 *
 * Only lines that changed are written, all of them at once, so nothing flickers.  What was on the
 * terminal before comes back when the screen is closed.  Writing never blocks for long: a terminal
 * that takes nothing must not keep signals from being heard. */
#ifndef REDLOCK_CLI_SCREEN_H
#define REDLOCK_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "cli/line.h"

enum { REDLOCK_SCREEN_ROWS_MAX = 200 };

typedef struct redlock_screen {
    int fd; /* of /dev/tty, by an opening of our own: not blocking is nobody else's matter */
    bool is_open;
    bool has_color;
    struct termios before;
    size_t rows, columns;
    redlock_line *lines; /* what is to be seen */
    char *shown;         /* what is seen: REDLOCK_LINE_BYTES_MAX for each row */
    char *out;
} redlock_screen;

typedef enum redlock_input {
    REDLOCK_INPUT_NONE = 0, /* nothing more */
    REDLOCK_INPUT_CHAR,
    REDLOCK_INPUT_UP,
    REDLOCK_INPUT_DOWN,
    REDLOCK_INPUT_PAGE_UP,
    REDLOCK_INPUT_PAGE_DOWN,
    REDLOCK_INPUT_ESCAPE,
    REDLOCK_INPUT_ENTER,
    REDLOCK_INPUT_BACKSPACE,
    REDLOCK_INPUT_REDRAW,
    REDLOCK_INPUT_END /* the terminal is gone */
} redlock_input;

/* False, with errno: no terminal, or no memory. */
bool redlock_screen_init(redlock_screen *screen);
void redlock_screen_deinit(redlock_screen *screen);
/* Whether we are in the foreground: the others must not touch it. */
bool redlock_screen_is_ours(const redlock_screen *screen);
void redlock_screen_open(redlock_screen *screen);
void redlock_screen_close(redlock_screen *screen);
/* Asks how large it is, and draws everything anew next time. */
void redlock_screen_measure(redlock_screen *screen);
/* Empties all lines; then write to screen->lines[0] to [rows - 1], and show. */
void redlock_screen_start(redlock_screen *screen);
void redlock_screen_show(redlock_screen *screen);
/* The next key; *ret_char for CHAR. */
redlock_input redlock_screen_read(redlock_screen *screen, char *ret_char);

#endif
