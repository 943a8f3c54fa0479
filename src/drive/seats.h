/* seats.h -- where calls sleep: a semaphore each.
 *
 * A sleeper is woken when the mutex is free again, because it would only run into it, and sleep again.
 * Until then it stands in a list of those who are called; it cannot leave before it is woken, so what is
 * on its stack lives for so long.  And a semaphore lets it go without the mutex, where a condition
 * variable would queue it up for that.  POSIX lets the sleeper end a semaphore as soon as it is let go,
 * even when sem_post has not returned.
 * Calls marked [locked] want the mutex of the engine. */
#ifndef REDLOCK_DRIVE_SEATS_H
#define REDLOCK_DRIVE_SEATS_H

#include <semaphore.h>

typedef struct redlock_seat {
    sem_t sem;
    struct redlock_seat *next; /* called after it, and not woken yet either */
} redlock_seat;

typedef struct redlock_seats { /* zeroed: nobody is called */
    redlock_seat *called, *called_last;
} redlock_seats;

/* [locked] */
void redlock_seat_take(redlock_seat *seat);
/* Not locked.  Until it is woken, before or after this; once for each time that it was taken. */
void redlock_seat_sleep(redlock_seat *seat);
/* [locked] Once for each time that it was taken. */
void redlock_seats_call(redlock_seats *seats, redlock_seat *seat);
/* [locked] Those who were called, and must now be woken, in that order; NULL: nobody. */
redlock_seat *redlock_seats_take_called(redlock_seats *seats);
/* Not locked. */
void redlock_seats_wake(redlock_seat *called);

#endif
