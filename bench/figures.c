/* figures.c -- collects figures over rounds, and prints them as a table or as JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define CELL_BYTES 48
#define KEYS_MAX 40

void bench_give_up(const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(70);
}

void *bench_calloc(size_t count, size_t size) {
    void *block = calloc(count, size);

    if (block == NULL) {
        bench_give_up("no memory");
    }
    return block;
}

void bench_figures_add(bench_figures *figures, const char *key, double value) {
    if (figures->count == BENCH_FIGURES_MAX) {
        bench_give_up("more than %d figures", BENCH_FIGURES_MAX);
    }
    figures->at[figures->count++] = (bench_figure){.key = key, .value = value};
}

void bench_figures_fail(bench_figures *figures, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(figures->why, sizeof(figures->why), format, args);
    va_end(args);
}

bool bench_figures_find(const bench_figures *figures, const char *key, double *ret_value) {
    for (size_t i = 0; i < figures->count; i++) {
        if (strcmp(figures->at[i].key, key) == 0) {
            *ret_value = figures->at[i].value;
            return true;
        }
    }
    return false;
}

bool bench_case_is_wanted(const bench_options *options, const char *name) {
    return options->only == NULL || strcmp(options->only, name) == 0;
}

/* --- over the rounds ----------------------------------------------------------------------------- */

typedef struct spread {
    double median, min, max;
    bool is_there;
} spread;

/* All that was measured in a case: rounds x contenders. */
typedef struct results {
    const bench_case *of;
    int rounds;
    bench_figures *figures;
} results;

static bench_figures *results_at(const results *all, int round, size_t contender) {
    return &all->figures[(size_t)round * all->of->contender_count + contender];
}

static int double_compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static spread spread_of(double *values, size_t count) {
    spread found = {.is_there = count > 0};

    if (count > 0) {
        qsort(values, count, sizeof(*values), double_compare);
        found.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
        found.min = values[0];
        found.max = values[count - 1];
    }
    return found;
}

static spread results_spread(const results *all, size_t contender, const char *key) {
    double *values = bench_calloc((size_t)all->rounds, sizeof(*values));
    size_t count = 0;

    for (int round = 0; round < all->rounds; round++) {
        count += bench_figures_find(results_at(all, round, contender), key, &values[count]);
    }
    spread found = spread_of(values, count);
    free(values);
    return found;
}

static size_t contender_find(const bench_case *one, const char *name) {
    for (size_t i = 0; i < one->contender_count; i++) {
        if (strcmp(one->contenders[i].name, name) == 0) {
            return i;
        }
    }
    return one->contender_count;
}

/* Better is above 1.  Compared within each round, so a slow second of the machine counts for both. */
static spread results_ratio(const results *all, size_t contender) {
    const char *limit_name = all->of->contenders[contender].limit;
    size_t limit =
        limit_name == NULL ? all->of->contender_count : contender_find(all->of, limit_name);
    double *ratios = bench_calloc((size_t)all->rounds, sizeof(*ratios));
    size_t count = 0;

    if (limit == all->of->contender_count) {
        free(ratios);
        return results_spread(all, contender, "ratio_to_limit");
    }
    for (int round = 0; round < all->rounds; round++) {
        double ours, theirs;
        if (bench_figures_find(results_at(all, round, contender), all->of->main_key, &ours) &&
            bench_figures_find(results_at(all, round, limit), all->of->main_key, &theirs) &&
            ours > 0 && theirs > 0) {
            ratios[count++] = all->of->is_smaller_better ? theirs / ours : ours / theirs;
        }
    }
    spread found = spread_of(ratios, count);
    free(ratios);
    return found;
}

/* The sentence of a round that failed, or NULL. */
static const char *results_why(const results *all, size_t contender) {
    for (int round = 0; round < all->rounds; round++) {
        if (results_at(all, round, contender)->why[0] != '\0') {
            return results_at(all, round, contender)->why;
        }
    }
    return NULL;
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static void json_text(const char *key, const char *text) {
    (void)printf("\"%s\":\"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)putchar('\\');
        }
        (void)putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    (void)putchar('"');
}

static void json_spread(const char *key, spread figure) {
    if (figure.is_there) {
        (void)printf(",\"%s\":%.7g,\"%s_min\":%.7g,\"%s_max\":%.7g", key, figure.median, key,
                     figure.min, key, figure.max);
    }
}

static void json_contender(const results *all, size_t contender, const char *const *keys,
                           size_t key_count) {
    const bench_contender *who = &all->of->contenders[contender];
    const char *why = results_why(all, contender);
    spread ratio = results_ratio(all, contender);

    (void)putchar('{');
    json_text("bench", all->of->bench);
    (void)putchar(',');
    json_text("case", all->of->name);
    (void)putchar(',');
    json_text("contender", who->name);
    (void)printf(",\"rounds\":%d,", all->rounds);
    json_text("limit", who->limit == NULL ? "" : who->limit);
    if (why != NULL) {
        (void)putchar(',');
        json_text("failed", why);
    }
    if (ratio.is_there) {
        json_spread("ratio_to_limit", ratio);
    } else {
        (void)fputs(",\"ratio_to_limit\":null", stdout);
    }
    for (size_t i = 0; i < key_count; i++) {
        json_spread(keys[i], results_spread(all, contender, keys[i]));
    }
    (void)puts("}");
}

/* --- the table ----------------------------------------------------------------------------------- */

static void cell_number(char *cell, double value) {
    double size = value < 0 ? -value : value;
    int digits = size >= 100 || size == (double)(int64_t)size ? 0 : size >= 10 ? 1 : 2;

    (void)snprintf(cell, CELL_BYTES, "%.*f", digits, value);
}

static void cell_spread(char *cell, spread figure, bool is_main) {
    char low[CELL_BYTES], high[CELL_BYTES];

    if (!figure.is_there) {
        (void)snprintf(cell, CELL_BYTES, "-");
        return;
    }
    cell_number(cell, figure.median);
    if (is_main && figure.min < figure.max) {
        size_t len = strlen(cell);
        cell_number(low, figure.min);
        cell_number(high, figure.max);
        (void)snprintf(cell + len, CELL_BYTES - len, " (%.14s-%.14s)", low, high);
    }
}

/* Cell of a column: 0 the name, 1 the ratio, then the keys. */
static void table_cell(const results *all, size_t contender, size_t column, const char *const *keys,
                       char *cell) {
    const bench_contender *who = &all->of->contenders[contender];

    if (column == 0) {
        (void)snprintf(cell, CELL_BYTES, "%s", who->name);
    } else if (column == 1) {
        spread ratio = results_ratio(all, contender);
        (void)snprintf(cell, CELL_BYTES, ratio.is_there ? "%.3f" : "-", ratio.median);
    } else {
        const char *key = keys[column - 2];
        cell_spread(cell, results_spread(all, contender, key), strcmp(key, all->of->main_key) == 0);
    }
}

static const char *table_head(size_t column, const char *const *keys) {
    return column == 0 ? "" : column == 1 ? "of_limit" : keys[column - 2];
}

static void table_print(const results *all, const char *const *keys, size_t key_count) {
    size_t columns = key_count + 2, width[KEYS_MAX + 2];
    char cell[CELL_BYTES];

    for (size_t column = 0; column < columns; column++) {
        width[column] = strlen(table_head(column, keys));
        for (size_t i = 0; i < all->of->contender_count; i++) {
            table_cell(all, i, column, keys, cell);
            width[column] = strlen(cell) > width[column] ? strlen(cell) : width[column];
        }
        (void)printf(column == 0 ? "%-*s" : "  %*s", (int)width[column], table_head(column, keys));
    }
    (void)putchar('\n');
    for (size_t i = 0; i < all->of->contender_count; i++) {
        const char *why = results_why(all, i);
        for (size_t column = 0; column < columns; column++) {
            table_cell(all, i, column, keys, cell);
            (void)printf(column == 0 ? "%-*s" : "  %*s", (int)width[column], cell);
        }
        (void)printf("%s%s\n", why == NULL ? "" : "   ! ", why == NULL ? "" : why);
    }
}

/* --- a case -------------------------------------------------------------------------------------- */

/* The keys of all contenders, in the order in which they came up. */
static size_t results_keys(const results *all, const char **keys) {
    size_t total = (size_t)all->rounds * all->of->contender_count, count = 0;

    for (size_t i = 0; i < total; i++) {
        for (size_t j = 0; j < all->figures[i].count; j++) {
            const char *key = all->figures[i].at[j].key;
            size_t k = 0;
            while (k < count && strcmp(keys[k], key) != 0) {
                k++;
            }
            if (k == count && count < KEYS_MAX && strcmp(key, "ratio_to_limit") != 0) {
                keys[count++] = key;
            }
        }
    }
    return count;
}

static void results_print(const bench_options *options, const results *all) {
    const char *keys[KEYS_MAX];
    size_t key_count = results_keys(all, keys);

    if (options->is_json) {
        for (size_t i = 0; i < all->of->contender_count; i++) {
            json_contender(all, i, keys, key_count);
        }
    } else {
        (void)printf("\n%s, %s (%d round%s)\n", all->of->bench, all->of->name, all->rounds,
                     all->rounds == 1 ? "" : "s");
        table_print(all, keys, key_count);
    }
    (void)fflush(stdout);
}

void bench_case_run(const bench_options *options, const bench_case *one) {
    results all = {.of = one, .rounds = one->rounds > 0 ? one->rounds : options->rounds};

    if (!bench_case_is_wanted(options, one->name)) {
        return;
    }
    all.figures = bench_calloc((size_t)all.rounds * one->contender_count, sizeof(*all.figures));
    for (int round = 0; round < all.rounds; round++) {
        for (size_t i = 0; i < one->contender_count; i++) {
            if (options->contender != NULL &&
                strcmp(options->contender, one->contenders[i].name) != 0) {
                continue;
            }
            one->contenders[i].run(one->contenders[i].ctx, results_at(&all, round, i));
        }
    }
    results_print(options, &all);
    (*options->cases_ran)++;
    free(all.figures);
}
