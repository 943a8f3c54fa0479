/* seats.c */
#include "drive/seats.h"

#define ALL_TAKEN UINT32_MAX

void redlock_seats_init(redlock_seats *seats) {
    for (uint32_t i = 0; i < REDLOCK_SEATS; i++) {
        (void)sem_init(&seats->at[i], 0, 0); /* cannot fail with these arguments: sem_init(3) */
    }
}

void redlock_seats_deinit(redlock_seats *seats) {
    for (uint32_t i = 0; i < REDLOCK_SEATS; i++) {
        (void)sem_destroy(&seats->at[i]);
    }
}

void redlock_seats_take(redlock_seats *seats, redlock_seat *seat) {
    if (~seats->taken == 0) {
        seat->index = ALL_TAKEN;
        (void)sem_init(&seat->own, 0, 0);
        return;
    }
    seat->index = (uint32_t)__builtin_ctzll(~seats->taken);
    seats->taken |= UINT64_C(1) << seat->index;
}

void redlock_seats_sleep(redlock_seats *seats, redlock_seat *seat) {
    sem_t *sem = seat->index == ALL_TAKEN ? &seat->own : &seats->at[seat->index];
    while (sem_wait(sem) != 0) { /* a signal of the program's: EINTR is all that can be */
    }
}

void redlock_seats_leave(redlock_seats *seats, redlock_seat *seat) {
    if (seat->index == ALL_TAKEN) {
        (void)sem_destroy(&seat->own);
    } else {
        seats->taken &= ~(UINT64_C(1) << seat->index);
    }
}

void redlock_seats_call(redlock_seats *seats, redlock_seat *seat) {
    if (seat->index == ALL_TAKEN) {
        (void)sem_post(&seat->own);
    } else {
        seats->called |= UINT64_C(1) << seat->index;
    }
}

uint64_t redlock_seats_take_called(redlock_seats *seats) {
    uint64_t called = seats->called;
    seats->called = 0;
    return called;
}

void redlock_seats_wake(redlock_seats *seats, uint64_t called) {
    for (; called != 0; called &= called - 1) {
        (void)sem_post(&seats->at[__builtin_ctzll(called)]);
    }
}
