/* spin.h -- when to look for an answer again and again before sleeping until it comes.
 *
 * A server on the same machine answers in 20 us.  To be put to sleep and woken costs more than that, and
 * most on a virtual machine, whose processor is given back to the host while it idles.  So who waits for
 * an answer looks for it for a moment first, and lets everybody else run between two looks.  How long
 * pays is learnt as KVM's halt polling does it (Documentation/virt/kvm/halt-polling.rst): a look in vain
 * makes the next waits sleep at once, twice as many each time. */
#ifndef REDLOCK_DRIVE_SPIN_H
#define REDLOCK_DRIVE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

#define REDLOCK_SPIN_NS_MAX (200 * REDLOCK_NS_PER_US) /* no wait spins for longer */
#define REDLOCK_SPIN_RESTS_MAX 1023u /* waits that sleep at once, between two tries */

/* Starts zeroed.  Knows no lock: whoever shares it guards it. */
typedef struct redlock_spin {
    uint32_t rests;      /* waits still to come that sleep at once */
    uint32_t rests_next; /* as many after the next spin in vain */
} redlock_spin;

/* Asked once for each wait, and if true followed by learn. */
bool redlock_spin_is_due(redlock_spin *spin);
/* What a spin came to: whether the answer was there before the time was over. */
void redlock_spin_learn(redlock_spin *spin, bool paid);
/* Between two looks: lets others run.  False: `begun` is so long ago that it is time to sleep. */
bool redlock_spin_again(redlock_ns begun);

#endif
