/* resolve.h -- names to addresses without ever making a renewal wait for DNS.
 *
 * Numeric addresses are answered at once.  A name is looked up by getaddrinfo(3) on a thread of
 * its own, started for the lookup and gone after it; the one who asked is woken.  A lookup that is
 * no longer wanted is abandoned: its thread ends when the C library lets it go. */
#ifndef REDLOCK_DRIVE_RESOLVE_H
#define REDLOCK_DRIVE_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "drive/wake.h"

#define REDLOCK_RESOLVE_ADDRESSES_MAX 8
#define REDLOCK_RESOLVE_THREADS_MAX 15 /* at once; abandoned ones count until they end */

typedef struct redlock_resolver redlock_resolver; /* counted: its threads may outlive the owner */
typedef struct redlock_lookup redlock_lookup;

typedef struct redlock_addresses {
    uint32_t count;
    struct {
        struct sockaddr_storage at;
        socklen_t len;
    } item[REDLOCK_RESOLVE_ADDRESSES_MAX];
    int gai_error; /* getaddrinfo's code when count is 0 */
} redlock_addresses;

/* `wake` is raised whenever a lookup ends; the resolver keeps a duplicate of its descriptor from the first
 * lookup on that needs a thread.  NULL: no memory. */
redlock_resolver *redlock_resolver_create(redlock_wake *wake);
void redlock_resolver_destroy(redlock_resolver *resolver); /* NULL is fine; waits for nobody */
/* True and *ret_addresses when known at once (numeric); else *ret_lookup is to be asked later, NULL
 * when there is no memory, descriptor or thread for it. */
bool redlock_resolver_start(redlock_resolver *resolver, const char *host, uint16_t port,
                            redlock_addresses *ret_addresses, redlock_lookup **ret_lookup);
/* True when the lookup has ended; then it is freed. */
bool redlock_lookup_take(redlock_lookup *lookup, redlock_addresses *ret_addresses);
void redlock_lookup_abandon(redlock_lookup *lookup); /* NULL is fine */

#endif
