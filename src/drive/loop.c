/* loop.c -- one descriptor for many, by epoll. */
#include "drive/loop.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/assert.h"

#ifdef __linux__
#include <sys/epoll.h>
#endif

void redlock_loop_init(redlock_loop *loop) {
    *loop = (redlock_loop){.fd = -1, .inner_fd = -1};
    for (uint32_t i = 0; i < REDLOCK_LOOP_PLACES_MAX; i++) {
        loop->place[i].fd = -1;
    }
}

bool redlock_loop_is_open(const redlock_loop *loop) {
    return loop->fd >= 0;
}

static void fd_close(int fd) {
    if (fd >= 0) {
        (void)close(fd); /* the number is gone whatever it answers */
    }
}

void redlock_loop_close(redlock_loop *loop) {
    fd_close(loop->fd);
    fd_close(loop->inner_fd);
    redlock_loop_init(loop);
}

#ifdef __linux__

bool redlock_loop_is_supported(void) {
    return true;
}

/* Hang-ups and errors are told whatever is asked for. */
static bool set_change(int set, int operation, int fd, short events) {
    struct epoll_event wanted = {.events = ((events & POLLIN) != 0 ? (uint32_t)EPOLLIN : 0) |
                                           ((events & POLLOUT) != 0 ? (uint32_t)EPOLLOUT : 0)};
    return epoll_ctl(set, operation, fd, &wanted) == 0;
}

bool redlock_loop_open(redlock_loop *loop) {
    REDLOCK_ASSERT(loop->fd < 0 && loop->inner_fd < 0);
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    loop->inner_fd = loop->fd >= 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (loop->inner_fd >= 0 && set_change(loop->fd, EPOLL_CTL_ADD, loop->inner_fd, 0)) {
        return true;
    }
    int saved_errno = errno;
    redlock_loop_close(loop);
    errno = saved_errno;
    return false;
}

void redlock_loop_forget(redlock_loop *loop, uint32_t place) {
    redlock_loop_place *at = &loop->place[place];
    REDLOCK_ASSERT(place < REDLOCK_LOOP_PLACES_MAX);
    if (at->fd >= 0) {
        (void)set_change(loop->inner_fd, EPOLL_CTL_DEL, at->fd, 0); /* it is there and open */
        at->fd = -1;
    }
}

bool redlock_loop_watch(redlock_loop *loop, uint32_t place, int fd, short events) {
    redlock_loop_place *at = &loop->place[place];
    REDLOCK_ASSERT(redlock_loop_is_open(loop) && place < REDLOCK_LOOP_PLACES_MAX);
    if (fd == at->fd && events == at->events) {
        return true;
    }
    const int operation = fd == at->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (fd != at->fd) {
        redlock_loop_forget(loop, place);
    }
    if (fd >= 0 && !set_change(loop->inner_fd, operation, fd, events)) {
        return false;
    }
    *at = (redlock_loop_place){.fd = fd, .events = events};
    return true;
}

bool redlock_loop_arm(redlock_loop *loop, bool is_armed) {
    if (loop->is_armed == is_armed) {
        return true;
    }
    REDLOCK_ASSERT(redlock_loop_is_open(loop));
    if (!set_change(loop->fd, EPOLL_CTL_MOD, loop->inner_fd, is_armed ? POLLIN : 0)) {
        return false;
    }
    loop->is_armed = is_armed;
    return true;
}

#else

bool redlock_loop_is_supported(void) {
    return false;
}

bool redlock_loop_open(redlock_loop *loop) {
    (void)loop;
    errno = ENOSYS;
    return false;
}

void redlock_loop_forget(redlock_loop *loop, uint32_t place) {
    (void)loop;
    (void)place;
}

bool redlock_loop_watch(redlock_loop *loop, uint32_t place, int fd, short events) {
    (void)loop;
    (void)place;
    (void)fd;
    (void)events;
    return false;
}

bool redlock_loop_arm(redlock_loop *loop, bool is_armed) {
    (void)loop;
    return !is_armed;
}

#endif
