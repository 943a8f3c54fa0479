/* look.c -- questions to all nodes: who holds, throw the holder out, declare new nodes ready. */
#include <stddef.h>
#include <string.h>

#include "api/inside.h"
#include "drive/clock.h"

#define LOOK_TIMEOUT_MS 1000
#define INFO_BYTES_MIN offsetof(redlock_info, waiter_count) /* of the first release */

static int ask_nodes(redlock_client *client, redlock_command_kind question, const char *name,
                     size_t name_len, redlock_op *op) {
    redlock_report_start(op->report);
    if (redlock_engine_is_child(client->engine)) {
        return redlock_report_refuse(op->report, REDLOCK_FORKED, NULL);
    }
    redlock_engine_lock(client->engine);
    redlock_fact fact = {.kind = REDLOCK_FACT_LOOK};
    redlock_core *core = redlock_engine_core(client->engine);
    if (redlock_op_reserve(client)) {
        fact.as.ask.memory = redlock_pool_take(
            client->pool, redlock_core_slot_size(core, name_len, REDLOCK_TOKEN_BYTES_MAX));
    }
    if (fact.as.ask.memory == NULL) {
        redlock_engine_unlock(client->engine);
        return redlock_report_refuse(op->report, REDLOCK_NOMEM, NULL);
    }
    fact.slot = redlock_core_vacant(core);
    fact.as.ask.name = (redlock_bytes){(const uint8_t *)name, name_len};
    fact.as.ask.question = question;
    fact.as.ask.wall_us = redlock_clock_wall_us();
    fact.as.ask.seek =
        (redlock_seek){.fenced = true, .node_timeout = redlock_ns_from_ms(LOOK_TIMEOUT_MS)};
    redlock_status status = redlock_op_run(client, &fact, NULL, op);
    redlock_engine_unlock(client->engine);
    return status;
}

static int ask_name(redlock_client *client, redlock_command_kind question, const char *name,
                    size_t name_len, redlock_info *ret_info, redlock_report *report) {
    redlock_status status = redlock_options_name(name, name_len);
    if (status != REDLOCK_OK || client == NULL || ret_info == NULL ||
        ret_info->struct_size < INFO_BYTES_MIN) {
        return redlock_report_refuse(report, status != REDLOCK_OK ? status : REDLOCK_INVALID, NULL);
    }
    redlock_op op = {.report = report, .info = ret_info};
    return ask_nodes(client, question, name, name_len, &op);
}

int redlock_inspect(redlock_client *client, const char *name, size_t name_len,
                    redlock_info *ret_info, redlock_report *report) {
    return ask_name(client, REDLOCK_COMMAND_LOOK, name, name_len, ret_info, report);
}

int redlock_break(redlock_client *client, const char *name, size_t name_len, redlock_info *ret_info,
                  redlock_report *report) {
    return ask_name(client, REDLOCK_COMMAND_BREAK, name, name_len, ret_info, report);
}

/* --- init ------------------------------------------------------------------------------------ */

/* New nodes may be declared ready when no node of the set has ever voted: then no lock can be lost.
 * A node that is new while others are ready has lost its data or replaces one that had some. */
static bool init_is_safe(const redlock_report *probe) {
    for (uint32_t i = 0; i < probe->node_count; i++) {
        bool fresh = probe->node[i].status == REDLOCK_NOT_READY &&
                     strcmp(probe->node[i].words, "restarted") != 0;
        if (!fresh) {
            return false;
        }
    }
    return true;
}

static uint32_t count_ready(const redlock_report *probe) {
    uint32_t ready = 0;
    for (uint32_t i = 0; i < probe->node_count; i++) {
        ready += probe->node[i].status == REDLOCK_OK;
    }
    return ready;
}

int redlock_client_init_nodes(redlock_client *client, int force, redlock_report *report) {
    redlock_report probe = REDLOCK_INIT(redlock_report);
    if (client == NULL) {
        return redlock_report_refuse(report, REDLOCK_INVALID, NULL);
    }
    if (!client->guarded) {
        return redlock_report_refuse(report, REDLOCK_OK,
                                     "these nodes have no restart guard and need no init");
    }
    redlock_op op = {.report = report != NULL ? report : &probe};
    int result = ask_nodes(client, REDLOCK_COMMAND_PROBE, "", 0, &op);
    uint32_t ready = count_ready(op.report);
    if (ready == client->node_count || (result != REDLOCK_OK && result != REDLOCK_NOT_READY)) {
        return result;
    }
    if (!force && !init_is_safe(op.report)) {
        return REDLOCK_NOT_READY;
    }
    return ask_nodes(client, REDLOCK_COMMAND_DECLARE, "", 0, &op);
}
