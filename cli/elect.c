/* elect.c -- `redlock elect`: stand for a name, run the command as its leader, stand again.
 *
 *   standing --elected--> leading --ended, lost, too long--> stepping down --pause--> standing
 *
 * The hook --on-elected comes before the command, and --on-deposed after it: both under the lock,
 * so that those of two leaders never overlap, unless the lock is what was lost. */
#include <string.h>

#include "cli/chance.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/guarded.h"
#include "cli/nap.h"
#include "cli/now.h"
#include "cli/run_options.h"
#include "cli/say.h"
#include "cli/session.h"
#include "cli/strays.h"

/* From the end of one term to the next candidacy: a command that fails at once must not keep the
 * name busy, and the others get a chance to be better at it. */
static const int64_t pause_ms_min = 500;
static const int64_t pause_ms_max = 30 * 1000;
/* Who has led for so long begins with a short pause again. */
static const int64_t term_ms_good = 30 * 1000;
/* What --on-deposed may take when there is no lock any more. */
static const int64_t deposed_ms_max = 10 * 1000;

typedef struct elect_state {
    const redlock_run_options *options;
    redlock_session session;
    redlock_guarded guarded;
    redlock_command command;
    redlock_command elected; /* hooks; without a path: none */
    redlock_command deposed;
    int64_t pause_ms;
    bool is_over; /* a signal has asked us to end */
} elect_state;

static int hooked_run(elect_state *election, redlock_command *command) {
    int code = redlock_guarded_run(&election->guarded, command);

    election->is_over = election->is_over || election->guarded.end_signal != 0;
    return code;
}

/* The hook, and the command if the hook says yes. */
static int lead(elect_state *election) {
    if (election->elected.path != NULL) {
        int code = hooked_run(election, &election->elected);

        if (code != 0) {
            redlock_say_error(&election->session.options->say,
                              "--on-elected ended with code %d: the command is not started", code);
            return code;
        }
    }
    return election->is_over ? 0 : hooked_run(election, &election->command);
}

static void step_down_hook(elect_state *election) {
    if (election->deposed.path == NULL) {
        return;
    }
    int code =
        redlock_lock_is_held(election->session.lock)
            ? hooked_run(election, &election->deposed)
            : redlock_guarded_run_bare(&election->guarded, &election->deposed, deposed_ms_max);
    if (code != 0) {
        redlock_say_error(&election->session.options->say, "--on-deposed ended with code %d", code);
    }
}

/* From being elected to having stepped down. */
static int term(elect_state *election) {
    const int64_t start_ms = redlock_now_ms();
    int code = lead(election);

    step_down_hook(election);
    code = redlock_session_release(&election->session, code);
    redlock_strays_reap(-1, &election->guarded.guard);
    redlock_say_note(&election->session.options->say, "stepped down, code %d", code);
    if (redlock_now_ms() - start_ms >= term_ms_good) {
        election->pause_ms = pause_ms_min;
    }
    return code;
}

/* Full jitter above a half.  Returns the code to end with when a signal ends it, else 0. */
static int pause_take(elect_state *election) {
    struct pollfd news = {.fd = election->session.signals.fd, .events = POLLIN};
    const int64_t half_ms = election->pause_ms / 2;
    const int64_t end_ms = redlock_now_ms() + half_ms + redlock_chance(half_ms);

    election->pause_ms =
        election->pause_ms * 2 < pause_ms_max ? election->pause_ms * 2 : pause_ms_max;
    for (int64_t left_ms = 1; left_ms > 0; left_ms = end_ms - redlock_now_ms()) {
        (void)redlock_nap_poll(election->session.client, &news, 1, left_ms);
        int signal = redlock_session_signal_next(&election->session);

        if (signal != 0) {
            return REDLOCK_EXIT_SIGNAL + signal;
        }
    }
    return 0;
}

static int elect(elect_state *election) {
    int stopped = 0;

    while (stopped == 0) {
        int code = redlock_session_acquire(&election->session);

        if (election->session.lock != NULL) {
            code = term(election);
            if (election->options->is_once || election->is_over) {
                return code;
            }
        } else if (election->session.signal != 0 || election->options->is_once ||
                   code != REDLOCK_EXIT_UNAVAILABLE) {
            return code; /* told to end, or what no waiting will repair */
        }
        stopped = pause_take(election);
    }
    return stopped;
}

static int hook_init(redlock_command *hook, const char *script, const redlock_say *say) {
    return script != NULL ? redlock_command_init(hook, NULL, script, say) : 0;
}

static int elect_open(elect_state *election, redlock_run_options *options) {
    int code = redlock_guarded_open(&election->guarded, &election->session, &options->session,
                                    &options->supervise);

    if (code == 0) {
        code = elect(election);
    }
    redlock_guarded_close(&election->guarded);
    return code;
}

static int elect_parsed(redlock_run_options *options) {
    const redlock_say *say = &options->session.say;
    elect_state election = {.options = options, .pause_ms = pause_ms_min};

    election.session.client_flags = REDLOCK_CLIENT_OWN_LOOP;
    /* Who stands for good also waits for servers to come back. */
    options->session.has_wait = !options->is_once;
    int code = redlock_command_init(&election.command, options->command, options->script, say);
    if (code == 0) {
        code = hook_init(&election.elected, options->on_elected, say);
    }
    if (code == 0) {
        code = hook_init(&election.deposed, options->on_deposed, say);
    }
    if (code == 0) {
        code = elect_open(&election, options);
    }
    redlock_command_deinit(&election.command);
    redlock_command_deinit(&election.elected);
    redlock_command_deinit(&election.deposed);
    return code;
}

int redlock_elect_main(int argc, char **argv) {
    redlock_run_options options;
    int code = redlock_elect_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = elect_parsed(&options);
    }
    redlock_run_options_deinit(&options);
    return code;
}
