/* init.c -- `redlock init`: declares new, empty servers ready to vote. */
#include <stdio.h>

#include <redlock/redlock.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/local.h"
#include "cli/options.h"
#include "cli/say.h"

static void nodes_print(const redlock_report *report) {
    for (uint32_t i = 0; i < report->node_count && i < REDLOCK_NODES_MAX; i++) {
        const redlock_node_report *node = &report->node[i];

        (void)printf("%s: %s%s%s\n", node->where,
                     node->status == REDLOCK_OK ? "ready" : redlock_status_text(node->status),
                     node->words[0] != '\0' ? ": " : "", node->words);
    }
}

static int nodes_init(const redlock_init_options *options) {
    redlock_client_options client_options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;

    client_options.key_prefix = options->key_prefix;
    /* One or two servers have no guard unless a client turns it on: then this has been of use. */
    client_options.flags = REDLOCK_CLIENT_GUARD_ON;
    redlock_trust_tell_client(&options->urls.trust, &client_options);
    int status = redlock_client_create((const char *const *)options->urls.url, options->urls.count,
                                       &client_options, &client, &report);
    if (status != REDLOCK_OK) {
        redlock_say_report(&options->say, NULL, status, &report);
        return status == REDLOCK_UNSUPPORTED ? REDLOCK_EXIT_USAGE : redlock_exit_of_status(status);
    }

    status = redlock_client_init_nodes(client, options->is_forced, &report);
    redlock_client_destroy(client);
    if (options->say.loudness >= REDLOCK_NORMAL) {
        nodes_print(&report);
    }
    if (status != REDLOCK_OK) {
        redlock_say_error(&options->say, "%s",
                          report.sentence[0] != '\0' ? report.sentence
                                                     : redlock_status_text(status));
    }
    return redlock_exit_of_status(status);
}

static int init_parsed(redlock_init_options *options) {
    int code = redlock_urls_complete(&options->urls, "init");

    if (code == 0) {
        code = redlock_local_resolve(&options->urls, &options->say);
    }
    return code == 0 ? nodes_init(options) : code;
}

int redlock_init_main(int argc, char **argv) {
    redlock_init_options options;
    int code = redlock_init_options_parse(&options, argc, argv);

    if (code == REDLOCK_GO_ON) {
        code = init_parsed(&options);
    }
    redlock_urls_deinit(&options.urls);
    return code;
}
