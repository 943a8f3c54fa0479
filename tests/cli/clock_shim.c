/* clock_shim.c -- makes a program's wall clock wrong: by CLOCK_SHIM_MS, from the environment, or by
 * what the file CLOCK_SHIM_FILE says at each moment: milliseconds, as 8 bytes in the machine's own
 * order.  So a test can make the clock of a running program jump. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone);
int clock_gettime(clockid_t clock, struct timespec *now);

static const volatile int64_t *file_mapped(void) {
    const char *path = getenv("CLOCK_SHIM_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0) {
        return NULL;
    }
    void *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    return at != MAP_FAILED ? at : NULL;
}

static int64_t shift_ms(void) {
    /* Two threads that both map it do no harm. */
    static const volatile int64_t *volatile shift;
    const char *text = getenv("CLOCK_SHIM_MS");

    if (text == NULL && shift == NULL) {
        shift = file_mapped();
    }
    if (shift != NULL) {
        return *shift;
    }
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0) {
        return -1;
    }
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);

    if (real == NULL) {
        /* POSIX says that this is how a function is had from dlsym(3). */
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + shift_ms() * 1000000;

        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return result;
}
