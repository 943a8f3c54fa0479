/* doctor.c -- `redlock doctor`: do the servers deserve the trust that locks put into them? */
#include <stdlib.h>

#include "cli/acl.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/exam.h"
#include "cli/exit.h"
#include "cli/finding.h"
#include "cli/now.h"
#include "cli/options.h"
#include "cli/view.h"

typedef struct doctor_task {
    redlock_exam *exams;
    const char *prefix;
} doctor_task;

static void peer_examine(redlock_peer *peer, void *ctx) {
    const doctor_task *task = ctx;

    redlock_exam_take(&task->exams[peer->index], peer, task->prefix);
}

static int set_judge(const redlock_view_options *options, redlock_exam *exams,
                     redlock_findings *findings) {
    doctor_task task = {.exams = exams, .prefix = options->key_prefix};
    redlock_peers peers;

    redlock_peers_init(&peers, &options->urls, options->timeout_ms);
    redlock_peers_each(&peers, peer_examine, &task);
    const redlock_set set = {.exam = exams,
                             .count = peers.count,
                             .quorum = peers.quorum,
                             .ttl_max_ms = options->ttl_max_ms,
                             .now_s = redlock_now_wall_us() / 1000000,
                             .is_insecure = options->urls.trust.is_insecure};
    redlock_checks_judge(&set, findings);
    redlock_peers_deinit(&peers);
    if (options->is_json) {
        redlock_findings_print_json(findings);
    } else {
        redlock_findings_print(findings, options->say.loudness == REDLOCK_QUIET);
    }
    return (int)redlock_findings_worst(findings); /* 0, 1 and 2 */
}

static int doctor_run(const redlock_view_options *options) {
    redlock_exam *exams = calloc(REDLOCK_NODES_MAX, sizeof(exams[0]));
    redlock_findings findings = {.item = calloc(REDLOCK_FINDINGS_MAX, sizeof(redlock_finding))};
    int code = REDLOCK_EXIT_SYSTEM;

    if (exams != NULL && findings.item != NULL) {
        code = set_judge(options, exams, &findings);
    }
    free(exams);
    free(findings.item);
    return code;
}

int redlock_doctor_main(int argc, char **argv) {
    redlock_view_options options;
    int code = redlock_view_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = options.is_acl ? redlock_acl_print(&options) : doctor_run(&options);
    }
    redlock_view_options_deinit(&options);
    return code;
}
