/* hello.c -- the smallest whole program: take a lock, work, give it back.
 * cc hello.c -o hello $(pkg-config --cflags --libs redlock) && ./hello redis://127.0.0.1 */
#include <stdio.h>

#include <redlock/redlock.h>

int main(int argc, char **argv) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    const char *const *urls = (const char *const *)(argv + 1);
    redlock_client *client = NULL;
    redlock_lock *lock = NULL;
    int status = redlock_client_create(urls, (size_t)argc - 1, NULL, &client, &report);

    if (status == REDLOCK_OK) {
        status = redlock_acquire(client, "hello", 5, NULL, &lock, &report);
    }
    if (status == REDLOCK_OK) {
        printf("held, fence %llu\n", (unsigned long long)redlock_lock_fence(lock)); /* the work */
        status = redlock_release(lock, &report); /* NOT_HELD: it was lost while we worked */
    }
    if (status != REDLOCK_OK) {
        fprintf(stderr, "hello: %s: %s\n", redlock_status_name(status), report.sentence);
    }
    redlock_client_destroy(client);
    return status == REDLOCK_OK ? 0 : 1;
}
