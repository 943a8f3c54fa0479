/* link.h -- connections between clients and nodes: what is sent arrives in order, or late, torn, or
 * not at all, and never in the wrong connection. */
#ifndef REDLOCK_SIM_LINK_H
#define REDLOCK_SIM_LINK_H

#include "sim/world.h"

void redlock_sim_link_connect(redlock_sim_world *world, uint32_t client, uint32_t node);
/* The client's end is closed; what is under way still arrives. */
void redlock_sim_link_hang_up(redlock_sim_world *world, uint32_t client, uint32_t node);
void redlock_sim_link_send(redlock_sim_world *world, uint32_t client, const redlock_wish *wish);
/* The same for a command that has gone out already: as the claim of the one before it. */
void redlock_sim_link_sent(redlock_sim_world *world, uint32_t client, const redlock_wish *wish);
/* The connection breaks, and the client is told.  `strays_until`: when what is under way to the node
 * arrives at the earliest; NEVER: never. */
void redlock_sim_link_break(redlock_sim_world *world, uint32_t client, uint32_t node,
                            redlock_ns strays_until);
/* The client's end is gone without a word to anybody: a crash, or a suspend. */
void redlock_sim_link_drop(redlock_sim_world *world, uint32_t client, uint32_t node);
/* Nothing passes between the two now. */
bool redlock_sim_link_is_cut(const redlock_sim_world *world, uint32_t client, uint32_t node);
bool redlock_sim_link_is_used(const redlock_sim_link *link);
/* CALL to DOWN. */
void redlock_sim_link_event(redlock_sim_world *world, redlock_sim_event *event);

#endif
