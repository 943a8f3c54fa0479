/* finding.c -- what a doctor found, and how it is told. */
#include "cli/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/line.h"

enum { CHECK_WIDTH = 12, INDENT = 6 + CHECK_WIDTH, TEXT_WIDTH = 80 };

redlock_finding *redlock_finding_add(redlock_findings *findings, redlock_level level,
                                     const char *check, const char *where) {
    if (findings->count < REDLOCK_FINDINGS_MAX) {
        findings->count++;
    }
    redlock_finding *finding = &findings->item[findings->count - 1];

    *finding = (redlock_finding){.level = level, .check = check};
    (void)snprintf(finding->where, sizeof(finding->where), "%s", where);
    return finding;
}

void redlock_finding_what(redlock_finding *finding, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(finding->what, sizeof(finding->what), format, args);
    va_end(args);
}

void redlock_finding_todo(redlock_finding *finding, const char *why, const char *format, ...) {
    va_list args;

    finding->why = why;
    va_start(args, format);
    (void)vsnprintf(finding->todo, sizeof(finding->todo), format, args);
    va_end(args);
}

bool redlock_findings_has(const redlock_findings *findings, const char *check) {
    for (size_t i = 0; i < findings->count; i++) {
        if (strcmp(findings->item[i].check, check) == 0 &&
            findings->item[i].level != REDLOCK_LEVEL_OK) {
            return true;
        }
    }
    return false;
}

redlock_level redlock_findings_worst(const redlock_findings *findings) {
    redlock_level worst = REDLOCK_LEVEL_OK;

    for (size_t i = 0; i < findings->count; i++) {
        worst = findings->item[i].level > worst ? findings->item[i].level : worst;
    }
    return worst;
}

static const char *level_text(redlock_level level) {
    switch (level) {
    case REDLOCK_LEVEL_OK:
        return "ok";
    case REDLOCK_LEVEL_WARN:
        return "warn";
    case REDLOCK_LEVEL_FAIL:
        return "fail";
    }
    return "";
}

static redlock_style level_style(redlock_level level) {
    switch (level) {
    case REDLOCK_LEVEL_OK:
        return REDLOCK_STYLE_GOOD;
    case REDLOCK_LEVEL_WARN:
        return REDLOCK_STYLE_WARN;
    case REDLOCK_LEVEL_FAIL:
        return REDLOCK_STYLE_BAD;
    }
    return REDLOCK_STYLE_PLAIN;
}

/* --- for people ------------------------------------------------------------------------------ */

/* Adds text behind what the line has, and goes on below, indented, where it gets too long. */
static void text_wrap(redlock_line *line, const char *text, size_t indent) {
    while (*text != '\0') {
        size_t len = strcspn(text, " ");

        if (line->width > indent && line->width + 1 + redlock_text_width(text, len) > TEXT_WIDTH) {
            bool has_color = line->has_color;

            redlock_line_put(line, stdout);
            redlock_line_start(line, has_color);
            redlock_line_pad(line, indent);
        } else if (line->width > indent) {
            redlock_line_add(line, " ");
        }
        redlock_line_cell(line, text, len, redlock_text_width(text, len));
        text += len;
        text += strspn(text, " ");
    }
}

static void advice_print(const redlock_finding *finding, bool has_color) {
    redlock_line line;

    redlock_line_start(&line, has_color);
    redlock_line_pad(&line, INDENT);
    redlock_line_add(&line, "why ");
    text_wrap(&line, finding->why, INDENT + 4);
    redlock_line_put(&line, stdout);
    /* Not wrapped: it is there to be copied. */
    redlock_line_start(&line, has_color);
    redlock_line_pad(&line, INDENT);
    redlock_line_style(&line, REDLOCK_STYLE_BOLD);
    redlock_line_print(&line, "do  %s", finding->todo);
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);
}

/* Several servers with the same trouble are told in one line. */
static bool is_same_trouble(const redlock_finding *a, const redlock_finding *b) {
    return a->level == b->level && strcmp(a->check, b->check) == 0 &&
           strcmp(a->what, b->what) == 0 && strcmp(a->todo, b->todo) == 0;
}

static bool is_told(const redlock_findings *findings, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (is_same_trouble(&findings->item[i], &findings->item[index])) {
            return true;
        }
    }
    return false;
}

static void finding_print(const redlock_findings *findings, size_t index, bool has_color) {
    const redlock_finding *finding = &findings->item[index];
    const char *level = level_text(finding->level);
    redlock_line line;

    redlock_line_start(&line, has_color);
    redlock_line_style(&line, level_style(finding->level));
    redlock_line_cell(&line, level, strlen(level), 6);
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_cell(&line, finding->check, strlen(finding->check), CHECK_WIDTH);
    for (size_t i = index; i < findings->count && finding->where[0] != '\0'; i++) {
        if (is_same_trouble(finding, &findings->item[i])) {
            redlock_line_add(&line, i > index ? "," : "");
            text_wrap(&line, findings->item[i].where, INDENT);
        }
    }
    redlock_line_add(&line, finding->where[0] != '\0' ? ":" : "");
    text_wrap(&line, finding->what, INDENT);
    redlock_line_put(&line, stdout);
    if (finding->why != NULL) {
        advice_print(finding, has_color);
    }
}

static void sum_print(const redlock_findings *findings, bool has_color) {
    size_t count[3] = {0};
    redlock_line line;

    for (size_t i = 0; i < findings->count; i++) {
        count[findings->item[i].level]++;
    }
    redlock_line_start(&line, has_color);
    redlock_line_put(&line, stdout);
    redlock_line_style(&line, level_style(redlock_findings_worst(findings)));
    if (redlock_findings_worst(findings) == REDLOCK_LEVEL_OK) {
        redlock_line_add(&line, "all is well");
    } else {
        redlock_line_print(&line, "%zu wrong, %zu worth a look, %zu well",
                           count[REDLOCK_LEVEL_FAIL], count[REDLOCK_LEVEL_WARN],
                           count[REDLOCK_LEVEL_OK]);
    }
    redlock_line_style(&line, REDLOCK_STYLE_PLAIN);
    redlock_line_put(&line, stdout);
}

void redlock_findings_print(const redlock_findings *findings, bool is_quiet) {
    bool has_color = redlock_line_wants_color(STDOUT_FILENO);

    for (size_t i = 0; i < findings->count; i++) {
        bool is_wanted = !is_quiet || findings->item[i].level != REDLOCK_LEVEL_OK;

        if (is_wanted && !is_told(findings, i)) {
            finding_print(findings, i, has_color);
        }
    }
    if (!is_quiet) {
        sum_print(findings, has_color);
    }
}

void redlock_findings_print_json(const redlock_findings *findings) {
    for (size_t i = 0; i < findings->count; i++) {
        const redlock_finding *finding = &findings->item[i];
        redlock_json json = {.out = stdout};

        redlock_json_open(&json, NULL, '{');
        redlock_json_text(&json, "level", level_text(finding->level));
        redlock_json_text(&json, "check", finding->check);
        if (finding->where[0] != '\0') {
            redlock_json_text(&json, "server", finding->where);
        }
        redlock_json_text(&json, "what", finding->what);
        if (finding->why != NULL) {
            redlock_json_text(&json, "why", finding->why);
            redlock_json_text(&json, "do", finding->todo);
        }
        redlock_json_close(&json, '}');
        redlock_json_end_line(&json);
    }
}
