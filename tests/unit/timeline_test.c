/* timeline_test.c -- pictures are well-formed whatever words come in, and numbers do not overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/timeline.h"

typedef struct drawing {
    char *text;
    size_t len;
    FILE *out;
    redlock_timeline timeline;
} drawing;

static void sheet_open(drawing *sheet, const redlock_timeline_plan *plan) {
    *sheet = (drawing){.text = NULL};
    sheet->out = open_memstream(&sheet->text, &sheet->len);
    assert_non_null(sheet->out);
    redlock_timeline_begin(&sheet->timeline, sheet->out, plan);
}

static void sheet_close(drawing *sheet) {
    redlock_timeline_end(&sheet->timeline);
    assert_int_equal(fclose(sheet->out), 0);
}

static uint32_t count(const char *text, const char *what) {
    uint32_t found = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        found++;
    }
    return found;
}

/* Every tag that is opened is closed, in order; enough for what is written here. */
static void assert_well_formed(const char *text) {
    const char *open[32];
    size_t len[32], depth = 0;
    for (const char *at = strchr(text, '<'); at != NULL; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        if (at[1] == '/') {
            assert_true(depth > 0);
            depth--;
            assert_int_equal(len[depth], end - at - 2);
            assert_memory_equal(open[depth], at + 2, len[depth]);
        } else if (end[-1] != '/') {
            assert_true(depth < 32);
            open[depth] = at + 1;
            len[depth++] = strcspn(at + 1, " >");
        }
    }
    assert_int_equal(depth, 0);
}

static void any_words_are_well_formed(void **state) {
    static const redlock_timeline_legend legend[] = {{REDLOCK_TIMELINE_HOLD, "<&'>"},
                                                     {REDLOCK_TIMELINE_REFUSED, "\x01\xff"}};
    const redlock_timeline_plan plan = {.title = "a < b & 'c' > \"d\"\n",
                                        .seconds = 10,
                                        .rows = 1,
                                        .tall_rows = 1,
                                        .events = 1,
                                        .legend = legend,
                                        .legend_count = 2};
    drawing sheet;
    (void)state;
    sheet_open(&sheet, &plan);
    redlock_timeline_row(&sheet.timeline, "<", false);
    for (int style = 0; style < REDLOCK_TIMELINE_STYLE_COUNT; style++) {
        redlock_timeline_bar(&sheet.timeline, style, style + 1, (redlock_timeline_style)style,
                             "</title>");
    }
    redlock_timeline_row(&sheet.timeline, "tall", true);
    redlock_timeline_dot(&sheet.timeline, 5, 0.5, REDLOCK_TIMELINE_HOLD, "&");
    redlock_timeline_dot(&sheet.timeline, 5, 0.5, REDLOCK_TIMELINE_REFUSED, "&");
    redlock_timeline_event(&sheet.timeline, 5, "</svg>");
    sheet_close(&sheet);
    assert_well_formed(sheet.text);
    assert_int_equal(count(sheet.text, "</title>"), REDLOCK_TIMELINE_STYLE_COUNT + 2);
    for (size_t i = 0; i < sheet.len; i++) {
        assert_true(sheet.text[i] == '\n' || (sheet.text[i] >= ' ' && sheet.text[i] < 0x7f));
    }
    free(sheet.text);
}

/* Three at once stand above each other. */
static void numbers_at_one_time_have_levels(void **state) {
    const redlock_timeline_plan plan = {.title = "t", .seconds = 10, .rows = 1, .events = 5};
    static const double at[] = {1, 5, 5, 5.01, 9};
    uint32_t y[5] = {0};
    drawing sheet;
    (void)state;
    sheet_open(&sheet, &plan);
    for (uint32_t i = 0; i < 5; i++) {
        redlock_timeline_event(&sheet.timeline, at[i], "x");
    }
    sheet_close(&sheet);
    const char *next = sheet.text;
    for (uint32_t i = 0; i < 5; i++) {
        next = strstr(next, " r='8'");
        assert_non_null(next);
        const char *cy = next;
        while (strncmp(cy, "cy='", 4) != 0) {
            cy--;
        }
        y[i] = (uint32_t)strtoul(cy + 4, NULL, 10);
        next++;
    }
    assert_int_equal(y[0], y[1]);
    assert_int_equal(y[0], y[4]);
    assert_true(y[1] > y[2] + 15 && y[2] > y[3] + 15);
    free(sheet.text);
}

static void what_is_outside_is_cut(void **state) {
    const redlock_timeline_plan plan = {.title = "t", .seconds = 0, .rows = 1};
    drawing sheet;
    (void)state;
    sheet_open(&sheet, &plan); /* a run that ended at once */
    redlock_timeline_row(&sheet.timeline, "row", false);
    redlock_timeline_bar(&sheet.timeline, -5, 99, REDLOCK_TIMELINE_HOLD, "all of it");
    sheet_close(&sheet);
    assert_well_formed(sheet.text);
    assert_non_null(strstr(sheet.text, "<rect x='92.0' y='63' width='1484.0' height='16'"));
    free(sheet.text);
}

static void styles_have_words(void **state) {
    redlock_timeline_style style = REDLOCK_TIMELINE_HOLD;
    (void)state;
    assert_true(redlock_timeline_style_find("frozen", &style));
    assert_int_equal(style, REDLOCK_TIMELINE_FROZEN);
    assert_false(redlock_timeline_style_find("hol", &style));
    assert_false(redlock_timeline_style_find("", &style));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_words_are_well_formed),
        cmocka_unit_test(numbers_at_one_time_have_levels),
        cmocka_unit_test(what_is_outside_is_cut),
        cmocka_unit_test(styles_have_words),
    };
    return cmocka_run_group_tests_name("timeline", tests, NULL, NULL);
}
