/* check.h -- what must hold in every world, or in those whose conditions are kept.
 *
 *   C1  one holder of a name, by true time                                  redlock world
 *   C2  fences are unique, and grow from one acquisition to the next        all but noguard
 *   C3  no command deletes, extends or shortens what is another token's; marks never fall
 *   C4  the deadline told is earned: a quorum keeps the token for the margin longer, and it is what
 *       docs/guarantees.md says
 *   C5  the events of a lock have a grammar; LOST is final and comes in time
 *   C6  nothing is left behind at the end
 *   C7  a lock that is gone leaves no key, and none of its keys appears later  strict runs
 *   C8  caps are kept: commands in flight, calls, steps
 *   C9  one seed is one run
 *   C10 every question is answered within its bound; renewing is not given up
 *   C11 the guarded resource accepts no write of a holder that is over
 *   C12 tokens are fresh, delays are spread */
#ifndef REDLOCK_SIM_CHECK_H
#define REDLOCK_SIM_CHECK_H

#include "sim/world.h"

typedef struct redlock_sim_sight { /* one name on one node at one instant */
    bool is_there;
    uint32_t token; /* REDLOCK_SIM_NONE: not one of ours */
    uint64_t expires_ms, mark;
    bool has_expiry;
} redlock_sim_sight;

redlock_sim_sight redlock_sim_check_look(redlock_sim_world *world, uint32_t node,
                                         redlock_bytes name);
/* Around every command that a node carries out. */
void redlock_sim_check_command(redlock_sim_world *world, uint32_t node,
                               const redlock_command *command, const redlock_sim_sight *before,
                               const redlock_sim_sight *after);
/* A command is sent; a reply is heard; an event is told. */
void redlock_sim_check_sent(redlock_sim_world *world, uint32_t client, uint32_t node, uint32_t lock,
                            const redlock_command *command);
void redlock_sim_check_heard(redlock_sim_world *world, uint32_t node,
                             const redlock_sim_pending *pending, const redlock_answer *answer);
/* A wake says, from `handed_at` on by true time, that whoever it means holds by a hand-off. */
void redlock_sim_check_handed(redlock_sim_world *world, uint32_t client, uint32_t node,
                              const redlock_wake_call *call, redlock_ns handed_at);
void redlock_sim_check_told(redlock_sim_world *world, uint32_t lock, redlock_tell tell,
                            redlock_status status);
void redlock_sim_check_token(redlock_sim_world *world, uint32_t lock);
/* After every step of a client. */
void redlock_sim_check_step(redlock_sim_world *world, uint32_t client);
void redlock_sim_check_gone(redlock_sim_world *world, uint32_t lock);
/* Answers that are overdue, whoever was stepped or not. */
void redlock_sim_check_overdue(redlock_sim_world *world);
void redlock_sim_check_call(redlock_sim_world *world, uint32_t client, uint32_t node);
void redlock_sim_check_store(redlock_sim_world *world, uint32_t lock, uint64_t fence);
/* At the end of the calm. */
void redlock_sim_check_end(redlock_sim_world *world);

#endif
