/* use.c -- what a C program does with the header, for the compiler to judge. */
#include <redlock/redlock.h>

int use(redlock_client *client, redlock_lock **ret_lock);

int use(redlock_client *client, redlock_lock **ret_lock) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);

    options.wait_ms = REDLOCK_FOREVER;
    options.renew_ms = REDLOCK_NO_RENEW;
    options.flags = REDLOCK_ACQUIRE_PLAIN;
    switch ((redlock_status)redlock_acquire(client, "job", 3, &options, ret_lock, &report)) {
    case REDLOCK_OK:
        return 0;
    default:
        return report.status;
    }
}
