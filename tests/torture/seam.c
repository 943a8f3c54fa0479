/* seam.c -- the calls that fail when they are told to. */
#include <errno.h>
#include <stdatomic.h>

#include <openssl/crypto.h>

#include "torture.h"

extern torture_site __start_torture_sites[], __stop_torture_sites[];

static torture_plan plan;
static atomic_bool armed, struck;
static atomic_uint calls[TORTURE_CLASSES], planned_calls;
static atomic_long blocks;
static atomic_size_t received;
static atomic_bool opened, was_cut;
static atomic_uint openssl_calls;

/* --- faults ---------------------------------------------------------------------------------- */

torture_class torture_class_of(torture_call call) {
    return call <= TORTURE_REALLOC ? TORTURE_ALLOCATIONS : TORTURE_SYSTEM;
}

/* What the manual pages name and a machine in trouble does; not what only a bug of ours could cause
 * (EBADF, EFAULT, EINVAL). */
static const int faults[][8] = {
    [TORTURE_MALLOC] = {ENOMEM},
    [TORTURE_CALLOC] = {ENOMEM},
    [TORTURE_REALLOC] = {ENOMEM},
    [TORTURE_CLOSE] = {EINTR, EIO},
    [TORTURE_CONNECT] = {ECONNREFUSED, ETIMEDOUT, EAGAIN, EINTR, EINPROGRESS, ENETUNREACH,
                         EADDRNOTAVAIL},
    [TORTURE_DLOPEN] = {ENOENT},
    [TORTURE_DLSYM] = {ENOENT},
    [TORTURE_EPOLL_CREATE] = {EMFILE, ENFILE, ENOMEM},
    [TORTURE_EPOLL_CTL] = {ENOMEM, ENOSPC},
    [TORTURE_EVENTFD] = {EMFILE, ENFILE, ENOMEM},
    [TORTURE_FCNTL] = {EMFILE},
    [TORTURE_FSTAT] = {EIO, ENOMEM},
    [TORTURE_GETADDRINFO] = {EAI_AGAIN, EAI_NONAME, EAI_FAIL, EAI_MEMORY, EAI_SYSTEM},
    [TORTURE_GETHOSTNAME] = {ENAMETOOLONG},
    [TORTURE_GETRANDOM] = {EINTR, ENOSYS, TORTURE_SHORT},
    [TORTURE_GETSOCKOPT] = {ENOBUFS, ENOMEM},
    [TORTURE_MADVISE] = {EINVAL, ENOMEM},
    [TORTURE_MMAP] = {ENOMEM, EAGAIN},
    [TORTURE_MUNMAP] = {ENOMEM},
    [TORTURE_OPEN] = {ENOENT, EACCES, EMFILE, EINTR},
    [TORTURE_POLL] = {EINTR, ENOMEM, EAGAIN},
    [TORTURE_READ] = {EINTR, EAGAIN, EIO, TORTURE_END, TORTURE_SHORT},
    [TORTURE_RECV] = {EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM, TORTURE_END, TORTURE_SHORT},
    [TORTURE_SEND] = {EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, TORTURE_SHORT},
    [TORTURE_SETSOCKOPT] = {ENOMEM},
    [TORTURE_SOCKET] = {EMFILE, ENFILE, ENOBUFS, EACCES, EAFNOSUPPORT},
    [TORTURE_STAT] = {ENOENT, EACCES, EIO},
    [TORTURE_THREAD] = {EAGAIN},
    [TORTURE_THREAD_ATTR] = {ENOMEM},
    [TORTURE_WRITE] = {EINTR, EAGAIN, EIO},
};

const int *torture_faults_of(torture_call call) {
    return faults[call];
}

static bool moves_bytes(torture_call call) {
    return call == TORTURE_READ || call == TORTURE_RECV || call == TORTURE_SEND ||
           call == TORTURE_GETRANDOM;
}

static bool is_best_effort(torture_call call) {
    return call == TORTURE_CLOSE || call == TORTURE_SETSOCKOPT || call == TORTURE_MMAP ||
           call == TORTURE_MADVISE || call == TORTURE_MUNMAP || call == TORTURE_GETHOSTNAME ||
           call == TORTURE_EPOLL_CREATE ||
           call == TORTURE_EPOLL_CTL; /* the deadline alone will do */
}

bool torture_is_harmless(torture_call call, int fault) {
    bool waits = call == TORTURE_RECV || call == TORTURE_SEND;

    if (is_best_effort(call) || (moves_bytes(call) && (fault == EINTR || fault == TORTURE_SHORT))) {
        return true;
    }
    if (call == TORTURE_CONNECT && (fault == EINTR || fault == EINPROGRESS)) {
        return true;
    }
    return (fault == EINTR && (call == TORTURE_POLL || call == TORTURE_WRITE)) ||
           (fault == EAGAIN && waits);
}

size_t torture_site_count(void) {
    return (size_t)(__stop_torture_sites - __start_torture_sites);
}

torture_site *torture_site_at(size_t index) {
    return &__start_torture_sites[index];
}

/* --- the plan -------------------------------------------------------------------------------- */

void torture_start(const torture_plan *next) {
    for (size_t i = 0; i < torture_site_count(); i++) {
        torture_site_at(i)->hits = 0;
    }
    plan = *next;
    for (int i = 0; i < TORTURE_CLASSES; i++) {
        atomic_store(&calls[i], 0);
    }
    atomic_store(&planned_calls, 0);
    atomic_store(&received, 0);
    atomic_store(&was_cut, false);
    atomic_store(&opened, false);
    atomic_store(&openssl_calls, 0);
    atomic_store(&struck, false);
    atomic_store(&armed, true);
}

void torture_stop(void) {
    atomic_store(&armed, false);
}

bool torture_has_struck(void) {
    return atomic_load(&struck);
}

unsigned torture_count(torture_class which) {
    return atomic_load(&calls[which]);
}

size_t torture_received_bytes(void) {
    return atomic_load(&received);
}

long torture_blocks(void) {
    return atomic_load(&blocks);
}

/* 0, or the fault of this call. */
static int fault_of(torture_site *site) {
    torture_class which = torture_class_of(site->call);

    if (!atomic_load(&armed)) {
        return 0;
    }
    (void)__atomic_add_fetch(&site->hits, 1, __ATOMIC_RELAXED);
    (void)atomic_fetch_add(&calls[which], 1);
    if (plan.index == UINT32_MAX || plan.which != which ||
        (plan.site != NULL && plan.site != site)) {
        return 0;
    }
    unsigned number = atomic_fetch_add(&planned_calls, 1);

    if (number != plan.index && !(plan.for_ever && number > plan.index)) {
        return 0;
    }
    (void)__atomic_add_fetch(&site->injected, 1, __ATOMIC_RELAXED);
    atomic_store(&struck, true);
    return plan.fault;
}

/* True: this call fails, and errno says why.  Faults that are no errno are for the caller to see. */
static bool fails(torture_site *site) {
    int fault = fault_of(site);

    if (fault > 0) {
        errno = fault;
    }
    return fault > 0;
}

/* --- OpenSSL's memory ------------------------------------------------------------------------ */

/* A server of the tests is in this program, too, on a thread of its own, and its TLS must not fail:
 * only the thread that called torture_take_openssl is starved. */
static _Thread_local bool is_victim;

static bool openssl_is_starved(void) {
    if (!is_victim || !atomic_load(&armed)) {
        return false;
    }
    bool is_late = atomic_fetch_add(&openssl_calls, 1) >= plan.no_openssl_from;

    if (is_late || (plan.no_openssl_after_open && atomic_load(&opened))) {
        atomic_store(&struck, true);
        return true;
    }
    return false;
}

static void *openssl_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return size == 0 || openssl_is_starved() ? NULL : malloc(size);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line) {
    (void)file, (void)line;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return openssl_is_starved() ? NULL : realloc(block, size);
}

static void openssl_free(void *block, const char *file, int line) {
    (void)file, (void)line;
    free(block);
}

void torture_take_openssl(void) {
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
        abort();
    }
    is_victim = true;
}

unsigned torture_openssl_count(void) {
    return atomic_load(&openssl_calls);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void *counted(void *block) {
    if (block != NULL) {
        (void)atomic_fetch_add(&blocks, 1);
    }
    return block;
}

void *torture_malloc(torture_site *site, size_t size) {
    return fails(site) ? NULL : counted(malloc(size));
}

void *torture_calloc(torture_site *site, size_t count, size_t size) {
    return fails(site) ? NULL : counted(calloc(count, size));
}

void *torture_realloc(torture_site *site, void *block, size_t size) {
    if (fails(site)) {
        return NULL;
    }
    return block == NULL ? counted(malloc(size)) : realloc(block, size);
}

void torture_free(void *block) {
    if (block != NULL) {
        (void)atomic_fetch_sub(&blocks, 1);
    }
    free(block);
}

/* --- descriptors and files ------------------------------------------------------------------- */

/* The number is gone all the same, as on Linux. */
int torture_close(torture_site *site, int fd) {
    int rc = close(fd);

    return fails(site) ? -1 : rc;
}

int torture_epoll_create1(torture_site *site, int flags) {
    return fails(site) ? -1 : epoll_create1(flags);
}

int torture_epoll_ctl(torture_site *site, int set, int operation, int fd,
                      struct epoll_event *wanted) {
    return fails(site) ? -1 : epoll_ctl(set, operation, fd, wanted);
}

int torture_eventfd(torture_site *site, unsigned count, int flags) {
    return fails(site) ? -1 : eventfd(count, flags);
}

int torture_fcntl(torture_site *site, int fd, int command, int argument) {
    return fails(site) ? -1 : fcntl(fd, command, argument);
}

int torture_fstat(torture_site *site, int fd, struct stat *about) {
    return fails(site) ? -1 : fstat(fd, about);
}

int torture_stat(torture_site *site, const char *path, struct stat *about) {
    return fails(site) ? -1 : stat(path, about);
}

int torture_open(torture_site *site, const char *path, int flags) {
    int fd = fails(site) ? -1 : open(path, flags);

    atomic_store(&opened, fd >= 0);
    return fd;
}

/* How much is asked for where less than was wanted is to come. */
static size_t size_of(int fault, size_t size) {
    return fault == TORTURE_SHORT && size > 1 ? 1 : size;
}

ssize_t torture_read(torture_site *site, int fd, void *out, size_t size) {
    int fault = fault_of(site);

    if (fault > 0) {
        errno = fault;
        return -1;
    }
    /* An eventfd gives eight bytes or none. */
    size = fault == TORTURE_SHORT && size > 8 ? 8 : size;
    return fault == TORTURE_END ? 0 : read(fd, out, size);
}

ssize_t torture_write(torture_site *site, int fd, const void *bytes, size_t size) {
    return fails(site) ? -1 : write(fd, bytes, size);
}

ssize_t torture_getrandom(torture_site *site, void *out, size_t size, unsigned flags) {
    int fault = fault_of(site);

    if (fault > 0) {
        errno = fault;
        return -1;
    }
    return getrandom(out, size_of(fault, size), flags);
}

/* --- sockets --------------------------------------------------------------------------------- */

int torture_socket(torture_site *site, int family, int type, int protocol) {
    return fails(site) ? -1 : socket(family, type, protocol);
}

/* "In progress" and "interrupted" are no failures: the connecting goes on. */
int torture_connect(torture_site *site, int fd, const struct sockaddr *at, socklen_t len) {
    int fault = fault_of(site);

    if (fault == 0 || fault == EINPROGRESS || fault == EINTR) {
        int rc = connect(fd, at, len);

        if (fault == 0 || rc != 0) {
            return rc;
        }
    }
    errno = fault;
    return -1;
}

ssize_t torture_send(torture_site *site, int fd, const void *bytes, size_t size, int flags) {
    int fault = fault_of(site);

    if (fault == EPIPE || fault == ECONNRESET) {
        (void)shutdown(fd, SHUT_RDWR); /* nor will anything come from there */
    }
    if (fault > 0) {
        errno = fault;
        return -1;
    }
    return send(fd, bytes, size_of(fault, size), flags);
}

ssize_t torture_recv(torture_site *site, int fd, void *out, size_t size, int flags) {
    int fault = fault_of(site);
    size_t before = atomic_load(&received);
    bool is_armed = atomic_load(&armed);
    bool is_cut = is_armed && before >= plan.cut_at && !atomic_exchange(&was_cut, true);

    if (fault > 0) {
        errno = fault;
        return -1;
    }
    if (fault == TORTURE_END || is_cut) {
        atomic_store(&struck, true);
        return 0;
    }
    if (is_armed && before < plan.cut_at && size > plan.cut_at - before) {
        size = plan.cut_at - before;
    }
    size = size_of(is_armed && plan.byte_by_byte ? TORTURE_SHORT : fault, size);
    ssize_t got = recv(fd, out, size, flags);

    if (got > 0) {
        (void)atomic_fetch_add(&received, (size_t)got);
    }
    return got;
}

int torture_getsockopt(torture_site *site, int fd, int level, int option, void *value,
                       socklen_t *len) {
    return fails(site) ? -1 : getsockopt(fd, level, option, value, len);
}

int torture_setsockopt(torture_site *site, int fd, int level, int option, const void *value,
                       socklen_t len) {
    return fails(site) ? -1 : setsockopt(fd, level, option, value, len);
}

int torture_poll(torture_site *site, struct pollfd *fds, nfds_t count, int timeout) {
    return fails(site) ? -1 : poll(fds, count, timeout);
}

/* Its faults are EAI_*, which are negative on glibc; EAI_SYSTEM leaves the reason in errno. */
int torture_getaddrinfo(torture_site *site, const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **ret_list) {
    int fault = fault_of(site);

    if (fault == EAI_SYSTEM) {
        errno = ENOMEM;
    }
    return fault != 0 ? fault : getaddrinfo(host, service, hints, ret_list);
}

int torture_gethostname(torture_site *site, char *name, size_t size) {
    return fails(site) ? -1 : gethostname(name, size);
}

/* --- the rest -------------------------------------------------------------------------------- */

void *torture_dlopen(torture_site *site, const char *path, int flags) {
    return fails(site) ? NULL : dlopen(path, flags);
}

void *torture_dlsym(torture_site *site, void *library, const char *name) {
    return fails(site) ? NULL : dlsym(library, name);
}

int torture_madvise(torture_site *site, void *at, size_t size, int advice) {
    if (fails(site)) {
        return -1;
    }
    if (plan.fails_madvise && atomic_load(&armed)) {
        errno = EINVAL;
        return -1;
    }
    return madvise(at, size, advice);
}

void *torture_mmap(torture_site *site, void *at, size_t size, int protection, int flags, int fd,
                   off_t offset) {
    return fails(site) ? MAP_FAILED : mmap(at, size, protection, flags, fd, offset);
}

int torture_munmap(torture_site *site, void *at, size_t size) {
    int rc = munmap(at, size);

    return fails(site) ? -1 : rc;
}

int torture_pthread_create(torture_site *site, pthread_t *thread, const pthread_attr_t *attributes,
                           void *(*run)(void *), void *argument) {
    int fault = fault_of(site);

    return fault != 0 ? fault : pthread_create(thread, attributes, run, argument);
}

int torture_pthread_attr_init(torture_site *site, pthread_attr_t *attributes) {
    int fault = fault_of(site);

    return fault != 0 ? fault : pthread_attr_init(attributes);
}

int torture_pthread_attr_setdetachstate(torture_site *site, pthread_attr_t *attributes, int state) {
    int fault = fault_of(site);

    return fault != 0 ? fault : pthread_attr_setdetachstate(attributes, state);
}

int torture_pthread_attr_setstacksize(torture_site *site, pthread_attr_t *attributes, size_t size) {
    int fault = fault_of(site);

    return fault != 0 ? fault : pthread_attr_setstacksize(attributes, size);
}
