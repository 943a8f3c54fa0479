/* session_options.c -- the options that subcommands about one lock have in common. */
#include "cli/session_options.h"

#include <string.h>

#include "cli/exit.h"
#include "cli/help.h"

/* A shorter lease would leave no time to stop the command in: see supervise.c. */
static const int64_t ttl_min_ms = 100;
static const int64_t ttl_default_ms = 30 * 1000;
/* The library's ttl_max, which all clients of the same servers have to agree on. */
static const int64_t ttl_max_ms = 60 * 1000;
static const int64_t year_ms = (int64_t)366 * 24 * 3600 * 1000;

void redlock_session_options_init(redlock_session_options *options, const char *topic) {
    *options = (redlock_session_options){
        .topic = topic,
        .ttl_ms = ttl_default_ms,
        .wait_ms = REDLOCK_FOREVER,
        .busy_code = REDLOCK_EXIT_BUSY,
        .lost_code = REDLOCK_EXIT_LOST,
        .say = {.loudness = REDLOCK_NORMAL},
    };
}

void redlock_session_options_deinit(redlock_session_options *options) {
    redlock_urls_deinit(&options->urls);
}

static int ttl_set(redlock_session_options *options, const char *text) {
    if (!redlock_seconds_parse(text, false, &options->ttl_ms)) {
        return redlock_say_usage(options->topic, "--ttl wants seconds such as 30 or 2.5, not '%s'",
                                 text);
    }
    if (options->ttl_ms < ttl_min_ms) {
        return redlock_say_usage(options->topic,
                                 "--ttl %s is too short: at least 0.1 s are needed to stop "
                                 "the work before the lock ends",
                                 text);
    }
    if (options->ttl_ms > ttl_max_ms) {
        return redlock_say_usage(
            options->topic,
            "--ttl %s is too long: at most 60; a lock that is renewed or extended lives longer",
            text);
    }
    return REDLOCK_GO_ON;
}

int redlock_session_seconds_take(const redlock_session_options *options, const char *option,
                                 const char *text, int64_t min_ms, int64_t *ret_ms) {
    if (!redlock_seconds_parse(text, true, ret_ms) || *ret_ms > year_ms) {
        return redlock_say_usage(options->topic, "%s wants seconds such as 10 or 0.5, not '%s'",
                                 option, text);
    }
    if (*ret_ms < min_ms) {
        return redlock_say_usage(options->topic, "%s %s is too short: at least %lld.%03lld s",
                                 option, text, (long long)(min_ms / 1000),
                                 (long long)(min_ms % 1000));
    }
    return REDLOCK_GO_ON;
}

int redlock_session_code_take(const redlock_session_options *options, const char *option,
                              const char *text, int *ret_code) {
    int code = 0;
    const char *end = text;

    for (; *end >= '0' && *end <= '9' && code <= 255; end++) {
        code = code * 10 + (*end - '0');
    }
    if (end == text || *end != '\0' || code > 255) {
        return redlock_say_usage(options->topic, "%s wants an exit code from 0 to 255, not '%s'",
                                 option, text);
    }
    *ret_code = code;
    return REDLOCK_GO_ON;
}

static int url_add(redlock_session_options *options, char *text) {
    int code = redlock_urls_add(&options->urls, text, options->topic);

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

int redlock_session_option_take(redlock_session_options *options, int option, char **argv) {
    if (redlock_trust_has_option(option)) {
        return redlock_trust_take(&options->urls.trust, option, optarg, options->topic);
    }
    switch (option) {
    case REDLOCK_OPTION_URL:
        return url_add(options, optarg);
    case REDLOCK_OPTION_PASSWORD_FILE:
        options->urls.password_file = optarg;
        return REDLOCK_GO_ON;
    case REDLOCK_OPTION_LABEL:
        options->label = optarg;
        return REDLOCK_GO_ON;
    case REDLOCK_OPTION_KEY_PREFIX:
        options->key_prefix = optarg;
        return REDLOCK_GO_ON;
    case REDLOCK_OPTION_LOST_CODE:
        return redlock_session_code_take(options, "--lost-exit-code", optarg, &options->lost_code);
    case REDLOCK_OPTION_METRICS:
        options->metrics = optarg[0] != '\0' ? optarg : NULL; /* empty: not here */
        return REDLOCK_GO_ON;
    case 't':
        return ttl_set(options, optarg);
    case 'w':
        options->has_wait = true;
        return redlock_session_seconds_take(options, "--wait", optarg, 0, &options->wait_ms);
    case 'n':
        options->wait_ms = 0;
        options->has_wait = false;
        return REDLOCK_GO_ON;
    case 'E':
        return redlock_session_code_take(options, "-E", optarg, &options->busy_code);
    case 'x':
        options->busy_code = REDLOCK_EXIT_OK;
        return REDLOCK_GO_ON;
    case 'v':
        options->say.loudness = REDLOCK_VERBOSE;
        return REDLOCK_GO_ON;
    case 'q':
        options->say.loudness = REDLOCK_QUIET;
        return REDLOCK_GO_ON;
    case 'h':
        return redlock_help_print(options->topic);
    default:
        return option_wrong(options->topic, option, argv);
    }
}

int redlock_session_name_take(redlock_session_options *options, char **words) {
    if (words[0] == NULL) {
        return redlock_say_usage(options->topic, "the NAME of the lock is missing");
    }
    options->name = words[0];
    if (words[1] != NULL) {
        return redlock_say_usage(options->topic, "'%s' stands after the NAME: options go before it",
                                 words[1]);
    }
    return REDLOCK_GO_ON;
}
