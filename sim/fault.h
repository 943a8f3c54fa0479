/* fault.h -- everything that can go wrong in a simulated world, as one list.
 *
 * Each is a switch that a run has on or off, and a counter in the report. */
#ifndef REDLOCK_SIM_FAULT_H
#define REDLOCK_SIM_FAULT_H

#include <stdint.h>

/* X(NAME, "what it is called in traces and reports") */
#define REDLOCK_SIM_FAULT_MAP(X)                                                                   \
    X(DROP_THERE, "requests vanish")                                                               \
    X(DROP_BACK, "answers vanish")                                                                 \
    X(DELAY, "a link is slow for a while")                                                         \
    X(RESEND, "break behind a request: sent twice")                                                \
    X(REORDER, "old connection overtaken by the next")                                             \
    X(HALF_OPEN, "half-open connection")                                                           \
    X(RESET, "connection reset")                                                                   \
    X(TORN, "connection breaks inside a request")                                                  \
    X(PARTITION, "client cut off from some nodes")                                                 \
    X(ISOLATE, "node cut off from all clients")                                                    \
    X(EAR_LOSES, "wakes get lost")                                                                 \
    X(EAR_RESET, "subscription reset")                                                             \
    X(EAR_DEAF, "subscription half-open")                                                          \
    X(EAR_REFUSED, "subscribing refused")                                                          \
    X(REFUSED, "connect refused")                                                                  \
    X(CONNECT_HANGS, "connect hangs")                                                              \
    X(DNS, "name not found")                                                                       \
    X(CRASH_KEEP, "node crash, data kept")                                                         \
    X(CRASH_LOSE_ALL, "node crash, all data lost")                                                 \
    X(CRASH_LOSE_SECOND, "node crash, last second lost")                                           \
    X(NODE_PAUSE, "node stands still")                                                             \
    X(CLIENT_PAUSE, "CLIENT PAUSE")                                                                \
    X(JUMP_FORWARD, "node clock jumps ahead, within the margin")                                   \
    X(JUMP_BACK, "node clock jumps back")                                                          \
    X(JUMP_BEYOND, "node clock jumps ahead, beyond the margin")                                    \
    X(DRIFT, "clocks of different rates")                                                          \
    X(SCRIPT_FLUSH, "SCRIPT FLUSH")                                                                \
    X(FLUSHALL, "FLUSHALL on a node")                                                              \
    X(EVICT, "a lock's key is evicted")                                                            \
    X(OOM, "OOM")                                                                                  \
    X(MISCONF, "MISCONF")                                                                          \
    X(READONLY, "READONLY")                                                                        \
    X(NOREPLICAS, "NOREPLICAS")                                                                    \
    X(LOADING, "LOADING")                                                                          \
    X(BUSY, "BUSY")                                                                                \
    X(NOPERM, "NOPERM in a session")                                                               \
    X(MAXCLIENTS, "maxclients reached")                                                            \
    X(EVICTS, "maxmemory-policy set to evict")                                                     \
    X(GARBAGE, "garbage replies")                                                                  \
    X(OVERSIZED, "oversized replies")                                                              \
    X(PASSWORD, "password changed")                                                                \
    X(PROCESS_PAUSE, "process stands still")                                                       \
    X(SUSPEND, "machine suspended, connections dead")                                              \
    X(PROCESS_CRASH, "process crash")                                                              \
    X(FORK, "process crash, a child keeps its sockets")                                            \
    X(SKEW, "wall clocks differ between clients")                                                  \
    X(WALL_JUMP, "a client's wall clock jumps")                                                    \
    X(POISON, "a client's wall clock is years ahead")                                              \
    X(CAPACITY, "inflight cap reached")                                                            \
    X(BREAK, "somebody breaks a lock")

typedef enum redlock_sim_trouble {
#define REDLOCK_SIM_TROUBLE(name, words) REDLOCK_SIM_TROUBLE_##name,
    REDLOCK_SIM_FAULT_MAP(REDLOCK_SIM_TROUBLE)
#undef REDLOCK_SIM_TROUBLE
        REDLOCK_SIM_TROUBLE_COUNT
} redlock_sim_trouble;

struct redlock_sim_world;
struct redlock_sim_event;

const char *redlock_sim_trouble_words(redlock_sim_trouble trouble);
/* What a run of this kind has from the beginning on, and its first fault. */
void redlock_sim_fault_begin(struct redlock_sim_world *world);
/* FAULT and MEND events. */
void redlock_sim_fault_happen(struct redlock_sim_world *world,
                              const struct redlock_sim_event *event);
void redlock_sim_fault_mend(struct redlock_sim_world *world, const struct redlock_sim_event *event);
/* The storm is over: everything is as it should be. */
void redlock_sim_fault_end(struct redlock_sim_world *world);

#endif
