/* report.c -- why each node said what it said, and one sentence for people: what, why, what next. */
#include <stdio.h>
#include <string.h>

#include "api/inside.h"

static bool is_report(const redlock_report *report) {
    return report != NULL && report->struct_size >= sizeof *report;
}

void redlock_report_start(redlock_report *report) {
    if (is_report(report)) {
        uint32_t size = report->struct_size;
        memset(report, 0, sizeof *report);
        report->struct_size = size;
    }
}

static void say(redlock_report *report, const char *sentence) {
    /* Cut is fine. */
    redlock_bytes_to_text(redlock_bytes_of(sentence), report->sentence, sizeof report->sentence);
}

int redlock_report_refuse(redlock_report *report, redlock_status status, const char *sentence) {
    redlock_report_start(report);
    if (is_report(report)) {
        report->status = status;
        say(report, sentence != NULL ? sentence : redlock_status_text(status));
    }
    return status;
}

/* Of the nodes that said no, the one whose holder stays longest. */
static const redlock_node_report *longest_holder(const redlock_report *report) {
    const redlock_node_report *longest = NULL;
    for (uint32_t i = 0; i < report->node_count; i++) {
        const redlock_node_report *node = &report->node[i];
        if (node->status == REDLOCK_HELD && (longest == NULL || node->left_ms > longest->left_ms)) {
            longest = node;
        }
    }
    return longest;
}

static void say_held(redlock_report *report) {
    const redlock_node_report *node = longest_holder(report);
    if (node == NULL) {
        say(report, redlock_status_text(report->status));
        return;
    }
    const char *who = node->words[0] != '\0' ? node->words : "a holder that left no label";
    (void)snprintf(
        report->sentence, sizeof report->sentence,
        "held by %s for another %lld.%01lld s unless renewed; wait longer, or look at the holder",
        who, (long long)(node->left_ms / 1000), (long long)(node->left_ms % 1000 / 100));
}

static uint32_t count_status(const redlock_report *report, redlock_status status) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->node_count; i++) {
        count += report->node[i].status == (int32_t)status;
    }
    return count;
}

static void say_not_ready(redlock_report *report) {
    int64_t left = 0;
    for (uint32_t i = 0; i < report->node_count; i++) {
        if (report->node[i].status == REDLOCK_NOT_READY && report->node[i].left_ms > left) {
            left = report->node[i].left_ms;
        }
    }
    (void)snprintf(report->sentence, sizeof report->sentence,
                   "%u of %u nodes are new or restarted and give no vote for up to %lld s more; "
                   "wait, or if they are "
                   "new and empty declare them ready with `redlock init`",
                   count_status(report, REDLOCK_NOT_READY), report->node_count,
                   (long long)(left + 999) / 1000);
}

static void say_no_quorum(redlock_report *report) {
    char causes[128] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < report->node_count; i++) {
        int32_t status = report->node[i].status;
        bool first = true;
        for (uint32_t j = 0; j < i; j++) {
            first = first && report->node[j].status != status;
        }
        if (status == REDLOCK_OK || !first || at >= sizeof causes) {
            continue;
        }
        int wrote =
            snprintf(causes + at, sizeof causes - at, "%s%u %s", at > 0 ? ", " : "",
                     count_status(report, (redlock_status)status), redlock_status_name(status));
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    (void)snprintf(
        report->sentence, sizeof report->sentence,
        "%u of %u nodes are needed and %u granted (%s); see what each node says, and try again",
        report->quorum, report->node_count, report->granted, causes);
}

static void say_unknown(redlock_report *report) {
    (void)snprintf(report->sentence, sizeof report->sentence,
                   "only %u of %u nodes said that they gave the lock up, and %u are needed; if the "
                   "others still have it, others "
                   "wait until its ttl is over",
                   report->granted, report->node_count, report->quorum);
}

/* What is wrong with a certificate is in the node's words, and there alone. */
static void say_untrusted(redlock_report *report) {
    for (uint32_t i = 0; i < report->node_count; i++) {
        const redlock_node_report *node = &report->node[i];
        if (node->status == REDLOCK_UNTRUSTED && node->words[0] != '\0') {
            (void)snprintf(report->sentence, sizeof report->sentence, "%s: %s", node->where,
                           node->words);
            return;
        }
    }
    say(report, redlock_status_text(REDLOCK_UNTRUSTED));
}

static void say_status(redlock_report *report, redlock_status status) {
    if (status == REDLOCK_HELD || status == REDLOCK_TIMEOUT) {
        say_held(report);
    } else if (status == REDLOCK_NOT_READY) {
        say_not_ready(report);
    } else if (status == REDLOCK_UNKNOWN) {
        say_unknown(report);
    } else if (status == REDLOCK_UNTRUSTED) {
        say_untrusted(report);
    } else if (status == REDLOCK_NO_QUORUM) {
        say_no_quorum(report);
    } else {
        say(report, redlock_status_text(status));
    }
}

void redlock_report_fill(redlock_report *report, const redlock_client *client, redlock_core *core,
                         uint32_t slot, redlock_status status) {
    if (!is_report(report)) {
        return;
    }
    redlock_report_start(report);
    report->node_count = client->node_count;
    report->quorum = client->quorum;
    report->status = status;
    for (uint32_t i = 0; i < client->node_count; i++) {
        redlock_vote_report vote;
        redlock_core_report(core, slot, i, &vote);
        redlock_node_report *node = &report->node[i];
        node->status = vote.status;
        node->sys_errno = vote.sys_errno;
        node->latency_us = (int64_t)(vote.latency / REDLOCK_NS_PER_US);
        node->left_ms = (int64_t)redlock_ns_to_ms_up(vote.left);
        memcpy(node->where, client->where[i], sizeof node->where);
        memcpy(node->words, vote.words, sizeof node->words);
        report->granted += vote.status == REDLOCK_OK;
    }
    say_status(report, status);
}
