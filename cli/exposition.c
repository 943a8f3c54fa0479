/* exposition.c -- a client's numbers as text for Prometheus. */
#include "cli/exposition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <redlock/metrics.h>

/* Names have up to 512 bytes, each of which may take three. */
enum { LABEL_BYTES = 2048, CHARACTER_BYTES_MAX = 4 };

/* Buckets at 32 us and each doubling of it: a server's round trip up to 4.2 s, all else to 2.4 h. */
static const int64_t bound_us_min = INT64_C(1) << 5;
static const int64_t trip_us_max = INT64_C(1) << 22;
static const int64_t length_us_max = INT64_C(1) << 33;

typedef struct exposition_page {
    FILE *out;
    const redlock_exposition *what;
    redlock_metrics metrics;
    redlock_node_metrics node[REDLOCK_NODES_MAX];
    char labels[2 * LABEL_BYTES]; /* that each sample has */
} exposition_page;

/* --- labels ---------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `text`, 0 when it is none.  RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static size_t character_len(const unsigned char *text) {
    static const struct {
        unsigned char first, last, low, high; /* of the second byte */
        size_t len;
    } forms[] = {
        {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (text[0] < forms[i].first || text[0] > forms[i].last) {
            continue;
        }
        bool is_whole = forms[i].len == 1 || (text[1] >= forms[i].low && text[1] <= forms[i].high);

        for (size_t at = 2; is_whole && at < forms[i].len; at++) {
            is_whole = text[at] >= 0x80 && text[at] <= 0xbf;
        }
        return is_whole ? forms[i].len : 0;
    }
    return 0;
}

void redlock_exposition_escape(const char *text, char *out, size_t size) {
    size_t used = 0;

    while (*text != '\0') {
        size_t len = character_len((const unsigned char *)text);
        const char *piece = text;
        size_t piece_len = len;

        if (len == 0) {
            len = 1;
            piece = "\xef\xbf\xbd"; /* U+FFFD */
            piece_len = 3;
        } else if (*text == '\\' || *text == '"' || *text == '\n') {
            piece = *text == '\\' ? "\\\\" : *text == '"' ? "\\\"" : "\\n";
            piece_len = 2;
        }
        if (used + piece_len >= size) {
            break;
        }
        memcpy(out + used, piece, piece_len);
        used += piece_len;
        text += len;
    }
    out[used] = '\0';
}

static void labels_make(exposition_page *page) {
    char name[LABEL_BYTES];

    redlock_exposition_escape(page->what->name, name, sizeof(name));
    (void)snprintf(page->labels, sizeof(page->labels), "name=\"%s\",subcommand=\"%s\"", name,
                   page->what->subcommand);
}

/* "NO_QUORUM" as a value of a label: no_quorum. */
static void status_word(uint32_t index, char *out, size_t size) {
    const char *name = redlock_status_name(-(int)index);
    size_t len = 0;

    for (; name[len] != '\0' && len + 1 < size; len++) {
        bool is_capital = name[len] >= 'A' && name[len] <= 'Z';

        out[len] = (char)(is_capital ? name[len] - 'A' + 'a' : name[len]);
    }
    out[len] = '\0';
}

/* --- samples --------------------------------------------------------------------------------- */

static void family(const exposition_page *page, const char *name, const char *type,
                   const char *help) {
    (void)fprintf(page->out, "# HELP redlock_%s %s\n# TYPE redlock_%s %s\n", name, help, name,
                  type);
}

static void number(const exposition_page *page, const char *name, const char *type,
                   const char *help, uint64_t value) {
    family(page, name, type, help);
    (void)fprintf(page->out, "redlock_%s{%s} %llu\n", name, page->labels,
                  (unsigned long long)value);
}

/* Those that anybody asks for are there from the start, or their first increase would not be seen. */
static void answers(const exposition_page *page, const char *name, const char *help,
                    const uint64_t counts[REDLOCK_ANSWERS], const char *always) {
    family(page, name, "counter", help);
    for (uint32_t i = 0; i < REDLOCK_ANSWERS; i++) {
        char word[32];
        char between[34];

        status_word(i, word, sizeof(word));
        (void)snprintf(between, sizeof(between), " %s ", word);
        if (counts[i] != 0 || strstr(always, between) != NULL) {
            (void)fprintf(page->out, "redlock_%s{%s,result=\"%s\"} %llu\n", name, page->labels,
                          word, (unsigned long long)counts[i]);
        }
    }
}

static void seconds(FILE *out, uint64_t us) {
    char digits[8];
    size_t len = 6;

    (void)snprintf(digits, sizeof(digits), "%06u", (unsigned)(us % 1000000));
    while (len > 1 && digits[len - 1] == '0') {
        len--;
    }
    (void)fprintf(out, "%llu.%.*s", (unsigned long long)(us / 1000000), (int)len, digits);
}

/* `more` are further labels, with a comma in front. */
static void histogram(const exposition_page *page, const char *name, const char *more,
                      const redlock_timing *timing, int64_t us_max) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < REDLOCK_TIMING_BUCKETS; i++) {
        const int64_t bound_us = redlock_timing_bound_us(i);
        const bool is_power = (bound_us & (bound_us - 1)) == 0;

        sum += timing->bucket[i];
        if (is_power && bound_us >= bound_us_min && bound_us <= us_max) {
            (void)fprintf(page->out, "redlock_%s_bucket{%s%s,le=\"", name, page->labels, more);
            seconds(page->out, (uint64_t)bound_us);
            (void)fprintf(page->out, "\"} %llu\n", (unsigned long long)sum);
        }
    }
    (void)fprintf(page->out, "redlock_%s_bucket{%s%s,le=\"+Inf\"} %llu\nredlock_%s_sum{%s%s} ",
                  name, page->labels, more, (unsigned long long)timing->count, name, page->labels,
                  more);
    seconds(page->out, timing->sum_us);
    (void)fprintf(page->out, "\nredlock_%s_count{%s%s} %llu\n", name, page->labels, more,
                  (unsigned long long)timing->count);
}

static void timing_family(const exposition_page *page, const char *name, const char *help,
                          const redlock_timing *timing) {
    family(page, name, "histogram", help);
    histogram(page, name, "", timing, length_us_max);
}

/* --- the client ------------------------------------------------------------------------------ */

static void about_process(const exposition_page *page) {
    char version[64];

    redlock_exposition_escape(redlock_version(), version, sizeof(version));
    family(page, "build_info", "gauge", "Always 1; the label is the version.");
    (void)fprintf(page->out, "redlock_build_info{%s,version=\"%s\"} 1\n", page->labels, version);
    family(page, "start_time_seconds", "gauge", "When the process began, in seconds since 1970.");
    (void)fprintf(page->out, "redlock_start_time_seconds{%s} %lld.%03lld\n", page->labels,
                  (long long)(page->what->start_ms / 1000),
                  (long long)(page->what->start_ms % 1000));
    number(page, "running", "gauge", "1 while the process runs, 0 once it has ended.",
           !page->what->is_over);
    number(page, "locks_held", "gauge", "Locks held now.",
           page->what->is_over ? 0 : page->metrics.locks_held);
    number(page, "acquires_going", "gauge", "Calls that try to get the lock now.",
           page->what->is_over ? 0 : page->metrics.acquires_going);
}

static void about_locks(const exposition_page *page) {
    const redlock_metrics *metrics = &page->metrics;

    answers(page, "acquires_total",
            "Calls that tried to get the lock, by result. The first never waits.",
            metrics->acquires, " ok held timeout canceled expired no_quorum ");
    answers(page, "adopts_total", "Locks taken over by their token, by result.", metrics->adopts,
            " ok not_held ");
    answers(page, "extends_total", "Extensions asked for, by result.", metrics->extends, " ok ");
    answers(page, "releases_total", "Releases, by result.", metrics->releases,
            " ok not_held unknown ");
    number(page, "handovers_total", "counter", "Times that the lock was handed over in the queue.",
           metrics->handovers);
    number(page, "renewals_total", "counter", "Times that the deadline of a lock moved.",
           metrics->renewals);
    number(page, "renewals_late_total", "counter",
           "Rounds of renewal without a quorum; they are repeated.", metrics->renewals_late);
    number(page, "losses_total", "counter", "Locks lost before they were released.",
           metrics->losses);
    timing_family(page, "acquire_duration_seconds", "Calls that got the lock, waiting included.",
                  &metrics->acquire);
    timing_family(page, "wait_duration_seconds",
                  "Calls that stood in a queue, whatever came of it.", &metrics->wait);
    timing_family(page, "hold_duration_seconds", "From getting a lock to its release or loss.",
                  &metrics->hold);
    timing_family(page, "renew_duration_seconds",
                  "From the first try of a renewal to the quorum's yes.", &metrics->renew);
}

/* --- the nodes ------------------------------------------------------------------------------- */

static void node_label(const exposition_page *page, uint32_t node, char *out, size_t size) {
    char where[2 * sizeof(page->node[0].where)];

    redlock_exposition_escape(page->node[node].where, where, sizeof(where));
    (void)snprintf(out, size, ",node=\"%s\"", where);
}

/* One number of each node, which stands at `offset` in its struct. */
static void node_numbers(const exposition_page *page, const char *name, const char *help,
                         size_t offset) {
    char label[LABEL_BYTES];

    family(page, name, "counter", help);
    for (uint32_t i = 0; i < page->metrics.node_count; i++) {
        uint64_t value;

        memcpy(&value, (const char *)&page->node[i] + offset, sizeof(value));
        node_label(page, i, label, sizeof(label));
        (void)fprintf(page->out, "redlock_%s{%s%s} %llu\n", name, page->labels, label,
                      (unsigned long long)value);
    }
}

static void node_states(const exposition_page *page) {
    char label[LABEL_BYTES];

    family(page, "node_up", "gauge", "1 while the server is connected and counts.");
    for (uint32_t i = 0; i < page->metrics.node_count; i++) {
        node_label(page, i, label, sizeof(label));
        (void)fprintf(page->out, "redlock_node_up{%s%s} %d\n", page->labels, label,
                      page->node[i].is_up != 0 && !page->what->is_over);
    }
}

static void node_errors(const exposition_page *page) {
    char label[LABEL_BYTES];

    family(page, "node_errors_total", "counter",
           "Answers that were errors, and reasons for which a server ceased to count.");
    for (uint32_t i = 0; i < page->metrics.node_count; i++) {
        node_label(page, i, label, sizeof(label));
        for (uint32_t j = 0; j < REDLOCK_ANSWERS; j++) {
            char word[32];

            status_word(j, word, sizeof(word));
            if (page->node[i].errors[j] != 0 || j == -REDLOCK_IO || j == -REDLOCK_SILENT) {
                (void)fprintf(page->out, "redlock_node_errors_total{%s%s,error=\"%s\"} %llu\n",
                              page->labels, label, word,
                              (unsigned long long)page->node[i].errors[j]);
            }
        }
    }
}

static void node_trips(const exposition_page *page) {
    char label[LABEL_BYTES];

    family(page, "node_round_trip_seconds", "histogram", "From a command to its answer.");
    for (uint32_t i = 0; i < page->metrics.node_count; i++) {
        node_label(page, i, label, sizeof(label));
        histogram(page, "node_round_trip_seconds", label, &page->node[i].round_trip, trip_us_max);
    }
}

static void about_nodes(const exposition_page *page) {
    node_states(page);
    node_numbers(page, "node_commands_total", "Commands sent.",
                 offsetof(redlock_node_metrics, commands));
    node_numbers(page, "node_unanswered_total", "Commands on connections that broke.",
                 offsetof(redlock_node_metrics, unanswered));
    node_numbers(page, "node_connects_total", "Connections that came about.",
                 offsetof(redlock_node_metrics, connects));
    node_numbers(page, "node_connects_failed_total", "Attempts to connect that failed.",
                 offsetof(redlock_node_metrics, connects_failed));
    node_numbers(page, "node_disconnects_total", "Connections that broke.",
                 offsetof(redlock_node_metrics, disconnects));
    node_numbers(page, "node_wakes_total", "Times that the server woke a waiter.",
                 offsetof(redlock_node_metrics, wakes));
    node_errors(page);
    node_trips(page);
}

static void page_read(exposition_page *page) {
    page->metrics = (redlock_metrics)REDLOCK_INIT(redlock_metrics);
    (void)redlock_client_metrics(page->what->client, &page->metrics); /* else there are no nodes */
    for (uint32_t i = 0; i < page->metrics.node_count; i++) {
        page->node[i] = (redlock_node_metrics)REDLOCK_INIT(redlock_node_metrics);
        (void)redlock_client_node_metrics(page->what->client, i, &page->node[i]);
    }
}

char *redlock_exposition_make(const redlock_exposition *what, size_t *ret_len) {
    exposition_page *page = calloc(1, sizeof(*page));
    char *text = NULL;

    if (page == NULL) {
        return NULL;
    }
    page->what = what;
    page->out = open_memstream(&text, ret_len);
    if (page->out != NULL) {
        labels_make(page);
        page_read(page);
        about_process(page);
        about_locks(page);
        about_nodes(page);
        bool is_whole = ferror(page->out) == 0;

        if (fclose(page->out) != 0 || !is_whole) {
            free(text);
            text = NULL;
        }
    }
    free(page);
    return text;
}
