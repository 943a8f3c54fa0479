/* line.h -- a line of text for a terminal: cells of a fixed width, colours where they are wanted.
 *
 * Names, labels and servers' words come from outside: whatever could steer the terminal, or is no
 * UTF-8, is shown as '?'.  What is too wide for its cell is cut and ends with '~'. */
#ifndef REDLOCK_CLI_LINE_H
#define REDLOCK_CLI_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { REDLOCK_LINE_BYTES_MAX = 2048 };

typedef enum redlock_style {
    REDLOCK_STYLE_PLAIN = 0,
    REDLOCK_STYLE_BOLD,
    REDLOCK_STYLE_DIM,
    REDLOCK_STYLE_GOOD,
    REDLOCK_STYLE_WARN,
    REDLOCK_STYLE_BAD,
    REDLOCK_STYLE_HEAD
} redlock_style;

typedef struct redlock_line {
    char at[REDLOCK_LINE_BYTES_MAX]; /* ends with a NUL */
    size_t len;
    size_t width; /* columns */
    size_t width_max;
    bool has_color;
} redlock_line;

/* Colours: on a terminal that knows them, unless NO_COLOR is set (https://no-color.org). */
bool redlock_line_wants_color(int fd);
void redlock_line_start(redlock_line *line, bool has_color);
/* Adds text, made harmless; a line that is full takes no more. */
void redlock_line_add(redlock_line *line, const char *text);
void redlock_line_print(redlock_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds exactly `width` columns: the text, cut or padded. */
void redlock_line_cell(redlock_line *line, const char *text, size_t len, size_t width);
/* The same with the text at the right. */
void redlock_line_cell_right(redlock_line *line, const char *text, size_t width);
/* Fills up with spaces to this column. */
void redlock_line_pad(redlock_line *line, size_t column);
void redlock_line_style(redlock_line *line, redlock_style style);
/* Writes the line and a newline, without spaces at its end. */
void redlock_line_put(redlock_line *line, FILE *out);
/* Columns that a text takes when it is added. */
size_t redlock_text_width(const char *text, size_t len);

enum { REDLOCK_LENGTH_BYTES = 32 };
/* A length of time for people: "850ms", "27.3s", "2m13s", "3h05m", "2d04h"; rounded down. */
const char *redlock_length_text(int64_t ms, char out[REDLOCK_LENGTH_BYTES]);
/* The same for shorter ones, from microseconds: "85us", "1.2ms", "1.20s". */
const char *redlock_trip_text(int64_t us, char out[REDLOCK_LENGTH_BYTES]);

#endif
