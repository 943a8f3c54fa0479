/* checks.c -- what the servers are, and whether locks may rely on it.
 *
 * The reasons are those of docs/guarantees.md. */
#include "cli/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/line.h"

enum {
    GUARDED_FROM = 3,       /* as the library: below it there is no restart guard by default */
    GUARD_SLACK_MS = 11000, /* what the guard waits beyond ttl_max */
    OLDEST_MAJOR = 6,
    OLDEST_MINOR = 2,
    FULL_PERCENT = 95,
    NEARLY_FULL_PERCENT = 80,
    CERTIFICATE_DAYS = 14,
    DAY_S = 86400
};

/* --- the set --------------------------------------------------------------------------------- */

static size_t up_count(const redlock_set *set) {
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++) {
        count += set->exam[i].is_up;
    }
    return count;
}

/* When one is up at all. */
static const redlock_exam *up_first(const redlock_set *set) {
    size_t index = 0;

    while (index + 1 < set->count && !set->exam[index].is_up) {
        index++;
    }
    return &set->exam[index];
}

static void judge_reach(const redlock_set *set, redlock_findings *findings) {
    size_t up = up_count(set);

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (!exam->is_up) {
            bool is_login = exam->status == REDLOCK_AUTH || exam->status == REDLOCK_AUTH_REQUIRED;
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "reach", exam->where);

            redlock_finding_what(finding, "no answer: %s", exam->why);
            redlock_finding_todo(
                finding,
                up >= set->quorum ? "the set works, and one server more that fails may end that"
                                  : "too few servers are left: nobody can acquire a lock",
                exam->status == REDLOCK_UNTRUSTED ? "see --tls-ca, --tls-cert, and its certificate"
                : is_login ? "give user and password in the URL or a password file"
                           : "start the server, or see the network and the URL");
        }
    }
    if (up == set->count) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "reach", ""),
                             "%zu of %zu servers answer", up, set->count);
    }
}

static void judge_count(const redlock_set *set, redlock_findings *findings) {
    bool is_odd = set->count % 2 == 1;
    redlock_finding *finding =
        redlock_finding_add(findings, is_odd ? REDLOCK_LEVEL_OK : REDLOCK_LEVEL_FAIL, "count", "");

    if (!is_odd) {
        redlock_finding_what(finding, "%zu servers: an even number", set->count);
        redlock_finding_todo(finding,
                             "it survives no more failures than one server fewer, and clients "
                             "refuse it",
                             "add one server, or leave one out");
    } else if (set->count == 1) {
        redlock_finding_what(finding, "1 server: when it is down, nobody can acquire a lock");
    } else {
        redlock_finding_what(finding, "%zu servers: %zu of them may be down", set->count,
                             set->count - set->quorum);
    }
}

static void judge_distinct(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const redlock_exam *exam = &set->exam[i];

            if (exam->run_id[0] == '\0' || strcmp(exam->run_id, set->exam[j].run_id) != 0) {
                continue;
            }
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "distinct", exam->where);

            redlock_finding_what(finding, "the same server as %s: one run id", set->exam[j].where);
            redlock_finding_todo(finding, "it would vote twice, so one failure counts as two",
                                 "give the URL of another server, which runs on its own");
        }
    }
    if (!redlock_findings_has(findings, "distinct") && up_count(set) > 1) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "distinct", ""),
                             "every URL leads to a server of its own");
    }
}

/* Another server of the set that belongs to the same master, or is it. */
static const redlock_exam *sibling_of(const redlock_set *set, size_t index) {
    const redlock_exam *exam = &set->exam[index];

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *other = &set->exam[i];

        if (i != index && exam->replid[0] != '\0' && strcmp(exam->replid, other->replid) == 0 &&
            strcmp(exam->run_id, other->run_id) != 0) {
            return other;
        }
    }
    return NULL;
}

static void judge_role(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];
        const redlock_exam *sibling = sibling_of(set, i);
        bool is_replica = strcmp(exam->role, "slave") == 0 || strcmp(exam->role, "replica") == 0;

        if (!exam->is_up || !is_replica) {
            continue;
        }
        redlock_finding *finding =
            redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "role", exam->where);

        redlock_finding_what(finding, "a replica of %s%s%s", exam->master,
                             sibling != NULL ? ", and so is tied to " : "",
                             sibling != NULL ? sibling->where : "");
        redlock_finding_todo(finding,
                             "a replica learns of a lock after it was granted; when it takes over, "
                             "two may hold",
                             "REPLICAOF NO ONE makes it a server of its own; or give another URL");
    }
    if (!redlock_findings_has(findings, "role") && up_count(set) > 0) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "role", ""),
                             "masters all, and no two of one family");
    }
}

/* --- each server ----------------------------------------------------------------------------- */

static bool version_is_old(const redlock_exam *exam) {
    char *end = NULL;
    long major = strtol(exam->version, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

    return !exam->is_valkey &&
           (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR));
}

static void judge_version(const redlock_set *set, redlock_findings *findings) {
    const redlock_exam *first = NULL;

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];
        bool is_alone = exam->mode[0] == '\0' || strcmp(exam->mode, "standalone") == 0;

        if (!exam->is_up || exam->version[0] == '\0') {
            continue;
        }
        first = first == NULL ? exam : first;
        if (!is_alone) {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "version", exam->where);

            redlock_finding_what(finding, "runs in %s mode", exam->mode);
            redlock_finding_todo(finding, "locks need servers that stand alone; it gives no vote",
                                 "give the URL of a server without cluster-enabled");
        } else if (version_is_old(exam)) {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "version", exam->where);

            redlock_finding_what(finding, "Redis %s", exam->version);
            redlock_finding_todo(finding,
                                 "redlock is made for 6.2 and later, and tried on nothing older",
                                 "upgrade the server to Redis 7 or Valkey");
        }
    }
    if (!redlock_findings_has(findings, "version") && first != NULL) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "version", ""),
                             "%s %s, standing alone", first->is_valkey ? "Valkey" : "Redis",
                             first->version);
    }
}

static void judge_eviction(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (exam->policy[0] == '\0' || strcmp(exam->policy, "noeviction") == 0) {
            continue;
        }
        redlock_finding *finding =
            redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "eviction", exam->where);

        redlock_finding_what(finding, "maxmemory-policy is %s", exam->policy);
        redlock_finding_todo(finding,
                             "when memory is short it throws away locks that are held; it gives no "
                             "vote",
                             "CONFIG SET maxmemory-policy noeviction, and the same in its "
                             "configuration file");
    }
    if (!redlock_findings_has(findings, "eviction") && up_count(set) > 0) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "eviction", ""),
                             "maxmemory-policy is noeviction");
    }
}

static void judge_memory(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];
        int64_t percent = exam->maxmemory > 0 ? exam->used_memory * 100 / exam->maxmemory : 0;

        if (percent < NEARLY_FULL_PERCENT) {
            continue;
        }
        redlock_finding *finding = redlock_finding_add(
            findings, percent < FULL_PERCENT ? REDLOCK_LEVEL_WARN : REDLOCK_LEVEL_FAIL, "memory",
            exam->where);

        redlock_finding_what(finding, "%lld %% of maxmemory is in use", (long long)percent);
        redlock_finding_todo(finding, "a full server grants no lock and renews none",
                             "raise maxmemory, or give the locks a server of their own");
    }
    if (!redlock_findings_has(findings, "memory") && up_count(set) > 0) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "memory", ""),
                             "there is room");
    }
}

/* With the guard, a server that forgot is silent until nothing that it forgot can matter. */
static void judge_no_aof(const redlock_set *set, const redlock_exam *exam,
                         redlock_findings *findings) {
    bool is_guarded = set->count >= GUARDED_FROM;
    redlock_finding *finding = redlock_finding_add(
        findings, is_guarded ? REDLOCK_LEVEL_WARN : REDLOCK_LEVEL_FAIL, "persistence", exam->where);

    redlock_finding_what(finding, "no append-only file");
    redlock_finding_todo(finding,
                         is_guarded
                             ? "a restart forgets locks and marks; the guard keeps it silent for a "
                               "while, and fences then rely on clocks"
                             : "a restart forgets who holds, and somebody else gets the lock",
                         "CONFIG SET appendonly yes, CONFIG SET appendfsync always, and the same "
                         "in its configuration file");
}

static void judge_fsync(const redlock_set *set, const redlock_exam *exam,
                        redlock_findings *findings) {
    bool is_good = strcmp(exam->fsync, "always") == 0 ||
                   (strcmp(exam->fsync, "everysec") == 0 && set->count >= GUARDED_FROM);

    if (is_good || exam->fsync[0] == '\0') {
        return;
    }
    redlock_finding *finding =
        redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "persistence", exam->where);

    redlock_finding_what(finding, "appendfsync is %s", exam->fsync);
    redlock_finding_todo(finding, "when the power fails, the last locks granted are forgotten",
                         "CONFIG SET appendfsync always, and the same in its configuration file");
}

static void judge_persistence(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (!exam->is_up) {
            continue;
        }
        if (!exam->has_aof) {
            judge_no_aof(set, exam, findings);
            continue;
        }
        judge_fsync(set, exam, findings);
        if (exam->aof_state[0] != '\0' && strcmp(exam->aof_state, "ok") != 0) {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "persistence", exam->where);

            redlock_finding_what(finding, "the last write to the append-only file failed");
            redlock_finding_todo(finding, "it refuses every write, so it grants no lock",
                                 "see its log and its disk");
        }
    }
    if (!redlock_findings_has(findings, "persistence") && up_count(set) > 0) {
        const char *fsync = up_first(set)->fsync;

        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "persistence", ""),
                             "append-only files%s%s", fsync[0] != '\0' ? ", appendfsync " : "",
                             fsync);
    }
}

/* --- the restart guard ----------------------------------------------------------------------- */

/* For how long the server will give no vote; 0: it votes; -1: until somebody declares it ready or
 * asks it for a lock, and from then on the whole length. */
static int64_t silence_ms(const redlock_exam *exam, int64_t guard_ms) {
    size_t len = strlen(exam->run_id);
    char *end = NULL;

    if (len == 0 || strncmp(exam->boot, exam->run_id, len) != 0 || exam->boot[len] != ' ') {
        return -1;
    }
    long long since = strtoll(exam->boot + len + 1, &end, 10);
    if (end == exam->boot + len + 1 || since > INT64_C(9999999999999999)) {
        return -1;
    }
    int64_t left = since > 0 ? since + guard_ms - exam->time_ms : 0;

    return left > 0 ? left : 0;
}

static void judge_silence(const redlock_exam *exam, int64_t guard_ms, redlock_findings *findings) {
    static const char why[] = "until the guard has passed it gives no vote, because it may have "
                              "forgotten locks";
    char text[REDLOCK_LENGTH_BYTES];
    char guard[REDLOCK_LENGTH_BYTES];
    int64_t left_ms = silence_ms(exam, guard_ms);

    if (left_ms == 0) {
        return;
    }
    redlock_finding *finding =
        redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "guard", exam->where);
    const char *uptime = redlock_length_text(exam->uptime_s * 1000, text);

    if (exam->boot[0] == '\0') {
        redlock_finding_what(finding, "new, or it lost its data; up for %s", uptime);
        redlock_finding_todo(finding, why,
                             "if the whole set is new and empty: redlock init; else wait for %s "
                             "from the first attempt on",
                             redlock_length_text(guard_ms, guard));
    } else if (left_ms < 0) {
        redlock_finding_what(finding, "restarted %s ago", uptime);
        redlock_finding_todo(finding, why, "wait: it votes %s after the next attempt",
                             redlock_length_text(guard_ms, guard));
    } else {
        redlock_finding_what(finding, "restarted or new; silent for %s more",
                             redlock_length_text(left_ms, guard));
        redlock_finding_todo(finding, why, "wait, and restart one server at a time");
    }
}

static void judge_guard(const redlock_set *set, redlock_findings *findings) {
    int64_t guard_ms = set->ttl_max_ms + GUARD_SLACK_MS;
    char text[REDLOCK_LENGTH_BYTES];

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];
        bool is_known = exam->is_up && exam->run_id[0] != '\0';

        if (is_known && set->count >= GUARDED_FROM) {
            judge_silence(exam, guard_ms, findings);
        } else if (is_known && exam->uptime_s * 1000 < guard_ms &&
                   strcmp(exam->fsync, "always") != 0) {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "guard", exam->where);

            redlock_finding_what(finding, "restarted %s ago",
                                 redlock_length_text(exam->uptime_s * 1000, text));
            redlock_finding_todo(finding,
                                 "with fewer than three servers nothing keeps it from granting "
                                 "what it forgot",
                                 "use appendfsync always, or three servers");
        }
    }
    if (!redlock_findings_has(findings, "guard") && up_count(set) > 0) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "guard", ""),
                             set->count >= GUARDED_FROM ? "every server may vote"
                                                        : "no restart to worry about");
    }
}

/* --- rights ---------------------------------------------------------------------------------- */

static void judge_lacks(const redlock_exam *exam, redlock_findings *findings, redlock_level level,
                        const char *lacks, const char *why) {
    const char *user = exam->user[0] != '\0' ? exam->user : "USER";

    if (lacks[0] == '\0') {
        return;
    }
    redlock_finding *finding = redlock_finding_add(findings, level, "rights", exam->where);

    redlock_finding_what(finding, "the user %s lacks %s", user, lacks);
    redlock_finding_todo(finding, why, "ACL SETUSER %s %s", user, lacks);
}

static void judge_rights(const redlock_set *set, redlock_findings *findings) {
    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (!exam->is_up) {
            continue;
        }
        judge_lacks(exam, findings, REDLOCK_LEVEL_FAIL, exam->lacks,
                    "without these it refuses what locks are made of");
        judge_lacks(exam, findings, REDLOCK_LEVEL_WARN, exam->lacks_wake,
                    "without these nobody who waits is woken: they poll, and in no order");
        judge_lacks(
            exam, findings, REDLOCK_LEVEL_WARN, exam->lacks_key,
            "it is the doctor's own key, always empty: without it, whether the server writes "
            "is not tried");
        if (exam->refusal[0] != '\0') {
            redlock_finding *finding =
                redlock_finding_add(findings, REDLOCK_LEVEL_FAIL, "writes", exam->where);

            redlock_finding_what(finding, "it refuses to write: %s", exam->refusal);
            redlock_finding_todo(finding, "it grants no lock and renews none", "see its log");
        }
    }
    if (!redlock_findings_has(findings, "rights") && up_count(set) > 0) {
        redlock_finding_what(redlock_finding_add(findings, REDLOCK_LEVEL_OK, "rights", ""),
                             "scripts, keys, publish and subscribe are allowed");
    }
}

/* --- the wire -------------------------------------------------------------------------------- */

static bool where_is_private(const char *where) {
    static const char *const starts[] = {
        "unix://",      "rediss://", "redis://127.", "redis://localhost:", "redis://localhost/",
        "redis://[::1]"};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(where, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return where[0] == '\0';
}

static void judge_certificate(const redlock_set *set, const redlock_exam *exam,
                              redlock_findings *findings) {
    int64_t left_s = exam->tls_until_s - set->now_s;

    if (exam->tls_until_s == 0 || left_s >= CERTIFICATE_DAYS * DAY_S) {
        return;
    }
    redlock_finding *finding =
        redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "privacy", exam->where);

    if (left_s >= 0) {
        redlock_finding_what(finding, "%s, and its certificate ends in %lld days", exam->tls,
                             (long long)(left_s / DAY_S));
    } else {
        redlock_finding_what(finding, "%s, and its certificate has expired", exam->tls);
    }
    redlock_finding_todo(finding, "from then on no client that checks it will talk to the server",
                         "renew it, and CONFIG SET tls-cert-file and tls-key-file");
}

static void judge_plain(const redlock_exam *exam, redlock_findings *findings) {
    redlock_finding *finding =
        redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "privacy", exam->where);

    redlock_finding_what(finding, "no TLS");
    redlock_finding_todo(finding,
                         "whoever listens gets the password and the tokens, and can release any "
                         "lock",
                         "give the server a tls-port and a certificate, and use rediss://; or a "
                         "tunnel, or a network of its own");
}

/* What is said when all is well: the oldest protocol, the certificate that ends first. */
static void privacy_tell(const redlock_set *set, redlock_findings *findings) {
    redlock_finding *finding = redlock_finding_add(findings, REDLOCK_LEVEL_OK, "privacy", "");
    const redlock_exam *first = NULL;
    const char *oldest = "";

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        if (exam->tls[0] != '\0') {
            first = first == NULL || exam->tls_until_s < first->tls_until_s ? exam : first;
            oldest = oldest[0] == '\0' || strcmp(exam->tls, oldest) < 0 ? exam->tls : oldest;
        }
    }
    if (first == NULL) {
        redlock_finding_what(finding, "nothing leaves this machine in the clear");
    } else {
        redlock_finding_what(finding, "%s; the certificate%s ends in %lld days", oldest,
                             set->count > 1 ? " that ends first" : "",
                             (long long)((first->tls_until_s - set->now_s) / DAY_S));
    }
}

static void judge_privacy(const redlock_set *set, redlock_findings *findings) {
    bool has_tls = false;

    for (size_t i = 0; i < set->count; i++) {
        const redlock_exam *exam = &set->exam[i];

        has_tls = has_tls || exam->tls[0] != '\0';
        if (!where_is_private(exam->where)) {
            judge_plain(exam, findings);
        }
        judge_certificate(set, exam, findings);
    }
    if (has_tls && set->is_insecure) {
        redlock_finding *finding = redlock_finding_add(findings, REDLOCK_LEVEL_WARN, "privacy", "");

        redlock_finding_what(finding, "certificates are not checked");
        redlock_finding_todo(finding, "whoever is in between can be the server",
                             "--tls-ca FILE in place of --tls-insecure");
    }
    if (!redlock_findings_has(findings, "privacy")) {
        privacy_tell(set, findings);
    }
}

void redlock_checks_judge(const redlock_set *set, redlock_findings *findings) {
    judge_reach(set, findings);
    judge_count(set, findings);
    judge_distinct(set, findings);
    judge_role(set, findings);
    judge_version(set, findings);
    judge_eviction(set, findings);
    judge_memory(set, findings);
    judge_persistence(set, findings);
    judge_guard(set, findings);
    judge_rights(set, findings);
    judge_privacy(set, findings);
    redlock_checks_judge_time(set, findings);
}
