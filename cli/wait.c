/* wait.c -- `redlock wait`: until nobody holds a lock.
 *
 * It looks and takes no place in the queue, so the lock may be somebody's again when it ends; who
 * wants the lock itself uses run or acquire. */
#include <poll.h>
#include <string.h>

#include "cli/chance.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/now.h"
#include "cli/say.h"
#include "cli/session.h"

enum { LOOK_MS_MIN = 100, LOOK_MS_JITTER = 200 };

static const struct option table[] = {
    REDLOCK_SESSION_OPTIONS,
    {"nonblock", no_argument, NULL, 'n'},
    {"nb", no_argument, NULL, 'n'},
    {"wait", required_argument, NULL, 'w'},
    {"timeout", required_argument, NULL, 'w'},
    {"conflict-exit-code", required_argument, NULL, 'E'},
    {NULL, 0, NULL, 0},
};

static int options_parse(redlock_session_options *options, int argc, char **argv) {
    int code = REDLOCK_GO_ON;
    int option;

    redlock_session_options_init(options, "wait");
    while (code == REDLOCK_GO_ON &&
           (option = getopt_long(argc, argv, "+:nw:E:vqh", table, NULL)) != -1) {
        code = redlock_session_option_take(options, option, argv);
    }
    return code == REDLOCK_GO_ON ? redlock_session_name_take(options, argv + optind) : code;
}

/* HELD, OK when it is free, or why it cannot be told. */
static int look(const redlock_session *session, redlock_report *report) {
    redlock_info info = REDLOCK_INIT(redlock_info);
    const char *name = session->options->name;
    int status = redlock_inspect(session->client, name, strlen(name), &info, report);

    return status == REDLOCK_OK && info.left_ms > 0 ? REDLOCK_HELD : status;
}

static int wait_failed(const redlock_session *session, int status, const redlock_report *report) {
    const redlock_session_options *options = session->options;

    if (status != REDLOCK_HELD) {
        redlock_say_report(&options->say, options->name, status, report);
        return redlock_exit_of_status(status);
    }
    redlock_say_error(&options->say, "'%s': somebody still holds it", options->name);
    return options->busy_code;
}

/* As with run: without -w, servers that do not answer are not waited for. */
static bool is_worth_waiting(const redlock_session_options *options, int status) {
    return status == REDLOCK_HELD ||
           (options->has_wait && redlock_exit_of_status(status) == REDLOCK_EXIT_UNAVAILABLE);
}

static int wait_free(const redlock_session *session) {
    const redlock_session_options *options = session->options;
    const int64_t start_ms = redlock_now_ms();

    for (;;) {
        redlock_report report = REDLOCK_INIT(redlock_report);
        int status = look(session, &report);
        int64_t left_ms = REDLOCK_FOREVER;

        if (status == REDLOCK_OK) {
            return 0;
        }
        if (options->wait_ms != REDLOCK_FOREVER) {
            left_ms = start_ms + options->wait_ms - redlock_now_ms();
        }
        if (left_ms <= 0 || !is_worth_waiting(options, status)) {
            return wait_failed(session, status, &report);
        }
        const int64_t pause_ms = LOOK_MS_MIN + redlock_chance(LOOK_MS_JITTER);
        (void)poll(NULL, 0, (int)(pause_ms < left_ms ? pause_ms : left_ms));
    }
}

int redlock_wait_main(int argc, char **argv) {
    redlock_session session = {.signals = {.fd = -1}};
    redlock_session_options options;
    int code = options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = redlock_session_look(&session, &options);
        code = code == 0 ? wait_free(&session) : code;
        redlock_session_close(&session);
    }
    redlock_session_options_deinit(&options);
    return code;
}
