/* seats.h -- where calls sleep: 64 semaphores that live as long as the engine.
 *
 * So a sleeper can be woken when the mutex is free again, after its call may be gone from its stack.  And
 * a semaphore lets it go without the mutex, where a condition variable would queue it up for that.
 * Calls marked [locked] want the mutex of the engine. */
#ifndef REDLOCK_DRIVE_SEATS_H
#define REDLOCK_DRIVE_SEATS_H

#include <semaphore.h>
#include <stdint.h>

#define REDLOCK_SEATS 64

typedef struct redlock_seats {
    sem_t at[REDLOCK_SEATS];
    uint64_t taken;  /* a bit for each */
    uint64_t called; /* to be woken once the mutex is free */
} redlock_seats;

/* One call's.  Zeroed until taken. */
typedef struct redlock_seat {
    sem_t own; /* where all seats are taken; woken with the mutex held */
    uint32_t index;
} redlock_seat;

void redlock_seats_init(redlock_seats *seats);
void redlock_seats_deinit(redlock_seats *seats);
/* [locked] */
void redlock_seats_take(redlock_seats *seats, redlock_seat *seat);
/* Not locked.  Until called, before or after this; a call that was made is not lost. */
void redlock_seats_sleep(redlock_seats *seats, redlock_seat *seat);
/* [locked] */
void redlock_seats_leave(redlock_seats *seats, redlock_seat *seat);
/* [locked] Wakes who sleeps there, once for each sleep, when what was called is woken. */
void redlock_seats_call(redlock_seats *seats, redlock_seat *seat);
/* [locked] */
uint64_t redlock_seats_take_called(redlock_seats *seats);
/* Not locked. */
void redlock_seats_wake(redlock_seats *seats, uint64_t called);

#endif
