/* status.h -- every answer a redlock call can give, as one list.
 *
 * The list below is the only place where a status is written down: the enum, the names and the
 * sentences are all made from it.  Numbers are part of the ABI: a released one is never reused.
 * Included by redlock.h; a program includes that. */
#ifndef REDLOCK_STATUS_H
#define REDLOCK_STATUS_H

/* X(NAME, number, "what it means, and what it means for the lock") */
#define REDLOCK_STATUS_MAP(X)                                                                      \
    X(OK, 0, "done")                                                                               \
    X(HELD, -1, "somebody else holds the name")                                                    \
    X(TIMEOUT, -2, "the wait ran out while somebody else held the name")                           \
    X(CANCELED, -3, "the wait was canceled; what had been granted is being undone")                \
    X(NO_QUORUM, -4, "too few nodes answered in time to decide")                                   \
    X(EXPIRED, -5, "granted, but so slowly that no validity was left")                             \
    X(LOST, -6, "the lock was held and is held no longer: stop the guarded work")                  \
    X(NOT_HELD, -7, "the nodes say that this token does not hold the name")                        \
    X(UNKNOWN, -8, "too few nodes answered to know; the ttl ends it at the latest")                \
    X(NOT_READY, -9, "nodes restarted or are new, and must stay silent for a while")               \
    X(INVALID, -10, "an argument is out of its range")                                             \
    X(NOMEM, -11, "no memory; nothing was begun")                                                  \
    X(UNSUPPORTED, -12, "not in this build, or not on this server")                                \
    X(AUTH, -13, "the server refused the user name or password")                                   \
    X(IO, -14, "the connection failed; the report has the errno")                                  \
    X(PROTOCOL, -15, "the server's answer is not what Redis says")                                 \
    X(CLOSED, -16, "the client is closed, or belongs to the parent of this process")               \
    X(AUTH_REQUIRED, -17, "the server wants a password and the URL has none")                      \
    X(BAD_NAME, -18, "a name has 1 to 512 bytes, and may not be a key that redlock itself uses")   \
    X(BAD_TTL, -19, "a ttl is at least 1 ms and at most the client's ttl_max")                     \
    X(BAD_TOKEN, -20, "a token has 1 to 256 bytes")                                                \
    X(BAD_URL, -21, "a server URL cannot be understood")                                           \
    X(EVEN_NODES, -22, "an even number of nodes survives no more failures than one node fewer")    \
    X(SAME_NODE, -23, "two of the URLs lead to one and the same server")                           \
    X(REPLICA, -24, "the server is a replica: give the URL of its master")                         \
    X(EVICTS, -25, "the server may evict keys: set its maxmemory-policy to noeviction")            \
    X(SILENT, -26, "the node did not answer in time")                                              \
    X(REFUSED, -27, "the server refused the command; its own words are in the report")             \
    X(NO_PERMISSION, -28, "the server's ACL does not allow this user a command or a key")          \
    X(CLOCK, -29, "the clocks of this machine and of the server are more than an hour apart")      \
    X(FORKED, -30, "the handle belongs to the parent process; make a client of your own")          \
    X(UNTRUSTED, -31, "no TLS that both sides trust; the node's words in the report say why")

#define REDLOCK_STATUS_ENUM(name, number, text) REDLOCK_##name = number,
typedef enum redlock_status {
    REDLOCK_STATUS_MAP(REDLOCK_STATUS_ENUM) REDLOCK_STATUS_INT_ = 0x7fffffff /* forces int */
} redlock_status;
#undef REDLOCK_STATUS_ENUM

#endif
