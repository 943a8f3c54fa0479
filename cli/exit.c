/* exit.c -- from the library's answers to exit codes. */
#include "cli/exit.h"

#include <stdio.h>

#include <redlock/redlock.h>

int redlock_exit_of_status(int status) {
    switch ((redlock_status)status) {
    case REDLOCK_OK:
        return REDLOCK_EXIT_OK;
    case REDLOCK_HELD:
    case REDLOCK_TIMEOUT:
        return REDLOCK_EXIT_BUSY;
    case REDLOCK_NO_QUORUM:
    case REDLOCK_EXPIRED:
    case REDLOCK_UNKNOWN:
    case REDLOCK_NOT_READY:
    case REDLOCK_IO:
    case REDLOCK_SILENT:
    case REDLOCK_REFUSED:
        return REDLOCK_EXIT_UNAVAILABLE;
    case REDLOCK_LOST:
    case REDLOCK_NOT_HELD:
        return REDLOCK_EXIT_LOST;
    case REDLOCK_NOMEM:
        return REDLOCK_EXIT_SYSTEM;
    case REDLOCK_AUTH:
    case REDLOCK_AUTH_REQUIRED:
    case REDLOCK_NO_PERMISSION:
    case REDLOCK_UNTRUSTED:
        return REDLOCK_EXIT_LOGIN;
    case REDLOCK_INVALID:
    case REDLOCK_BAD_NAME:
    case REDLOCK_BAD_TTL:
    case REDLOCK_BAD_TOKEN:
    case REDLOCK_BAD_URL:
        return REDLOCK_EXIT_USAGE;
    case REDLOCK_UNSUPPORTED:
    case REDLOCK_PROTOCOL:
    case REDLOCK_EVEN_NODES:
    case REDLOCK_SAME_NODE:
    case REDLOCK_REPLICA:
    case REDLOCK_EVICTS:
    case REDLOCK_CLOCK:
        return REDLOCK_EXIT_UNFIT;
    case REDLOCK_CANCELED: /* only after a signal, which the caller turns into 128 + N */
    case REDLOCK_CLOSED:
    case REDLOCK_FORKED:
    case REDLOCK_STATUS_INT_:
        return REDLOCK_EXIT_INTERNAL;
    }
    return REDLOCK_EXIT_INTERNAL;
}

void redlock_exit_print(void) {
#define REDLOCK_EXIT_LINE(name, number, text) (void)printf("  %3d  %s\n", number, text);
    REDLOCK_EXIT_MAP(REDLOCK_EXIT_LINE)
#undef REDLOCK_EXIT_LINE
}
