/* server.h -- a real Redis (or Valkey) server of its own for a test.
 *
 * It lives in a folder of its own under TMPDIR, keeps what it was told across a restart (an append
 * only file), and dies with the thread that started it, so start it on the test's main thread.
 * Anything that goes wrong here says so on stderr and aborts the test program: a test without its
 * server proves nothing.  The program is the environment's REDLOCK_TEST_SERVER, else redis-server,
 * else valkey-server.
 *
 * Where the environment's REDLOCK_TEST_RIGHTS names a file with access rules (./dev test --acl), the
 * URLs have the name of a user with exactly these rights, and without a name nobody gets in.  Only
 * the questions below are another user's.  A server that has refused that user anything ends the
 * test program. */
#ifndef REDLOCK_TEST_SERVER_H
#define REDLOCK_TEST_SERVER_H

#include <stdbool.h>

typedef struct test_server test_server;

/* Starts a server on a unix socket and returns once it answers PING.  `extra_args` (NULL, or ended
 * by NULL) are put behind the defaults, so they win: {"--requirepass", "x", NULL}. */
test_server *test_server_start(const char *const *extra_args);
/* The same, listening on 127.0.0.1 at a free port as well. */
test_server *test_server_start_tcp(const char *const *extra_args);
/* Kills it and starts it again at the same socket and port; `empty` loses everything it knew. */
void test_server_restart(test_server *server, bool empty);
/* SIGKILL.  What was written stays on disk for test_server_restart. */
void test_server_kill(test_server *server);
/* SIGSTOP: connections stay open, the kernel still accepts new ones, nothing is answered. */
void test_server_pause(test_server *server);
void test_server_resume(test_server *server);
/* Kills it, removes its folder and frees the object.  NULL is fine. */
void test_server_stop(test_server *server);

const char *test_server_socket(const test_server *server); /* the path of the unix socket */
const char *
test_server_url(const test_server *server);      /* "unix://...", or "redis://127.0.0.1:port" */
int test_server_port(const test_server *server); /* 0 unless started by _start_tcp */
long test_server_pid(const test_server *server); /* 0 while it is killed */

/* Whether REDLOCK_TEST_RIGHTS is there. */
bool test_server_has_few_rights(void);
/* What stands before the address in a URL that a test makes itself: "user:password@", or "". */
const char *test_server_login(void);
/* What a connection of the test's own says first where rights are few: "AUTH ...\r\n". */
#define TEST_SERVER_AUTH "AUTH tester tests-only\r\n"

/* Sends one command on a connection of its own (with AUTH before it where --requirepass was given)
 * and returns the answer as text, to be freed: strings and numbers as they are, an error with its
 * leading '-', nil as "(nil)", the elements of an array each ended by a newline.  NULL when there
 * is no answer within five seconds. */
char *test_server_command(test_server *server, int argc, const char *const *argv);
/* The same with the words listed and a NULL at the end: test_server_ask(s, "GET", "job", NULL). */
char *test_server_ask(test_server *server, const char *word, ...);

#endif
