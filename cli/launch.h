/* launch.h -- a new process that borrows our memory until it executes a file.
 *
 * As vfork, but for one thing: vfork puts us to sleep, and on its way into the file the new process has to
 * wake us, which on a virtual machine is a sixth of that way and more (docs/decisions, 21).  Here we look
 * on. */
#ifndef REDLOCK_CLI_LAUNCH_H
#define REDLOCK_CLI_LAUNCH_H

#include <sys/types.h>

/* In the new process, on a stack of a few KB: async-signal-safe calls only, and nothing of ours is changed but
 * what is meant to be.  It returns when nothing could be executed; then the process ends. */
typedef void redlock_launch_fn(void *argument);

/* Returns when the process has executed a file, or ended; what its function has written can be read then.
 * -1: there is none, and errno. */
pid_t redlock_launch(redlock_launch_fn *function, void *argument);

#endif
