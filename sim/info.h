/* info.h -- what a model server tells about itself. */
#ifndef REDLOCK_SIM_INFO_H
#define REDLOCK_SIM_INFO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "sim/reply.h"
#include "sim/server.h"

typedef struct redlock_sim_info {
    redlock_sim_make make;
    const char *run_id;
    const bool *faults; /* REDLOCK_SIM_FAULT_COUNT of them */
} redlock_sim_info;

/* Appends the sections that INFO's words ask for. */
void redlock_sim_info_write(const redlock_sim_info *info, const redlock_bytes *words, size_t count,
                            redlock_sim_text *text);

#endif
