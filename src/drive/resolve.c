/* resolve.c -- getaddrinfo(3) on a detached thread per lookup.
 *
 * A lookup belongs to two: the one who asked and the thread.  One exchange on its `stage` decides
 * who comes last and frees it, and the resolver counts references, so there is no mutex that a
 * forked child could find locked.  The resolver wakes through a duplicate of the descriptor: a
 * thread that the C library holds back may end long after the owner closed his. */
#include "drive/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#define RESOLVE_STACK_BYTES (256u * 1024u) /* name service modules are generous with the stack */
#define RESOLVE_HOST_BYTES 256u
#define RESOLVE_PORT_BYTES 6u

struct redlock_resolver {
    atomic_uint references; /* the owner, and each running thread */
    atomic_uint threads;
    int owner_fd;      /* what the owner's wake is raised by */
    redlock_wake wake; /* a duplicate of it, from the first thread on; nothing to read from */
};

typedef enum lookup_stage { LOOKUP_RUNNING = 0, LOOKUP_ENDED, LOOKUP_ABANDONED } lookup_stage;

struct redlock_lookup {
    redlock_resolver *resolver;
    atomic_int stage;
    char host[RESOLVE_HOST_BYTES];
    uint16_t port;
    redlock_addresses addresses; /* the thread's until LOOKUP_ENDED, then the asker's */
};

static void resolver_unref(redlock_resolver *resolver) {
    if (atomic_fetch_sub(&resolver->references, 1) == 1) {
        redlock_wake_deinit(&resolver->wake);
        free(resolver);
    }
}

redlock_resolver *redlock_resolver_create(redlock_wake *wake) {
    redlock_resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return NULL;
    }
    resolver->owner_fd = wake->write_fd;
    resolver->wake = (redlock_wake){.read_fd = -1, .write_fd = -1};
    atomic_init(&resolver->references, 1);
    atomic_init(&resolver->threads, 0);
    return resolver;
}

void redlock_resolver_destroy(redlock_resolver *resolver) {
    if (resolver != NULL) {
        resolver_unref(resolver);
    }
}

static void port_to_text(uint16_t port, char *text) {
    char digits[RESOLVE_PORT_BYTES];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + port % 10);
        port = (uint16_t)(port / 10);
    } while (port > 0);
    for (size_t i = 0; i < count; i++) {
        text[i] = digits[count - 1 - i];
    }
    text[count] = '\0';
}

static void addresses_fill(redlock_addresses *addresses, const struct addrinfo *list) {
    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        if (addresses->count == REDLOCK_RESOLVE_ADDRESSES_MAX) {
            return; /* the first ones are the preferred ones (RFC 6724) */
        }
        if (info->ai_addrlen > sizeof addresses->item[0].at) {
            continue;
        }
        memcpy(&addresses->item[addresses->count].at, info->ai_addr, info->ai_addrlen);
        addresses->item[addresses->count].len = info->ai_addrlen;
        addresses->count++;
    }
}

/* Not AI_ADDRCONFIG: it hides localhost on a machine without a network, and saves nothing, for an
 * address family that the machine lacks fails to connect at once. */
static void addresses_ask(const char *host, uint16_t port, int flags, redlock_addresses *ret) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *list = NULL;
    char service[RESOLVE_PORT_BYTES];
    port_to_text(port, service);
    ret->count = 0;
    ret->gai_error = getaddrinfo(host, service, &hints, &list);
    if (ret->gai_error != 0) {
        return;
    }

    addresses_fill(ret, list);
    freeaddrinfo(list);
    if (ret->count == 0) {
        ret->gai_error = EAI_NONAME;
    }
}

static void *lookup_run(void *argument) {
    redlock_lookup *lookup = argument;
    redlock_resolver *resolver = lookup->resolver;
    addresses_ask(lookup->host, lookup->port, AI_NUMERICSERV, &lookup->addresses);
    if (atomic_exchange(&lookup->stage, LOOKUP_ENDED) == LOOKUP_ABANDONED) {
        free(lookup);
    } else {
        redlock_wake_raise(&resolver->wake); /* the lookup may be taken and gone by now */
    }
    atomic_fetch_sub(&resolver->threads, 1);
    resolver_unref(resolver);
    return NULL;
}

/* The application's signal handlers are no business of a thread that it does not know. */
static int thread_start(pthread_attr_t *attributes, redlock_lookup *lookup) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc != 0) {
        return rc;
    }

    rc = pthread_create(&thread, attributes, lookup_run, lookup);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* what was valid stays valid */
    return rc;
}

static bool lookup_start(redlock_lookup *lookup) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }

    bool is_started = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                      pthread_attr_setstacksize(&attributes, RESOLVE_STACK_BYTES) == 0 &&
                      thread_start(&attributes, lookup) == 0;
    (void)pthread_attr_destroy(&attributes); /* frees at most; cannot matter */
    return is_started;
}

/* Most programs have nothing to look up: unix sockets and literal addresses need no thread. */
static bool resolver_can_wake(redlock_resolver *resolver) {
    redlock_wake *wake = &resolver->wake;
    if (wake->write_fd < 0) {
        wake->write_fd = fcntl(resolver->owner_fd, F_DUPFD_CLOEXEC, 0);
    }
    return wake->write_fd >= 0;
}

static redlock_lookup *lookup_create(redlock_resolver *resolver, const char *host, uint16_t port) {
    size_t len = strlen(host);
    if (len >= RESOLVE_HOST_BYTES) {
        return NULL;
    }
    redlock_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return NULL;
    }
    lookup->resolver = resolver;
    lookup->port = port;
    memcpy(lookup->host, host, len + 1);
    atomic_init(&lookup->stage, LOOKUP_RUNNING);
    return lookup;
}

bool redlock_resolver_start(redlock_resolver *resolver, const char *host, uint16_t port,
                            redlock_addresses *ret_addresses, redlock_lookup **ret_lookup) {
    *ret_lookup = NULL;
    addresses_ask(host, port, AI_NUMERICHOST | AI_NUMERICSERV, ret_addresses);
    if (ret_addresses->count > 0) {
        return true;
    }

    redlock_lookup *lookup =
        resolver_can_wake(resolver) ? lookup_create(resolver, host, port) : NULL;
    if (lookup == NULL) {
        return false;
    }
    atomic_fetch_add(&resolver->references, 1);
    if (atomic_fetch_add(&resolver->threads, 1) < REDLOCK_RESOLVE_THREADS_MAX &&
        lookup_start(lookup)) {
        *ret_lookup = lookup;
        return false;
    }
    atomic_fetch_sub(&resolver->threads, 1);
    resolver_unref(resolver);
    free(lookup);
    return false;
}

bool redlock_lookup_take(redlock_lookup *lookup, redlock_addresses *ret_addresses) {
    int stage = atomic_load(&lookup->stage);
    REDLOCK_ASSERT(stage != LOOKUP_ABANDONED);
    if (stage != LOOKUP_ENDED) {
        return false;
    }
    *ret_addresses = lookup->addresses;
    free(lookup);
    return true;
}

void redlock_lookup_abandon(redlock_lookup *lookup) {
    if (lookup != NULL && atomic_exchange(&lookup->stage, LOOKUP_ABANDONED) == LOOKUP_ENDED) {
        free(lookup);
    }
}
