/* loop.h -- one descriptor that polls readable when any descriptor of a changing set has news: what an
 * application's own loop waits for.
 *
 * Two epoll sets: the outer one is what the application polls, and its only member is the inner one,
 * which has the descriptors.  While a thread leads, which polls them all by itself, the inner one is
 * silenced by one call, or the application's loop would wake for every answer of others.
 *
 * A set knows open files, not numbers, and a forked process keeps files open that were closed here.
 * So a descriptor has to be forgotten before it is closed; otherwise it would be told for ever.
 *
 * Linux only; elsewhere nothing can be opened (ENOSYS).  In a forked child nothing but close may be called:
 * the sets are still the parent's. */
#ifndef REDLOCK_DRIVE_LOOP_H
#define REDLOCK_DRIVE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define REDLOCK_LOOP_PLACES_MAX 32u

typedef struct redlock_loop_place {
    int fd; /* -1: none */
    short events;
} redlock_loop_place;

typedef struct redlock_loop {
    int fd;       /* for the application; -1: not open */
    int inner_fd; /* -1 likewise */
    bool is_armed;
    redlock_loop_place place[REDLOCK_LOOP_PLACES_MAX];
} redlock_loop;

bool redlock_loop_is_supported(void);
void redlock_loop_init(redlock_loop *loop);
/* Silent at first.  False, with errno: there is none, and open may be tried again. */
bool redlock_loop_open(redlock_loop *loop);
void redlock_loop_close(redlock_loop *loop); /* fine when it is not open */
bool redlock_loop_is_open(const redlock_loop *loop);
/* The place waits for these events (as poll's) of `fd` from here on; -1: for nothing.  False: the
 * kernel has no memory for that. */
bool redlock_loop_watch(redlock_loop *loop, uint32_t place, int fd, short events);
/* Before the place's descriptor is closed.  Fine when there is none, or no loop. */
void redlock_loop_forget(redlock_loop *loop, uint32_t place);
/* Whether the descriptor tells what is watched, or is silent.  False: it stays as it was.  To silence
 * one that is not open is fine. */
bool redlock_loop_arm(redlock_loop *loop, bool is_armed);

#endif
