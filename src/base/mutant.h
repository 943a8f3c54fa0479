/* mutant.h -- known mistakes, to be put into the core on purpose.
 *
 * A checker that nobody has seen fail proves nothing.  Built with REDLOCK_MUTANTS (by ./dev sim, never
 * for a library that is installed), the simulator chooses one of these mistakes and has to find it.
 * Otherwise every condition below is the constant 0 and is gone from the code. */
#ifndef REDLOCK_BASE_MUTANT_H
#define REDLOCK_BASE_MUTANT_H

/* X(NAME, "the mistake") */
#define REDLOCK_MUTANT_MAP(X)                                                                      \
    X(CLOCK_STARTED_LATE, "validity is counted from the answers, not from the questions")          \
    X(CLOCK_KEPT_OVER_TRIES, "the clock is started once for all attempts")                         \
    X(DRIFT_IGNORED, "validity is the whole ttl")                                                  \
    X(MARGIN_MISSING, "servers keep no longer than the ttl")                                       \
    X(LATE_GRANT_COUNTED, "an acquire succeeds after its own deadline")                            \
    X(EXTENDED_WITHOUT_QUORUM, "one node's yes moves the deadline")                                \
    X(RENEWED_TOO_LATE, "a renewal counts after the old deadline")                                 \
    X(LOST_AT_NEXT_CHANCE, "nobody is woken at the deadline")                                      \
    X(LOST_NOT_FINAL, "a lost lock is held again")                                                 \
    X(GUARD_SKIPPED, "restarted nodes are not asked whether they may vote")                        \
    X(MINORITY_NOT_RELEASED, "a failed attempt leaves its grants behind")                          \
    X(SILENT_NOT_RELEASED, "who did not answer is not told to release")                            \
    X(CANCELED_NOT_RELEASED, "a canceled attempt leaves its grants behind")                        \
    X(RELEASED_AT_QUORUM_ONLY, "a release goes to no more nodes than a quorum")                    \
    X(RELEASED_AT_FIRST_YES, "one node's yes is a release")                                        \
    X(FENCE_AT_FIRST_MAJORITY, "the fence is the largest mark, lagging nodes are not raised")      \
    X(FENCE_AGREED_LOOSELY, "marks above the fence count as agreeing")                             \
    X(NOT_AFTER_MISSING, "commands carry no not-after time")                                       \
    X(STRAYS_FORGOTTEN, "a release is not repeated for what was still under way")                  \
    X(HEAL_COUNTED, "a node that was healed votes at once")                                        \
    X(JITTER_MISSING, "all retries come after the same delay")                                     \
    X(RENEWED_IN_STEP, "all first renewals come after the same time")                              \
    X(QUORUM_OF_REACHABLE, "the quorum is one of the nodes that are up")                           \
    X(TOKEN_REUSED, "every attempt has the token of the first")                                    \
    X(OLD_ANSWER_COUNTED, "an answer to an older attempt counts")                                  \
    X(RENEWING_GIVEN_UP, "one failed renewal ends the renewing")                                   \
    X(RENEWED_AFTER_RELEASE, "a renewal that waits is sent after the release")                     \
    X(WAIT_FOREVER, "the end of the wait is not looked at between attempts")                       \
    X(TIMEOUT_MISSING, "a node that is silent is waited for without end")                          \
    X(CAP_IGNORED, "more commands are in flight than may be")                                      \
    X(BACKOFF_MISSING, "a node that fails is called again at once")                                \
    X(WAKE_IGNORED, "nobody goes on when it is woken")                                             \
    X(WAKE_LOST_WHILE_ASKING, "a wake that overtakes an answer is forgotten")                      \
    X(SUBSCRIBED_WITHOUT_ASKING, "what was not heard before subscribing is not asked for")         \
    X(POLL_MISSING, "who waits in a queue asks only when it is woken")                             \
    X(QUEUE_NOT_LEFT, "who gives up waiting stays in the queue")                                   \
    X(ATTEMPT_KEPT, "a waiter that fails keeps the grants of a minority")                          \
    X(TICKET_PER_TRY, "every attempt takes a new ticket")                                          \
    X(PLACE_LOST, "an attempt that fails gives up the place in the queue")                         \
    X(HAND_OFF_FROM_NOW, "a hand-off is counted from when its wake was heard")                     \
    X(HAND_OFF_WITHOUT_MARGIN, "a hand-off is held for as long as the server keeps it")            \
    X(REFUSAL_IS_NOT_HELD, "a native command that is refused says that nothing is held")

#define REDLOCK_MUTANT_ENUM(name, text) REDLOCK_MUTANT_##name,
enum redlock_mutant_name {
    REDLOCK_MUTANT_NONE = 0,
    REDLOCK_MUTANT_MAP(REDLOCK_MUTANT_ENUM) REDLOCK_MUTANT_COUNT
};
#undef REDLOCK_MUTANT_ENUM

#ifdef REDLOCK_MUTANTS
extern int redlock_mutant; /* the simulator's */
#define REDLOCK_MUTANT(name) (redlock_mutant == (int)REDLOCK_MUTANT_##name)
#else
#define REDLOCK_MUTANT(name) 0
#endif

#endif
