/* options.c -- what the command line asks for. */
#include "cli/options.h"

#include <getopt.h>
#include <string.h>

#include "cli/exit.h"
#include "cli/help.h"

enum {
    OPTION_URL = 256, /* beyond every character: long options without a short form */
    OPTION_PASSWORD_FILE,
    OPTION_KEY_PREFIX,
    OPTION_FORCE
};

static const struct option init_options[] = {
    {"url", required_argument, NULL, OPTION_URL},
    {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
    {"key-prefix", required_argument, NULL, OPTION_KEY_PREFIX},
    REDLOCK_TRUST_OPTIONS,
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

static int init_option_take(redlock_init_options *options, int option, char **argv) {
    if (redlock_trust_has_option(option)) {
        return redlock_trust_take(&options->urls.trust, option, optarg, "init");
    }
    switch (option) {
    case OPTION_URL:
        return url_add(&options->urls, optarg, "init");
    case OPTION_PASSWORD_FILE:
        options->urls.password_file = optarg;
        return REDLOCK_GO_ON;
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
