#include "sim/timeline.h"

#include <inttypes.h>
#include <string.h>

#define WIDTH 1600
#define LEFT 92
#define RIGHT 24
#define ROW 22
#define ROW_TALL 132
#define BAR 16
#define ROWS_TOP 60        /* title and legend */
#define ROWS_TOP_EVENTS 48 /* more, for the numbers of the events */
#define LEVELS 3
#define LEVEL 17
#define NUMBER_ROOM 20.0
#define LINE 17

static const char *const fills[] = {
#define FILL(name, word, fill) fill,
    REDLOCK_TIMELINE_STYLES(FILL)
#undef FILL
};

static const char *const words_of_styles[] = {
#define WORD(name, word, fill) word,
    REDLOCK_TIMELINE_STYLES(WORD)
#undef WORD
};

bool redlock_timeline_style_find(const char *word, redlock_timeline_style *ret_style) {
    for (uint32_t i = 0; i < REDLOCK_TIMELINE_STYLE_COUNT; i++) {
        if (strcmp(words_of_styles[i], word) == 0) {
            *ret_style = (redlock_timeline_style)i;
            return true;
        }
    }
    return false;
}

/* --- words and places ------------------------------------------------------------------------ */

/* XML 1.0 has no control characters, not even escaped; other bytes that are not ASCII are shown as '?',
 * since they may be no UTF-8. */
static void put_words(FILE *out, const char *words) {
    for (; *words != '\0'; words++) {
        switch (*words) {
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '\'':
            (void)fputs("&#39;", out);
            break;
        default:
            (void)fputc(*words >= ' ' && *words < 0x7f ? *words : '?', out);
            break;
        }
    }
}

static void put_text(FILE *out, double x, uint32_t y, const char *attributes, const char *words) {
    (void)fprintf(out, "<text x='%.1f' y='%" PRIu32 "'%s>", x, y, attributes);
    put_words(out, words);
    (void)fputs("</text>\n", out);
}

static double x_of(const redlock_timeline *timeline, double at) {
    double whole = timeline->seconds > 0 ? timeline->seconds : 1;
    double part = at < 0 ? 0 : at > whole ? 1 : at / whole;
    return LEFT + part * (WIDTH - LEFT - RIGHT);
}

/* --- the frame ------------------------------------------------------------------------------- */

static void put_patterns(FILE *out) {
    static const struct {
        const char *id, *ground, *line, *path;
    } patterns[] = {
        {"down", "#f3c6a5", "#a33f00", "M0 8L8 0"},
        {"silent", "#fdf0cf", "#b07d00", "M2 0V8"},
        {"frozen", "#e4e4e4", "#5a5a5a", "M0 2H8"},
        {"fault", "#fbe3d3", "#d55e00", "M0 8L8 0"},
    };
    (void)fputs("<defs>\n", out);
    for (uint32_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        (void)fprintf(out,
                      "<pattern id='%s' width='8' height='8' patternUnits='userSpaceOnUse'>"
                      "<rect width='8' height='8' fill='%s'/>"
                      "<path d='%s' stroke='%s' stroke-width='1.6'/></pattern>\n",
                      patterns[i].id, patterns[i].ground, patterns[i].path, patterns[i].line);
    }
    (void)fputs("</defs>\n", out);
}

/* About as wide as the words are at this size; viewers have different fonts. */
static double width_of(const char *words) {
    return 7.0 * (double)strlen(words);
}

/* The one that must not be overlooked. */
static void put_cross(FILE *out, double x, double y) {
    (void)fprintf(out, "<path d='M%.1f %.1fl12 12m0 -12l-12 12' stroke='%s' stroke-width='3'>",
                  x - 6, y - 6, fills[REDLOCK_TIMELINE_REFUSED]);
}

static void put_legend(FILE *out, const redlock_timeline_plan *plan) {
    double x = LEFT;
    for (uint32_t i = 0; i < plan->legend_count; i++) {
        const redlock_timeline_legend *legend = &plan->legend[i];
        if (legend->style == REDLOCK_TIMELINE_REFUSED) {
            put_cross(out, x + 11, 40);
            (void)fputs("</path>\n", out);
        } else {
            (void)fprintf(out,
                          "<rect x='%.1f' y='34' width='22' height='12' fill='%s' "
                          "stroke='#7a7a7a' stroke-width='0.5'/>\n",
                          x, fills[legend->style]);
        }
        put_text(out, x + 28, 44, "", legend->words);
        x += 28 + width_of(legend->words) + 18;
    }
}

/* 1, 2 or 5 times a power of ten, so that there are 6 to 15 of them. */
static double axis_step(double seconds) {
    static const double factors[] = {2, 2.5, 2}; /* 1, 2, 5, 10 */
    double step = 0.001;
    for (uint32_t i = 0; seconds / step > 15 && i < 60; i++) {
        step *= factors[i % 3];
    }
    return step;
}

static void put_axis(const redlock_timeline *timeline) {
    double step = axis_step(timeline->seconds);
    int digits = step < 0.0099 ? 3 : step < 0.099 ? 2 : step < 0.99 ? 1 : 0;
    for (uint32_t i = 0; i * step <= timeline->seconds; i++) {
        double x = x_of(timeline, i * step);
        (void)fprintf(
            timeline->out,
            "<path d='M%.1f %" PRIu32 "V%" PRIu32 "' stroke='#e3e3e3'/>\n<text x='%.1f' y='%" PRIu32
            "' text-anchor='middle' fill='#444'>%.*f s</text>\n",
            x, timeline->top_y, timeline->bottom_y, x, timeline->bottom_y + 16, digits, i * step);
    }
}

void redlock_timeline_begin(redlock_timeline *timeline, FILE *out,
                            const redlock_timeline_plan *plan) {
    uint32_t top = plan->events > 0 ? ROWS_TOP + ROWS_TOP_EVENTS : ROWS_TOP;
    uint32_t bottom = top + plan->rows * ROW + plan->tall_rows * ROW_TALL;
    *timeline = (redlock_timeline){.out = out,
                                   .seconds = plan->seconds,
                                   .top_y = top,
                                   .next_y = top,
                                   .bottom_y = bottom,
                                   .event_y = bottom + 44};
    (void)fprintf(out,
                  "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%" PRIu32
                  "' font-family='sans-serif' font-size='12'>\n"
                  "<rect width='100%%' height='100%%' fill='#fff'/>\n",
                  WIDTH, bottom + 32 + (plan->events > 0 ? 12 + plan->events * LINE : 0));
    put_patterns(out);
    put_text(out, 10, 22, " font-size='15' font-weight='bold'", plan->title);
    put_legend(out, plan);
    put_axis(timeline);
}

void redlock_timeline_end(redlock_timeline *timeline) {
    (void)fputs("</svg>\n", timeline->out);
}

/* --- what is in it --------------------------------------------------------------------------- */

void redlock_timeline_row(redlock_timeline *timeline, const char *label, bool is_tall) {
    timeline->row_y = timeline->next_y;
    timeline->row_is_tall = is_tall;
    timeline->next_y += is_tall ? ROW_TALL : ROW;
    put_text(timeline->out, 10, timeline->row_y + (is_tall ? ROW_TALL / 2 : 15), "", label);
    (void)fprintf(timeline->out, "<path d='M%d %" PRIu32 "H%d' stroke='#efefef'/>\n", LEFT,
                  timeline->next_y, WIDTH - RIGHT);
}

void redlock_timeline_bar(redlock_timeline *timeline, double from, double until,
                          redlock_timeline_style style, const char *words) {
    double x = x_of(timeline, from), end = x_of(timeline, until);
    (void)fprintf(timeline->out,
                  "<rect x='%.1f' y='%" PRIu32 "' width='%.1f' height='%d' fill='%s'><title>", x,
                  timeline->row_y + 3, end - x < 1.5 ? 1.5 : end - x, BAR, fills[style]);
    put_words(timeline->out, words);
    (void)fputs("</title></rect>\n", timeline->out);
}

void redlock_timeline_dot(redlock_timeline *timeline, double at, double height,
                          redlock_timeline_style style, const char *words) {
    double room = timeline->row_is_tall ? ROW_TALL - 16 : ROW - 16;
    double x = x_of(timeline, at), y = timeline->row_y + 8 + (1 - height) * room;
    if (style == REDLOCK_TIMELINE_REFUSED) {
        put_cross(timeline->out, x, y);
    } else {
        (void)fprintf(timeline->out, "<circle cx='%.1f' cy='%.1f' r='2' fill='%s'>", x, y,
                      fills[style]);
    }
    (void)fputs("<title>", timeline->out);
    put_words(timeline->out, words);
    (void)fputs(style == REDLOCK_TIMELINE_REFUSED ? "</title></path>\n" : "</title></circle>\n",
                timeline->out);
}

/* The lowest level on which the number stands clear of the one before it. */
static uint32_t event_level(const redlock_timeline *timeline, double x) {
    uint32_t roomiest = 0;
    for (uint32_t i = 0; i < LEVELS; i++) {
        if (timeline->event_x[i] == 0 || x - timeline->event_x[i] >= NUMBER_ROOM) {
            return i;
        }
        roomiest = timeline->event_x[i] < timeline->event_x[roomiest] ? i : roomiest;
    }
    return roomiest;
}

void redlock_timeline_event(redlock_timeline *timeline, double at, const char *words) {
    FILE *out = timeline->out;
    double x = x_of(timeline, at);
    uint32_t level = event_level(timeline, x);
    uint32_t y = timeline->top_y - 10 - level * LEVEL;
    timeline->event_x[level] = x;
    timeline->events++;
    (void)fprintf(out,
                  "<path d='M%.1f %" PRIu32 "V%" PRIu32 "' stroke='#555' stroke-dasharray='2 3'/>\n"
                  "<circle cx='%.1f' cy='%" PRIu32 "' r='8' fill='#333'/>\n"
                  "<text x='%.1f' y='%" PRIu32
                  "' text-anchor='middle' font-size='10' fill='#fff'>%" PRIu32 "</text>\n",
                  x, y, timeline->bottom_y, x, y, x, y + 4, timeline->events);
    (void)fprintf(out,
                  "<text x='%d' y='%" PRIu32 "' text-anchor='end' font-weight='bold'>%" PRIu32
                  "</text>\n<text x='%d' y='%" PRIu32 "'>%.1f s</text>\n",
                  30, timeline->event_y, timeline->events, 44, timeline->event_y, at);
    put_text(out, LEFT, timeline->event_y, "", words);
    timeline->event_y += LINE;
}
