/* timeline_main.c -- redlock-timeline: a description of a picture to its SVG, for runs that are not
 * simulated (tools/demo).
 *
 * usage: redlock-timeline < DESCRIPTION > FILE.svg
 *
 * A line is a word and its values, separated by tabs; times are seconds:
 *     title   WORDS
 *     span    SECONDS                         how long the axis is
 *     legend  STYLE WORDS
 *     row     LABEL                           tall-row LABEL: the same, for dots
 *     bar     FROM UNTIL STYLE WORDS          in the last row
 *     dot     AT HEIGHT STYLE WORDS           HEIGHT from 0 to 1
 *     event   AT WORDS
 * Exit code: 0; 65 for a line that is wrong, which is named; 71 when something could not be read or
 * written. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/timeline.h"

#define FIELDS_MAX 5
#define LEGEND_MAX 16

typedef struct picture_text {
    char **line;
    uint32_t count, size;
    redlock_timeline_plan plan;
    redlock_timeline_legend legend[LEGEND_MAX];
} picture_text;

typedef struct fields { /* of one line, cut in place */
    char *at[FIELDS_MAX];
    uint32_t count;
} fields;

static fields cut(char *line) {
    fields found = {.count = 0};
    while (line != NULL && found.count < FIELDS_MAX) {
        found.at[found.count++] = line;
        line = strchr(line, '\t');
        if (line != NULL && found.count < FIELDS_MAX) {
            *line++ = '\0';
        }
    }
    return found;
}

static bool number_of(const char *digits, double *ret_number) {
    char *end = NULL;
    *ret_number = strtod(digits, &end);
    return end != digits && *end == '\0';
}

/* --- reading --------------------------------------------------------------------------------- */

static bool line_keep(picture_text *text, char *line) {
    if (text->count == text->size) {
        uint32_t size = text->size == 0 ? 256 : 2 * text->size;
        char **grown = realloc(text->line, size * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        text->line = grown;
        text->size = size;
    }
    text->line[text->count++] = line;
    return true;
}

static bool read_all(picture_text *text) {
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) > 0) {
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }
        char *kept = strdup(line);
        if (kept == NULL || !line_keep(text, kept)) {
            free(kept);
            free(line);
            return false;
        }
    }
    free(line);
    return ferror(stdin) == 0;
}

/* Before anything is drawn: what the frame depends on.  The others are looked at by draw_line. */
static bool plan_line(picture_text *text, const fields *given) {
    redlock_timeline_plan *plan = &text->plan;
    const char *word = given->at[0];
    if (strcmp(word, "title") == 0 && given->count == 2) {
        plan->title = given->at[1];
    } else if (strcmp(word, "span") == 0 && given->count == 2) {
        return number_of(given->at[1], &plan->seconds);
    } else if (strcmp(word, "legend") == 0 && given->count == 3) {
        redlock_timeline_legend *legend = &text->legend[plan->legend_count];
        if (plan->legend_count == LEGEND_MAX ||
            !redlock_timeline_style_find(given->at[1], &legend->style)) {
            return false;
        }
        legend->words = given->at[2];
        plan->legend_count++;
    } else {
        plan->rows += strcmp(word, "row") == 0;
        plan->tall_rows += strcmp(word, "tall-row") == 0;
        plan->events += strcmp(word, "event") == 0;
    }
    return true;
}

/* --- drawing --------------------------------------------------------------------------------- */

static bool draw_shape(redlock_timeline *timeline, const fields *given) {
    redlock_timeline_style style;
    double first, second;
    if (given->count != 5 || !number_of(given->at[1], &first) ||
        !number_of(given->at[2], &second) || !redlock_timeline_style_find(given->at[3], &style)) {
        return false;
    }
    if (strcmp(given->at[0], "bar") == 0) {
        redlock_timeline_bar(timeline, first, second, style, given->at[4]);
    } else {
        redlock_timeline_dot(timeline, first, second, style, given->at[4]);
    }
    return true;
}

static bool draw_line(redlock_timeline *timeline, const fields *given) {
    const char *word = given->at[0];
    double at;
    if (strcmp(word, "title") == 0 || strcmp(word, "span") == 0) {
        return given->count == 2;
    }
    if (strcmp(word, "legend") == 0) {
        return given->count == 3;
    }
    if (strcmp(word, "bar") == 0 || strcmp(word, "dot") == 0) {
        return draw_shape(timeline, given);
    }
    if ((strcmp(word, "row") == 0 || strcmp(word, "tall-row") == 0) && given->count == 2) {
        redlock_timeline_row(timeline, given->at[1], word[0] == 't');
        return true;
    }
    if (strcmp(word, "event") == 0 && given->count == 3 && number_of(given->at[1], &at)) {
        redlock_timeline_event(timeline, at, given->at[2]);
        return true;
    }
    return false;
}

static int complain(uint32_t line) {
    (void)fprintf(stderr, "redlock-timeline: line %u is wrong\n", line + 1);
    return 65;
}

static int draw_all(picture_text *text, fields *lines) {
    redlock_timeline timeline;
    text->plan.title = "";
    text->plan.legend = text->legend;
    for (uint32_t i = 0; i < text->count; i++) {
        lines[i] = cut(text->line[i]);
        if (!plan_line(text, &lines[i])) {
            return complain(i);
        }
    }
    redlock_timeline_begin(&timeline, stdout, &text->plan);
    for (uint32_t i = 0; i < text->count; i++) {
        if (!draw_line(&timeline, &lines[i])) {
            return complain(i);
        }
    }
    redlock_timeline_end(&timeline);
    return fflush(stdout) == 0 ? 0 : 71;
}

int main(void) {
    picture_text text = {.line = NULL};
    int code = 71;
    if (read_all(&text)) {
        fields *lines = calloc((size_t)text.count + 1, sizeof *lines);
        code = lines != NULL ? draw_all(&text, lines) : 71;
        free(lines);
    }
    for (uint32_t i = 0; i < text.count; i++) {
        free(text.line[i]);
    }
    free(text.line);
    return code;
}
