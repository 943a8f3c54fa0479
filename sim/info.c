#include "sim/info.h"

#include "sim/verb.h"

static void section_begin(redlock_sim_text *text, const char *title) {
    redlock_sim_text_say(text, text->len == 0 ? "# " : "\r\n# ");
    redlock_sim_text_say(text, title);
    redlock_sim_text_say(text, "\r\n");
}

/* Valkey says beside its own version the last one of Redis that it is like. */
static const char *version_of(redlock_sim_make make) {
    switch (make) {
    case REDLOCK_SIM_REDIS_7_0:
        return "redis_version:7.0.15\r\nredis_mode:standalone\r\n";
    case REDLOCK_SIM_REDIS_8_4:
        return "redis_version:8.4.0\r\nredis_mode:standalone\r\n";
    case REDLOCK_SIM_VALKEY_9:
        return "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n"
               "server_mode:standalone\r\n";
    }
    return "";
}

static void server_write(const redlock_sim_info *info, redlock_sim_text *text) {
    section_begin(text, "Server");
    redlock_sim_text_say(text, version_of(info->make));
    redlock_sim_text_say(text, "run_id:");
    redlock_sim_text_say(text, info->run_id);
    redlock_sim_text_say(text, "\r\n");
}

static void memory_write(const redlock_sim_info *info, redlock_sim_text *text) {
    section_begin(text, "Memory");
    redlock_sim_text_say(text, info->faults[REDLOCK_SIM_EVICTS]
                                   ? "maxmemory_policy:allkeys-lru\r\n"
                                   : "maxmemory_policy:noeviction\r\n");
}

static void replication_write(const redlock_sim_info *info, redlock_sim_text *text) {
    section_begin(text, "Replication");
    redlock_sim_text_say(text, info->faults[REDLOCK_SIM_READONLY]
                                   ? "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6379\r\n"
                                   : "role:master\r\nconnected_slaves:0\r\n");
}

static bool is_wanted(const redlock_bytes *words, size_t count, const char *section) {
    for (size_t i = 1; i < count; i++) {
        if (redlock_sim_word_is(words[i], section)) {
            return true;
        }
    }
    return count == 1;
}

void redlock_sim_info_write(const redlock_sim_info *info, const redlock_bytes *words, size_t count,
                            redlock_sim_text *text) {
    if (is_wanted(words, count, "SERVER")) {
        server_write(info, text);
    }
    if (is_wanted(words, count, "MEMORY")) {
        memory_write(info, text);
    }
    if (is_wanted(words, count, "REPLICATION")) {
        replication_write(info, text);
    }
}
