#include "sim/picture.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/timeline.h"

static const redlock_timeline_style styles[] = {REDLOCK_TIMELINE_HOLD, REDLOCK_TIMELINE_HOLD_2,
                                                REDLOCK_TIMELINE_HOLD_3, REDLOCK_TIMELINE_HOLD_4};
#define STYLES (sizeof styles / sizeof styles[0])

void redlock_sim_picture_told(redlock_sim_world *world, uint32_t lock, redlock_tell tell) {
    redlock_sim_lock *at = &world->lock[lock];
    if (tell == REDLOCK_TELL_ACQUIRED) {
        at->shown_from = world->now;
    } else if (tell == REDLOCK_TELL_LOST) {
        at->shown_until = world->now;
    }
}

void redlock_sim_picture_fault(redlock_sim_world *world, redlock_sim_trouble trouble,
                               uint32_t client, uint32_t node, redlock_ns length) {
    redlock_sim_picture *picture = world->picture;
    if (picture == NULL) {
        return;
    }
    if (picture->count == picture->size) {
        picture->size = picture->size == 0 ? 64 : picture->size * 2;
        picture->mark = redlock_sim_grown(picture->mark, picture->size, sizeof *picture->mark);
    }
    picture->mark[picture->count++] = (redlock_sim_mark){.from = world->now,
                                                         .until = world->now + length,
                                                         .trouble = trouble,
                                                         .client = client,
                                                         .node = node};
}

static double seconds_of(redlock_ns at) {
    return (double)(at - REDLOCK_SIM_START) / 1e9;
}

static void draw_fault(const redlock_sim_world *world, const redlock_sim_mark *mark,
                       redlock_timeline *timeline) {
    char words[160];
    redlock_ns until = mark->until < world->now ? mark->until : world->now;
    (void)snprintf(words, sizeof words, "%s at %.3f s", redlock_sim_trouble_words(mark->trouble),
                   seconds_of(mark->from));
    redlock_timeline_bar(timeline, seconds_of(mark->from), seconds_of(until),
                         REDLOCK_TIMELINE_FAULT, words);
}

static void draw_hold(const redlock_sim_world *world, const redlock_sim_lock *lock,
                      redlock_timeline *timeline) {
    char words[160];
    redlock_ns until = lock->shown_until != 0 ? lock->shown_until : world->now;
    (void)snprintf(
        words, sizeof words, "%c held job%" PRIu32 " from %.3f s for %.3f s, fence %" PRIu64 "%s",
        (char)('A' + lock->client), lock->name, seconds_of(lock->shown_from),
        (double)(until - lock->shown_from) / 1e9, lock->fence, lock->lost_at != 0 ? ", lost" : "");
    redlock_timeline_bar(timeline, seconds_of(lock->shown_from), seconds_of(until),
                         styles[lock->name % STYLES], words);
    if (lock->lost_at != 0) {
        redlock_timeline_bar(timeline, seconds_of(lock->lost_at), seconds_of(lock->lost_at),
                             REDLOCK_TIMELINE_LOST, "lost");
    }
}

static void draw_node(const redlock_sim_world *world, uint32_t node, redlock_timeline *timeline) {
    char label[32];
    (void)snprintf(label, sizeof label, "node %" PRIu32, node + 1);
    redlock_timeline_row(timeline, label, false);
    for (uint32_t i = 0; i < world->picture->count; i++) {
        if (world->picture->mark[i].node == node) {
            draw_fault(world, &world->picture->mark[i], timeline);
        }
    }
}

static void draw_user(const redlock_sim_world *world, uint32_t client, uint32_t user,
                      redlock_timeline *timeline) {
    char label[32];
    (void)snprintf(label, sizeof label, "%c.%" PRIu32, (char)('A' + client), user + 1);
    redlock_timeline_row(timeline, label, false);
    for (uint32_t i = 0; i < world->picture->count; i++) {
        const redlock_sim_mark *mark = &world->picture->mark[i];
        if (mark->node == REDLOCK_SIM_NONE && mark->client == client) {
            draw_fault(world, mark, timeline);
        }
    }
    for (uint32_t i = 0; i < world->lock_count; i++) {
        const redlock_sim_lock *lock = &world->lock[i];
        if (lock->client == client && lock->user == user && lock->shown_from != 0) {
            draw_hold(world, lock, timeline);
        }
    }
}

void redlock_sim_picture_write(const redlock_sim_world *world, FILE *file) {
    static const redlock_timeline_legend legend[] = {
        {REDLOCK_TIMELINE_HOLD, "holds, a colour for each name"},
        {REDLOCK_TIMELINE_LOST, "lost"},
        {REDLOCK_TIMELINE_FAULT, "something went wrong"},
    };
    char words[512];
    redlock_timeline timeline;
    const redlock_timeline_plan plan = {
        .title = words,
        .seconds = seconds_of(world->now),
        .rows = world->plan.nodes + world->plan.clients * world->plan.users,
        .legend = legend,
        .legend_count = sizeof legend / sizeof legend[0],
        .events = world->complaint[0] != '\0',
    };
    redlock_sim_plan_to_text(&world->plan, words, sizeof words);
    redlock_timeline_begin(&timeline, file, &plan);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        draw_node(world, i, &timeline);
    }
    for (uint32_t client = 0; client < world->plan.clients; client++) {
        for (uint32_t user = 0; user < world->plan.users; user++) {
            draw_user(world, client, user, &timeline);
        }
    }
    if (world->complaint[0] != '\0') {
        redlock_timeline_event(&timeline, seconds_of(world->now), world->complaint);
    }
    redlock_timeline_end(&timeline);
}

void redlock_sim_picture_deinit(redlock_sim_picture *picture) {
    free(picture->mark);
    *picture = (redlock_sim_picture){.mark = NULL};
}
