/* run_options.c -- what `redlock run` and `redlock elect` are asked for. */
#include "cli/run_options.h"

#include <string.h>

#include "cli/exit.h"
#include "cli/say.h"

enum {
    OPTION_MIN_HOLD = REDLOCK_OPTION_OWN,
    OPTION_MAX_HOLD,
    OPTION_GRACE,
    OPTION_ON_LOST,
    OPTION_ONCE,
    OPTION_ON_ELECTED,
    OPTION_ON_DEPOSED
};

#define COMMAND_OPTIONS                                                                            \
    {"command", required_argument, NULL, 'c'}, {"grace", required_argument, NULL, OPTION_GRACE},   \
        {"max-hold", required_argument, NULL, OPTION_MAX_HOLD},                                    \
        {"on-lost", required_argument, NULL, OPTION_ON_LOST}, {                                    \
        "lost-exit-code", required_argument, NULL, REDLOCK_OPTION_LOST_CODE                        \
    }

static const struct option run_table[] = {
    REDLOCK_SESSION_OPTIONS,
    REDLOCK_ACQUIRE_OPTIONS,
    REDLOCK_METRICS_OPTIONS,
    COMMAND_OPTIONS,
    {"min-hold", required_argument, NULL, OPTION_MIN_HOLD},
    {NULL, 0, NULL, 0},
};

static const struct option elect_table[] = {
    REDLOCK_SESSION_OPTIONS,
    REDLOCK_METRICS_OPTIONS,
    COMMAND_OPTIONS,
    {"ttl", required_argument, NULL, 't'},
    {"label", required_argument, NULL, REDLOCK_OPTION_LABEL},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"on-elected", required_argument, NULL, OPTION_ON_ELECTED},
    {"on-deposed", required_argument, NULL, OPTION_ON_DEPOSED},
    {NULL, 0, NULL, 0},
};

static int on_lost_set(redlock_run_options *options, const char *text) {
    static const char *const words[] = {
        [REDLOCK_ON_LOST_KILL] = "kill",
        [REDLOCK_ON_LOST_TERM] = "term",
        [REDLOCK_ON_LOST_IGNORE] = "ignore",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            options->supervise.on_lost = (redlock_on_lost)i;
            return REDLOCK_GO_ON;
        }
    }
    return redlock_say_usage(options->session.topic,
                             "--on-lost wants kill, term or ignore, not '%s'", text);
}

static int option_take(redlock_run_options *options, int option, char **argv) {
    redlock_session_options *session = &options->session;

    switch (option) {
    case OPTION_MIN_HOLD:
        return redlock_session_seconds_take(session, "--min-hold", optarg, 0,
                                            &options->min_hold_ms);
    case OPTION_MAX_HOLD:
        return redlock_session_seconds_take(session, "--max-hold", optarg, 1,
                                            &options->supervise.max_hold_ms);
    case OPTION_GRACE:
        return redlock_session_seconds_take(session, "--grace", optarg, 1,
                                            &options->supervise.grace_ms);
    case OPTION_ON_LOST:
        return on_lost_set(options, optarg);
    case OPTION_ONCE:
        options->is_once = true;
        return REDLOCK_GO_ON;
    case OPTION_ON_ELECTED:
        options->on_elected = optarg;
        return REDLOCK_GO_ON;
    case OPTION_ON_DEPOSED:
        options->on_deposed = optarg;
        return REDLOCK_GO_ON;
    case 'c':
        options->script = optarg;
        return REDLOCK_GO_ON;
    default:
        return redlock_session_option_take(session, option, argv);
    }
}

/* A string for sh behind NAME. */
static int script_take(redlock_run_options *options, char **words) {
    options->script = words[1];
    if (options->script == NULL || words[2] != NULL) {
        return redlock_say_usage(options->session.topic, "-c takes exactly one string");
    }
    return REDLOCK_GO_ON;
}

/* The words after the options: NAME, and a command in one of its three forms. */
static int words_take(redlock_run_options *options, char **words) {
    const char *topic = options->session.topic;

    if (words[0] == NULL) {
        return redlock_say_usage(topic, "the NAME of the lock is missing");
    }
    options->session.name = *words++;
    if (words[0] != NULL && strcmp(words[0], "-c") == 0 && options->script == NULL) {
        return script_take(options, words);
    }

    bool is_marked = words[0] != NULL && strcmp(words[0], "--") == 0;
    words += is_marked;
    if (options->script != NULL) {
        return words[0] == NULL ? REDLOCK_GO_ON
                                : redlock_say_usage(topic, "there is a command beside -c");
    }
    if (words[0] == NULL || words[0][0] == '\0') {
        return redlock_say_usage(topic, "the command to run is missing");
    }
    if (words[0][0] == '-' && !is_marked) {
        return redlock_say_usage(topic,
                                 "'%s' stands after the NAME: options go before it, and a "
                                 "command that starts with '-' goes after '--'",
                                 words[0]);
    }
    options->command = words;
    return REDLOCK_GO_ON;
}

/* What can be told only when all options are known. */
static int options_check(redlock_run_options *options) {
    const redlock_session_options *session = &options->session;
    redlock_supervise_options *supervise = &options->supervise;

    supervise->ttl_ms = session->ttl_ms;
    supervise->lost_code = session->lost_code;
    if (supervise->grace_ms > session->ttl_ms / 2) {
        return redlock_say_usage(session->topic,
                                 "--grace is more than half of --ttl: a renewal that comes a "
                                 "little late would stop the command already");
    }
    return REDLOCK_GO_ON;
}

static int parse(redlock_run_options *options, int argc, char **argv, const char *letters,
                 const struct option *table) {
    int code = REDLOCK_GO_ON;
    int option;

    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        code = option_take(options, option, argv);
    }
    if (code == REDLOCK_GO_ON) {
        code = words_take(options, argv + optind);
    }
    return code == REDLOCK_GO_ON ? options_check(options) : code;
}

int redlock_run_options_parse(redlock_run_options *options, int argc, char **argv) {
    *options = (redlock_run_options){.script = NULL};
    redlock_session_options_init(&options->session, "run");
    return parse(options, argc, argv, "+:t:nw:E:xc:vqh", run_table);
}

int redlock_elect_options_parse(redlock_run_options *options, int argc, char **argv) {
    *options = (redlock_run_options){.script = NULL};
    redlock_session_options_init(&options->session, "elect");
    return parse(options, argc, argv, "+:t:c:vqh", elect_table);
}

void redlock_run_options_deinit(redlock_run_options *options) {
    redlock_session_options_deinit(&options->session);
}
