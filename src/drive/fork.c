#include "drive/fork.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096

void redlock_fork_init(redlock_fork *fork) {
    *fork = (redlock_fork){.page = NULL, .pid = getpid()};
#ifdef MADV_WIPEONFORK
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return;
    }
    if (madvise(page, PAGE_BYTES, MADV_WIPEONFORK) != 0) { /* Linux before 4.14 */
        (void)munmap(page, PAGE_BYTES);
        return;
    }
    fork->page = page;
    fork->page[0] = 1;
#endif
}

void redlock_fork_deinit(redlock_fork *fork) {
    if (fork->page != NULL) {
        (void)munmap(fork->page, PAGE_BYTES);
        fork->page = NULL;
    }
}

bool redlock_fork_is_child(const redlock_fork *fork) {
    return fork->page != NULL ? fork->page[0] == 0 : getpid() != fork->pid;
}
