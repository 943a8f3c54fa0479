/* guard.h -- a second, small process that stops the command when this one no longer can.
 *
 * The supervisor may be frozen (SIGSTOP, a debugger) while its lock runs out, or be killed.  The
 * guard sleeps until the deadline that it last saw in memory shared by both, and looks again: a renewal has
 * moved it mostly, so it wakes once in a ttl.  When it has not moved, the guard stops the command's whole
 * group, shortly before the lock ends; when the supervisor has died it kills the group at once.  The time
 * that the machine is suspended counts.
 *
 * It is in a session of its own, keeps no descriptor but stderr, and blocks every signal, so that what
 * stops a terminal's or a shell's group does not stop both.  Whoever freezes both, or the whole machine, is
 * not guarded against: the fence is for that.  Linux only, as signals.h. */
#ifndef REDLOCK_CLI_GUARD_H
#define REDLOCK_CLI_GUARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <redlock/redlock.h>

/* In memory that both processes see. */
typedef struct redlock_guard_page {
    _Atomic pid_t group;   /* whom to stop; 0: nobody yet */
    _Atomic int64_t at_ms; /* when, by redlock_now_ms; 0: never */
    atomic_bool is_asked;  /* the command has had its SIGTERM */
    atomic_bool has_acted; /* it stopped the command at the deadline */
} redlock_guard_page;

typedef struct redlock_guard {
    redlock_guard_page *page;
    pid_t pid;        /* -1: none */
    int64_t ahead_ms; /* so long before the deadline ... */
    int signal;       /* ... it sends this: SIGKILL or SIGTERM */
    bool is_quiet;    /* and tells nobody */
} redlock_guard;

/* Makes what both share; the three last fields above are the caller's, to be set afterwards.
 * Before the client is opened, because renewals move the deadline.  False, with errno; to be ended in
 * any case. */
bool redlock_guard_init(redlock_guard *guard);
void redlock_guard_deinit(redlock_guard *guard);
/* Starts the process.  False, with errno. */
bool redlock_guard_start(redlock_guard *guard);
/* Somebody has killed it: starts another one for the same group. */
void redlock_guard_renew(redlock_guard *guard);
/* From here on it stops this group; 0: none.  Async-signal-safe. */
void redlock_guard_watch(redlock_guard *guard, pid_t group);
/* The command has been sent SIGTERM: the guard need not do that again. */
void redlock_guard_asked(redlock_guard *guard);
/* Moves the deadline to the lock's present one; a lock that is lost moves nothing.  Any thread. */
void redlock_guard_move(const redlock_guard *guard, const redlock_lock *lock);
/* From here on there is no deadline. */
void redlock_guard_rest(const redlock_guard *guard);
/* Whether it had to stop the command because we did not. */
bool redlock_guard_has_acted(const redlock_guard *guard);
/* Whether this process was it; then it is reaped already and forgotten. */
bool redlock_guard_is_reaped(redlock_guard *guard, pid_t pid);
/* Ends it: from here on it stops nobody.  To be called before the command is reaped, because the
 * number of its group may be somebody else's afterwards. */
void redlock_guard_end(redlock_guard *guard);

#endif
