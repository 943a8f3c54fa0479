/* keyspace.h -- values under keys, with an expiry, on a clock that is told.
 *
 * A key is gone when the clock shows more than its expiry, as on real servers; it is taken away when
 * somebody asks for it, or by redlock_sim_keyspace_expire.  A clock that jumps back finds the keys
 * again that nobody has asked for: on real servers too.  What was written since the last sync can be
 * undone. */
#ifndef REDLOCK_SIM_KEYSPACE_H
#define REDLOCK_SIM_KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "sim/packed.h"

#define REDLOCK_SIM_NO_EXPIRY INT64_C(-1)

typedef struct redlock_sim_key {
    uint32_t db;
    redlock_bytes text;
} redlock_sim_key;

typedef struct redlock_sim_value { /* borrowed until the next write */
    redlock_bytes text;            /* packed unless it is a string */
    int64_t expires_ms;            /* or REDLOCK_SIM_NO_EXPIRY */
    redlock_sim_type type;
} redlock_sim_value;

#define REDLOCK_SIM_PAUSES_MAX 2u

typedef struct redlock_sim_pause { /* a process that stands still in the middle of a command */
    uint32_t reading; /* before the clock is read for the so manieth time, 1 the first */
    uint64_t us;
} redlock_sim_pause;

typedef struct redlock_sim_slot redlock_sim_slot;
typedef struct redlock_sim_undo redlock_sim_undo;

typedef struct redlock_sim_keyspace {
    redlock_sim_slot *slots; /* open addressing; a power of two of them */
    size_t slot_count, used_count;
    redlock_sim_undo *undos; /* newest last */
    size_t undo_count, undo_size;
    bool keeps_undos;       /* since the first sync */
    uint64_t now_us;        /* what commands see */
    uint64_t judged_us;     /* what decides about expiry: stands still while a command runs */
    uint32_t reading_count; /* how often the command that runs has read the clock */
    redlock_sim_pause pauses[REDLOCK_SIM_PAUSES_MAX];
    uint32_t pause_count;
} redlock_sim_keyspace;

void redlock_sim_keyspace_init(redlock_sim_keyspace *space);
void redlock_sim_keyspace_deinit(redlock_sim_keyspace *space);
void redlock_sim_keyspace_set_clock(redlock_sim_keyspace *space, uint64_t now_us);
/* The clock as a command reads it while it runs. */
uint64_t redlock_sim_keyspace_read_clock(redlock_sim_keyspace *space);
/* One pause more for the next command. */
void redlock_sim_keyspace_add_pause(redlock_sim_keyspace *space, redlock_sim_pause pause);
/* The command is over: what it took of the time counts for expiry now, and pauses are behind it. */
void redlock_sim_keyspace_end_command(redlock_sim_keyspace *space);

/* False when the key is not there, or its time is over. */
bool redlock_sim_keyspace_get(redlock_sim_keyspace *space, redlock_sim_key key,
                              redlock_sim_value *ret_value);
/* The same, and a key whose time is over stays where it is. */
bool redlock_sim_keyspace_peek(const redlock_sim_keyspace *space, redlock_sim_key key,
                               redlock_sim_value *ret_value);
/* The value's text may be the one that the key has now. */
void redlock_sim_keyspace_put(redlock_sim_keyspace *space, redlock_sim_key key,
                              redlock_sim_value value);
/* True when it was there. */
bool redlock_sim_keyspace_remove(redlock_sim_keyspace *space, redlock_sim_key key);
void redlock_sim_keyspace_clear(redlock_sim_keyspace *space);
/* Takes away every key whose time is over. */
void redlock_sim_keyspace_expire(redlock_sim_keyspace *space);
/* Goes through the keys that are there; *cursor is 0 at first, false ends. */
bool redlock_sim_keyspace_next(const redlock_sim_keyspace *space, size_t *cursor,
                               redlock_sim_key *ret_key, redlock_sim_value *ret_value);
size_t redlock_sim_keyspace_count(const redlock_sim_keyspace *space, uint32_t db);

/* From here on writes can be undone; what came before is safe. */
void redlock_sim_keyspace_sync(redlock_sim_keyspace *space);
/* Everything is gone, and what was there at the last sync is too. */
void redlock_sim_keyspace_lose(redlock_sim_keyspace *space);
/* Back to the last sync; without one, to nothing at all. */
void redlock_sim_keyspace_undo(redlock_sim_keyspace *space);

#endif
