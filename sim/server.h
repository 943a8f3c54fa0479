/* server.h -- a Redis server of the simulator: a keyspace, a clock that it is told, connections,
 * and the scripts that really ship, run by the Lua that real servers have inside.
 *
 * There are two ways in, and they give the same answers: typed commands for worlds that leave the
 * wire out, and RESP bytes for worlds that have connections, a greeting and torn packets.  Nothing
 * here is random, sleeps or reads a clock; what goes wrong with a server is told to it.  It talks
 * like Redis 7.0, but for what it is told to have of later versions, and knows the commands that redlock and its tests use.  Whoever asks for more than
 * it can do (a command that is not there, no memory) ends the program with a sentence on stderr or
 * gets the error of a server, and never a wrong answer. */
#ifndef REDLOCK_SIM_SERVER_H
#define REDLOCK_SIM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "base/status.h"
#include "sim/packed.h"
#include "sim/pubsub.h"
#include "wire/native.h"

typedef struct redlock_sim_server redlock_sim_server;

/* A server that is empty and ready.  `run_id` is what INFO tells, REDLOCK_RUN_ID_BYTES hex digits.
 * `seed` decides the bytes of garbage replies and nothing else. */
redlock_sim_server *redlock_sim_server_create(uint64_t seed, const char *run_id);
/* Of a version before 7.0, as far as scripts can tell. */
void redlock_sim_server_be_old(redlock_sim_server *server);

typedef enum redlock_sim_make {
    REDLOCK_SIM_REDIS_7_0 = 0,
    REDLOCK_SIM_REDIS_8_4, /* has DELEX */
    REDLOCK_SIM_VALKEY_9   /* has DELIFEQ */
} redlock_sim_make;

/* What it says it is, and the commands that go with it. */
void redlock_sim_server_be(redlock_sim_server *server, redlock_sim_make make);
void redlock_sim_server_destroy(redlock_sim_server *server);

/* The wall clock, microseconds since 1970, as it is from now on; it may jump in both directions. */
void redlock_sim_server_set_clock(redlock_sim_server *server, uint64_t wall_us);
/* How much of it passes with each redis.call inside a script; 0 unless set.  Expiry stands still
 * there, but PTTL and TIME go on, as in 7.0. */
void redlock_sim_server_set_call_us(redlock_sim_server *server, uint64_t call_us);

/* Before the next command reads the clock for the `reading`-th time, 1 the first, its process stands
 * still for so long: keys end there, and no command notices.  At most twice in one command. */
void redlock_sim_server_add_pause(redlock_sim_server *server, uint32_t reading, uint64_t us);

/* --- commands -------------------------------------------------------------------------------- */

/* One typed command, as on a connection that has logged in and uses database 0.  The answer's text
 * is borrowed until the next call.  Where replies are garbage or too large nothing is executed, and
 * the answer is ERROR with status PROTOCOL; as bytes it is executed, and then the reply is spoilt. */
redlock_answer redlock_sim_server_command(redlock_sim_server *server,
                                          const redlock_command *command, redlock_bytes prefix);

/* The same as the native command `word`, without a prefix. */
redlock_answer redlock_sim_server_native(redlock_sim_server *server, redlock_native_word word,
                                         const redlock_command *command);

typedef struct redlock_sim_said {
    redlock_bytes bytes; /* the replies, borrowed until the next call */
    bool is_closed;      /* the server hung up after them; the number is free again */
} redlock_sim_said;

/* Bytes that arrive on a connection.  A number that is new is a new connection, that has to log in
 * first where a password is set; `in` may be empty to say only that it was accepted.  Commands that
 * are not whole wait for the rest. */
redlock_sim_said redlock_sim_server_feed(redlock_sim_server *server, uint32_t connection,
                                         redlock_bytes in);
/* The other side hung up: what is not whole is never executed, its subscriptions end, and messages
 * for it that wait are dropped. */
void redlock_sim_server_hang_up(redlock_sim_server *server, uint32_t connection);

/* --- messages -------------------------------------------------------------------------------- */

/* What PUBLISH sends does not come with the replies: each message waits here, in the order of
 * publishing, so that a network can delay or lose it alone.  Taken right after the call that
 * published them, they belong behind all bytes that their connection was told so far.  False when
 * there is none; GARBAGE and OVERSIZED spoil replies only, not these. */
bool redlock_sim_server_next_message(redlock_sim_server *server, redlock_sim_message *ret_message);
/* SUBSCRIBE on a connection of its own, for worlds that leave the wire out; not to be mixed with
 * bytes on the same number.  Not OK is what a client makes of the refusal. */
redlock_status redlock_sim_server_subscribe(redlock_sim_server *server, uint32_t connection,
                                            redlock_bytes channel);
/* UNSUBSCRIBE from this channel; the connection stays.  redlock_sim_server_hang_up ends it. */
redlock_status redlock_sim_server_unsubscribe(redlock_sim_server *server, uint32_t connection,
                                              redlock_bytes channel);

/* --- what happens to a server ---------------------------------------------------------------- */

typedef enum redlock_sim_fault {                      /* each may be on or off */
                                 REDLOCK_SIM_OOM = 0, /* writes that need memory are refused */
                                 REDLOCK_SIM_MISCONF, /* the disk is full: writes and PING are refused */
                                 REDLOCK_SIM_READONLY, /* it has become a replica: writes are refused, INFO says so */
                                 REDLOCK_SIM_NOREPLICAS, /* too few replicas: writes are refused */
                                 REDLOCK_SIM_LOADING, /* nothing but the greeting's harmless half */
                                 REDLOCK_SIM_BUSY,    /* somebody's script doesn't end */
                                 REDLOCK_SIM_NOPERM, /* the user may no longer do anything but AUTH */
                                 REDLOCK_SIM_MAXCLIENTS, /* new connections are told so and closed */
                                 REDLOCK_SIM_EVICTS, /* INFO memory says allkeys-lru; evict by redlock_sim_server_evict */
                                 REDLOCK_SIM_GARBAGE,   /* replies are random bytes */
                                 REDLOCK_SIM_OVERSIZED, /* replies are a bulk far over every cap */
                                 REDLOCK_SIM_FAULT_COUNT
} redlock_sim_fault;

void redlock_sim_server_set_fault(redlock_sim_server *server, redlock_sim_fault fault, bool is_on);
/* From now on new connections must AUTH with it; NULL or empty: none. */
void redlock_sim_server_set_password(redlock_sim_server *server, const char *password);

typedef enum redlock_sim_denial {
    REDLOCK_SIM_DENY_UNKNOWN = 1, /* a proxy, or a name that was taken away */
    REDLOCK_SIM_DENY_NOPERM       /* the user lacks the right */
} redlock_sim_denial;

/* The first one of `each` native commands is refused, though INFO promises it; 0: none is. */
void redlock_sim_server_deny(redlock_sim_server *server, redlock_sim_denial denial, uint32_t each);

typedef enum redlock_sim_loss {
    REDLOCK_SIM_LOSE_NOTHING = 1,
    REDLOCK_SIM_LOSE_UNSYNCED, /* what was written since redlock_sim_server_sync */
    REDLOCK_SIM_LOSE_ALL
} redlock_sim_loss;

/* What is there now survives LOSE_UNSYNCED; a world with an append only file that is synced every
 * second calls this every second.  Without a single sync, LOSE_UNSYNCED loses all. */
void redlock_sim_server_sync(redlock_sim_server *server);
/* A new process: connections, subscriptions, messages that wait and cached scripts are gone in any
 * case. */
void redlock_sim_server_restart(redlock_sim_server *server, redlock_sim_loss loss,
                                const char *run_id);
void redlock_sim_server_flushall(redlock_sim_server *server);
void redlock_sim_server_script_flush(redlock_sim_server *server);
/* Takes away the keys whose time is over, as servers do ten times a second.  Without it they go when
 * somebody asks for them, and a clock that jumps back finds them again. */
void redlock_sim_server_expire(redlock_sim_server *server);
/* Takes back what was written since the last sync, without a restart: real servers can't, but tests
 * can look what a command would have said at another instant.  Messages are not taken back. */
void redlock_sim_server_rewind(redlock_sim_server *server);
/* True when the key (of database 0) was there. */
bool redlock_sim_server_evict(redlock_sim_server *server, redlock_bytes key);
/* From now on this text runs where the shipped script of that kind is called by its SHA1 or whole:
 * a mutant.  NULL: the shipped one again.  The text is copied. */
void redlock_sim_server_patch(redlock_sim_server *server, redlock_command_kind kind,
                              const char *text);

/* --- looking in, past all faults ------------------------------------------------------------- */

typedef struct redlock_sim_entry { /* borrowed until the next call */
    redlock_bytes key;
    redlock_bytes value; /* of a zset or a hash: for redlock_sim_packed_next */
    redlock_sim_type type;
    bool has_expiry;
    uint64_t expires_ms; /* wall clock; it is gone when the clock shows more than this */
    uint64_t left_ms;    /* what PTTL tells; 0 when it never expires */
} redlock_sim_entry;

/* A key of database 0; false when it is not there, or its time is over. */
bool redlock_sim_server_get(redlock_sim_server *server, redlock_bytes key,
                            redlock_sim_entry *ret_entry);
/* Goes through all keys of database 0 in no order that means anything: *cursor is 0 at first, false
 * ends.  Nothing may be executed meanwhile. */
bool redlock_sim_server_next(redlock_sim_server *server, size_t *cursor,
                             redlock_sim_entry *ret_entry);
/* How many connections listen to the channel. */
size_t redlock_sim_server_listeners(const redlock_sim_server *server, redlock_bytes channel);
/* How many commands came in, scripts' own calls not counted. */
uint64_t redlock_sim_server_command_count(const redlock_sim_server *server);

#endif
