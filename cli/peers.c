/* peers.c -- the servers of a set. */
#include "cli/peers.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>

enum { WORDS_MAX = 16 };

void redlock_peers_init(redlock_peers *nodes, const redlock_urls *urls, int64_t timeout_ms) {
    *nodes = (redlock_peers){.count = urls->count, .quorum = urls->count / 2 + 1};
    for (size_t i = 0; i < urls->count; i++) {
        nodes->node[i].url = urls->url[i];
        nodes->node[i].index = i;
        nodes->node[i].trust = &urls->trust;
        nodes->node[i].timeout_ms = timeout_ms;
    }
}

void redlock_peers_deinit(redlock_peers *nodes) {
    for (size_t i = 0; i < nodes->count; i++) {
        redlock_peer_hang_up(&nodes->node[i]);
    }
}

typedef struct node_task {
    redlock_peer *node;
    void (*act)(redlock_peer *node, void *ctx);
    void *ctx;
    pthread_t thread;
    bool is_started;
} node_task;

static void *task_run(void *arg) {
    node_task *task = arg;

    task->act(task->node, task->ctx);
    return NULL;
}

void redlock_peers_each(redlock_peers *nodes, void (*act)(redlock_peer *node, void *ctx),
                        void *ctx) {
    node_task tasks[REDLOCK_NODES_MAX];

    for (size_t i = 0; i < nodes->count; i++) {
        node_task *task = &tasks[i];

        *task = (node_task){.node = &nodes->node[i], .act = act, .ctx = ctx};
        task->is_started = i > 0 && pthread_create(&task->thread, NULL, task_run, task) == 0;
    }
    for (size_t i = 0; i < nodes->count; i++) {
        if (!tasks[i].is_started) {
            (void)task_run(&tasks[i]); /* the first one, and those for which there is no thread */
        }
    }
    for (size_t i = 0; i < nodes->count; i++) {
        if (tasks[i].is_started) {
            (void)pthread_join(tasks[i].thread, NULL);
        }
    }
}

bool redlock_peer_connect(redlock_peer *node) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);

    if (node->ask != NULL) {
        return true;
    }
    options.connect_timeout_ms = node->timeout_ms;
    options.answer_timeout_ms = node->timeout_ms;
    redlock_trust_tell_ask(node->trust, &options);
    return redlock_ask_open(node->url, &options, &node->ask, &node->report) == REDLOCK_OK;
}

void redlock_peer_hang_up(redlock_peer *node) {
    redlock_ask_close(node->ask);
    node->ask = NULL;
}

bool redlock_peer_send(redlock_peer *node, const char *const *words, const size_t *lengths,
                       size_t count) {
    bool is_sent = node->ask != NULL &&
                   redlock_ask_send(node->ask, words, lengths, count, &node->report) == REDLOCK_OK;

    if (!is_sent) {
        redlock_peer_hang_up(node);
    }
    return is_sent;
}

const redlock_reply *redlock_peer_receive(redlock_peer *node) {
    const redlock_reply *reply = NULL;

    if (node->ask == NULL || redlock_ask_receive(node->ask, &reply, &node->report) != REDLOCK_OK) {
        redlock_peer_hang_up(node);
        return NULL;
    }
    return reply;
}

const redlock_reply *redlock_peer_ask_words(redlock_peer *node, const char *const *words,
                                            const size_t *lengths, size_t count) {
    return redlock_peer_send(node, words, lengths, count) ? redlock_peer_receive(node) : NULL;
}

const redlock_reply *redlock_peer_ask(redlock_peer *node, const char *word, ...) {
    const char *words[WORDS_MAX] = {word};
    size_t count = 1;
    va_list args;

    va_start(args, word);
    while (count < WORDS_MAX && (words[count] = va_arg(args, const char *)) != NULL) {
        count++;
    }
    va_end(args);
    return redlock_peer_ask_words(node, words, NULL, count);
}

const char *redlock_peer_why(const redlock_peer *node) {
    if (node->report.sys_errno != 0) {
        return strerror(node->report.sys_errno);
    }
    return node->report.words[0] != '\0' ? node->report.words
                                         : redlock_status_text(node->report.status);
}
