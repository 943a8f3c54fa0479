/* finding.h -- what a doctor found, and how it is told. */
#ifndef REDLOCK_CLI_FINDING_H
#define REDLOCK_CLI_FINDING_H

#include <stdbool.h>
#include <stddef.h>

enum { REDLOCK_FINDINGS_MAX = 256 };

typedef enum redlock_level {
    REDLOCK_LEVEL_OK = 0,
    REDLOCK_LEVEL_WARN,
    REDLOCK_LEVEL_FAIL
} redlock_level;

typedef struct redlock_finding {
    redlock_level level;
    const char *check; /* one word */
    char where[96];    /* the server; empty: the set */
    char what[256];
    const char *why; /* it matters; static; NULL when all is well */
    char todo[400];
} redlock_finding;

typedef struct redlock_findings {
    redlock_finding *item; /* the owner's: REDLOCK_FINDINGS_MAX of them */
    size_t count;
} redlock_findings;

/* Begins a finding; what is beyond the last place is written over it. */
redlock_finding *redlock_finding_add(redlock_findings *findings, redlock_level level,
                                     const char *check, const char *where);
void redlock_finding_what(redlock_finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void redlock_finding_todo(redlock_finding *finding, const char *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether something of this check is not well. */
bool redlock_findings_has(const redlock_findings *findings, const char *check);
redlock_level redlock_findings_worst(const redlock_findings *findings);
void redlock_findings_print(const redlock_findings *findings, bool is_quiet);
void redlock_findings_print_json(const redlock_findings *findings);

#endif
