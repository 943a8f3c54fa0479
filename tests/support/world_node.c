/* world_node.c -- a node: how it begins, and what happens to it. */
#include "world_inside.h"

#include <stdlib.h>

void redlock_world_node_begin(redlock_world *world, uint32_t index) {
    redlock_model *model = &world->node[index].model;
    redlock_model_init(model, index);
    model->publish = redlock_world_publish;
    model->publish_context = world;
    if (world->config.guard > 0 && !world->config.is_fresh) {
        redlock_command declare = {.kind = REDLOCK_COMMAND_DECLARE,
                                   .run_id = redlock_bytes_of(model->run_id)};
        (void)redlock_model_answer(model, &declare, redlock_world_node_us(world, index));
    }
}

void redlock_world_node_end(redlock_world_node *node) {
    free(node->backlog);
    redlock_model_deinit(&node->model);
}

/* --- faults ---------------------------------------------------------------------------------- */

void redlock_world_pause(redlock_world *world, uint32_t node) {
    world->node[node].is_paused = true;
}

void redlock_world_backlog_add(redlock_world_node *node, uint32_t place) {
    if (node->backlog_count == node->backlog_size) {
        node->backlog_size = node->backlog_size == 0 ? 16 : node->backlog_size * 2;
        node->backlog =
            redlock_happening_grown(node->backlog, node->backlog_size, sizeof *node->backlog);
    }
    node->backlog[node->backlog_count++] = place;
}

void redlock_world_resume(redlock_world *world, uint32_t index) {
    redlock_world_node *node = &world->node[index];
    node->is_paused = false;
    for (uint32_t i = 0; i < node->backlog_count; i++) {
        world->queue.pool[node->backlog[i]].at = world->now;
        redlock_happening_push(&world->queue, node->backlog[i]);
    }
    node->backlog_count = 0;
}

void redlock_world_crash(redlock_world *world, uint32_t index) {
    redlock_world_node *node = &world->node[index];
    if (node->is_down) {
        return;
    }
    redlock_world_resume(world, index); /* what waited arrives at a node of another life: nowhere */
    node->life++;
    node->is_down = true;
    for (uint32_t i = 0; i < world->config.client_count; i++) {
        redlock_world_link_node_gone(world, i, index);
        redlock_world_deafen(world, i, index, false);
    }
}

void redlock_world_restart(redlock_world *world, uint32_t index, bool lose) {
    redlock_world_crash(world, index);
    world->node[index].is_down = false;
    redlock_model_restart(&world->node[index].model, lose);
}

/* --- what it holds --------------------------------------------------------------------------- */

redlock_bytes redlock_world_value(const redlock_world *world, uint32_t node, const char *name) {
    uint64_t now_us = redlock_world_node_us(world, node);
    return redlock_model_value(&world->node[node].model, redlock_bytes_of(name), now_us);
}

void redlock_world_plant(redlock_world *world, uint32_t node, const char *name, const char *value,
                         redlock_ns ttl, uint64_t mark) {
    uint64_t expires_ms = redlock_world_node_us(world, node) / 1000 + redlock_ns_to_ms_up(ttl);
    redlock_model_plant(&world->node[node].model, redlock_bytes_of(name), redlock_bytes_of(value),
                        expires_ms, mark);
}
