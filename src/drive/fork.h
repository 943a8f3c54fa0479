/* fork.h -- knowing that this is a forked child, at the price of one memory read. */
#ifndef REDLOCK_DRIVE_FORK_H
#define REDLOCK_DRIVE_FORK_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct redlock_fork {
    unsigned char *page; /* the kernel wipes it in a child (MADV_WIPEONFORK); NULL: compare pids */
    pid_t pid;
} redlock_fork;

void redlock_fork_init(redlock_fork *fork);
void redlock_fork_deinit(redlock_fork *fork);
/* Whether the process that called init was another one.  Any thread. */
bool redlock_fork_is_child(const redlock_fork *fork);

#endif
