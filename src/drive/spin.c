/* spin.c */
#include "drive/spin.h"

#include <sched.h>

#include "drive/clock.h"

bool redlock_spin_is_due(redlock_spin *spin) {
    if (spin->rests == 0) {
        return true;
    }
    spin->rests--;
    return false;
}

/* One that pays takes back one in vain, and no more: where every other pays, most waits sleep. */
void redlock_spin_learn(redlock_spin *spin, bool paid) {
    uint32_t after_vain = 2 * spin->rests_next + 1;
    if (paid) {
        spin->rests_next /= 2;
    } else {
        spin->rests_next =
            after_vain < REDLOCK_SPIN_RESTS_MAX ? after_vain : REDLOCK_SPIN_RESTS_MAX;
    }
    spin->rests = spin->rests_next;
}

/* On a crowded machine the yield itself takes long, and so counts as a spin in vain. */
bool redlock_spin_again(redlock_ns begun) {
    (void)sched_yield(); /* cannot fail on Linux: sched_yield(2) */
    return redlock_ns_since(redlock_clock_now(), begun) < REDLOCK_SPIN_NS_MAX;
}
