/* timeline.h -- draws who did what and when, as an SVG: rows of bars over one axis of time.
 *
 * Knows nothing of what it draws, so that a simulated run and a real one (timeline_main.c) look alike.
 * The picture is drawn in order: begin, rows with what is in them, events, end.  Colours are told
 * apart by people who see few of them (Okabe and Ito), and what is no hold has a pattern as well. */
#ifndef REDLOCK_SIM_TIMELINE_H
#define REDLOCK_SIM_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* X(NAME, word in a description, fill) */
#define REDLOCK_TIMELINE_STYLES(X)                                                                 \
    X(HOLD, "hold", "#0072b2")                                                                     \
    X(HOLD_2, "hold-2", "#009e73")                                                                 \
    X(HOLD_3, "hold-3", "#e69f00")                                                                 \
    X(HOLD_4, "hold-4", "#cc79a7")                                                                 \
    X(UP, "up", "#dfe8ef")                                                                         \
    X(DOWN, "down", "url(#down)")                                                                  \
    X(SILENT, "silent", "url(#silent)")                                                            \
    X(FROZEN, "frozen", "url(#frozen)")                                                            \
    X(FAULT, "fault", "url(#fault)")                                                               \
    X(LOST, "lost", "#000000")                                                                     \
    X(REFUSED, "refused", "#d55e00")

#define REDLOCK_TIMELINE_ENUM(name, word, fill) REDLOCK_TIMELINE_##name,
typedef enum redlock_timeline_style {
    REDLOCK_TIMELINE_STYLES(REDLOCK_TIMELINE_ENUM) REDLOCK_TIMELINE_STYLE_COUNT
} redlock_timeline_style;
#undef REDLOCK_TIMELINE_ENUM

typedef struct redlock_timeline_legend {
    redlock_timeline_style style;
    const char *words;
} redlock_timeline_legend;

typedef struct redlock_timeline_plan { /* what has to be known before */
    const char *title;
    double seconds;                   /* the whole axis */
    uint32_t rows, tall_rows, events; /* how many come; rows without the tall ones */
    const redlock_timeline_legend *legend;
    uint32_t legend_count;
} redlock_timeline_plan;

typedef struct redlock_timeline {
    FILE *out;
    double seconds;
    double event_x[3]; /* the last number on each level above the rows */
    uint32_t top_y, row_y, next_y;
    uint32_t bottom_y; /* of the rows */
    uint32_t event_y;
    uint32_t events;
    bool row_is_tall;
} redlock_timeline;

/* Times are in seconds from the beginning of the axis; what lies outside of it is cut.  Words may have
 * any bytes: they are escaped.  `words` of bars and dots are shown by viewers that a mouse points with. */
void redlock_timeline_begin(redlock_timeline *timeline, FILE *out,
                            const redlock_timeline_plan *plan);
/* The next row; bars and dots that follow are in it.  A tall one is for dots at different heights. */
void redlock_timeline_row(redlock_timeline *timeline, const char *label, bool is_tall);
void redlock_timeline_bar(redlock_timeline *timeline, double from, double until,
                          redlock_timeline_style style, const char *words);
/* `height`: 0 is the bottom of the row, 1 its top. */
void redlock_timeline_dot(redlock_timeline *timeline, double at, double height,
                          redlock_timeline_style style, const char *words);
/* A numbered line through all rows, and a sentence with that number below them.  In order of time. */
void redlock_timeline_event(redlock_timeline *timeline, double at, const char *words);
void redlock_timeline_end(redlock_timeline *timeline);

/* The style of that word; false: there is none. */
bool redlock_timeline_style_find(const char *word, redlock_timeline_style *ret_style);

#endif
