#include "scenario_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scenario.h"

#define LINE_BYTES 512

/* --- a command ------------------------------------------------------------------------------- */

static test_line split(char *text) {
    test_line line = {.count = 0};
    char *rest = text;
    for (char *word; line.count < TEST_LINE_WORDS_MAX && (word = strsep(&rest, " \t\n")) != NULL;) {
        if (word[0] != '\0') {
            line.word[line.count++] = word;
        }
    }
    return line;
}

static const test_command *find_command(const char *name) {
    const test_command *const parts[] = {test_commands_world, test_commands_user,
                                         test_commands_fault};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (const test_command *command = parts[i]; command->name != NULL; command++) {
            if (strcmp(command->name, name) == 0) {
                return command;
            }
        }
    }
    return NULL;
}

static void run_command(test_scenario *run, const char *text) {
    char copy[LINE_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", text);
    test_line line = split(copy);
    const test_command *command = find_command(line.word[0]);
    if (command == NULL) {
        test_scenario_complain(run, "no such command", line.word[0]);
        return;
    }
    if ((run->world != NULL) == (strcmp(command->name, "world") == 0)) {
        test_scenario_complain(
            run, "`world` must be the first command, and the only one of its kind", line.word[0]);
        return;
    }
    if (run->world != NULL && test_line_has(&line, "quietly")) {
        run->world->trace = NULL;
    }
    command->act(run, &line);
    run->world->trace = &run->trace;
}

/* --- a block --------------------------------------------------------------------------------- */

typedef struct text { /* grows at its end */
    char *at;
    size_t len, size;
} text;

static void text_add(text *to, const char *more) {
    size_t len = strlen(more);
    if (to->len + len + 1 > to->size) {
        to->size = (to->size + len + 1) * 2;
        to->at = realloc(to->at, to->size);
        REDLOCK_ASSERT(to->at != NULL);
    }
    memcpy(to->at + to->len, more, len + 1);
    to->len += len;
}

typedef struct block { /* what lies between two empty lines */
    int first_line;    /* of what is expected */
    text wanted;
    bool is_open; /* `----` was seen */
} block;

static bool block_end(test_scenario *run, block *open, text *rewritten) {
    const char *got = run->world == NULL ? "" : redlock_trace_take(&run->trace);
    got = got[0] == '\0' ? "ok\n" : got;
    text_add(rewritten, got);
    const char *wanted = open->wanted.at == NULL ? "" : open->wanted.at;
    bool is_same = strcmp(got, wanted) == 0;
    if (!is_same && getenv("REDLOCK_SCN_REWRITE") == NULL) {
        printf("# %s:%d: wanted:\n%s# got:\n%s", run->path, open->first_line, wanted, got);
    }
    open->is_open = false;
    open->wanted.len = 0;
    if (open->wanted.at != NULL) {
        open->wanted.at[0] = '\0';
    }
    return is_same;
}

/* --- a file ---------------------------------------------------------------------------------- */

static bool is_blank(const char *line) {
    return line[strspn(line, " \t\n")] == '\0';
}

/* One line of the file; false when a block ended in which something else happened than expected. */
static bool take_line(test_scenario *run, block *open, text *rewritten, const char *line) {
    bool is_right = true;
    if (open->is_open && is_blank(line)) {
        is_right = block_end(run, open, rewritten);
    } else if (open->is_open) {
        text_add(&open->wanted, line);
        return true;
    } else if (strcmp(line, "----\n") == 0) {
        open->is_open = true;
        open->first_line = run->line + 1;
    } else if (!is_blank(line) && line[0] != '#') {
        run_command(run, line);
    }
    text_add(rewritten, line);
    return is_right;
}

static bool write_back(const char *path, const text *rewritten) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    bool is_written = fwrite(rewritten->at, 1, rewritten->len, file) == rewritten->len;
    return fclose(file) == 0 && is_written;
}

bool test_scenario_run(const char *path) {
    test_scenario run = {.path = path};
    block open = {.is_open = false};
    text rewritten = {.at = NULL};
    char line[LINE_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("# %s: cannot be opened\n", path);
        return false;
    }
    bool is_right = true;
    for (run.line = 1; !run.is_wrong && fgets(line, sizeof line, file) != NULL; run.line++) {
        is_right = take_line(&run, &open, &rewritten, line) && is_right;
    }
    (void)fclose(file);
    if (open.is_open && !run.is_wrong) {
        is_right = block_end(&run, &open, &rewritten) && is_right;
    }
    if (!is_right && !run.is_wrong && getenv("REDLOCK_SCN_REWRITE") != NULL) {
        is_right = write_back(path, &rewritten);
    }
    bool is_ok = is_right && !run.is_wrong && run.world != NULL;
    redlock_world_destroy(run.world);
    redlock_trace_deinit(&run.trace);
    free(open.wanted.at);
    free(rewritten.at);
    return is_ok;
}
