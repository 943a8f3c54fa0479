/* command_fuzz.c -- any words as a command line.  The first byte picks the subcommand, the rest are
 * words, each ended by a line end.  No server is ever met: creating a client fails, and says so with
 * the bytes of the line, as a server's words might. */
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <redlock/redlock.h>

#include "base/assert.h"
#include "cli/acl.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/run_options.h"
#include "cli/view.h"

#define WORDS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __wrap_redlock_client_create(const char *const *urls, size_t count,
                                 const redlock_client_options *options, redlock_client **ret_client,
                                 redlock_report *report);
int __wrap_redlock_local_resolve(redlock_urls *urls, const redlock_say *say);

static const char *last_word = ""; /* of the line that is played */

/* A line that is shown is one line, and steers no terminal. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    const unsigned char *text = bytes;

    if (fd != STDERR_FILENO) {
        return __real_write(fd, bytes, len);
    }
    REDLOCK_ASSERT(len > 0 && text[len - 1] == '\n');
    for (size_t i = 0; i + 1 < len; i++) {
        REDLOCK_ASSERT(text[i] >= ' ' && text[i] != 0x7f);
    }
    return (ssize_t)len;
}

int __wrap_redlock_client_create(const char *const *urls, size_t count,
                                 const redlock_client_options *options, redlock_client **ret_client,
                                 redlock_report *report) {
    REDLOCK_ASSERT(count >= 1 && count <= REDLOCK_NODES_MAX);
    for (size_t i = 0; i < count; i++) {
        REDLOCK_ASSERT(urls[i] != NULL);
    }
    REDLOCK_ASSERT(options->struct_size == sizeof *options);
    *ret_client = NULL;
    report->status = (int32_t)(strlen(last_word) % 30);
    report->node_count = (uint32_t)count;
    report->node[0].status = report->status;
    (void)snprintf(report->sentence, sizeof report->sentence, "%s", last_word);
    (void)snprintf(report->node[0].words, sizeof report->node[0].words, "%s", last_word);
    return report->status == REDLOCK_OK ? REDLOCK_IO : report->status;
}

/* Starts nothing. */
int __wrap_redlock_local_resolve(redlock_urls *urls, const redlock_say *say) {
    (void)say;
    return urls->local_size == 0 ? 0 : 69;
}

/* --- what only parses ------------------------------------------------------------------------ */

static int run_parse(int argc, char **argv, bool elects) {
    redlock_run_options options;
    int code = elects ? redlock_elect_options_parse(&options, argc, argv)
                      : redlock_run_options_parse(&options, argc, argv);

    REDLOCK_ASSERT(code != REDLOCK_GO_ON || options.script != NULL || options.command != NULL);
    redlock_run_options_deinit(&options);
    return code;
}

static int run_main(int argc, char **argv) {
    return run_parse(argc, argv, false);
}

static int elect_main(int argc, char **argv) {
    return run_parse(argc, argv, true);
}

/* The lines are for a server's command line: whatever the patterns were, each is one line of words. */
static int acl_print(const redlock_view_options *options) {
    FILE *before = stdout;
    char *printed = NULL;
    size_t len = 0;

    stdout = open_memstream(&printed, &len);
    REDLOCK_ASSERT(stdout != NULL);
    int code = redlock_acl_print(options);
    (void)fclose(stdout);
    stdout = before;
    for (size_t i = 0; i < len && !options->is_json; i++) {
        REDLOCK_ASSERT((printed[i] >= ' ' && printed[i] < 0x7f) || printed[i] == '\n');
        REDLOCK_ASSERT(i == 0 || printed[i - 1] != '\n' || printed[i] == '#' || printed[i] == 'A');
    }
    free(printed);
    return code;
}

static int view_main(int argc, char **argv) {
    redlock_view_options options;
    int code = redlock_view_options_parse(&options, argc, argv);

    REDLOCK_ASSERT(code != REDLOCK_GO_ON || options.urls.count > 0 || options.is_acl);
    REDLOCK_ASSERT(code != REDLOCK_GO_ON || (options.timeout_ms > 0 && options.interval_ms > 0));
    if (code == REDLOCK_GO_ON && options.is_acl) {
        code = acl_print(&options);
    }
    redlock_view_options_deinit(&options);
    return code;
}

/* --- playing --------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    int (*main)(int argc, char **argv);
} subcommands[] = {
    {"run", run_main},
    {"elect", elect_main},
    {"acquire", redlock_acquire_main},
    {"extend", redlock_extend_main},
    {"release", redlock_release_main},
    {"hold", redlock_hold_main},
    {"watch", redlock_watch_main},
    {"wait", redlock_wait_main},
    {"break", redlock_break_main},
    {"init", redlock_init_main},
    {"status", view_main},
    {"ls", view_main},
    {"top", view_main},
    {"doctor", view_main},
};

/* Every word is a block of its own: what a parser blanks or reads too far is seen. */
static char *word_copy(const uint8_t *data, size_t len) {
    const uint8_t *nul = memchr(data, '\0', len);
    size_t used = nul != NULL ? (size_t)(nul - data) : len;
    char *word = malloc(used + 1);

    REDLOCK_ASSERT(word != NULL);
    memcpy(word, data, used);
    word[used] = '\0';
    return word;
}

static int line_split(const uint8_t *data, size_t size, char **argv) {
    int argc = 1;

    while (size > 0 && argc < (int)WORDS_MAX) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end != NULL ? (size_t)(end - data) : size;

        argv[argc++] = word_copy(data, len);
        len += end != NULL;
        data += len;
        size -= len;
    }
    argv[argc] = NULL;
    return argc;
}

static void line_play(int argc, char **argv, int (*main)(int argc, char **argv)) {
    redlock_config config;
    char **words = NULL;
    int count = 0;
    int code = redlock_config_expand(&config, argc, argv, &count, &words);

    if (code == 0) {
        optind = 0; /* getopt forgets the line before */
        code = main(count, words);
    }
    REDLOCK_ASSERT(code >= -1 && code <= 255);
    free(words);
    redlock_config_deinit(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *nobody;
    char *argv[WORDS_MAX + 1];
    FILE *before = stdout;

    if (size < 1) {
        return 0;
    }
    if (nobody == NULL) {
        nobody = fopen("/dev/null", "w");
        (void)setenv("REDLOCK_CONFIG", "/dev/null", 1);
        (void)unsetenv("REDLOCK_URL");
        (void)setenv("REDLOCK_TOKEN", "token", 1);
    }
    size_t which = data[0] % (sizeof subcommands / sizeof subcommands[0]);
    int argc = line_split(data + 1, size - 1, argv);
    char *last = strdup(argc > 1 ? argv[argc - 1] : "");

    argv[0] = strdup(subcommands[which].word);
    last_word = last;
    stdout = nobody; /* what --help prints */
    line_play(argc, argv, subcommands[which].main);
    stdout = before;
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    free(last);
    return 0;
}
