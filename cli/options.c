/* options.c -- what the command line asks for. */
#include "cli/options.h"

#include <getopt.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/help.h"

enum {
    OPTION_URL = 256, /* beyond every character: long options without a short form */
    OPTION_LABEL,
    OPTION_KEY_PREFIX,
    OPTION_FORCE
};

/* A shorter lease would leave no time to stop the command in: see supervise.c. */
static const int64_t ttl_min_ms = 100;
static const int64_t ttl_default_ms = 30 * 1000;
/* The library's ttl_max, which all clients of the same servers have to agree on. */
static const int64_t ttl_max_ms = 60 * 1000;

static const struct option run_options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"ttl", required_argument, NULL, 't'},
    {"nonblock", no_argument, NULL, 'n'},
    {"nb", no_argument, NULL, 'n'},
    {"wait", required_argument, NULL, 'w'},
    {"timeout", required_argument, NULL, 'w'}, /* flock's other word for it */
    {"conflict-exit-code", required_argument, NULL, 'E'},
    {"command", required_argument, NULL, 'c'},
    {"label", required_argument, NULL, OPTION_LABEL},
    {"key-prefix", required_argument, NULL, OPTION_KEY_PREFIX},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct option init_options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"key-prefix", required_argument, NULL, OPTION_KEY_PREFIX},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"verbose", no_argument, NULL, 'v'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Reads digits up to *text's first other character; false when they are more than fits. */
static bool digits_parse(const char **text, int64_t value_max, int64_t *ret_value) {
    int64_t value = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        value = value * 10 + (**text - '0');
        if (value > value_max) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

/* The part after the point, as milliseconds; further digits only decide about rounding. */
static int64_t fraction_parse(const char **text, bool is_rounded_up) {
    int64_t unit_ms = 100;
    int64_t value_ms = 0;
    bool has_rest = false;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        has_rest = has_rest || (unit_ms == 0 && **text != '0');
        value_ms += (**text - '0') * unit_ms;
        unit_ms /= 10;
    }
    return value_ms + (has_rest && is_rounded_up ? 1 : 0);
}

bool redlock_seconds_parse(const char *text, bool is_rounded_up, int64_t *ret_ms) {
    const char *start = text;
    int64_t seconds = 0;
    int64_t fraction_ms = 0;

    if (!digits_parse(&text, 1000 * 1000 * 1000, &seconds)) {
        return false;
    }
    size_t digit_count = (size_t)(text - start);
    if (*text == '.') {
        text++;
        start = text;
        fraction_ms = fraction_parse(&text, is_rounded_up);
        digit_count += (size_t)(text - start);
    }
    if (digit_count == 0 || *text != '\0') {
        return false;
    }

    *ret_ms = seconds * 1000 + fraction_ms;
    return true;
}

static int ttl_set(redlock_run_options *options, const char *text) {
    if (!redlock_seconds_parse(text, false, &options->ttl_ms)) {
        return redlock_say_usage("run", "--ttl wants seconds such as 30 or 2.5, not '%s'", text);
    }
    if (options->ttl_ms < ttl_min_ms) {
        return redlock_say_usage("run",
                                 "--ttl %s is too short: at least 0.1 s are needed to stop "
                                 "the command before the lock ends",
                                 text);
    }
    if (options->ttl_ms > ttl_max_ms) {
        return redlock_say_usage(
            "run",
            "--ttl %s is too long: at most 60; the lock is renewed for as long "
            "as the command runs",
            text);
    }
    return REDLOCK_GO_ON;
}

static int wait_set(redlock_run_options *options, const char *text) {
    if (!redlock_seconds_parse(text, true, &options->wait_ms)) {
        return redlock_say_usage("run", "--wait wants seconds such as 10 or 0.5, not '%s'", text);
    }
    options->has_wait = true;
    return REDLOCK_GO_ON;
}

static int busy_code_set(redlock_run_options *options, const char *text) {
    int64_t code = 0;
    const char *end = text;

    if (!digits_parse(&end, 255, &code) || end == text || *end != '\0') {
        return redlock_say_usage("run", "-E wants an exit code from 0 to 255, not '%s'", text);
    }
    options->busy_code = (int)code;
    return REDLOCK_GO_ON;
}

static int url_add(redlock_urls *urls, char *text, const char *topic) {
    int code = redlock_urls_add(urls, text, topic);

    redlock_urls_blank(text);
    return code == 0 ? REDLOCK_GO_ON : code;
}

/* In our own words: getopt's would begin with a path, and miss the way to the help. */
static int option_wrong(const char *topic, int option, char **argv) {
    const char *word = argv[optind - 1];

    if (option == ':') {
        return redlock_say_usage(topic, "%s wants a value behind it", word);
    }
    if (strncmp(word, "--", 2) != 0 && optopt > ' ' && optopt < 0x7f) {
        return redlock_say_usage(topic, "-%c is no option of 'redlock %s'", optopt, topic);
    }
    return redlock_say_usage(topic, "%s is no option of 'redlock %s', or takes no value", word,
                             topic);
}

static int run_option_take(redlock_run_options *options, int option, char **argv) {
    switch (option) {
    case OPTION_URL:
        return url_add(&options->urls, optarg, "run");
    case OPTION_LABEL:
        options->label = optarg;
        return REDLOCK_GO_ON;
    case OPTION_KEY_PREFIX:
        options->key_prefix = optarg;
        return REDLOCK_GO_ON;
    case 't':
        return ttl_set(options, optarg);
    case 'w':
        return wait_set(options, optarg);
    case 'n':
        options->wait_ms = 0;
        options->has_wait = false;
        return REDLOCK_GO_ON;
    case 'E':
        return busy_code_set(options, optarg);
    case 'c':
        options->script = optarg;
        return REDLOCK_GO_ON;
    case 'v':
        options->say.loudness = REDLOCK_VERBOSE;
        return REDLOCK_GO_ON;
    case 'q':
        options->say.loudness = REDLOCK_QUIET;
        return REDLOCK_GO_ON;
    case 'h':
        return redlock_help_print("run");
    default:
        return option_wrong("run", option, argv);
    }
}

/* The words after the options: NAME, and a command in one of its three forms. */
static int run_words_take(redlock_run_options *options, char **words) {
    if (words[0] == NULL) {
        return redlock_say_usage("run", "the NAME of the lock is missing");
    }
    options->name = *words++;
    if (words[0] != NULL && strcmp(words[0], "-c") == 0 && options->script == NULL) {
        options->script = words[1];
        if (options->script == NULL || words[2] != NULL) {
            return redlock_say_usage("run", "-c takes exactly one string");
        }
        return REDLOCK_GO_ON;
    }

    bool is_marked = words[0] != NULL && strcmp(words[0], "--") == 0;
    words += is_marked;
    if (options->script != NULL) {
        return words[0] == NULL ? REDLOCK_GO_ON
                                : redlock_say_usage("run", "there is a command beside -c");
    }
    if (words[0] == NULL || words[0][0] == '\0') {
        return redlock_say_usage("run", "the command to run is missing");
    }
    if (words[0][0] == '-' && !is_marked) {
        return redlock_say_usage("run",
                                 "'%s' stands after the NAME: options go before it, and a "
                                 "command that starts with '-' goes after '--'",
                                 words[0]);
    }
    options->command = words;
    return REDLOCK_GO_ON;
}

int redlock_run_options_parse(redlock_run_options *options, int argc, char **argv) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (redlock_run_options){
        .ttl_ms = ttl_default_ms,
        .wait_ms = REDLOCK_FOREVER,
        .busy_code = REDLOCK_EXIT_BUSY,
        .say = {.loudness = REDLOCK_NORMAL},
    };
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:t:nw:E:c:vqh", run_options, NULL)) != -1) {
        code = run_option_take(options, option, argv);
    }
    return code == REDLOCK_GO_ON ? run_words_take(options, argv + optind) : code;
}

static int init_option_take(redlock_init_options *options, int option, char **argv) {
    switch (option) {
    case OPTION_URL:
        return url_add(&options->urls, optarg, "init");
    case OPTION_KEY_PREFIX:
        options->key_prefix = optarg;
        return REDLOCK_GO_ON;
    case OPTION_FORCE:
        options->is_forced = true;
        return REDLOCK_GO_ON;
    case 'v':
        options->say.loudness = REDLOCK_VERBOSE;
        return REDLOCK_GO_ON;
    case 'q':
        options->say.loudness = REDLOCK_QUIET;
        return REDLOCK_GO_ON;
    case 'h':
        return redlock_help_print("init");
    default:
        return option_wrong("init", option, argv);
    }
}

int redlock_init_options_parse(redlock_init_options *options, int argc, char **argv) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (redlock_init_options){.say = {.loudness = REDLOCK_NORMAL}};
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:vqh", init_options, NULL)) != -1) {
        code = init_option_take(options, option, argv);
    }
    if (code == REDLOCK_GO_ON && argv[optind] != NULL) {
        code = redlock_say_usage("init", "'%s' is no option", argv[optind]);
    }
    return code;
}
