/* mutant.h -- planting known mistakes, in the core by name and in the scripts by patching their text. */
#ifndef REDLOCK_SIM_MUTANT_H
#define REDLOCK_SIM_MUTANT_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/world.h"

/* The core's mutants come first, those of the scripts after them; 0 is none. */
uint32_t redlock_sim_mutant_count(void);
const char *redlock_sim_mutant_name(uint32_t mutant);
const char *redlock_sim_mutant_words(uint32_t mutant);
/* False when this program was built without the core's mutants, and it is one of them. */
bool redlock_sim_mutant_choose(uint32_t mutant);
/* The chosen one's scripts on a server that was just made. */
void redlock_sim_mutant_patch(redlock_sim_server *server);
/* For self-tests: finds by name, 0: there is none. */
uint32_t redlock_sim_mutant_of(const char *name);

#endif
