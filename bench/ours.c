/* ours.c -- clients of the library. */
#include "ours.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void client_warm(redlock_client *client) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    char name[32];

    options.wait_ms = 5000;
    (void)snprintf(name, sizeof(name), "warm-%ld", (long)getpid());
    int status = redlock_acquire(client, name, strlen(name), &options, &lock, &report);
    if (status != REDLOCK_OK) {
        bench_give_up("the first acquire: %s: %s", redlock_status_name(status), report.sentence);
    }
    (void)redlock_release(lock, NULL);
}

redlock_client *ours_connect(const char *const *urls, size_t count,
                             const redlock_client_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    int status = redlock_client_create(urls, count, options, &client, &report);

    if (status != REDLOCK_OK) {
        bench_give_up("a client: %s: %s", redlock_status_name(status), report.sentence);
    }
    client_warm(client);
    return client;
}

static void server_urls(test_server *const *servers, size_t count, const char **urls) {
    for (size_t i = 0; i < count; i++) {
        urls[i] = test_server_url(servers[i]);
    }
}

redlock_client *ours_connect_servers(test_server *const *servers, size_t count) {
    const char *urls[OURS_URLS_MAX];

    server_urls(servers, count, urls);
    return ours_connect(urls, count, NULL);
}

void ours_declare_ready(test_server *const *servers, size_t count) {
    const char *urls[OURS_URLS_MAX];
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;

    server_urls(servers, count, urls);
    if (redlock_client_create(urls, count, NULL, &client, &report) != REDLOCK_OK ||
        redlock_client_init_nodes(client, 1, &report) != REDLOCK_OK) {
        bench_give_up("the servers are not ready: %s", report.sentence);
    }
    redlock_client_destroy(client);
}
