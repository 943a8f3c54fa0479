/* picture.h -- who held what and when, and what went wrong meanwhile, as an SVG. */
#ifndef REDLOCK_SIM_PICTURE_H
#define REDLOCK_SIM_PICTURE_H

#include <stdio.h>

#include "sim/world.h"

typedef struct redlock_sim_mark { /* one thing that went wrong */
    redlock_ns from, until;
    redlock_sim_trouble trouble;
    uint32_t client, node; /* REDLOCK_SIM_NONE: none */
} redlock_sim_mark;

typedef struct redlock_sim_picture {
    redlock_sim_mark *mark;
    uint32_t count, size;
} redlock_sim_picture;

/* These do nothing in worlds without a picture. */
void redlock_sim_picture_told(redlock_sim_world *world, uint32_t lock, redlock_tell tell);
void redlock_sim_picture_fault(redlock_sim_world *world, redlock_sim_trouble trouble,
                               uint32_t client, uint32_t node, redlock_ns length);
/* The whole world so far; `until` is the end of what is shown. */
void redlock_sim_picture_write(const redlock_sim_world *world, FILE *file);
void redlock_sim_picture_deinit(redlock_sim_picture *picture);

#endif
