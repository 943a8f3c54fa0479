/* scenario_fault.c -- the commands of a scenario for faults: of links, wakes, nodes and clients. */
#include "scenario_inside.h"

#include <string.h>

/* --- links ----------------------------------------------------------------------------------- */

static void link_delay(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    if (test_line_value(line, "to") != NULL) {
        link->there = link->back = test_line_time(run, line, "to", 0) / 2;
    }
    link->there = test_line_time(run, line, "there", link->there);
    link->back = test_line_time(run, line, "back", link->back);
}

/* delay n2 n3 to=80ms        a round trip takes so long, half of it each way
 * delay A n1 there=5ms back=1ms */
static void do_delay(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_delay);
}

static void link_drop(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    link->drop_there = (uint32_t)test_line_number(run, line, "commands", link->drop_there);
    link->drop_back = (uint32_t)test_line_number(run, line, "answers", link->drop_back);
}

/* drop n1 commands=1         so many of the next commands never arrive
 * drop A n1 answers=1        so many of the next answers never arrive */
static void do_drop(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_drop);
}

static void link_cut(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    run->world->client[client].link[node].is_cut = strcmp(line->word[0], "cut") == 0;
}

/* cut A n1                   nothing passes and nobody is told; no client named: all of them
 * heal-link A n1             new connections work again; the old one stays dead */
static void do_cut(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_cut);
}

static void link_hang(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    run->world->client[client].link[node].is_mute = strcmp(line->word[0], "hang") == 0;
}

/* hang n1                    commands are carried out, but answers do not pass
 * unhang n1 */
static void do_hang(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_hang);
}

static void link_break(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    (void)line;
    redlock_world_break(run->world, client, node);
}

/* break-link A n1            the client sees the connection break now; what it sent still arrives */
static void do_break_link(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_break);
}

/* --- being woken ----------------------------------------------------------------------------- */

static void link_wakes(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    redlock_world_link *link = &run->world->client[client].link[node];
    link->wake_way = test_line_time(run, line, "take", link->wake_way);
    link->drop_wakes = (uint32_t)test_line_number(run, line, "lose", link->drop_wakes);
    link->is_refusing_listen = test_line_has(line, "refuse") ||
                               (link->is_refusing_listen && !test_line_has(line, "allow"));
}

/* wakes A n1 take=5ms        a wake is on its way for so long, whatever answers take
 * wakes n1 lose=2            so many of the next wakes never arrive
 * wakes n1 refuse            subscribing is refused; `allow` ends that */
static void do_wakes(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_wakes);
}

static void link_deafen(test_scenario *run, const test_line *line, uint32_t client, uint32_t node) {
    redlock_world_deafen(run->world, client, node, test_line_has(line, "unheard"));
}

/* deafen A n1 unheard        the subscription ends at the node; the client hears of it, or does not */
static void do_deafen(test_scenario *run, const test_line *line) {
    test_line_each_link(run, line, link_deafen);
}

/* --- nodes ----------------------------------------------------------------------------------- */

static void node_pause(test_scenario *run, const test_line *line, uint32_t node) {
    if (strcmp(line->word[0], "pause") == 0) {
        redlock_world_pause(run->world, node);
    } else {
        redlock_world_resume(run->world, node);
    }
}

/* pause n1                   as by SIGSTOP: what arrives waits, also from connections closed meanwhile
 * resume n1                  it is carried out in the order of arrival */
static void do_pause(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_pause);
}

static void node_crash(test_scenario *run, const test_line *line, uint32_t node) {
    if (strcmp(line->word[0], "crash") == 0) {
        redlock_world_crash(run->world, node);
    } else {
        redlock_world_restart(run->world, node, test_line_has(line, "lose"));
    }
}

/* crash n1                   connections break, new ones are refused
 * restart n1 lose            comes back with another run id, and without its data if `lose` is said */
static void do_crash(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_crash);
}

static void node_refuse(test_scenario *run, const test_line *line, uint32_t node) {
    run->world->node[node].is_refusing = !test_line_has(line, "no-more");
    for (uint32_t c = 0; c < run->world->config.client_count && !test_line_has(line, "no-more");
         c++) {
        redlock_world_break(run->world, c, node);
        redlock_world_deafen(run->world, c, node, false);
    }
}

/* refuse n1                  connections break and new ones are refused; the data live on
 * refuse n1 no-more */
static void do_refuse(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_refuse);
}

static void node_fail(test_scenario *run, const test_line *line, uint32_t node) {
    (void)line;
    run->world->node[node].model.fails_with =
        test_line_has(line, "no-more") ? REDLOCK_OK : REDLOCK_REFUSED;
}

/* fail n1                    every command is answered with an error
 * fail n1 no-more */
static void do_fail(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_fail);
}

static void node_forget(test_scenario *run, const test_line *line, uint32_t node) {
    (void)line;
    run->world->node[node].model.steps_forgotten = UINT32_MAX;
}

/* forget n1                  the node forgets all steps, as by SCRIPT FLUSH */
static void do_forget(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_forget);
}

static void node_compare(test_scenario *run, const test_line *line, uint32_t node) {
    run->world->node[node].model.has_compare = true;
    run->world->node[node].model.refuses_compare = test_line_has(line, "refused");
}

/* compares n1 refused        the node gives plain names back by a command of its own; the first one is
 *                            refused, and from then on the connection uses the step */
static void do_compares(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_compare);
}

static void node_expire(test_scenario *run, const test_line *line, uint32_t node) {
    redlock_model_expire(&run->world->node[node].model, redlock_bytes_of(line->word[1]));
}

/* lose job n1 n2             the name's key is gone there; its mark stays */
static void do_lose(test_scenario *run, const test_line *line) {
    test_line_each_node(run, line, node_expire);
}

static void node_plant(test_scenario *run, const test_line *line, uint32_t node) {
    redlock_ns ttl = test_line_time(run, line, "ttl", 10 * REDLOCK_NS_PER_S);
    redlock_world_plant(run->world, node, line->word[1], line->word[2], ttl,
                        test_line_number(run, line, "mark", 0));
}

/* plant job OTHER n1 n2 ttl=5s mark=7     somebody else holds the name there, past all rules */
static void do_plant(test_scenario *run, const test_line *line) {
    if (line->count < 4) {
        test_scenario_complain(run, "plant needs a name, a value and nodes", line->word[0]);
        return;
    }
    test_line_each_node(run, line, node_plant);
}

/* --- clocks and clients ---------------------------------------------------------------------- */

/* skew n1 +5s                the node's wall clock jumps; -5s: backwards
 * skew A -200ms              the client's */
static void do_skew(test_scenario *run, const test_line *line) {
    uint32_t index = 0;
    const char *by = line->word[line->count - 1];
    int64_t us = (int64_t)(test_scenario_parse_time(run, by + (by[0] == '+' || by[0] == '-')) /
                           REDLOCK_NS_PER_US);
    us = by[0] == '-' ? -us : us;
    for (int i = 1; i + 1 < line->count; i++) {
        if (test_scenario_is_client(run, line->word[i], &index)) {
            run->world->client[index].skew_us += us;
        } else if (test_scenario_is_node(run, line->word[i], &index)) {
            run->world->node[index].skew_us += us;
        } else {
            test_scenario_complain(run, "neither a client nor a node", line->word[i]);
        }
    }
}

/* freeze A for=12s           the client's process stands still; what arrives waits */
static void do_freeze(test_scenario *run, const test_line *line) {
    uint32_t client = test_line_client(run, line);
    run->world->client[client].frozen_until =
        redlock_ns_add(run->world->now, test_line_time(run, line, "for", 0));
}

/* kill A                     the process is gone, and its connections with it */
static void do_kill(test_scenario *run, const test_line *line) {
    redlock_world_kill(run->world, test_line_client(run, line));
}

/* --- all of them ----------------------------------------------------------------------------- */

const test_command test_commands_fault[] = {
    {"delay", do_delay},       {"drop", do_drop},     {"cut", do_cut},
    {"heal-link", do_cut},     {"hang", do_hang},     {"unhang", do_hang},
    {"pause", do_pause},       {"resume", do_pause},  {"crash", do_crash},
    {"restart", do_crash},     {"refuse", do_refuse}, {"fail", do_fail},
    {"forget", do_forget},     {"lose", do_lose},     {"plant", do_plant},
    {"skew", do_skew},         {"freeze", do_freeze}, {"break-link", do_break_link},
    {"wakes", do_wakes},       {"deafen", do_deafen}, {"kill", do_kill},
    {"compares", do_compares}, {NULL, NULL},
};
