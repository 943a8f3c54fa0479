/* exam.c -- what one server says about itself. */
#include "cli/exam.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/key.h"
#include "cli/now.h"

/* --- INFO ------------------------------------------------------------------------------------ */

/* Copies what stands behind "field:" on a line of its own; "" when it is not there. */
static void info_text(const char *info, const char *field, char *out, size_t size) {
    size_t len = strlen(field);

    out[0] = '\0';
    for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1;

            (void)snprintf(out, size, "%.*s", (int)strcspn(value, "\r\n"), value);
            return;
        }
    }
}

/* A server may say anything: what is kept is small enough to reckon with. */
static int64_t number_tame(const char *text, int64_t most) {
    int64_t number = strtoll(text, NULL, 10);

    return number < 0 ? 0 : number > most ? most : number;
}

static int64_t info_number(const char *info, const char *field) {
    char text[32];

    info_text(info, field, text, sizeof(text));
    return number_tame(text, INT64_C(1000000000000000));
}

static void lacks_add(char *lacks, size_t size, const char *rule) {
    size_t len = strlen(lacks);

    if (strstr(lacks, rule) == NULL) {
        (void)snprintf(lacks + len, size - len, "%s%s", len > 0 ? " " : "", rule);
    }
}

/* "" when the server refuses; the connection may be gone then. */
static const char *info_ask(redlock_exam *exam, redlock_peer *peer, const char *section) {
    const redlock_reply *reply = redlock_peer_ask(peer, "INFO", section, NULL);

    if (reply != NULL && reply->status == REDLOCK_NO_PERMISSION) {
        lacks_add(exam->lacks, sizeof(exam->lacks), "+info");
    }
    return reply != NULL && reply->kind == REDLOCK_REPLY_TEXT ? reply->text : "";
}

static void server_take(redlock_exam *exam, const char *info) {
    info_text(info, "valkey_version", exam->version, sizeof(exam->version));
    exam->is_valkey = exam->version[0] != '\0';
    if (!exam->is_valkey) {
        info_text(info, "redis_version", exam->version, sizeof(exam->version));
    }
    info_text(info, "redis_mode", exam->mode, sizeof(exam->mode));
    if (exam->mode[0] == '\0') {
        info_text(info, "server_mode", exam->mode, sizeof(exam->mode));
    }
    info_text(info, "run_id", exam->run_id, sizeof(exam->run_id));
    exam->uptime_s = info_number(info, "uptime_in_seconds");
}

static void replication_take(redlock_exam *exam, const char *info) {
    char host[64];
    char port[16];

    info_text(info, "role", exam->role, sizeof(exam->role));
    info_text(info, "master_replid", exam->replid, sizeof(exam->replid));
    info_text(info, "master_host", host, sizeof(host));
    info_text(info, "master_port", port, sizeof(port));
    if (host[0] != '\0') {
        (void)snprintf(exam->master, sizeof(exam->master), "%s:%s", host, port);
    }
}

static void infos_ask(redlock_exam *exam, redlock_peer *peer) {
    server_take(exam, info_ask(exam, peer, "server"));
    replication_take(exam, info_ask(exam, peer, "replication"));
    const char *info = info_ask(exam, peer, "memory");
    info_text(info, "maxmemory_policy", exam->policy, sizeof(exam->policy));
    exam->maxmemory = info_number(info, "maxmemory");
    exam->used_memory = info_number(info, "used_memory");
    info = info_ask(exam, peer, "persistence");
    exam->has_aof = info_number(info, "aof_enabled") != 0;
    exam->is_loading = info_number(info, "loading");
    info_text(info, "aof_last_write_status", exam->aof_state, sizeof(exam->aof_state));

    const redlock_reply *reply = redlock_peer_ask(peer, "CONFIG", "GET", "appendfsync", NULL);
    if (reply != NULL && reply->kind == REDLOCK_REPLY_ARRAY && reply->integer == 2) {
        (void)snprintf(exam->fsync, sizeof(exam->fsync), "%s", reply->first->next->text);
    }
}

/* --- the restart guard ----------------------------------------------------------------------- */

static int64_t time_read_us(const redlock_reply *reply) {
    if (reply == NULL || reply->kind != REDLOCK_REPLY_ARRAY || reply->integer != 2) {
        return -1;
    }
    return number_tame(reply->first->text, INT64_C(10000000000)) * 1000000 +
           number_tame(reply->first->next->text, 999999);
}

/* Whether the command is allowed is checked before its keys, so it is. */
static bool is_key_refused(const redlock_reply *reply) {
    return reply != NULL && reply->kind == REDLOCK_REPLY_ERROR &&
           reply->status == REDLOCK_NO_PERMISSION &&
           (strstr(reply->text, "access a key") != NULL ||
            strstr(reply->text, "access one of the keys") != NULL); /* 7; 6 */
}

static void boot_ask(redlock_exam *exam, redlock_peer *peer, const char *prefix) {
    char key[REDLOCK_KEY_BYTES_MAX];
    char key_rule[REDLOCK_KEY_BYTES_MAX + 1];

    (void)snprintf(key, sizeof(key), "%sredlock:{boot}", prefix);
    (void)snprintf(key_rule, sizeof(key_rule), "~%s", key);
    exam->time_ms = time_read_us(redlock_peer_ask(peer, "TIME", NULL)) / 1000;
    const redlock_reply *reply = redlock_peer_ask(peer, "GET", key, NULL);
    if (reply != NULL && reply->kind == REDLOCK_REPLY_TEXT) {
        (void)snprintf(exam->boot, sizeof(exam->boot), "%s", reply->text);
    } else if (is_key_refused(reply)) {
        lacks_add(exam->lacks, sizeof(exam->lacks), key_rule);
    }
}

/* --- rights ---------------------------------------------------------------------------------- */

/* An error that is about the user's rights: which rule would cure it.  Others, like NOSCRIPT, say
 * that the command is allowed. */
static void rights_take(redlock_exam *exam, const redlock_reply *reply, const char *rule,
                        const char *key_rule) {
    bool is_wake = strcmp(rule, "+publish") == 0 || strcmp(rule, "+subscribe") == 0;
    char *lacks = is_wake ? exam->lacks_wake : exam->lacks;
    size_t size = is_wake ? sizeof(exam->lacks_wake) : sizeof(exam->lacks);

    if (reply == NULL || reply->kind != REDLOCK_REPLY_ERROR) {
        return;
    }
    if (reply->status == REDLOCK_NO_PERMISSION) {
        bool is_channel = strstr(reply->text, "channel") != NULL;

        if (is_key_refused(reply)) {
            lacks_add(exam->lacks_key, sizeof(exam->lacks_key), key_rule);
        } else {
            lacks_add(lacks, size, is_channel ? "&redlock:wake:*" : rule);
        }
    } else if (strcmp(rule, "+set") == 0 && reply->status != REDLOCK_REPLICA) {
        (void)snprintf(exam->refusal, sizeof(exam->refusal), "%s", reply->text);
    }
}

/* A user who may not ask for its name has it in the URL. */
static void user_find(redlock_exam *exam, redlock_peer *peer) {
    const redlock_reply *reply = redlock_peer_ask(peer, "ACL", "WHOAMI", NULL);
    const char *start = strstr(peer->url, "://");
    const char *end = strrchr(peer->url, '@');

    if (reply != NULL && reply->kind == REDLOCK_REPLY_TEXT) {
        (void)snprintf(exam->user, sizeof(exam->user), "%s", reply->text);
        return;
    }
    start = start != NULL ? start + 3 : peer->url;
    size_t len = strcspn(start, ":@/%");
    if (end != NULL && start + len < end && len > 0 && start[len] == ':') {
        (void)snprintf(exam->user, sizeof(exam->user), "%.*s", (int)len, start);
    }
}

static void rights_ask(redlock_exam *exam, redlock_peer *peer, const char *prefix) {
    static const char unknown[] = "0000000000000000000000000000000000000000";
    static const char channel[] = "redlock:wake:doctor";
    char key[REDLOCK_KEY_BYTES_MAX]; /* among redlock's own: nobody's data can be there */
    char key_rule[REDLOCK_KEY_BYTES_MAX + 1];

    (void)snprintf(key, sizeof(key), "%sredlock:{redlock-doctor}:probe", prefix);
    (void)snprintf(key_rule, sizeof(key_rule), "~%s", key);
    const char *const probes[][7] = {
        {"+eval", "EVAL", "return 1", "0"},
        {"+evalsha", "EVALSHA", unknown, "0"},
        {"+script|load", "SCRIPT", "LOAD", "return 1"},
        {"+time", "TIME"},
        {"+get", "GET", key},
        {"+mget", "MGET", key},
        {"+pttl", "PTTL", key},
        {"+set", "SET", key, "redlock-doctor", "XX", "PX", "1"},
        {"+pexpire", "PEXPIRE", key, "1"},
        {"+del", "DEL", key},
        {"+exists", "EXISTS", key},
        {"+zadd", "ZADD", key, "XX", "1", "redlock-doctor"},
        {"+zrem", "ZREM", key, "redlock-doctor"},
        {"+zrange", "ZRANGE", key, "0", "0"},
        {"+zrevrange", "ZREVRANGE", key, "0", "0"},
        {"+zrank", "ZRANK", key, "redlock-doctor"},
        {"+zpopmin", "ZPOPMIN", key},
        {"+zcard", "ZCARD", key},
        {"+hset", "HSET", key, "one", "two", "odd"}, /* refused: a value is missing */
        {"+hget", "HGET", key, "one"},
        {"+hdel", "HDEL", key, "one"},
        {"+publish", "PUBLISH", channel, ""},
        {"+subscribe", "SUBSCRIBE", channel}, /* the last: nothing else may be asked after it */
    };

    user_find(exam, peer);
    for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        size_t count = 1;

        while (count < 7 && probes[i][count] != NULL) {
            count++;
        }
        const redlock_reply *reply = redlock_peer_ask_words(peer, &probes[i][1], NULL, count - 1);

        rights_take(exam, reply, probes[i][0], key_rule);
    }
}

/* --- the clock ------------------------------------------------------------------------------- */

static bool sample_take(redlock_exam *exam, redlock_peer *peer) {
    int64_t wall_us = redlock_now_wall_us();
    int64_t begin_us = redlock_now_us();
    const redlock_reply *reply = redlock_peer_ask(peer, "TIME", NULL);
    int64_t trip_us = redlock_now_us() - begin_us;
    int64_t server_us = time_read_us(reply);

    if (reply == NULL) {
        return false;
    }
    if (server_us >= 0) {
        exam->sample[exam->sample_count++] =
            (redlock_sample){.at_us = begin_us + trip_us / 2,
                             .offset_us = server_us - (wall_us + trip_us / 2),
                             .trip_us = trip_us};
    }
    return server_us >= 0;
}

static void samples_take(redlock_exam *exam, redlock_peer *peer) {
    while (exam->sample_count < REDLOCK_SAMPLES_MAX && sample_take(exam, peer)) {
        (void)poll(NULL, 0, REDLOCK_SAMPLE_EVERY_MS);
    }
}

void redlock_exam_take(redlock_exam *exam, redlock_peer *peer, const char *prefix) {
    *exam = (redlock_exam){.is_up = redlock_peer_connect(peer)};
    if (exam->is_up) {
        (void)snprintf(exam->tls, sizeof(exam->tls), "%s", redlock_ask_tls_version(peer->ask));
        exam->tls_until_s = redlock_ask_tls_until_s(peer->ask);
        samples_take(exam, peer);
        infos_ask(exam, peer);
        boot_ask(exam, peer, prefix);
        rights_ask(exam, peer, prefix);
        exam->is_up = peer->ask != NULL; /* it answered to the end */
    }
    exam->status = peer->report.status;
    (void)snprintf(exam->where, sizeof(exam->where), "%s", peer->report.where);
    if (!exam->is_up) {
        (void)snprintf(exam->why, sizeof(exam->why), "%s", redlock_peer_why(peer));
    }
    redlock_peer_hang_up(peer);
}
