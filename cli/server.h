/* server.h -- one private redis-server (or valkey-server) on a unix socket.
 *
 * A server that lives holds a lock (flock) on the file `alive` in its folder: it inherits the open
 * file from us and keeps it until it ends, however it ends.  So nobody ever starts a second one on
 * the same data, not even while the first hangs, still reads its data, or was started by a command
 * that was killed half-way; and no process number has to be believed. */
#ifndef REDLOCK_CLI_SERVER_H
#define REDLOCK_CLI_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/say.h"

#define REDLOCK_SOCKET_BYTES_MAX 108 /* sun_path of Linux, with its NUL */

typedef struct redlock_server {
    char folder[REDLOCK_SOCKET_BYTES_MAX];
    char socket[REDLOCK_SOCKET_BYTES_MAX];
} redlock_server;

typedef enum redlock_server_state {
    REDLOCK_SERVER_DOWN = 1, /* no process */
    REDLOCK_SERVER_BUSY,     /* a process that does not answer: starting, loading, or stopped */
    REDLOCK_SERVER_UP
} redlock_server_state;

/* Names it by the folder of its set and its number, from 1.  False when the path is too long. */
bool redlock_server_init(redlock_server *server, const char *set_folder, int number);
/* Asks it, for 500 ms at most.  *ret_pid is the process behind the socket, 0 when there is none;
 * *ret_uptime_s is since when, -1 when not told. */
redlock_server_state redlock_server_look(const redlock_server *server, pid_t *ret_pid,
                                         int64_t *ret_uptime_s);
/* Whether it left data behind from an earlier run. */
bool redlock_server_has_data(const redlock_server *server);
/* Starts it with the program at `program`.  Says what goes wrong and returns false. */
bool redlock_server_start(const redlock_server *server, const char *program,
                          const redlock_say *say);
/* Waits until it answers; false when it ended or `timeout_ms` are over. */
bool redlock_server_await(const redlock_server *server, int64_t timeout_ms);
/* Asks it to end, first by its own command and then by SIGTERM; false when it lives on. */
bool redlock_server_stop(const redlock_server *server);
/* unix:///..., percent-encoded: a string for the caller to free, NULL without memory. */
char *redlock_server_url_dup(const redlock_server *server);

#endif
