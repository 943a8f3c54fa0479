/* claim.h -- a release and the claim behind it as one command.
 *
 * Where the next waiter is of the same client, its claim is sent right behind the release (core/wait.c): the
 * server runs two steps, and the first of them tells the client what it is about to hear anyway.  In one
 * command the name goes straight from one to the other, and nobody has to be woken.  What the server does is
 * what it would have done with the two; where it cannot know that so quickly it leaves the claim alone, and
 * the claim is said again by itself.  docs/protocol.md describes arguments and reply. */
#ifndef REDLOCK_WIRE_CLAIM_H
#define REDLOCK_WIRE_CLAIM_H

#include <stdbool.h>

#include "base/command.h"

/* Whether another command may follow that belongs into this one. */
bool redlock_claim_is_awaited(const redlock_command *release);
/* Whether the grant, sent right behind the release, belongs into it. */
bool redlock_claim_suits(const redlock_command *release, const redlock_command *grant);
redlock_claim redlock_claim_of(const redlock_command *grant);
/* What the answer to a release with a claim means for each of them.  The release's is changed to what it
 * would be without one. */
redlock_answer redlock_claim_answer(redlock_answer *release);

#endif
