#include "sim/picture.h"

#include <inttypes.h>
#include <stdlib.h>

#define WIDTH 1600
#define LEFT 70
#define ROW 22

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

static double x_of(const redlock_sim_world *world, redlock_ns at) {
    double whole = (double)(world->now - REDLOCK_SIM_START);
    return LEFT + (double)(at - REDLOCK_SIM_START) / (whole > 0 ? whole : 1) * (WIDTH - LEFT - 20);
}

static uint32_t row_of_node(uint32_t node) {
    return 40 + node * ROW;
}

static uint32_t row_of_user(const redlock_sim_world *world, uint32_t client, uint32_t user) {
    return 60 + (world->plan.nodes + client * (world->plan.users + 1) + user) * ROW;
}

static void bar(FILE *file, double from, double until, uint32_t y, const char *color,
                const char *words) {
    double width = until - from < 1.5 ? 1.5 : until - from;
    (void)fprintf(file,
                  "<rect x='%.1f' y='%" PRIu32
                  "' width='%.1f' height='16' fill='%s'><title>%s</title></rect>\n",
                  from, y, width, color, words);
}

static void draw_faults(const redlock_sim_world *world, FILE *file) {
    char words[160];
    for (uint32_t i = 0; i < world->picture->count; i++) {
        const redlock_sim_mark *mark = &world->picture->mark[i];
        redlock_ns until = mark->until < world->now ? mark->until : world->now;
        uint32_t y = mark->node != REDLOCK_SIM_NONE ? row_of_node(mark->node)
                                                    : row_of_user(world, mark->client, 0);
        uint32_t rows = mark->node != REDLOCK_SIM_NONE ? 1 : world->plan.users;
        (void)snprintf(words, sizeof words, "%s at %.3f s",
                       redlock_sim_trouble_words(mark->trouble),
                       (double)(mark->from - REDLOCK_SIM_START) / 1e9);
        for (uint32_t row = 0; row < rows; row++) {
            bar(file, x_of(world, mark->from), x_of(world, until), y + row * ROW, "#d9534f66",
                words);
        }
    }
}

static void draw_holds(const redlock_sim_world *world, FILE *file) {
    static const char *const colors[] = {"#2b6cb0", "#2f855a", "#b7791f", "#6b46c1"};
    char words[160];
    for (uint32_t i = 0; i < world->lock_count; i++) {
        const redlock_sim_lock *lock = &world->lock[i];
        if (lock->shown_from == 0) {
            continue;
        }
        redlock_ns until = lock->shown_until != 0 ? lock->shown_until : world->now;
        (void)snprintf(words, sizeof words,
                       "%c held job%" PRIu32 " from %.3f s for %.3f s, fence %" PRIu64 "%s",
                       (char)('A' + lock->client), lock->name,
                       (double)(lock->shown_from - REDLOCK_SIM_START) / 1e9,
                       (double)(until - lock->shown_from) / 1e9, lock->fence,
                       lock->lost_at != 0 ? ", lost" : "");
        bar(file, x_of(world, lock->shown_from), x_of(world, until),
            row_of_user(world, lock->client, lock->user), colors[lock->name % 4], words);
        if (lock->lost_at != 0) {
            bar(file, x_of(world, lock->lost_at), x_of(world, lock->lost_at),
                row_of_user(world, lock->client, lock->user), "#000", "lost");
        }
    }
}

void redlock_sim_picture_write(const redlock_sim_world *world, FILE *file) {
    char words[512];
    uint32_t height = row_of_user(world, world->plan.clients, 0) + 30;
    redlock_sim_plan_to_text(&world->plan, words, sizeof words);
    (void)fprintf(file,
                  "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%" PRIu32
                  "' font-family='sans-serif' font-size='12'>\n",
                  WIDTH, height);
    (void)fprintf(
        file, "<rect width='100%%' height='100%%' fill='#fff'/>\n<text x='10' y='20'>%s</text>\n",
        words);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        (void)fprintf(file, "<text x='10' y='%" PRIu32 "'>node %" PRIu32 "</text>\n",
                      row_of_node(i) + 13, i + 1);
    }
    for (uint32_t c = 0; c < world->plan.clients; c++) {
        for (uint32_t u = 0; u < world->plan.users; u++) {
            (void)fprintf(file, "<text x='10' y='%" PRIu32 "'>%c.%" PRIu32 "</text>\n",
                          row_of_user(world, c, u) + 13, (char)('A' + c), u + 1);
        }
    }
    draw_faults(world, file);
    draw_holds(world, file);
    (void)fprintf(file, "<text x='%d' y='%" PRIu32 "' text-anchor='end'>%.1f s</text>\n%s</svg>\n",
                  WIDTH - 20, height - 8, (double)(world->now - REDLOCK_SIM_START) / 1e9,
                  world->complaint[0] != '\0' ? "<!-- see the complaint -->" : "");
}

void redlock_sim_picture_deinit(redlock_sim_picture *picture) {
    free(picture->mark);
    *picture = (redlock_sim_picture){.mark = NULL};
}
