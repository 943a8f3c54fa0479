/* seam.h -- put in front of every file of src/drive and src/api in the build that is tortured: each
 * call that can fail becomes one that fails when it is told to.
 *
 * Every such place in the source writes itself into a section of the program, so that how many there
 * are is counted by the compiler and not by hand.  tests/torture/sites_test.sh sees to it that no call
 * is forgotten here. */
#ifndef REDLOCK_TESTS_TORTURE_SEAM_H
#define REDLOCK_TESTS_TORTURE_SEAM_H

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum torture_call { /* which faults make sense: torture_faults_of */
                            TORTURE_MALLOC = 0,
                            TORTURE_CALLOC,
                            TORTURE_REALLOC,
                            TORTURE_CLOSE,
                            TORTURE_CONNECT,
                            TORTURE_DLOPEN,
                            TORTURE_DLSYM,
                            TORTURE_EPOLL_CREATE,
                            TORTURE_EPOLL_CTL,
                            TORTURE_EVENTFD,
                            TORTURE_FCNTL,
                            TORTURE_FSTAT,
                            TORTURE_GETADDRINFO,
                            TORTURE_GETHOSTNAME,
                            TORTURE_GETRANDOM,
                            TORTURE_GETSOCKOPT,
                            TORTURE_MADVISE,
                            TORTURE_MMAP,
                            TORTURE_MUNMAP,
                            TORTURE_OPEN,
                            TORTURE_POLL,
                            TORTURE_READ,
                            TORTURE_RECV,
                            TORTURE_SEND,
                            TORTURE_SETSOCKOPT,
                            TORTURE_SOCKET,
                            TORTURE_STAT,
                            TORTURE_THREAD,      /* pthread_create */
                            TORTURE_THREAD_ATTR, /* pthread_attr_* */
                            TORTURE_WRITE
} torture_call;

typedef struct torture_site { /* one call in the source; 64 bytes, so that a section is an array */
    const char *file, *name;
    unsigned line;
    torture_call call;
    unsigned hits;     /* since torture_start */
    unsigned injected; /* faults, in the whole life of the program */
    unsigned long reserved[3];
} __attribute__((aligned(64))) torture_site;

#define TORTURE_SITE(call_name, call_kind)                                                         \
    (__extension__({                                                                               \
        static torture_site torture_here __attribute__((section("torture_sites"), used)) = {       \
            .file = __FILE__, .name = call_name, .line = __LINE__, .call = (call_kind)};           \
        &torture_here;                                                                             \
    }))

void *torture_malloc(torture_site *site, size_t size);
void *torture_calloc(torture_site *site, size_t count, size_t size);
void *torture_realloc(torture_site *site, void *block, size_t size);
void torture_free(void *block);
int torture_close(torture_site *site, int fd);
int torture_connect(torture_site *site, int fd, const struct sockaddr *at, socklen_t len);
void *torture_dlopen(torture_site *site, const char *path, int flags);
void *torture_dlsym(torture_site *site, void *library, const char *name);
int torture_epoll_create1(torture_site *site, int flags);
int torture_epoll_ctl(torture_site *site, int set, int operation, int fd,
                      struct epoll_event *wanted);
int torture_eventfd(torture_site *site, unsigned count, int flags);
int torture_fcntl(torture_site *site, int fd, int command, int argument);
int torture_fstat(torture_site *site, int fd, struct stat *about);
int torture_getaddrinfo(torture_site *site, const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **ret_list);
int torture_gethostname(torture_site *site, char *name, size_t size);
ssize_t torture_getrandom(torture_site *site, void *out, size_t size, unsigned flags);
int torture_getsockopt(torture_site *site, int fd, int level, int option, void *value,
                       socklen_t *len);
int torture_madvise(torture_site *site, void *at, size_t size, int advice);
void *torture_mmap(torture_site *site, void *at, size_t size, int protection, int flags, int fd,
                   off_t offset);
int torture_munmap(torture_site *site, void *at, size_t size);
int torture_open(torture_site *site, const char *path, int flags);
int torture_poll(torture_site *site, struct pollfd *fds, nfds_t count, int timeout);
ssize_t torture_read(torture_site *site, int fd, void *out, size_t size);
ssize_t torture_recv(torture_site *site, int fd, void *out, size_t size, int flags);
ssize_t torture_send(torture_site *site, int fd, const void *bytes, size_t size, int flags);
int torture_setsockopt(torture_site *site, int fd, int level, int option, const void *value,
                       socklen_t len);
int torture_socket(torture_site *site, int family, int type, int protocol);
int torture_stat(torture_site *site, const char *path, struct stat *about);
int torture_pthread_create(torture_site *site, pthread_t *thread, const pthread_attr_t *attributes,
                           void *(*run)(void *), void *argument);
int torture_pthread_attr_init(torture_site *site, pthread_attr_t *attributes);
int torture_pthread_attr_setdetachstate(torture_site *site, pthread_attr_t *attributes, int state);
int torture_pthread_attr_setstacksize(torture_site *site, pthread_attr_t *attributes, size_t size);
ssize_t torture_write(torture_site *site, int fd, const void *bytes, size_t size);

#ifndef TORTURE_SEAM_ITSELF
#define malloc(...) torture_malloc(TORTURE_SITE("malloc", TORTURE_MALLOC), __VA_ARGS__)
#define calloc(...) torture_calloc(TORTURE_SITE("calloc", TORTURE_CALLOC), __VA_ARGS__)
#define realloc(...) torture_realloc(TORTURE_SITE("realloc", TORTURE_REALLOC), __VA_ARGS__)
#define free(...) torture_free(__VA_ARGS__)
#define close(...) torture_close(TORTURE_SITE("close", TORTURE_CLOSE), __VA_ARGS__)
#define connect(...) torture_connect(TORTURE_SITE("connect", TORTURE_CONNECT), __VA_ARGS__)
#define dlopen(...) torture_dlopen(TORTURE_SITE("dlopen", TORTURE_DLOPEN), __VA_ARGS__)
#define dlsym(...) torture_dlsym(TORTURE_SITE("dlsym", TORTURE_DLSYM), __VA_ARGS__)
#define epoll_create1(...)                                                                         \
    torture_epoll_create1(TORTURE_SITE("epoll_create1", TORTURE_EPOLL_CREATE), __VA_ARGS__)
#define epoll_ctl(...) torture_epoll_ctl(TORTURE_SITE("epoll_ctl", TORTURE_EPOLL_CTL), __VA_ARGS__)
#define eventfd(...) torture_eventfd(TORTURE_SITE("eventfd", TORTURE_EVENTFD), __VA_ARGS__)
#define fcntl(...) torture_fcntl(TORTURE_SITE("fcntl", TORTURE_FCNTL), __VA_ARGS__)
#define fstat(...) torture_fstat(TORTURE_SITE("fstat", TORTURE_FSTAT), __VA_ARGS__)
#define getaddrinfo(...)                                                                           \
    torture_getaddrinfo(TORTURE_SITE("getaddrinfo", TORTURE_GETADDRINFO), __VA_ARGS__)
#define gethostname(...)                                                                           \
    torture_gethostname(TORTURE_SITE("gethostname", TORTURE_GETHOSTNAME), __VA_ARGS__)
#define getrandom(...) torture_getrandom(TORTURE_SITE("getrandom", TORTURE_GETRANDOM), __VA_ARGS__)
#define getsockopt(...)                                                                            \
    torture_getsockopt(TORTURE_SITE("getsockopt", TORTURE_GETSOCKOPT), __VA_ARGS__)
#define madvise(...) torture_madvise(TORTURE_SITE("madvise", TORTURE_MADVISE), __VA_ARGS__)
#define mmap(...) torture_mmap(TORTURE_SITE("mmap", TORTURE_MMAP), __VA_ARGS__)
#define munmap(...) torture_munmap(TORTURE_SITE("munmap", TORTURE_MUNMAP), __VA_ARGS__)
#define open(...) torture_open(TORTURE_SITE("open", TORTURE_OPEN), __VA_ARGS__)
#define poll(...) torture_poll(TORTURE_SITE("poll", TORTURE_POLL), __VA_ARGS__)
#define read(...) torture_read(TORTURE_SITE("read", TORTURE_READ), __VA_ARGS__)
#define recv(...) torture_recv(TORTURE_SITE("recv", TORTURE_RECV), __VA_ARGS__)
#define send(...) torture_send(TORTURE_SITE("send", TORTURE_SEND), __VA_ARGS__)
#define setsockopt(...)                                                                            \
    torture_setsockopt(TORTURE_SITE("setsockopt", TORTURE_SETSOCKOPT), __VA_ARGS__)
#define socket(...) torture_socket(TORTURE_SITE("socket", TORTURE_SOCKET), __VA_ARGS__)
#define stat(...) torture_stat(TORTURE_SITE("stat", TORTURE_STAT), __VA_ARGS__)
#define pthread_create(...)                                                                        \
    torture_pthread_create(TORTURE_SITE("pthread_create", TORTURE_THREAD), __VA_ARGS__)
#define pthread_attr_init(...)                                                                     \
    torture_pthread_attr_init(TORTURE_SITE("pthread_attr_init", TORTURE_THREAD_ATTR), __VA_ARGS__)
#define pthread_attr_setdetachstate(...)                                                           \
    torture_pthread_attr_setdetachstate(                                                           \
        TORTURE_SITE("pthread_attr_setdetachstate", TORTURE_THREAD_ATTR), __VA_ARGS__)
#define pthread_attr_setstacksize(...)                                                             \
    torture_pthread_attr_setstacksize(                                                             \
        TORTURE_SITE("pthread_attr_setstacksize", TORTURE_THREAD_ATTR), __VA_ARGS__)
#define write(...) torture_write(TORTURE_SITE("write", TORTURE_WRITE), __VA_ARGS__)
#endif

#endif
