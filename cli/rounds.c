/* rounds.c -- surveys taken again and again. */
#include "cli/rounds.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/now.h"

enum { SEARCH_SHARE = 9 }; /* so many times as long as a search took, none is made */

static void names_forget(redlock_rounds *rounds) {
    free(rounds->text);
    free(rounds->names);
    free(rounds->name_lens);
    rounds->text = NULL;
    rounds->names = NULL;
    rounds->name_lens = NULL;
    rounds->name_count = 0;
}

/* Room for the survey's names, each with a NUL behind it. */
static bool names_reserve(redlock_rounds *rounds, const redlock_survey *survey) {
    size_t bytes = 1;

    for (size_t i = 0; i < survey->entry_count; i++) {
        bytes += survey->entries[i].name_len + 1;
    }
    rounds->text = malloc(bytes);
    rounds->names = calloc(survey->entry_count + 1, sizeof(rounds->names[0]));
    rounds->name_lens = calloc(survey->entry_count + 1, sizeof(rounds->name_lens[0]));
    return rounds->text != NULL && rounds->names != NULL && rounds->name_lens != NULL;
}

/* Without memory for them, the next round searches again. */
static void names_remember(redlock_rounds *rounds, const redlock_survey *survey) {
    names_forget(rounds);
    if (!names_reserve(rounds, survey)) {
        names_forget(rounds);
        return;
    }
    char *at = rounds->text;
    for (size_t i = 0; i < survey->entry_count; i++) {
        size_t len = survey->entries[i].name_len;

        memcpy(at, survey->entries[i].name, len);
        at[len] = '\0';
        rounds->names[i] = at;
        rounds->name_lens[i] = len;
        at += len + 1;
    }
    rounds->name_count = survey->entry_count;
}

static bool search_is_due(redlock_rounds *rounds) {
    bool is_eager = atomic_exchange(&rounds->is_eager, false);

    return is_eager || rounds->names == NULL || redlock_now_ms() >= rounds->search_at_ms;
}

static void round_search(redlock_rounds *rounds, redlock_survey *survey) {
    int64_t begin = redlock_now_ms();

    rounds->query.has_free = atomic_load(&rounds->has_free);
    redlock_survey_take(survey, rounds->peers, &rounds->query);
    names_remember(rounds, survey);
    int64_t end = redlock_now_ms();
    rounds->search_at_ms = end + SEARCH_SHARE * (end - begin);
}

/* What is not held any more is left out, unless free names are shown. */
static void free_drop(redlock_survey *survey) {
    size_t kept = 0;

    for (size_t i = 0; i < survey->entry_count; i++) {
        if (survey->entries[i].holder != NULL) {
            survey->entries[kept++] = survey->entries[i];
        }
    }
    survey->entry_count = kept;
}

static void round_look(redlock_rounds *rounds, redlock_survey *survey) {
    redlock_query query = rounds->query;

    query.names = (const char *const *)rounds->names;
    query.name_lens = rounds->name_lens;
    query.name_count = rounds->name_count;
    redlock_survey_take(survey, rounds->peers, &query);
    if (!rounds->query.has_free) {
        free_drop(survey);
    }
}

static void survey_hand_out(redlock_rounds *rounds, redlock_survey *survey) {
    (void)pthread_mutex_lock(&rounds->mutex);
    if (rounds->is_fresh) {
        redlock_survey_deinit(&rounds->fresh); /* nobody has looked at it */
    }
    rounds->fresh = *survey;
    rounds->is_fresh = true;
    (void)pthread_mutex_unlock(&rounds->mutex);
    ssize_t written = write(rounds->ready_fd[1], "", 1);
    (void)written; /* a full pipe is readable already */
}

/* Waits for the next round.  False when it is told to stop. */
static bool round_await(redlock_rounds *rounds) {
    struct pollfd stop = {.fd = rounds->stop_fd[0], .events = POLLIN};
    int64_t end = redlock_now_ms() + rounds->interval_ms;
    int64_t left = rounds->interval_ms;
    char byte;

    while (left > 0) {
        if (poll(&stop, 1, left < 60000 ? (int)left : 60000) > 0) {
            /* A byte: hurry.  The end: stop. */
            return read(rounds->stop_fd[0], &byte, 1) == 1 && !atomic_load(&rounds->is_ending);
        }
        left = end - redlock_now_ms();
    }
    return !atomic_load(&rounds->is_ending);
}

static void *rounds_run(void *arg) {
    redlock_rounds *rounds = arg;

    do {
        redlock_survey survey;

        if (search_is_due(rounds)) {
            round_search(rounds, &survey);
        } else {
            round_look(rounds, &survey);
        }
        survey_hand_out(rounds, &survey);
    } while (round_await(rounds));
    return NULL;
}

bool redlock_rounds_init(redlock_rounds *rounds, redlock_peers *peers, const redlock_query *query,
                         int64_t interval_ms) {
    *rounds = (redlock_rounds){.peers = peers, .query = *query, .interval_ms = interval_ms};
    atomic_init(&rounds->has_free, query->has_free);
    atomic_init(&rounds->is_eager, false);
    atomic_init(&rounds->is_ending, false);
    if (pipe2(rounds->ready_fd, O_CLOEXEC | O_NONBLOCK) != 0) {
        return false;
    }
    if (pipe2(rounds->stop_fd, O_CLOEXEC) != 0) {
        (void)close(rounds->ready_fd[0]);
        (void)close(rounds->ready_fd[1]);
        return false;
    }
    (void)pthread_mutex_init(&rounds->mutex, NULL);
    if (pthread_create(&rounds->thread, NULL, rounds_run, rounds) == 0) {
        return true;
    }
    (void)pthread_mutex_destroy(&rounds->mutex);
    for (int i = 0; i < 2; i++) {
        (void)close(rounds->ready_fd[i]);
        (void)close(rounds->stop_fd[i]);
    }
    return false;
}

void redlock_rounds_deinit(redlock_rounds *rounds) {
    atomic_store(&rounds->is_ending, true);
    (void)close(rounds->stop_fd[1]);
    (void)pthread_join(rounds->thread, NULL);
    (void)close(rounds->stop_fd[0]);
    (void)close(rounds->ready_fd[0]);
    (void)close(rounds->ready_fd[1]);
    (void)pthread_mutex_destroy(&rounds->mutex);
    if (rounds->is_fresh) {
        redlock_survey_deinit(&rounds->fresh);
    }
    names_forget(rounds);
}

bool redlock_rounds_take(redlock_rounds *rounds, redlock_survey *survey) {
    char bytes[64];

    while (read(rounds->ready_fd[0], bytes, sizeof(bytes)) > 0) {
    }
    (void)pthread_mutex_lock(&rounds->mutex);
    bool is_fresh = rounds->is_fresh;
    if (is_fresh) {
        redlock_survey_deinit(survey);
        *survey = rounds->fresh;
        rounds->is_fresh = false;
    }
    (void)pthread_mutex_unlock(&rounds->mutex);
    return is_fresh;
}

void redlock_rounds_hurry(redlock_rounds *rounds) {
    atomic_store(&rounds->is_eager, true);
    ssize_t written = write(rounds->stop_fd[1], "", 1);
    (void)written;
}
