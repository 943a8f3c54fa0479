/* cli.c -- from exec of the command to the first instruction of its child: `redlock run` over a unix
 * socket beside flock(1) on a file, and beside the child alone.  A round is one run of each. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "meter.h"

#define RUNS_PER_ROUND 40 /* 200 runs in the default five rounds */
#define ARGS_MAX 12

extern char **environ;

typedef struct cli_setup {
    const char *args[ARGS_MAX]; /* ended by NULL */
} cli_setup;

/* Starts it with its output in the pipe; 0 when there is no such program. */
static pid_t command_spawn(const char *const *args, int out) {
    union {
        const char *const *from;
        char *const *to;
    } argv = {.from = args}; /* posix_spawn's type promises less than it keeps */
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (posix_spawnp(&pid, args[0], &actions, NULL, argv.to, environ) != 0) {
        pid = 0;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static int64_t timespec_ns(struct timespec time) {
    return (int64_t)time.tv_sec * BENCH_NS_PER_S + time.tv_nsec;
}

static void cli_run(void *ctx, bench_figures *figures) {
    const cli_setup *setup = ctx;
    struct timespec begun = {0};
    struct rusage usage = {0};
    int ends[2], status = 0;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        bench_give_up("pipe: %s", strerror(errno));
    }
    int64_t begin = bench_now_ns();
    pid_t pid = command_spawn(setup->args, ends[1]);
    (void)close(ends[1]);
    ssize_t got = pid > 0 ? read(ends[0], &begun, sizeof(begun)) : 0;
    (void)close(ends[0]);
    if (pid > 0) {
        (void)wait4(pid, &status, 0, &usage);
    }
    int64_t ended = bench_now_ns();
    if (got != (ssize_t)sizeof(begun) || status != 0) {
        bench_figures_fail(figures, "%s did not run its child", setup->args[0]);
        return;
    }
    double cpu_us = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
                    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    bench_figures_add(figures, "start_us", (double)(timespec_ns(begun) - begin) / 1000);
    bench_figures_add(figures, "whole_us", (double)(ended - begin) / 1000);
    bench_figures_add(figures, "client_cpu_us", cpu_us);
    bench_figures_add(figures, "switches_voluntary", (double)usage.ru_nvcsw);
}

static void programs_find(const bench_options *options, char *redlock, char *stamp, size_t size) {
    const char *folder = options->bin_dir == NULL ? "build/bench/bin" : options->bin_dir;

    (void)snprintf(redlock, size, "%s/redlock", folder);
    (void)snprintf(stamp, size, "%s/redlock-bench-stamp", folder);
    if (access(redlock, X_OK) != 0 || access(stamp, X_OK) != 0) {
        bench_give_up("REDLOCK_BIN_DIR: no redlock and redlock-bench-stamp in %s", folder);
    }
}

void bench_cli(const bench_options *options) {
    char redlock[512], stamp[512], file[128];

    if (!bench_case_is_wanted(options, "start")) {
        return;
    }
    programs_find(options, redlock, stamp, sizeof(redlock));
    test_server *server = bench_server_start();
    const char *url = test_server_url(server);
    (void)snprintf(file, sizeof(file), "%s.flock", test_server_socket(server));
    cli_setup fenced = {{redlock, "run", "--url", url, "bench", "--", stamp, NULL}};
    cli_setup flock = {{"flock", file, stamp, NULL}};
    cli_setup bare = {{stamp, NULL}};
    const bench_contender contenders[] = {{"redlock-run", cli_run, &fenced, "flock"},
                                          {"flock", cli_run, &flock, "flock"},
                                          {"child-alone", cli_run, &bare, "flock"}};
    const bench_case one = {.bench = "cli",
                            .name = "start",
                            .main_key = "start_us",
                            .is_smaller_better = true,
                            .rounds = options->rounds * RUNS_PER_ROUND,
                            .contenders = contenders,
                            .contender_count = 3};
    bench_case_run(options, &one);
    test_server_stop(server);
}
