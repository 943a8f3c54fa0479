/* queue_check.h -- what must hold of waiting in queues.
 *
 *   C13 first in, first out: a node never passes over a waiter whose lease lasts and whose process
 *       listens, unless the asker barges; who is handed a name is one of them, for as long as the
 *       release says; a release that leaves the name free wakes the first of them
 *   C14 a waiter keeps its ticket, and while nothing goes wrong its place; who has given up is in no queue
 *   C15 on one node, who is woken asks, also when the wake overtakes an answer
 *   C16 nobody keeps a grant that it does not use
 *   C17 a free name for which somebody waits is found by the polls, whatever becomes of the wakes
 *
 * check.h has the others. */
#ifndef REDLOCK_SIM_QUEUE_CHECK_H
#define REDLOCK_SIM_QUEUE_CHECK_H

#include "sim/check.h"

/* Around every command that a node carries out, before what it published is taken from the node. */
void redlock_sim_queue_check_before(redlock_sim_world *world, uint32_t node,
                                    const redlock_command *command);
void redlock_sim_queue_check_command(redlock_sim_world *world, uint32_t node,
                                     const redlock_command *command,
                                     const redlock_sim_sight *before,
                                     const redlock_sim_sight *after);
void redlock_sim_queue_check_sent(redlock_sim_world *world, uint32_t node, uint32_t lock,
                                  const redlock_command *command);
void redlock_sim_queue_check_heard(redlock_sim_world *world, uint32_t node,
                                   const redlock_sim_pending *pending,
                                   const redlock_answer *answer);
/* Before the client's core hears of it; after its step, `asks` looks whether it did something. */
void redlock_sim_queue_check_woken(redlock_sim_world *world, uint32_t client, uint32_t node,
                                   uint64_t tag);
void redlock_sim_queue_check_subscribed(redlock_sim_world *world, uint32_t client, uint32_t node);
void redlock_sim_queue_check_asks(redlock_sim_world *world, uint32_t client);
/* After a step of its core. */
void redlock_sim_queue_check_left(redlock_sim_world *world, redlock_sim_lock *lock);
void redlock_sim_queue_check_gone(redlock_sim_world *world, uint32_t lock);
/* Every second. */
void redlock_sim_queue_check_second(redlock_sim_world *world);

#endif
