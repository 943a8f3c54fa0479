/* launch.c -- a new process that borrows our memory until it executes a file. */
#include "cli/launch.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/now.h"

enum { STACK_BYTES = 8192 };

/* Where compilers zero all variables, and can be told not to. */
#ifdef __has_attribute
#if __has_attribute(uninitialized)
#define NOT_ZEROED __attribute__((uninitialized))
#endif
#endif
#ifndef NOT_ZEROED
#define NOT_ZEROED
#endif

/* A file is executed within 200 us mostly, but a file system may take its time. */
enum { LOOK_US_MAX = 500, NAP_NS = 1000000 };

typedef struct launch {
    redlock_launch_fn *function;
    void *argument;
    _Atomic pid_t borrower; /* the kernel makes it 0 when the memory is ours alone again */
} launch;

static int launch_run(void *argument) {
    const launch *one = argument;

    one->function(one->argument);
    _exit(REDLOCK_EXIT_NOT_FOUND);
}

/* Nothing in here sets errno, which is the new process's, too. */
static void memory_await(const launch *one) {
    static const struct timespec nap = {.tv_nsec = NAP_NS};
    const int64_t begun_us = redlock_now_us();

    while (atomic_load(&one->borrower) != 0) {
        if (redlock_now_us() - begun_us < LOOK_US_MAX) {
            (void)sched_yield();
        } else {
            (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
        }
    }
}

pid_t redlock_launch(redlock_launch_fn *function, void *argument) {
    /* Of our own stack, where pages have been touched before. */
    _Alignas(16) char stack[STACK_BYTES] NOT_ZEROED;
    launch one = {.function = function, .argument = argument};
    const int flags = CLONE_VM | SIGCHLD;

    atomic_init(&one.borrower, 1);
    pid_t pid = clone(launch_run, stack + sizeof(stack), flags | CLONE_CHILD_CLEARTID, &one, NULL,
                      NULL, &one.borrower);
    if (pid > 0) {
        memory_await(&one);
    } else if (errno == EINVAL) { /* an emulator that knows vfork only */
        pid = clone(launch_run, stack + sizeof(stack), flags | CLONE_VFORK, &one);
    }
    return pid;
}
