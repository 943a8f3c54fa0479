/* wake.c -- an eventfd on Linux, a nonblocking pipe elsewhere.
 *
 * Raising twice before a clear is one wake-up: a full counter or pipe is readable already, so a
 * write that would block has nothing to add. */
#include "drive/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#endif

#ifdef __linux__

bool redlock_wake_init(redlock_wake *wake) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wake->read_fd = fd;
    wake->write_fd = fd;
    return fd >= 0;
}

#else

static bool fd_prepare(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool redlock_wake_init(redlock_wake *wake) {
    int ends[2];
    wake->read_fd = -1;
    wake->write_fd = -1;
    if (pipe(ends) != 0) {
        return false;
    }

    wake->read_fd = ends[0];
    wake->write_fd = ends[1];
    if (!fd_prepare(ends[0]) || !fd_prepare(ends[1])) {
        int saved_errno = errno;
        redlock_wake_deinit(wake);
        errno = saved_errno;
        return false;
    }
    return true;
}

#endif

void redlock_wake_deinit(redlock_wake *wake) {
    if (wake->read_fd >= 0) {
        (void)close(wake->read_fd); /* nothing to be done about a failing close */
    }
    if (wake->write_fd >= 0 && wake->write_fd != wake->read_fd) {
        (void)close(wake->write_fd);
    }
    wake->read_fd = -1;
    wake->write_fd = -1;
}

void redlock_wake_raise(redlock_wake *wake) {
    const uint64_t one = 1; /* an eventfd wants eight bytes; a pipe takes them as well */
    int saved_errno = errno;
    ssize_t written;
    do {
        written = write(wake->write_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    errno = saved_errno;
}

void redlock_wake_clear(redlock_wake *wake) {
    uint8_t sink[512]; /* an eventfd is empty after one read; a pipe when a read comes up short */
    ssize_t got;
    do {
        got = read(wake->read_fd, sink, sizeof sink);
    } while (got == (ssize_t)sizeof sink || (got < 0 && errno == EINTR));
}
