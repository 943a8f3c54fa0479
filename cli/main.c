/* main.c -- the redlock command: finds the subcommand and runs it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <redlock/redlock.h>

#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/help.h"
#include "cli/say.h"

typedef struct subcommand {
    const char *word;
    int (*main)(int argc, char **argv);
} subcommand;

/* clang-format off: one a line */
static const subcommand subcommands[] = {
    {"run", redlock_run_main},         {"elect", redlock_elect_main},
    {"acquire", redlock_acquire_main}, {"extend", redlock_extend_main},
    {"release", redlock_release_main}, {"hold", redlock_hold_main},
    {"watch", redlock_watch_main},     {"wait", redlock_wait_main},
    {"break", redlock_break_main},     {"status", redlock_status_main},
    {"ls", redlock_ls_main},           {"top", redlock_top_main},
    {"doctor", redlock_doctor_main},   {"init", redlock_init_main},
    {"local", redlock_local_main},     {"help", redlock_help_main},
};
/* clang-format on */

/* A descriptor of ours with the number of a closed standard one would be written to by mistake. */
static void standard_fds_open(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)open("/dev/null", O_RDWR); /* the lowest number that is free: this one */
        }
    }
}

static int version_print(void) {
    (void)printf("redlock %s\n", REDLOCK_VERSION);
    if (strcmp(redlock_version(), REDLOCK_VERSION) != 0) {
        (void)printf("libredlock %s\n", redlock_version());
    }
    return REDLOCK_EXIT_OK;
}

/* Calls it with the defaults of environment and configuration in front of its options. */
static int subcommand_run(const subcommand *one, int argc, char **argv) {
    redlock_config config;
    char **words;
    int count = 0;
    int code = redlock_config_expand(&config, argc, argv, &count, &words);

    if (code == 0) {
        code = one->main(count, words);
    }
    free(words);
    redlock_config_deinit(&config);
    return code;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        return redlock_say_usage("", "a subcommand is missing: 'redlock help' lists them");
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        return version_print();
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return redlock_help_print("");
    }

    for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
        if (strcmp(argv[1], subcommands[i].word) == 0) {
            return subcommand_run(&subcommands[i], argc - 1, argv + 1);
        }
    }
    return redlock_say_usage("", "'%s' is no subcommand; 'redlock help' lists them", argv[1]);
}

int main(int argc, char **argv) {
    standard_fds_open();
    int code = dispatch(argc, argv);

    /* Output that could not be written is a failure, even of --help. */
    if (fflush(stdout) != 0 && code == REDLOCK_EXIT_OK) {
        code = REDLOCK_EXIT_SYSTEM;
    }
    return code;
}
