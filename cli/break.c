/* break.c -- `redlock break`: throws out whoever holds a lock. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/say.h"
#include "cli/session.h"

enum { OPTION_YES = REDLOCK_OPTION_OWN };

typedef struct break_options {
    redlock_session_options session;
    bool is_sure;
} break_options;

static const struct option table[] = {
    REDLOCK_SESSION_OPTIONS,
    {"yes", no_argument, NULL, 'y'},
    {NULL, 0, NULL, 0},
};

static int options_parse(break_options *options, int argc, char **argv) {
    int code = REDLOCK_GO_ON;
    int option;

    *options = (break_options){.is_sure = false};
    redlock_session_options_init(&options->session, "break");
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:yvqh", table, NULL)) != -1) {
        if (option == 'y') {
            options->is_sure = true;
        } else {
            code = redlock_session_option_take(&options->session, option, argv);
        }
    }
    if (code == REDLOCK_GO_ON) {
        code = redlock_session_name_take(&options->session, argv + optind);
    }
    if (code == REDLOCK_GO_ON && !options->is_sure && isatty(STDIN_FILENO) != 1) {
        code = redlock_say_usage("break",
                                 "there is no terminal to ask on: add --yes to break '%s' "
                                 "without a question",
                                 options->session.name);
    }
    return code;
}

/* The label of a token "digits:label"; other programs' tokens have none. */
static const char *holder_of(const redlock_info *info) {
    const char *colon = strchr(info->holder, ':');

    return colon != NULL && colon[1] != '\0' ? colon + 1 : "somebody without a label";
}

/* Asks on the terminal.  The name was given by the user; the label comes from outside. */
static bool is_confirmed(const char *name, const redlock_info *info) {
    const redlock_say say = {.loudness = REDLOCK_NORMAL};
    char answer[16] = "";

    redlock_say_error(&say,
                      "'%s' is held by %s on %u servers, for %lld.%03lld s more unless it is "
                      "renewed",
                      name, holder_of(info), info->holder_count, (long long)(info->left_ms / 1000),
                      (long long)(info->left_ms % 1000));
    redlock_say_error(&say, "its work goes on until its next renewal fails; throw it out? [y/N]");
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int report_said(const redlock_session *session, int status, const redlock_report *report) {
    redlock_say_report(&session->options->say, session->options->name, status, report);
    return redlock_exit_of_status(status);
}

static int lock_break(const redlock_session *session) {
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_report report = REDLOCK_INIT(redlock_report);
    const char *name = session->options->name;
    int status = redlock_break(session->client, name, strlen(name), &info, &report);

    if (status != REDLOCK_OK) {
        return report_said(session, status, &report);
    }
    if (info.holder[0] != '\0') {
        redlock_say_error(&session->options->say, "'%s': %s was thrown out", name,
                          holder_of(&info));
    } else {
        redlock_say_error(&session->options->say, "'%s' is free", name);
    }
    return 0;
}

static int break_asked(const redlock_session *session, bool is_sure) {
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_report report = REDLOCK_INIT(redlock_report);
    const char *name = session->options->name;
    int status = redlock_inspect(session->client, name, strlen(name), &info, &report);

    if (status != REDLOCK_OK) {
        return report_said(session, status, &report);
    }
    if (info.holder[0] == '\0') {
        redlock_say_error(&session->options->say, "'%s' is free: there is nobody to throw out",
                          name);
        return 0;
    }
    if (!is_sure && !is_confirmed(name, &info)) {
        redlock_say_error(&session->options->say, "'%s' was left alone", name);
        return REDLOCK_EXIT_NO;
    }
    return lock_break(session);
}

int redlock_break_main(int argc, char **argv) {
    redlock_session session = {.signals = {.fd = -1}};
    break_options options;
    int code = options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = redlock_session_look(&session, &options.session);
        code = code == 0 ? break_asked(&session, options.is_sure) : code;
        redlock_session_close(&session);
    }
    redlock_session_options_deinit(&options.session);
    return code;
}
