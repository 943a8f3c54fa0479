#include "drive/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* A nonblocking socket that no child inherits; -1: errno says why. */
static int socket_open(int family) {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        int saved_errno = errno;
        (void)close(fd);
        errno = saved_errno;
        return -1;
    }
    return fd;
#endif
}

/* A connection on which nothing is sent (the one that hears wakes) is asked whether it lives after so
 * long, and given up half a minute after its peer was heard last; the system's own is two hours.  It also
 * keeps a NAT from forgetting it. */
#define KEEPALIVE_IDLE_S 15
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 3

static void keep_alive(int fd) {
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_KEEPIDLE /* Linux and the BSDs */
    int idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, probes = KEEPALIVE_PROBES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
#endif
}

/* Best effort: without them the connection is slower, or a dead peer is found later. */
static void socket_tune(int fd, int family) {
    int on = 1;
#ifdef SO_NOSIGPIPE
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    if (family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        keep_alive(fd);
    }
}

int redlock_socket_connect(const struct sockaddr_storage *at, socklen_t len, int *ret_fd,
                           bool *ret_connected) {
    int fd = socket_open(at->ss_family);
    if (fd < 0) {
        return errno;
    }

    socket_tune(fd, at->ss_family);
    *ret_connected = connect(fd, (const struct sockaddr *)at, len) == 0;
    if (!*ret_connected && errno != EINPROGRESS && errno != EINTR) {
        int saved_errno = errno;
        (void)close(fd); /* nobody has seen it yet */
        return saved_errno;
    }
    *ret_fd = fd;
    return 0;
}

bool redlock_socket_address(const char *path, redlock_addresses *ret) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof at.sun_path) {
        return false;
    }
    memcpy(at.sun_path, path, len + 1);
    memcpy(&ret->item[0].at, &at, sizeof at);
    ret->item[0].len = (socklen_t)sizeof at;
    ret->count = 1;
    ret->gai_error = 0;
    return true;
}
