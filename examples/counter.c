/* counter.c -- counts in a file that many processes share: every increment under a lock, and every
 * access to the file guarded by the lock's fence.
 *
 *   counter [--hesitate] FILE WORKER COUNT URL...      increments FILE by one, COUNT times
 *
 * A lock with a deadline cannot stop a process that was paused behind it: the process wakes up,
 * believes that it holds, and writes.  So the file itself remembers the highest fence that it has
 * seen and refuses every lower one.  That is all a guarded resource has to do, whatever it is; SQL
 * for example says UPDATE ... WHERE fence <= $mine, and looks at the number of rows.
 *
 * The file has one line, "VALUE FENCE"; FILE.log has a line for each access, in their order:
 * "TIME WORKER read|write|refused FENCE VALUE" (refused: the highest fence instead of the value).
 * counter.sh is the same for the shell, and may count in the same file at the same time.
 *
 * --hesitate waits for a line on standard input before the first write, to be paused just there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <redlock/redlock.h>

static const char lock_name[] = "counter";
enum { TTL_MS = 2000, WAIT_MS = 20000, WORK_MS = 5, PATH_BYTES_MAX = 4096 };

/* --- the guarded file ------------------------------------------------------------------------ */

typedef enum access_result { ACCESS_DONE, ACCESS_REFUSED, ACCESS_FAILED } access_result;

typedef struct counter_file {
    const char *path;
    const char *worker;
    char lock_path[PATH_BYTES_MAX];
    char new_path[PATH_BYTES_MAX];
    char log_path[PATH_BYTES_MAX];
} counter_file;

static bool path_join(char out[PATH_BYTES_MAX], const char *path, const char *suffix) {
    int length = snprintf(out, PATH_BYTES_MAX, "%s%s", path, suffix);

    return length > 0 && length < PATH_BYTES_MAX;
}

static bool file_init(counter_file *file, const char *path, const char *worker) {
    file->path = path;
    file->worker = worker;
    return path_join(file->lock_path, path, ".lock") && path_join(file->new_path, path, ".new") &&
           path_join(file->log_path, path, ".log");
}

/* Accesses come one at a time.  This is the resource's own order and no substitute for the lock,
 * which lasts from the read to the write.  Closing the descriptor ends it. */
static int file_enter(const counter_file *file) {
    int fd = open(file->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    while (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            (void)close(fd);
            return -1;
        }
    }
    return fd;
}

static bool file_load(const counter_file *file, uint64_t *ret_value, uint64_t *ret_fence) {
    char line[64] = "";
    char *end = line;
    FILE *stream = fopen(file->path, "re");

    if (stream == NULL) {
        return false;
    }
    bool is_read = fgets(line, sizeof(line), stream) != NULL;
    (void)fclose(stream);
    *ret_value = strtoull(line, &end, 10);
    *ret_fence = strtoull(end, &end, 10);
    return is_read && *end == '\n';
}

/* By a new file and rename, so that nobody ever meets half a line. */
static bool file_store(const counter_file *file, uint64_t value, uint64_t fence) {
    FILE *stream = fopen(file->new_path, "we");

    if (stream == NULL) {
        return false;
    }
    bool is_written = fprintf(stream, "%" PRIu64 " %" PRIu64 "\n", value, fence) > 0;
    is_written = fclose(stream) == 0 && is_written;
    return is_written && rename(file->new_path, file->path) == 0;
}

static bool file_note(const counter_file *file, const char *what, uint64_t fence, uint64_t value) {
    struct timespec now;
    FILE *stream = fopen(file->log_path, "ae");

    if (stream == NULL) {
        return false;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    bool is_written =
        fprintf(stream, "%lld.%09ld %s %s %" PRIu64 " %" PRIu64 "\n", (long long)now.tv_sec,
                now.tv_nsec, file->worker, what, fence, value) > 0;
    return fclose(stream) == 0 && is_written;
}

/* Reads (new_value NULL) or writes, unless a higher fence has been here.  A read raises the fence
 * too: what it read stays true until its holder writes, or a later one comes. */
static access_result access_entered(const counter_file *file, uint64_t fence,
                                    const uint64_t *new_value, uint64_t *ret_value) {
    uint64_t value, highest;

    if (!file_load(file, &value, &highest)) {
        return ACCESS_FAILED;
    }
    if (fence < highest) {
        return file_note(file, "refused", fence, highest) ? ACCESS_REFUSED : ACCESS_FAILED;
    }
    value = new_value != NULL ? *new_value : value;
    *ret_value = value;
    bool is_done = file_store(file, value, fence) &&
                   file_note(file, new_value != NULL ? "write" : "read", fence, value);
    return is_done ? ACCESS_DONE : ACCESS_FAILED;
}

static access_result file_access(const counter_file *file, uint64_t fence,
                                 const uint64_t *new_value, uint64_t *ret_value) {
    int fd = file_enter(file);

    if (fd < 0) {
        return ACCESS_FAILED;
    }
    access_result result = access_entered(file, fence, new_value, ret_value);
    (void)close(fd);
    return result;
}

/* --- the work -------------------------------------------------------------------------------- */

static int64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long ms) {
    const struct timespec length = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&length, NULL);
}

static void wait_for_line(void) {
    (void)printf("waiting for a line on standard input\n");
    (void)fflush(stdout);
    int byte = getchar();

    while (byte != EOF && byte != '\n') {
        byte = getchar();
    }
}

/* REFUSED also when the lock was lost before the write: both are mended by a new lock. */
static access_result increment(const counter_file *file, const redlock_lock *lock,
                               bool *io_hesitates) {
    uint64_t fence = redlock_lock_fence(lock);
    uint64_t value = 0;
    access_result result = file_access(file, fence, NULL, &value);

    if (result != ACCESS_DONE) {
        return result;
    }
    sleep_ms(WORK_MS);
    if (!redlock_lock_is_held(lock)) {
        return ACCESS_REFUSED; /* saves an attempt in vain; it is not what protects the file */
    }
    if (*io_hesitates) {
        *io_hesitates = false;
        wait_for_line();
    }
    value++;
    return file_access(file, fence, &value, &value);
}

static access_result increment_locked(redlock_client *client, const counter_file *file,
                                      bool *io_hesitates) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;

    options.ttl_ms = TTL_MS;
    options.wait_ms = WAIT_MS;
    int status = redlock_acquire(client, lock_name, strlen(lock_name), &options, &lock, &report);
    if (status != REDLOCK_OK) {
        (void)fprintf(stderr, "counter: %s: %s\n", redlock_status_name(status), report.sentence);
        return ACCESS_FAILED;
    }

    int64_t since_ms = now_ms();
    uint64_t fence = redlock_lock_fence(lock);
    access_result result = increment(file, lock, io_hesitates);
    status = redlock_release(lock, &report);
    int64_t held_ms = now_ms() - since_ms;
    (void)printf("held for %lld.%03lld s with fence %" PRIu64 ", release: %s\n",
                 (long long)(held_ms / 1000), (long long)(held_ms % 1000), fence,
                 redlock_status_name(status));
    if (result == ACCESS_FAILED) {
        (void)fprintf(stderr, "counter: %s cannot be read or written\n", file->path);
    }
    return result;
}

static int usage(void) {
    (void)fprintf(stderr, "usage: counter [--hesitate] FILE WORKER COUNT URL...\n");
    return 64;
}

int main(int argc, char **argv) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    counter_file file;
    bool hesitates = argc > 1 && strcmp(argv[1], "--hesitate") == 0;

    argc -= hesitates;
    argv += hesitates;
    if (argc < 5 || !file_init(&file, argv[1], argv[2])) {
        return usage();
    }
    unsigned long left = strtoul(argv[3], NULL, 10);
    int status = redlock_client_create((const char *const *)(argv + 4), (size_t)argc - 4, NULL,
                                       &client, &report);
    if (status != REDLOCK_OK) {
        (void)fprintf(stderr, "counter: %s: %s\n", redlock_status_name(status), report.sentence);
        return 1;
    }

    access_result result = ACCESS_DONE;
    while (left > 0 && result != ACCESS_FAILED) {
        result = increment_locked(client, &file, &hesitates);
        left -= result == ACCESS_DONE;
    }
    redlock_client_destroy(client);
    return left == 0 ? 0 : 1;
}
