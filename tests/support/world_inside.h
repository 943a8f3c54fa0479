/* world_inside.h -- what the files of a world share, and nobody else.
 *
 *     users (world_user.c)                        ask, and are told
 *     clients (world_client.c)                    a core each, whose wishes they carry out
 *     connections (world_link.c, world_listen.c)  for commands, and for wakes
 *     nodes (world_node.c)                        a model each, and what happens to it
 *
 * Whatever goes from one to another is a happening in the queue of the world (world.c) until it
 * arrives; world_trace.c says it to people. */
#ifndef REDLOCK_TESTS_WORLD_INSIDE_H
#define REDLOCK_TESTS_WORLD_INSIDE_H

#include "world.h"

/* --- the world ------------------------------------------------------------------------------- */

uint64_t redlock_world_client_us(const redlock_world *world, uint32_t client);
/* A happening between the two as they are now, to be given a time and pushed. */
redlock_happening *redlock_world_post(redlock_world *world, redlock_happening_kind kind,
                                      uint32_t client, uint32_t node, uint32_t *ret_place);

/* --- connections for commands ---------------------------------------------------------------- */

/* When something sent now arrives: never before what was sent earlier on the same connection. */
redlock_ns redlock_world_link_arrival(redlock_world *world, const redlock_world_link *link,
                                      redlock_ns way, redlock_ns *last);
/* Whether the next one is lost; counts it. */
bool redlock_world_link_is_dropped(uint32_t *drop);
void redlock_world_link_send(redlock_world *world, uint32_t client, const redlock_wish *wish);
void redlock_world_link_connect(redlock_world *world, uint32_t client, uint32_t node);
void redlock_world_link_hang_up(redlock_world *world, uint32_t client, uint32_t node);
/* The node's process is gone: the client hears of it, if it is connected. */
void redlock_world_link_node_gone(redlock_world *world, uint32_t client, uint32_t node);
void redlock_world_call_arrives(redlock_world *world, const redlock_happening *call);
void redlock_world_command_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_answer_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_up_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_down_arrives(redlock_world *world, const redlock_happening *arrived);

/* --- connections for wakes ------------------------------------------------------------------- */

void redlock_world_subscribe(redlock_world *world, uint32_t client, uint32_t node);
void redlock_world_unsubscribe(redlock_world *world, uint32_t client, uint32_t node);
/* The client's end is gone: the node will hear of it. */
void redlock_world_unlisten(redlock_world *world, uint32_t client, uint32_t node);
/* PUBLISH on a node: whether anybody has heard it, as far as the node can tell. */
bool redlock_world_publish(void *context, uint32_t node, redlock_bytes channel,
                           const redlock_wake_call *call);
void redlock_world_listen_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_unlisten_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_listened_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_deaf_arrives(redlock_world *world, const redlock_happening *arrived);
void redlock_world_wake_arrives(redlock_world *world, const redlock_happening *arrived);

/* --- nodes ----------------------------------------------------------------------------------- */

void redlock_world_node_begin(redlock_world *world, uint32_t index);
void redlock_world_node_end(redlock_world_node *node);
/* What has arrived while the node is paused waits for the resume. */
void redlock_world_backlog_add(redlock_world_node *node, uint32_t place);

/* --- clients --------------------------------------------------------------------------------- */

void redlock_world_client_begin(redlock_world *world, uint32_t index);
void redlock_world_client_end(redlock_world_client *client);
/* A vacant slot of its core. */
uint32_t redlock_world_client_slot(redlock_world_client *client);
void redlock_world_client_step(redlock_world *world, uint32_t client, const redlock_fact *fact);

/* --- users ----------------------------------------------------------------------------------- */

uint32_t redlock_world_lock_of_slot(const redlock_world *world, uint32_t client, uint32_t slot);
void redlock_world_user_tell(redlock_world *world, uint32_t client, const redlock_wish *wish);
/* The slot is gone, and its memory with it. */
void redlock_world_user_gone(redlock_world *world, uint32_t client, const redlock_wish *wish);
void redlock_world_token_arrives(redlock_world *world, const redlock_happening *arrived);

/* --- the trace ------------------------------------------------------------------------------- */

char redlock_world_letter(uint32_t client);
void redlock_world_trace_node(redlock_world *world, uint32_t client, char sign, uint32_t node,
                              const char *words);
void redlock_world_trace_command(redlock_world *world, uint32_t client, char sign, uint32_t node,
                                 const char *before, const redlock_command *command);
void redlock_world_trace_answer(redlock_world *world, uint32_t client, uint32_t node,
                                redlock_command_kind kind, const redlock_answer *answer);
void redlock_world_trace_tell(redlock_world *world, const redlock_world_lock *lock,
                              redlock_tell tell, redlock_status status);
/* The trace says when a node was given up on; the core only decides by it. */
void redlock_world_trace_silence(redlock_world *world, uint32_t client);

#endif
