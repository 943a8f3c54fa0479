/* world_trace.c -- what the trace of a world says; nothing while it has none. */
#include "world_inside.h"

#include <inttypes.h>
#include <stdio.h>

char redlock_world_letter(uint32_t client) {
    return (char)('A' + client);
}

void redlock_world_trace_node(redlock_world *world, uint32_t client, char sign, uint32_t node,
                              const char *words) {
    if (world->trace != NULL) {
        redlock_trace_node(world->trace, world->now, redlock_world_letter(client), sign, node,
                           words);
    }
}

void redlock_world_trace_command(redlock_world *world, uint32_t client, char sign, uint32_t node,
                                 const char *before, const redlock_command *command) {
    if (world->trace != NULL) {
        char words[REDLOCK_TRACE_WORDS_BYTES], all[REDLOCK_TRACE_WORDS_BYTES];
        redlock_words_command(command, words, sizeof words - 32);
        (void)snprintf(all, sizeof all, "%s%.200s", before, words);
        redlock_world_trace_node(world, client, sign, node, all);
    }
}

void redlock_world_trace_answer(redlock_world *world, uint32_t client, uint32_t node,
                                redlock_command_kind kind, const redlock_answer *answer) {
    if (world->trace != NULL) {
        char words[REDLOCK_TRACE_WORDS_BYTES];
        redlock_words_answer(kind, answer, words, sizeof words);
        redlock_world_trace_node(world, client, '<', node, words);
    }
}

void redlock_world_trace_silence(redlock_world *world, uint32_t client) {
    for (uint32_t i = 0; world->trace != NULL && i < world->lock_count; i++) {
        redlock_world_lock *lock = &world->lock[i];
        for (uint32_t n = 0;
             lock->client == client && !lock->is_gone && n < world->config.node_count; n++) {
            bool is_due = lock->waits_until[n] != 0 && world->now >= lock->waits_until[n];
            redlock_vote_report vote;
            redlock_core_report(world->client[client].core, lock->slot, n, &vote);
            if (is_due && vote.status == REDLOCK_SILENT) {
                redlock_world_trace_node(world, client, '!', n, "silent");
            }
            lock->waits_until[n] = is_due ? 0 : lock->waits_until[n];
        }
    }
}

/* "n1 OK, n2 n3 SILENT": what each node said, neighbours together. */
static void words_votes(const redlock_world *world, const redlock_world_lock *lock, char *text,
                        size_t size) {
    size_t len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < world->config.node_count; i++) {
        redlock_vote_report vote, next = {.status = REDLOCK_STATUS_INT_};
        redlock_core *core = world->client[lock->client].core;
        redlock_core_report(core, lock->slot, i, &vote);
        if (i + 1 < world->config.node_count) {
            redlock_core_report(core, lock->slot, i + 1, &next);
        }
        bool ends = next.status != vote.status;
        const char *after = !ends ? " " : i + 1 < world->config.node_count ? ", " : "";
        int wrote = snprintf(text + len, size - len, "n%" PRIu32 "%s%s%s", i + 1, ends ? " " : "",
                             ends ? redlock_words_status(vote.status) : "", after);
        len += (size_t)wrote < size - len ? (size_t)wrote : size - len - 1;
    }
}

void redlock_world_trace_tell(redlock_world *world, const redlock_world_lock *lock,
                              redlock_tell tell, redlock_status status) {
    if (world->trace == NULL) {
        return;
    }
    char detail[160] = "", words[REDLOCK_TRACE_WORDS_BYTES];
    redlock_core *core = world->client[lock->client].core;
    redlock_ns until = redlock_core_held_until(core, lock->slot);
    if (tell == REDLOCK_TELL_FAILED || status == REDLOCK_UNKNOWN || tell == REDLOCK_TELL_LOOKED) {
        detail[0] = ':';
        detail[1] = ' ';
        words_votes(world, lock, detail + 2, sizeof detail - 2);
    } else if (tell == REDLOCK_TELL_WAITING) {
        (void)snprintf(detail, sizeof detail, ", place %" PRIu32,
                       redlock_core_place(core, lock->slot));
    } else if (until > world->now) {
        uint64_t fence = tell == REDLOCK_TELL_ACQUIRED ? redlock_core_fence(core, lock->slot) : 0;
        int len = snprintf(detail, sizeof detail, ", held until %" PRIu64 "ms",
                           (until - REDLOCK_WORLD_ORIGIN) / REDLOCK_NS_PER_MS);
        if (fence > 0) {
            (void)snprintf(detail + len, sizeof detail - (size_t)len, ", fence %" PRIu64, fence);
        }
    }
    (void)snprintf(words, sizeof words, "%s %s%s", lock->name, redlock_words_status(status),
                   detail);
    redlock_trace_told(world->trace, world->now, redlock_world_letter(lock->client),
                       redlock_words_tell(tell), words);
}
