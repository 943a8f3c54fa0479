/* view.c -- what the subcommands that only look are asked for. */
#include "cli/view.h"

#include <getopt.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/help.h"
#include "cli/local.h"
#include "cli/options.h"

static const struct option view_options[] = {
    {"url", required_argument, NULL, 'u'},
    {"key-prefix", required_argument, NULL, 'k'},
    {"password-file", required_argument, NULL, 'p'},
    REDLOCK_TRUST_OPTIONS,
    {"timeout", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"all", no_argument, NULL, 'a'},
    {"interval", required_argument, NULL, 'i'},
    {"count", required_argument, NULL, 'n'},
    {"sort", required_argument, NULL, 's'},
    {"ttl-max", required_argument, NULL, 'm'},
    {"acl", no_argument, NULL, 'A'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

typedef struct view_topic {
    const char *word;
    const char *options; /* those of the table that it takes */
    const char *wants;   /* its word, NULL when it takes none */
    bool needs_word;
} view_topic;

static const view_topic topics[] = {
    {"status", "upktjqh", "the NAME of one lock", true},
    {"ls", "upktjaqh", "one PATTERN", false},
    {"top", "upktjainsqh", "one PATTERN", false},
    {"doctor", "upktjmqhA", NULL, false},
};

static const view_topic *topic_of(const char *word) {
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(word, topics[i].word) == 0) {
            return &topics[i];
        }
    }
    return &topics[0];
}

static int length_take(const char *topic, const char *option, const char *text, int64_t least_ms,
                       int64_t *ret_ms) {
    if (!redlock_seconds_parse(text, true, ret_ms) || *ret_ms < least_ms) {
        return redlock_say_usage(topic, "%s wants seconds such as 2 or 0.5, not '%s'", option,
                                 text);
    }
    return REDLOCK_GO_ON;
}

static int count_take(redlock_view_options *options, const char *topic, const char *text) {
    int64_t count = 0;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || count > 100000000) {
            return redlock_say_usage(topic, "--count wants a number, not '%s'", text);
        }
        count = count * 10 + (*at - '0');
    }
    options->count = count;
    return count > 0 ? REDLOCK_GO_ON : redlock_say_usage(topic, "--count wants 1 or more");
}

static int sort_take(redlock_view_options *options, const char *topic, const char *text) {
    static const char *const words[] = {"name", "holder", "left", "fence"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            options->sort = (redlock_sort)i;
            return REDLOCK_GO_ON;
        }
    }
    return redlock_say_usage(topic, "--sort is by name, holder, left or fence, not '%s'", text);
}

static int url_take(redlock_view_options *options, const char *topic, char *text) {
    int code = redlock_urls_add(&options->urls, text, topic);

    redlock_urls_blank(text);
    return code == 0 ? REDLOCK_GO_ON : code;
}

static int option_take(redlock_view_options *options, const char *topic, int option) {
    if (redlock_trust_has_option(option)) {
        return redlock_trust_take(&options->urls.trust, option, optarg, topic);
    }
    switch (option) {
    case 'u':
        return url_take(options, topic, optarg);
    case 'k':
        options->key_prefix = optarg;
        return strlen(optarg) <= 128 ? REDLOCK_GO_ON
                                     : redlock_say_usage(topic, "--key-prefix is too long");
    case 'p':
        options->urls.password_file = optarg;
        return REDLOCK_GO_ON;
    case 't':
        return length_take(topic, "--timeout", optarg, 1, &options->timeout_ms);
    case 'i':
        return length_take(topic, "--interval", optarg, 100, &options->interval_ms);
    case 'm':
        return length_take(topic, "--ttl-max", optarg, 1, &options->ttl_max_ms);
    case 'n':
        return count_take(options, topic, optarg);
    case 's':
        return sort_take(options, topic, optarg);
    case 'j':
        options->is_json = true;
        return REDLOCK_GO_ON;
    case 'a':
        options->has_free = true;
        return REDLOCK_GO_ON;
    case 'A':
        options->is_acl = true;
        return REDLOCK_GO_ON;
    case 'q':
        options->say.loudness = REDLOCK_QUIET;
        return REDLOCK_GO_ON;
    default:
        return redlock_help_print(topic);
    }
}

static int option_check(const view_topic *topic, int option, char **argv) {
    const char *word = argv[optind - 1];

    if (option == ':') {
        return redlock_say_usage(topic->word, "%s wants a value behind it", word);
    }
    if (option == '?' ||
        !(redlock_trust_has_option(option) || strchr(topic->options, option) != NULL)) {
        return redlock_say_usage(topic->word, "'%s' is no option of 'redlock %s'", word,
                                 topic->word);
    }
    return REDLOCK_GO_ON;
}

static int words_take(redlock_view_options *options, const view_topic *topic, char **words) {
    options->words = words;
    if (options->is_acl) {
        return REDLOCK_GO_ON;
    }
    if (words[0] == NULL) {
        return topic->needs_word ? redlock_say_usage(topic->word, "%s is missing", topic->wants)
                                 : REDLOCK_GO_ON;
    }
    if (topic->wants == NULL) {
        return redlock_say_usage(topic->word, "'%s' is no option", words[0]);
    }
    if (words[1] != NULL) {
        return redlock_say_usage(topic->word, "it takes %s; '%s' is one too many", topic->wants,
                                 words[1]);
    }
    options->word = words[0];
    return REDLOCK_GO_ON;
}

int redlock_view_options_parse(redlock_view_options *options, int argc, char **argv) {
    const view_topic *topic = topic_of(argv[0]);
    int code = REDLOCK_GO_ON;
    int option;

    *options = (redlock_view_options){
        .key_prefix = "",
        .timeout_ms = 1000,
        .interval_ms = 1000,
        .ttl_max_ms = 60 * 1000,
        .say = {.loudness = REDLOCK_NORMAL},
    };
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, ":jan:s:qh", view_options, NULL)) != -1) {
        code = option_check(topic, option, argv);
        if (code == REDLOCK_GO_ON) {
            code = option_take(options, topic->word, option);
        }
    }
    if (code == REDLOCK_GO_ON) {
        code = words_take(options, topic, argv + optind);
    }
    if (code == REDLOCK_GO_ON && !options->is_acl) {
        int failed = redlock_urls_complete(&options->urls, topic->word);

        failed = failed == 0 ? redlock_local_resolve(&options->urls, &options->say) : failed;
        code = failed == 0 ? REDLOCK_GO_ON : failed;
    }
    return code;
}

void redlock_view_options_deinit(redlock_view_options *options) {
    redlock_urls_deinit(&options->urls);
}
