/* link.c -- a socket and a parser that only finds where replies end. */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        bench_give_up("socket %s: %s", path, strerror(errno));
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int connect_tcp(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0) {
        bench_give_up("socket: %s", strerror(errno));
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtol(port, NULL, 10));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void bench_link_open(bench_link *link, const char *url) {
    const char *colon = strrchr(url, ':');

    *link = (bench_link){.in = bench_calloc(1, LINK_IN_BYTES)};
    link->fd = strncmp(url, "unix://", 7) == 0 ? connect_unix(url + 7) : connect_tcp(colon + 1);
}

void bench_link_close(bench_link *link) {
    if (link->fd >= 0) {
        (void)close(link->fd);
    }
    free(link->in);
    *link = (bench_link){.fd = -1};
}

bool bench_link_send(bench_link *link, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t put = send(link->fd, bytes, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        bytes += put;
        len -= (size_t)put;
    }
    return true;
}

/* Where the line that begins at `at` ends, behind its CR LF; NULL: not all of it is there. */
static const char *line_end(const char *at, const char *end) {
    const char *feed = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return feed == NULL ? NULL : feed + 1;
}

/* Where the reply that begins at `at` ends; NULL: not all of it is there. */
static const char *reply_end(const char *at, const char *end) {
    for (long left = 1; left > 0; left--) {
        const char *next = line_end(at, end);
        if (next == NULL) {
            return NULL;
        }
        long number = *at == '$' || *at == '*' ? strtol(at + 1, NULL, 10) : -1;
        if (*at == '*' && number > 0) {
            left += number;
        } else if (*at == '$' && number >= 0) {
            next += number + 2;
            if (next > end) {
                return NULL;
            }
        }
        at = next;
    }
    return at;
}

const char *bench_link_take(bench_link *link) {
    const char *at = link->in + link->from;
    const char *end = reply_end(at, link->in + link->to);

    if (end == NULL) {
        return NULL;
    }
    link->from = (size_t)(end - link->in);
    return at;
}

bool bench_link_fill(bench_link *link, bool is_blocking) {
    if (link->from == link->to) {
        link->from = link->to = 0;
    } else if (link->to > LINK_IN_BYTES / 2) {
        memmove(link->in, link->in + link->from, link->to - link->from);
        link->to -= link->from;
        link->from = 0;
    }
    ssize_t got = recv(link->fd, link->in + link->to, LINK_IN_BYTES - link->to,
                       is_blocking ? 0 : MSG_DONTWAIT);
    if (got > 0) {
        link->to += (size_t)got;
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

const char *bench_link_reply(bench_link *link) {
    const char *reply;

    while ((reply = bench_link_take(link)) == NULL) {
        if (!bench_link_fill(link, true)) {
            return NULL;
        }
    }
    return reply;
}

double bench_round_trip_us(const char *url, int pings, int64_t pause_ns) {
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    bench_samples samples = {0};
    bench_link link;

    bench_link_open(&link, url);
    bench_samples_reserve(&samples, (size_t)pings);
    for (int i = 0; i < pings; i++) {
        if (pause_ns > 0) {
            bench_sleep_until(bench_now_ns() + pause_ns);
        }
        int64_t begin = bench_now_ns();
        if (!bench_link_send(&link, ping, sizeof(ping) - 1) || bench_link_reply(&link) == NULL) {
            bench_give_up("a server does not answer PING");
        }
        bench_samples_add(&samples, bench_now_ns() - begin);
    }
    double median = (double)bench_samples_at(&samples, 0.5) / 1000;
    bench_samples_free(&samples);
    bench_link_close(&link);
    return median;
}
