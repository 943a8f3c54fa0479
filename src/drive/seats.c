/* seats.c */
#include "drive/seats.h"

#include <stddef.h>

void redlock_seat_take(redlock_seat *seat) {
    (void)sem_init(&seat->sem, 0, 0); /* cannot fail with these arguments: sem_init(3) */
}

void redlock_seat_sleep(redlock_seat *seat) {
    while (sem_wait(&seat->sem) != 0) { /* a signal of the program's: EINTR is all that can be */
    }
    (void)sem_destroy(&seat->sem);
}

void redlock_seats_call(redlock_seats *seats, redlock_seat *seat) {
    seat->next = NULL;
    if (seats->called == NULL) {
        seats->called = seat;
    } else {
        seats->called_last->next = seat;
    }
    seats->called_last = seat;
}

redlock_seat *redlock_seats_take_called(redlock_seats *seats) {
    redlock_seat *called = seats->called;
    seats->called = NULL;
    return called;
}

void redlock_seats_wake(redlock_seat *called) {
    while (called != NULL) {
        redlock_seat *next = called->next; /* `called` may be gone once it is woken */
        (void)sem_post(&called->sem);
        called = next;
    }
}
