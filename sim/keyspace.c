/* keyspace.c -- an open hash table, and a journal of what each write replaced. */
#include "sim/keyspace.h"

#include <string.h>

#include "base/assert.h"
#include "sim/reply.h"

#define SLOTS_MIN 64u

struct redlock_sim_slot {
    uint8_t *key; /* NULL: free */
    uint8_t *value;
    size_t key_len, value_len;
    uint64_t hash;
    int64_t expires_ms;
    redlock_sim_type type;
    uint32_t db;
};

struct redlock_sim_undo { /* what was there before a write; its own copies */
    uint8_t *key, *value;
    size_t key_len, value_len;
    int64_t expires_ms;
    redlock_sim_type type;
    uint32_t db;
    bool was_there;
};

static uint8_t *bytes_dup(redlock_bytes bytes) {
    uint8_t *copy = redlock_sim_memory(NULL, bytes.len + 1); /* also an empty one has a place */

    if (bytes.len > 0) {
        memcpy(copy, bytes.at, bytes.len);
    }
    return copy;
}

static redlock_bytes bytes_at(const uint8_t *at, size_t len) {
    return (redlock_bytes){.at = at, .len = len};
}

/* FNV-1a with a last stir, because the low bits pick the slot. */
static uint64_t key_hash(redlock_sim_key key) {
    uint64_t hash = UINT64_C(14695981039346656037) ^ key.db;

    for (size_t i = 0; i < key.text.len; i++) {
        hash = (hash ^ key.text.at[i]) * UINT64_C(1099511628211);
    }
    return hash ^ (hash >> 29);
}

void redlock_sim_keyspace_init(redlock_sim_keyspace *space) {
    *space = (redlock_sim_keyspace){.slot_count = SLOTS_MIN};
    space->slots = redlock_sim_memory(NULL, SLOTS_MIN * sizeof *space->slots);
    memset(space->slots, 0, SLOTS_MIN * sizeof *space->slots);
}

void redlock_sim_keyspace_set_clock(redlock_sim_keyspace *space, uint64_t now_us) {
    space->now_us = now_us;
    space->judged_us = now_us;
}

uint64_t redlock_sim_keyspace_read_clock(redlock_sim_keyspace *space) {
    space->reading_count++;
    for (uint32_t i = 0; i < space->pause_count; i++) {
        if (space->pauses[i].reading == space->reading_count) {
            space->now_us += space->pauses[i].us;
        }
    }
    return space->now_us;
}

void redlock_sim_keyspace_add_pause(redlock_sim_keyspace *space, redlock_sim_pause pause) {
    REDLOCK_ASSERT(space->pause_count < REDLOCK_SIM_PAUSES_MAX);
    space->pauses[space->pause_count++] = pause;
}

void redlock_sim_keyspace_end_command(redlock_sim_keyspace *space) {
    space->judged_us = space->now_us;
    space->reading_count = 0;
    space->pause_count = 0;
}

/* --- the table ------------------------------------------------------------------------------- */

static bool slot_has(const redlock_sim_slot *slot, redlock_sim_key key, uint64_t hash) {
    return slot->hash == hash && slot->db == key.db &&
           redlock_bytes_equal(bytes_at(slot->key, slot->key_len), key.text);
}

/* The key's slot, or the free one where it belongs. */
static redlock_sim_slot *slot_find(const redlock_sim_keyspace *space, redlock_sim_key key) {
    uint64_t hash = key_hash(key);
    size_t mask = space->slot_count - 1;
    size_t i = (size_t)hash & mask;

    while (space->slots[i].key != NULL && !slot_has(&space->slots[i], key, hash)) {
        i = (i + 1) & mask;
    }
    return &space->slots[i];
}

static void slots_grow(redlock_sim_keyspace *space) {
    redlock_sim_slot *old = space->slots;
    size_t old_count = space->slot_count;
    size_t bytes = old_count * 2 * sizeof *old;

    space->slot_count = old_count * 2;
    space->slots = redlock_sim_memory(NULL, bytes);
    memset(space->slots, 0, bytes);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].key != NULL) {
            redlock_sim_key key = {.db = old[i].db, .text = bytes_at(old[i].key, old[i].key_len)};
            *slot_find(space, key) = old[i];
        }
    }
    redlock_sim_memory(old, 0);
}

/* Closes the gap, so that every key stays reachable from where its hash points. */
static void slot_close(redlock_sim_keyspace *space, size_t gap) {
    size_t mask = space->slot_count - 1;

    for (size_t i = (gap + 1) & mask; space->slots[i].key != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)space->slots[i].hash & mask;
        bool is_between = gap <= i ? gap < home && home <= i : gap < home || home <= i;

        if (!is_between) {
            space->slots[gap] = space->slots[i];
            gap = i;
        }
    }
    space->slots[gap] = (redlock_sim_slot){.key = NULL};
}

static void slot_drop(redlock_sim_keyspace *space, redlock_sim_slot *slot) {
    redlock_sim_memory(slot->key, 0);
    redlock_sim_memory(slot->value, 0);
    REDLOCK_ASSERT(space->used_count > 0);
    space->used_count--;
    slot_close(space, (size_t)(slot - space->slots));
}

static void slot_set(redlock_sim_keyspace *space, redlock_sim_key key, redlock_sim_value value) {
    redlock_sim_slot *slot = slot_find(space, key);
    uint8_t *copy = bytes_dup(value.text);

    if (slot->key == NULL) {
        slot->key = bytes_dup(key.text);
        slot->key_len = key.text.len;
        slot->hash = key_hash(key);
        slot->db = key.db;
        space->used_count++;
    }
    redlock_sim_memory(slot->value, 0);
    slot->value = copy;
    slot->value_len = value.text.len;
    slot->expires_ms = value.expires_ms;
    slot->type = value.type;
    if (space->used_count * 2 > space->slot_count) {
        slots_grow(space);
    }
}

/* --- the journal ----------------------------------------------------------------------------- */

static void undo_note(redlock_sim_keyspace *space, redlock_sim_key key,
                      const redlock_sim_slot *slot) {
    bool was_there = slot->key != NULL;

    if (!space->keeps_undos) {
        return;
    }
    if (space->undo_count == space->undo_size) {
        space->undo_size = space->undo_size * 2 + 16;
        space->undos = redlock_sim_memory(space->undos, space->undo_size * sizeof *space->undos);
    }
    space->undos[space->undo_count++] = (redlock_sim_undo){
        .key = bytes_dup(key.text),
        .key_len = key.text.len,
        .value = was_there ? bytes_dup(bytes_at(slot->value, slot->value_len)) : NULL,
        .value_len = was_there ? slot->value_len : 0,
        .expires_ms = slot->expires_ms,
        .type = slot->type,
        .db = key.db,
        .was_there = was_there,
    };
}

static void undo_drop(redlock_sim_undo *undo) {
    redlock_sim_memory(undo->key, 0);
    redlock_sim_memory(undo->value, 0);
}

static void undos_drop(redlock_sim_keyspace *space) {
    while (space->undo_count > 0) {
        undo_drop(&space->undos[--space->undo_count]);
    }
}

static void undo_play(redlock_sim_keyspace *space, const redlock_sim_undo *undo) {
    redlock_sim_key key = {.db = undo->db, .text = bytes_at(undo->key, undo->key_len)};
    redlock_sim_slot *slot = slot_find(space, key);

    if (undo->was_there) {
        redlock_sim_value value = {.text = bytes_at(undo->value, undo->value_len),
                                   .expires_ms = undo->expires_ms,
                                   .type = undo->type};
        slot_set(space, key, value);
    } else if (slot->key != NULL) {
        slot_drop(space, slot);
    }
}

void redlock_sim_keyspace_sync(redlock_sim_keyspace *space) {
    undos_drop(space);
    space->keeps_undos = true;
}

void redlock_sim_keyspace_undo(redlock_sim_keyspace *space) {
    if (!space->keeps_undos) {
        redlock_sim_keyspace_clear(space);
        return;
    }
    while (space->undo_count > 0) {
        redlock_sim_undo *undo = &space->undos[--space->undo_count];
        undo_play(space, undo);
        undo_drop(undo);
    }
}

/* --- reading and writing --------------------------------------------------------------------- */

static bool slot_is_over(const redlock_sim_keyspace *space, const redlock_sim_slot *slot) {
    return slot->expires_ms != REDLOCK_SIM_NO_EXPIRY &&
           (int64_t)(space->judged_us / 1000) > slot->expires_ms;
}

static redlock_sim_value slot_value(const redlock_sim_slot *slot) {
    return (redlock_sim_value){.text = bytes_at(slot->value, slot->value_len),
                               .expires_ms = slot->expires_ms,
                               .type = slot->type};
}

static void key_take(redlock_sim_keyspace *space, redlock_sim_key key, redlock_sim_slot *slot) {
    undo_note(space, key, slot);
    slot_drop(space, slot);
}

bool redlock_sim_keyspace_get(redlock_sim_keyspace *space, redlock_sim_key key,
                              redlock_sim_value *ret_value) {
    bool is_there = redlock_sim_keyspace_peek(space, key, ret_value);

    if (!is_there) {
        redlock_sim_slot *slot = slot_find(space, key);
        if (slot->key != NULL) {
            key_take(space, key, slot);
        }
    }
    return is_there;
}

bool redlock_sim_keyspace_peek(const redlock_sim_keyspace *space, redlock_sim_key key,
                               redlock_sim_value *ret_value) {
    const redlock_sim_slot *slot = slot_find(space, key);

    if (slot->key == NULL || slot_is_over(space, slot)) {
        return false;
    }
    *ret_value = slot_value(slot);
    return true;
}

void redlock_sim_keyspace_put(redlock_sim_keyspace *space, redlock_sim_key key,
                              redlock_sim_value value) {
    undo_note(space, key, slot_find(space, key));
    slot_set(space, key, value);
}

bool redlock_sim_keyspace_remove(redlock_sim_keyspace *space, redlock_sim_key key) {
    redlock_sim_slot *slot = slot_find(space, key);
    bool was_there = slot->key != NULL && !slot_is_over(space, slot);

    if (slot->key != NULL) {
        key_take(space, key, slot);
    }
    return was_there;
}

/* What `is_all` spares are the keys whose time is not over.  Removing moves later slots into the
 * gap, so the same place is looked at again; what wraps around is caught by the next round. */
static bool slots_sweep(redlock_sim_keyspace *space, bool is_all) {
    bool has_moved = false;

    for (size_t i = 0; i < space->slot_count; i++) {
        redlock_sim_slot *slot = &space->slots[i];
        while (slot->key != NULL && (is_all || slot_is_over(space, slot))) {
            redlock_sim_key key = {.db = slot->db, .text = bytes_at(slot->key, slot->key_len)};
            key_take(space, key, slot);
            has_moved = true;
        }
    }
    return has_moved;
}

void redlock_sim_keyspace_clear(redlock_sim_keyspace *space) {
    while (slots_sweep(space, true)) {
    }
}

void redlock_sim_keyspace_lose(redlock_sim_keyspace *space) {
    bool keeps_undos = space->keeps_undos;

    undos_drop(space);
    space->keeps_undos = false;
    redlock_sim_keyspace_clear(space);
    space->keeps_undos = keeps_undos;
}

void redlock_sim_keyspace_expire(redlock_sim_keyspace *space) {
    while (slots_sweep(space, false)) {
    }
}

bool redlock_sim_keyspace_next(const redlock_sim_keyspace *space, size_t *cursor,
                               redlock_sim_key *ret_key, redlock_sim_value *ret_value) {
    while (*cursor < space->slot_count) {
        const redlock_sim_slot *slot = &space->slots[(*cursor)++];

        if (slot->key != NULL && !slot_is_over(space, slot)) {
            *ret_key =
                (redlock_sim_key){.db = slot->db, .text = bytes_at(slot->key, slot->key_len)};
            *ret_value = slot_value(slot);
            return true;
        }
    }
    return false;
}

size_t redlock_sim_keyspace_count(const redlock_sim_keyspace *space, uint32_t db) {
    size_t cursor = 0, count = 0;
    redlock_sim_key key;
    redlock_sim_value value;

    while (redlock_sim_keyspace_next(space, &cursor, &key, &value)) {
        count += key.db == db;
    }
    return count;
}

void redlock_sim_keyspace_deinit(redlock_sim_keyspace *space) {
    if (space->slots == NULL) {
        return;
    }
    redlock_sim_keyspace_lose(space);
    redlock_sim_memory(space->undos, 0);
    redlock_sim_memory(space->slots, 0);
    *space = (redlock_sim_keyspace){.slots = NULL};
}
