/* redlock.h -- distributed locks on Redis or Valkey: one server, or a majority of independent ones.
 *
 * A lock here is a lease: a promise with a deadline.  While redlock_lock_is_held() says yes, nobody
 * else holds the name (promise P1 of docs/guarantees.md, with its conditions).  Work that may
 * outlive the deadline, because a process can be paused at any instruction, is protected by the
 * fence: a number that only grows from holder to holder, which the guarded resource compares.
 *
 * True of every call below unless its comment says otherwise:
 *   time       *_ms are lengths in milliseconds, int64_t; 0 means the default written beside it.
 *   names      any bytes, 1 to 512 of them, with their length.  The Redis key is exactly the name.
 *   ownership  ret_x is written on success only; a report is written always, when one is given.
 *              Strings and options are copied.  A returned `const char *` is borrowed.
 *   threads    any thread may make any call on one client; calls on one lock may overlap, but
 *              nothing may overlap or follow the release of that lock or the destroy of its client.
 *   blocking   every wait is bounded, by what the comment says.  Who waits for a server's answer looks
 *              for it up to 0.2 ms, yielding, before it sleeps; where that does not pay, rarely.
 *   errors     0 is REDLOCK_OK, negatives are enum redlock_status (status.h has a sentence each).
 *   fork       in a forked child every handle of the parent is dead: calls answer REDLOCK_FORKED,
 *              nothing is renewed or released.  Destroying it there frees the child's memory. */
#ifndef REDLOCK_H
#define REDLOCK_H

#include <stddef.h>
#include <stdint.h>

#include <redlock/status.h>

#ifndef REDLOCK_API
#if defined(__GNUC__)
#define REDLOCK_API __attribute__((visibility("default")))
#else
#define REDLOCK_API
#endif
#endif

/* An options or report struct, zeroed but for its size:
 *     redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
 * Bindings: zero the struct, set struct_size. */
#ifdef __cplusplus
template <class T> inline T redlock_sized() {
    T t = T();
    t.struct_size = static_cast<uint32_t>(sizeof(T));
    return t;
}
#define REDLOCK_INIT(type) (redlock_sized<type>())
extern "C" {
#else
#define REDLOCK_INIT(type)                                                                         \
    { .struct_size = (uint32_t)sizeof(type) }
#endif

#define REDLOCK_VERSION "0.1.0"
#define REDLOCK_NODES_MAX 15
#define REDLOCK_FOREVER INT64_MAX /* as wait_ms */
#define REDLOCK_NO_RENEW (-1)     /* as renew_ms */

typedef struct redlock_client redlock_client; /* nodes, connections, a keeper thread if needed */
typedef struct redlock_lock redlock_lock;     /* one lease: held, lost, or ended by release */
typedef struct redlock_wait redlock_wait;     /* lets another thread cancel a wait */

/* --- reports: why each node said what it said ------------------------------------------------ */

typedef struct redlock_node_report {
    int32_t status;     /* enum redlock_status of this node alone; OK: it counts for us */
    int32_t sys_errno;  /* behind REDLOCK_IO, else 0 */
    int64_t latency_us; /* of its last answer; 0: it did not answer */
    /* HELD: what the holder has left there; NOT_READY: the silence left; 0: unknown */
    int64_t left_ms;
    char where[96];  /* the node's URL without user and password; may be cut */
    char words[112]; /* the server's own words, or the holder's label; may be cut or empty */
} redlock_node_report;

/* Caller-owned and of fixed size, so that failing never allocates. */
typedef struct redlock_report {
    uint32_t struct_size;
    uint32_t node_count, quorum;
    uint32_t granted; /* nodes that count for us */
    int32_t status;   /* what the call returned */
    uint32_t reserved;
    char sentence[256]; /* what happened, why, and what to do next; for people */
    redlock_node_report node[REDLOCK_NODES_MAX]; /* in the order of the URLs */
} redlock_report;

/* --- client ---------------------------------------------------------------------------------- */

typedef enum redlock_event_kind {
    REDLOCK_EVENT_ACQUIRED = 1,
    REDLOCK_EVENT_RENEWED = 2,    /* the deadline moved */
    REDLOCK_EVENT_RENEW_LATE = 3, /* a renewal failed so far; it is tried until the deadline */
    REDLOCK_EVENT_LOST = 4,       /* final; stop the guarded work, then release the handle */
    REDLOCK_EVENT_RELEASED = 5,
    REDLOCK_EVENT_NODE_UP = 6,
    REDLOCK_EVENT_NODE_DOWN = 7, /* status says why: IO, AUTH, REPLICA, EVICTS ... */
    REDLOCK_EVENT_WAITING = 8    /* an acquire has another place in the queue */
} redlock_event_kind;

typedef struct redlock_event {
    uint32_t struct_size;
    uint32_t kind;      /* enum redlock_event_kind; skip kinds that you do not know */
    redlock_lock *lock; /* NULL on node events.  Valid until you release it; not after RELEASED */
    int32_t status;
    int32_t node;         /* index on node events, else -1 */
    int64_t remaining_ms; /* ACQUIRED, RENEWED, RENEW_LATE: what is left; else 0 */
    redlock_wait *wait;   /* WAITING: the one given to the acquire, or NULL */
    int64_t place;        /* WAITING: 1 is next.  It is learned when the nodes are asked */
} redlock_event;

/* Runs on whichever thread drives the client at that moment: the keeper, or a caller inside a blocking
 * call or inside redlock_client_process.  No lock of the library is held.  It must return soon, because
 * renewals wait for it, and may call only the asking functions (redlock_lock_is_held and its neighbours). */
typedef void redlock_event_fn(const redlock_event *event, void *user);

typedef struct redlock_client_options {
    uint32_t struct_size;
    uint32_t flags; /* REDLOCK_CLIENT_* */
    /* 60,000; at most 24 h. All clients of the same nodes agree on it: the restart guard waits
     * for it */
    int64_t ttl_max_ms;
    int64_t connect_timeout_ms; /* 1,000: resolve, connect, log in */
    int64_t release_timeout_ms; /* 5,000 */
    int64_t drift_ppm;          /* 10,000 (1 %): rate error between any two clocks */
    int64_t drift_floor_us;     /* 2,000 */
    /* 1,024 unanswered commands per node; callers beyond wait in order */
    int64_t inflight_max;
    const char *key_prefix; /* none; goes in front of every key, at most 128 bytes */
    /* host/pid; who we are, for status output: printable, no space, at most 64 bytes */
    const char *label;
    redlock_event_fn *on_event; /* none */
    void *user;                 /* for on_event */
    /* For rediss:// URLs; the names of files in PEM format, read once, by redlock_client_create.
     * Whom to trust: the certificates of authorities (or of servers) in a file, or in a directory that
     * `openssl rehash` has prepared, or in both.  None of them: the system's authorities */
    const char *tls_ca_file;
    const char *tls_ca_dir;
    /* none; who we are, for servers that ask: our certificate, then those between it and its
     * authority */
    const char *tls_cert_file;
    /* in tls_cert_file; no passphrase.  Refused when others may read it: mode 0600, or 0640 and root's */
    const char *tls_key_file;
    /* none; its first line is the password of every URL that has none, so that it stands in no command
     * line and no configuration.  Refused when others may read it, as above */
    const char *password_file;
} redlock_client_options;

#define REDLOCK_CLIENT_GUARD_ON 1u    /* restart guard also below three nodes */
#define REDLOCK_CLIENT_GUARD_OFF 2u   /* none: a node that restarts empty may break P1 */
#define REDLOCK_CLIENT_EVEN_NODES 4u  /* accept an even number of nodes */
#define REDLOCK_CLIENT_EVENT_QUEUE 8u /* keep events for redlock_client_next_event */
/* DANGEROUS, for trials only: rediss:// takes any certificate of anybody, so whoever can come between
 * reads the password and grants locks at will.  Say so to your users whenever you set it. */
#define REDLOCK_CLIENT_TLS_NO_VERIFY 16u
/* No keeper thread: the application's own loop keeps the locks, by redlock_client_fd, _deadline_ms and
 * _process below.  A lock that nobody processes for is lost at its deadline. */
#define REDLOCK_CLIENT_OWN_LOOP 32u

/* Makes a client for the nodes at `urls` (redis://, rediss://, unix://; see docs/protocol.md), 1 to
 * 15 of them, odd.  Connects lazily, so it does not block but for reading the files that the options
 * name.  `options` may be NULL.  `report` (may be NULL) gets the sentence when a URL, an option or a
 * file is wrong.
 * A rediss:// server has to prove by its certificate that it is the host of the URL, before a word is
 * said to it; otherwise calls fail with UNTRUSTED.  It is never talked to without TLS instead.
 * Returns OK, BAD_URL, UNSUPPORTED (scheme, rediss:// in a build without TLS, OWN_LOOP where there is no
 * epoll), EVEN_NODES, SAME_NODE, INVALID, NOMEM, IO (no descriptor or thread to be had). */
REDLOCK_API int redlock_client_create(const char *const *urls, size_t count,
                                      const redlock_client_options *options,
                                      redlock_client **ret_client, redlock_report *report);
/* Ends it: locks still held are not released, they run out at their ttl (release them first).
 * Returns when the keeper thread is gone, which takes no longer than an event callback in progress,
 * and when the nodes have answered what was sent, for which it waits 250 ms at most.
 * NULL is fine.  Handles of its locks are invalid afterwards. */
REDLOCK_API void redlock_client_destroy(redlock_client *client);

/* A descriptor that polls readable while redlock_client_next_event has something; owned by the
 * client, never to be read.  -1 without REDLOCK_CLIENT_EVENT_QUEUE. */
REDLOCK_API int redlock_client_event_fd(const redlock_client *client);
/* Takes the oldest event: 1 and *ret_event, or 0.  The queue keeps 1,024 events; when it is full
 * the oldest RENEWED goes first, LOST goes last.  Any thread, never blocks. */
REDLOCK_API int redlock_client_next_event(redlock_client *client, redlock_event *ret_event);

/* The application's own loop, for a client with REDLOCK_CLIENT_OWN_LOOP:
 *
 *     for (;;) {
 *         int64_t ms = redlock_client_deadline_ms(client);
 *         poll(fds, count, ms == REDLOCK_FOREVER ? -1 : (int)ms);      // redlock_client_fd among them
 *         redlock_client_process(client);
 *         ...
 *     }
 *
 * (examples/loop.c is a whole program.)
 * The library starts no thread for such a client, but one for each look-up of a host's name (and none for
 * unix:// and literal addresses).  Calls that block (acquire, extend, release ...) drive all by
 * themselves while they last, the client's other locks included, and may be made by any thread; between
 * them everything is the loop's: renewals, reconnecting, learning of a loss, undoing what came late.
 * A loop that stays away for longer than ttl - renew_ms loses its locks: is_held and remaining_ms tell
 * it then, as always, by the clock alone; LOST and the lost_fd come with the next process. */

/* A descriptor that polls readable when process has something to do; the same for the client's life, and
 * owned by it.  Poll it (level-triggered), never read it; it is closed on exec.  It is quiet while another
 * thread is inside of a blocking call, which does the work then.  Any thread, never blocks.
 * -1: without REDLOCK_CLIENT_OWN_LOOP, in a forked child, or when no descriptor is to be had; then go by the
 * deadline alone, which is at most 20 ms away while an answer is awaited.  Ask again later, if you like. */
REDLOCK_API int redlock_client_fd(redlock_client *client);
/* How long the loop may sleep at most before it calls process although the descriptor is quiet: 0 when
 * something is due, at most 1,000 otherwise (a machine may be suspended meanwhile, which the loop's sleep
 * does not count), rounded up to whole milliseconds.  REDLOCK_FOREVER: nothing is due, or another thread is
 * inside of a blocking call; should there come to be something, the descriptor tells.  So ask after
 * process, each time before sleeping.  Only on the loop's thread, because what it says is what the
 * descriptor then makes up for; never blocks.
 * REDLOCK_FOREVER without REDLOCK_CLIENT_OWN_LOOP, and in a forked child. */
REDLOCK_API int64_t redlock_client_deadline_ms(redlock_client *client);
/* Does what is due and takes what has come, then calls on_event for what that led to, on this thread.
 * Never waits for a server (over TLS it may take the milliseconds of a handshake's arithmetic), and may be
 * called at any time, for nothing.  Returns at once while another thread is inside of a blocking call.  Any
 * thread, one at a time: a client has one loop.  Not from on_event.
 * What becomes of locks is told by their own questions and by events, not by what this returns:
 * OK; INVALID: the client was made without REDLOCK_CLIENT_OWN_LOOP; FORKED. */
REDLOCK_API int redlock_client_process(redlock_client *client);

/* Declares new, empty nodes ready (`redlock init`): without it a set of three or more votes only
 * after its restart guard has passed.  Refuses a node whose peers have been in use before (it may
 * have lost its data) unless `force` is not 0.  Blocks up to connect_timeout + 1 s.
 * Returns OK, NOT_READY (some nodes refused, see the report), NO_QUORUM. */
REDLOCK_API int redlock_client_init_nodes(redlock_client *client, int force,
                                          redlock_report *report);

/* --- acquiring ------------------------------------------------------------------------------- */

typedef struct redlock_acquire_options {
    uint32_t struct_size;
    uint32_t flags;    /* REDLOCK_ACQUIRE_* */
    int64_t ttl_ms;    /* 30,000; 1 to ttl_max */
    int64_t wait_ms;   /* 0: try once.  Else how long to go on; REDLOCK_FOREVER */
    int64_t tries_max; /* 0: as many attempts as wait_ms allows */
    /* Where no queue is used, and after failures: */
    int64_t retry_min_ms;    /* 50; -1: none.  Between attempts: this plus a random part ... */
    int64_t retry_jitter_ms; /* 250; -1: none.  ... of up to this.  Never less than 1 ms in all */
    /* ttl/3: the lock is renewed so often. REDLOCK_NO_RENEW: not at all */
    int64_t renew_ms;
    /* min(1,000, ttl/4); -1: none. The servers keep the key longer by it: how far a node's
     * clock may jump ahead without breaking P1 */
    int64_t margin_ms;
    int64_t node_timeout_ms; /* max(20, min(ttl/20, 1,000)) per command and node */
    /* none: 32 random hex digits and the label. Else your own, which makes this
     * acquire-or-extend: a name that this token holds already is a yes */
    const char *token;
    size_t token_len;   /* 1 to 256 */
    const char *label;  /* the client's; holder label in a random token */
    redlock_wait *wait; /* none: cancel from outside */
} redlock_acquire_options;

/* No fence and no companion key: SET NX PX and compare-and-delete.  A node that lost the key is not
 * healed, because nothing tells it from one on which the lock was broken. */
#define REDLOCK_ACQUIRE_PLAIN 1u
/* Takes the name as soon as it is free, though others wait for it.  It still waits in the queue when
 * the name is taken. */
#define REDLOCK_ACQUIRE_BARGE 2u
/* Waits by asking again after retry_min + 0 .. retry_jitter, and in no queue: for servers on which the
 * user may not subscribe.  Those in the queue go first.  tries_max other than 0 does the same. */
#define REDLOCK_ACQUIRE_POLL 4u

/* Acquires `name`.  Sends to all nodes at once and returns as soon as a quorum has granted, or
 * cannot grant any more.  `options` and `report` may be NULL.
 * Blocks: for one attempt (at most connect_timeout + 3 node_timeouts), and up to wait_ms in all.
 * On OK *ret_lock is held and renewed in the background (or by the application's loop, where the client
 * has no keeper); end it with redlock_release.  On anything else nothing is held, and what single nodes
 * had granted is being undone.
 *   HELD         somebody else has it (wait_ms was 0, or the tries are used up)
 *   TIMEOUT      somebody else had it all the time
 *   CANCELED     redlock_cancel
 *   EXPIRED      granted too slowly: raise ttl_ms, or look at the nodes' latency in the report
 *   NO_QUORUM    too few nodes answered: see the report
 *   NOT_READY    nodes restarted or are new (`redlock init`)
 *   AUTH, AUTH_REQUIRED, UNTRUSTED, REPLICA, EVICTS, SAME_NODE, PROTOCOL, NO_PERMISSION, CLOCK,
 *   REFUSED      enough nodes to prevent a quorum share this one cause
 *   BAD_NAME, BAD_TTL, BAD_TOKEN, INVALID, NOMEM, FORKED  nothing was sent */
REDLOCK_API int redlock_acquire(redlock_client *client, const char *name, size_t name_len,
                                const redlock_acquire_options *options, redlock_lock **ret_lock,
                                redlock_report *report);

/* A lock that somebody acquired elsewhere, by its token and fence: extend, keep or release it here.
 * With fence 0 (not known) the nodes are asked; if they don't agree, the fence stays 0.
 * options: ttl_ms, renew_ms, margin_ms, node_timeout_ms, PLAIN.  It is renewed at once.
 * OK, NOT_HELD (a majority says the token does not hold), NO_QUORUM and the causes as above. */
REDLOCK_API int redlock_adopt(redlock_client *client, const char *name, size_t name_len,
                              const char *token, size_t token_len, uint64_t fence,
                              const redlock_acquire_options *options, redlock_lock **ret_lock,
                              redlock_report *report);

/* Something that redlock_cancel can be called on; give it to one acquire at a time. */
REDLOCK_API int redlock_wait_create(redlock_client *client, redlock_wait **ret_wait);
/* Not while an acquire uses it; NULL is fine. */
REDLOCK_API void redlock_wait_destroy(redlock_wait *wait);
/* Makes the acquire that uses `wait`, now or later, return CANCELED.  Any thread, also a signal
 * handler.  If the lock is granted at that very moment, acquire may still return OK. */
REDLOCK_API void redlock_cancel(redlock_wait *wait);

/* --- a lock in hand -------------------------------------------------------------------------- */

/* Asks for ttl_ms more (0: the lock's ttl), counted from now; it never shortens.  Renewals use the
 * new ttl from here on.  Blocks until a quorum has agreed, at most until the deadline as it was when
 * it was called; redlock_try_extend only for one round.
 * OK; LOST (final); BAD_TTL; NO_QUORUM: too few nodes agreed in time.  The lock is still held until its
 * deadline (of redlock_extend seldom: answers to older renewals have moved it meanwhile). */
REDLOCK_API int redlock_extend(redlock_lock *lock, int64_t ttl_ms, redlock_report *report);
REDLOCK_API int redlock_try_extend(redlock_lock *lock, int64_t ttl_ms, redlock_report *report);

/* Ends the handle, whatever it answers.  Blocks at most release_timeout_ms.
 *   OK        a majority had it and gave it up: the name is free
 *   NOT_HELD  it was lost before; nothing of ours is left on a majority
 *   UNKNOWN   too few nodes answered, or an answer was lost with its connection and the same question,
 *             asked again, cannot tell what it has done: others may have to wait until the ttl is over
 *   FORKED    in a forked child: nothing was sent */
REDLOCK_API int redlock_release(redlock_lock *lock, redlock_report *report);

/* Asking: any thread, never blocks, no lock taken.  is_held is true only before the deadline, so a
 * process that was frozen hears the truth at its first question. */
REDLOCK_API int redlock_lock_is_held(const redlock_lock *lock);
/* Rounded down; 0: not held.  Less than a second at first, where another client has handed over a lock that
 * is renewed: until its first renewal is answered, some 15 ms later (RENEWED tells).  Who needs to know more
 * of the future calls redlock_extend first. */
REDLOCK_API int64_t redlock_lock_remaining_ms(const redlock_lock *lock);
/* 0: plain. */
REDLOCK_API uint64_t redlock_lock_fence(const redlock_lock *lock);
/* Both end with a NUL behind their length too. */
REDLOCK_API const char *redlock_lock_token(const redlock_lock *lock, size_t *ret_len);
REDLOCK_API const char *redlock_lock_name(const redlock_lock *lock, size_t *ret_len);
/* Polls readable from the moment the lock is lost; owned by the lock, never to be read.  -1 when no
 * descriptor could be had. */
REDLOCK_API int redlock_lock_lost_fd(redlock_lock *lock);

/* --- looking --------------------------------------------------------------------------------- */

typedef struct redlock_info {
    uint32_t struct_size;
    uint32_t holder_count; /* nodes on which the holder below holds */
    uint64_t fence;        /* the largest mark seen; 0: none */
    int64_t left_ms;       /* until a majority of nodes will have let go; 0: free */
    /* the value of the key on most nodes: token or "digits:label"; empty: free */
    char holder[257];
    char reserved[7];
    uint32_t waiter_count; /* in the queue of the node where most wait */
    uint32_t reserved_too;
    /* the holder labels (or tokens of their own) of the first 32, in order, each ended by '\n' */
    char waiters[2088];
} redlock_info;

/* Who holds `name`?  Changes nothing.  OK also when it is free; NO_QUORUM. */
REDLOCK_API int redlock_inspect(redlock_client *client, const char *name, size_t name_len,
                                redlock_info *ret_info, redlock_report *report);
/* Throws the holder out on every node that answers, in a way that its renewals do not heal.
 * OK, NO_QUORUM. */
REDLOCK_API int redlock_break(redlock_client *client, const char *name, size_t name_len,
                              redlock_info *ret_info, redlock_report *report);

/* Static strings: "NO_QUORUM" ("?" for an unknown one), one plain sentence, and the version of the
 * library that is linked ("0.1.0"). */
REDLOCK_API const char *redlock_status_name(int status);
REDLOCK_API const char *redlock_status_text(int status);
REDLOCK_API const char *redlock_version(void);

#ifdef __cplusplus
}
#endif
#endif /* REDLOCK_H */
