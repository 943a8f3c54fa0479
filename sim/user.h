/* user.h -- what the users of a simulated world do: acquire, write, extend, release, give up. */
#ifndef REDLOCK_SIM_USER_H
#define REDLOCK_SIM_USER_H

#include "sim/world.h"

void redlock_sim_user_begin(redlock_sim_world *world, uint32_t client, uint32_t user);
void redlock_sim_user_act(redlock_sim_world *world, const redlock_sim_event *event);
void redlock_sim_user_told(redlock_sim_world *world, uint32_t lock, redlock_tell tell);
/* Whoever still waits for this lock gives it up soon. */
void redlock_sim_user_cancel_soon(redlock_sim_world *world, uint32_t lock, redlock_ns delay);
/* Takes a name from whoever has it. */
void redlock_sim_user_break(redlock_sim_world *world, uint32_t client, uint32_t name);
void redlock_sim_user_write(redlock_sim_world *world, const redlock_sim_event *event);

#endif
