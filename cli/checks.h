/* checks.h -- from the servers' facts to a judgement about the set. */
#ifndef REDLOCK_CLI_CHECKS_H
#define REDLOCK_CLI_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/exam.h"
#include "cli/finding.h"

typedef struct redlock_set {
    const redlock_exam *exam;
    size_t count, quorum;
    int64_t ttl_max_ms;
    int64_t now_s;    /* since 1970 */
    bool is_insecure; /* --tls-insecure */
} redlock_set;

/* Each check adds one line when all is well, and else one for every server where it is not. */
void redlock_checks_judge(const redlock_set *set, redlock_findings *findings);
/* Those about clocks and round trips; a part of the above. */
void redlock_checks_judge_time(const redlock_set *set, redlock_findings *findings);

#endif
