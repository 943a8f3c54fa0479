/* survey.c -- which locks there are: merging what the servers say. */
#include "cli/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/key.h"
#include "cli/scan.h"

static int bytes_compare(const char *a, size_t a_len, const char *b, size_t b_len) {
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int found_compare(const void *a, const void *b) {
    const redlock_found *const *left = a;
    const redlock_found *const *right = b;

    return bytes_compare((*left)->name, (*left)->name_len, (*right)->name, (*right)->name_len);
}

/* SCAN may find a key more than once. */
static void found_sort(redlock_survey_node *node) {
    size_t kept = 0;

    if (node->found_count == 0) {
        return;
    }
    qsort(node->found, node->found_count, sizeof(node->found[0]), found_compare);
    for (size_t i = 1; i < node->found_count; i++) {
        if (found_compare(&node->found[kept], &node->found[i]) == 0) {
            free(node->found[i]);
        } else {
            node->found[++kept] = node->found[i];
        }
    }
    node->found_count = kept + 1;
}

/* --- one name -------------------------------------------------------------------------------- */

static bool is_held(const redlock_found *found) {
    return found != NULL && found->left_ms != -2;
}

static bool is_same_value(const redlock_found *a, const redlock_found *b) {
    return is_held(a) && is_held(b) && a->value_len == b->value_len &&
           memcmp(a->value, b->value, a->value_len) == 0;
}

static size_t holder_count(const redlock_entry *entry, const redlock_found *holder, size_t count) {
    size_t same = 0;

    for (size_t i = 0; i < count; i++) {
        same += is_same_value(entry->at[i], holder);
    }
    return same;
}

static void holder_choose(redlock_entry *entry, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t same = is_held(entry->at[i]) ? holder_count(entry, entry->at[i], count) : 0;

        if (same > entry->holder_count) {
            entry->holder = entry->at[i];
            entry->holder_count = same;
        }
    }
}

/* Keys without an expiry last longest. */
static int left_compare(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    left = left < 0 ? INT64_MAX : left;
    right = right < 0 ? INT64_MAX : right;
    return (left < right) - (left > right);
}

/* When the quorum-th longest of the holder's keys ends, the quorum does. */
static int64_t left_of(const redlock_entry *entry, const redlock_survey *survey) {
    int64_t left[REDLOCK_NODES_MAX];
    size_t count = 0;

    for (size_t i = 0; i < survey->node_count; i++) {
        if (is_same_value(entry->at[i], entry->holder)) {
            left[count++] = entry->at[i]->left_ms;
        }
    }
    if (count == 0) {
        return 0;
    }
    qsort(left, count, sizeof(left[0]), left_compare);
    return left[count < survey->quorum ? count - 1 : survey->quorum - 1];
}

static uint64_t fence_of(const redlock_entry *entry, const redlock_survey *survey) {
    uint64_t fence = 0;

    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_found *found = entry->at[i];
        bool counts =
            found != NULL && (entry->holder == NULL || is_same_value(found, entry->holder));

        fence = counts && found->mark > fence ? found->mark : fence;
    }
    return fence;
}

static int64_t waiter_count_of(const redlock_entry *entry, const redlock_survey *survey) {
    int64_t most = -1;

    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_found *found = entry->at[i];
        int64_t count = found != NULL ? found->waiter_count : survey->node[i].is_up ? 0 : -1;

        most = count > most ? count : most;
    }
    return most;
}

static redlock_verdict verdict_of(const redlock_entry *entry, const redlock_survey *survey) {
    size_t silent = survey->node_count - survey->up_count;

    if (entry->holder_count >= survey->quorum) {
        return REDLOCK_TAKEN;
    }
    if (entry->holder_count + silent >= survey->quorum) {
        return REDLOCK_UNCLEAR;
    }
    return entry->holder == NULL ? REDLOCK_FREE : REDLOCK_CONTESTED;
}

static void entry_judge(redlock_entry *entry, const redlock_survey *survey) {
    holder_choose(entry, survey->node_count);
    entry->verdict = verdict_of(entry, survey);
    entry->left_ms = left_of(entry, survey);
    entry->fence = fence_of(entry, survey);
    entry->waiter_count = waiter_count_of(entry, survey);
}

/* --- all names ------------------------------------------------------------------------------- */

/* The smallest name that the servers' lists have at their heads. */
static const redlock_found *head_least(const redlock_survey *survey, const size_t *heads) {
    const redlock_found *least = NULL;

    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_survey_node *node = &survey->node[i];
        const redlock_found *head = heads[i] < node->found_count ? node->found[heads[i]] : NULL;

        if (head != NULL && (least == NULL || found_compare(&head, &least) < 0)) {
            least = head;
        }
    }
    return least;
}

static void entry_fill(redlock_entry *entry, const redlock_survey *survey,
                       const redlock_found *least, size_t *heads) {
    *entry = (redlock_entry){.name = least->name, .name_len = least->name_len};
    for (size_t i = 0; i < survey->node_count; i++) {
        const redlock_survey_node *node = &survey->node[i];
        const redlock_found *head = heads[i] < node->found_count ? node->found[heads[i]] : NULL;

        if (head != NULL && found_compare(&head, &least) == 0) {
            entry->at[i] = head;
            heads[i]++;
        }
    }
    entry_judge(entry, survey);
}

static void survey_merge(redlock_survey *survey) {
    size_t heads[REDLOCK_NODES_MAX] = {0};
    size_t room = 0;
    const redlock_found *least;

    for (size_t i = 0; i < survey->node_count; i++) {
        room += survey->node[i].found_count;
    }
    survey->entries = calloc(room > 0 ? room : 1, sizeof(survey->entries[0]));
    if (survey->entries == NULL) {
        survey->is_out_of_memory = true;
        return;
    }
    while ((least = head_least(survey, heads)) != NULL) {
        entry_fill(&survey->entries[survey->entry_count++], survey, least, heads);
    }
}

typedef struct survey_task {
    redlock_survey *survey;
    const redlock_query *query;
} survey_task;

static void node_survey(redlock_peer *node, void *ctx) {
    const survey_task *task = ctx;
    redlock_survey_node *result = &task->survey->node[node->index];

    result->is_up = redlock_peer_connect(node) && redlock_scan(node, task->query, result);
    result->report = node->report;
    if (!result->is_up) {
        (void)snprintf(result->why, sizeof(result->why), "%s", redlock_peer_why(node));
    }
    found_sort(result);
}

void redlock_survey_take(redlock_survey *survey, redlock_peers *nodes, const redlock_query *query) {
    survey_task task = {.survey = survey, .query = query};

    *survey = (redlock_survey){.node_count = nodes->count, .quorum = nodes->quorum};
    redlock_peers_each(nodes, node_survey, &task);
    for (size_t i = 0; i < nodes->count; i++) {
        survey->up_count += survey->node[i].is_up;
    }
    survey_merge(survey);
}

void redlock_survey_deinit(redlock_survey *survey) {
    for (size_t i = 0; i < survey->node_count; i++) {
        for (size_t j = 0; j < survey->node[i].found_count; j++) {
            free(survey->node[i].found[j]);
        }
        free(survey->node[i].found);
    }
    free(survey->entries);
    *survey = (redlock_survey){.node_count = 0};
}

const redlock_survey_node *redlock_survey_queue(const redlock_survey *survey) {
    const redlock_survey_node *longest = &survey->node[0];

    for (size_t i = 1; i < survey->node_count; i++) {
        if (survey->node[i].waiters_shown > longest->waiters_shown) {
            longest = &survey->node[i];
        }
    }
    return longest;
}

const char *redlock_found_holder(const redlock_found *found, size_t *ret_len) {
    static const char unnamed[] = "(no label)";
    const char *label = redlock_value_label(found->value, found->value_len, ret_len);

    if (*ret_len > 0) {
        return label;
    }
    if (!found->is_string) {
        *ret_len = strlen("(not a lock)");
        return "(not a lock)";
    }
    /* A token of the caller's own says more than nothing; one of only digits doesn't. */
    bool is_telling =
        !redlock_value_is_token(found->value, found->value_len) && found->value_len > 0;

    *ret_len = is_telling ? found->value_len : sizeof(unnamed) - 1;
    return is_telling ? found->value : unnamed;
}

const char *redlock_verdict_text(redlock_verdict verdict) {
    switch (verdict) {
    case REDLOCK_FREE:
        return "free";
    case REDLOCK_TAKEN:
        return "held";
    case REDLOCK_CONTESTED:
        return "contested";
    case REDLOCK_UNCLEAR:
        return "unclear";
    }
    return "";
}
