/* dial.c -- from a URL to a socket that connects. */
#include "drive/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>

#include "base/assert.h"
#include "drive/socket.h"

static redlock_dial_result dial_fail(redlock_dial_fault *ret_fault, int sys_errno,
                                     const char *words) {
    *ret_fault = (redlock_dial_fault){.status = REDLOCK_IO, .sys_errno = sys_errno, .words = words};
    return REDLOCK_DIAL_FAILED;
}

void redlock_dial_init(redlock_dial *dial) {
    dial->lookup = NULL;
    dial->next = 0;
    dial->sys_errno = 0;
    dial->addresses.count = 0;
}

void redlock_dial_stop(redlock_dial *dial) {
    redlock_lookup_abandon(dial->lookup);
    dial->lookup = NULL;
}

static redlock_dial_result dial_found(redlock_dial *dial, redlock_dial_fault *ret_fault) {
    return dial->addresses.count > 0
               ? REDLOCK_DIAL_KNOWS
               : dial_fail(ret_fault, 0, gai_strerror(dial->addresses.gai_error));
}

redlock_dial_result redlock_dial_start(redlock_dial *dial, const redlock_url *url,
                                       redlock_resolver *resolver, redlock_dial_fault *ret_fault) {
    redlock_dial_init(dial);
    if (url->scheme == REDLOCK_URL_UNIX) {
        return redlock_socket_address(url->path, &dial->addresses)
                   ? REDLOCK_DIAL_KNOWS
                   : dial_fail(ret_fault, ENAMETOOLONG, "cannot connect");
    }
    if (redlock_resolver_start(resolver, url->host, url->port, &dial->addresses, &dial->lookup)) {
        return dial_found(dial, ret_fault);
    }
    return dial->lookup != NULL
               ? REDLOCK_DIAL_LOOKS
               : dial_fail(ret_fault, EAGAIN,
                           "no thread, descriptor or memory left to look up the host's name");
}

redlock_dial_result redlock_dial_look(redlock_dial *dial, redlock_dial_fault *ret_fault) {
    if (!redlock_lookup_take(dial->lookup, &dial->addresses)) {
        return REDLOCK_DIAL_LOOKS;
    }
    dial->lookup = NULL;
    return dial_found(dial, ret_fault);
}

redlock_dial_result redlock_dial_try(redlock_dial *dial, int *ret_fd, bool *ret_connected,
                                     redlock_dial_fault *ret_fault) {
    while (dial->next < dial->addresses.count) {
        uint32_t i = dial->next++;
        int error = redlock_socket_connect(&dial->addresses.item[i].at, dial->addresses.item[i].len,
                                           ret_fd, ret_connected);
        if (error == 0) {
            return REDLOCK_DIAL_KNOWS;
        }
        dial->sys_errno = error;
    }
    return dial_fail(ret_fault, dial->sys_errno, "cannot connect");
}

redlock_dial_result redlock_dial_refused(redlock_dial *dial, int sys_errno,
                                         redlock_dial_fault *ret_fault) {
    dial->sys_errno = sys_errno;
    return dial->next < dial->addresses.count ? REDLOCK_DIAL_KNOWS
                                              : dial_fail(ret_fault, sys_errno, "cannot connect");
}
