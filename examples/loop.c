/* loop.c -- a program with a loop of its own, and one thread: takes a lock, then repeats what it reads for
 * as long as the lock is held, and gives it back at the end of the input.
 *
 *   loop NAME URL... */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <redlock/redlock.h>

/* -1: at the end of the input. */
static int repeat_input(void) {
    char bytes[512];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);

    return got > 0 && write(STDOUT_FILENO, bytes, (size_t)got) == got ? 0 : -1;
}

/* What the library is told is how long it may be left alone at most, and when it has something to do. */
static void loop(redlock_client *client, const redlock_lock *lock) {
    struct pollfd fds[2] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = redlock_client_fd(client), .events = POLLIN},
    };

    while (redlock_lock_is_held(lock)) { /* asks the clock: true at this instant */
        int64_t ms = redlock_client_deadline_ms(client);
        int ready = poll(fds, 2, ms == REDLOCK_FOREVER ? -1 : (int)ms);

        (void)redlock_client_process(client); /* renews, connects again, learns of a loss */
        if (ready > 0 && fds[0].revents != 0 && repeat_input() != 0) {
            return;
        }
    }
}

int main(int argc, char **argv) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    const char *const *urls = (const char *const *)(argv + 2);
    redlock_client *client = NULL;
    redlock_lock *lock = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: loop NAME URL...\n");
        return 2;
    }
    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    int status = redlock_client_create(urls, (size_t)argc - 2, &options, &client, &report);
    if (status == REDLOCK_OK) {
        status = redlock_acquire(client, argv[1], strlen(argv[1]), NULL, &lock, &report);
    }
    if (status == REDLOCK_OK) {
        loop(client, lock);
        status = redlock_release(lock, &report); /* NOT_HELD: it was lost */
    }
    if (status != REDLOCK_OK) {
        fprintf(stderr, "loop: %s: %s\n", redlock_status_name(status), report.sentence);
    }
    redlock_client_destroy(client);
    return status == REDLOCK_OK ? 0 : 1;
}
