/* ours.h -- the library under test, called as any program would call it. */
#ifndef REDLOCK_BENCH_OURS_H
#define REDLOCK_BENCH_OURS_H

#include <redlock/redlock.h>

#include "meter.h"

#define OURS_URLS_MAX 15

/* A client of these URLs that has taken and given back a lock, so that it is connected and warm. */
redlock_client *ours_connect(const char *const *urls, size_t count,
                             const redlock_client_options *options);
redlock_client *ours_connect_servers(test_server *const *servers, size_t count);
/* Declares the servers of a set ready (a set of three or more is guarded). */
void ours_declare_ready(test_server *const *servers, size_t count);

#endif
