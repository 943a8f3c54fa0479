/* listen.h -- the connections on which nodes wake a client's waiters.
 *
 * Wakes are typed in both kinds of worlds: what a server publishes is taken from it message by
 * message, and each has its own way through the network. */
#ifndef REDLOCK_SIM_LISTEN_H
#define REDLOCK_SIM_LISTEN_H

#include "sim/world.h"

/* A core's wishes. */
void redlock_sim_listen_open(redlock_sim_world *world, uint32_t client, uint32_t node);
void redlock_sim_listen_close(redlock_sim_world *world, uint32_t client, uint32_t node);
/* The client's end is gone without a word: nothing reaches it, the node knows nothing. */
void redlock_sim_listen_drop(redlock_sim_world *world, uint32_t client, uint32_t node);
/* The connection breaks; both ends hear of it. */
void redlock_sim_listen_break(redlock_sim_world *world, uint32_t client, uint32_t node);
/* Whatever the node has published is on its way. */
void redlock_sim_listen_publish(redlock_sim_world *world, uint32_t node);
/* The node's process is gone: who listened hears of it. */
void redlock_sim_listen_node_gone(redlock_sim_world *world, uint32_t node);
/* EAR_* events. */
void redlock_sim_listen_event(redlock_sim_world *world, const redlock_sim_event *event);

#endif
