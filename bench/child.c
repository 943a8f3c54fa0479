/* child.c -- fork, two pipes, and shared memory. */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meter.h"

_Noreturn static void child_main(const bench_child *gate, bench_child_fn *run, void *ctx, int index,
                                 pid_t parent) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(70); /* the benchmark ended before the line above took hold */
    }
    int code = run(ctx, index, gate);
    (void)fflush(stderr);
    _exit(code);
}

void bench_child_start(bench_child *child, bench_child_fn *run, void *ctx, int index) {
    int ready[2], go[2];
    pid_t parent = getpid();

    (void)fflush(NULL);
    if (pipe(ready) != 0 || pipe(go) != 0) {
        bench_give_up("pipe: %s", strerror(errno));
    }
    child->pid = fork();
    if (child->pid < 0) {
        bench_give_up("fork: %s", strerror(errno));
    }
    if (child->pid == 0) {
        bench_child gate = {.ready_fd = ready[1], .go_fd = go[0]};
        (void)close(ready[0]);
        (void)close(go[1]);
        child_main(&gate, run, ctx, index, parent);
    }
    (void)close(ready[1]);
    (void)close(go[0]);
    child->ready_fd = ready[0];
    child->go_fd = go[1];
}

void bench_gate_wait(const bench_child *gate) {
    char byte = 'r';

    if (write(gate->ready_fd, &byte, 1) != 1) {
        _exit(70);
    }
    while (read(gate->go_fd, &byte, 1) < 0 && errno == EINTR) {
    }
}

bool bench_child_is_ready(const bench_child *child, int timeout_ms) {
    struct pollfd fd = {.fd = child->ready_fd, .events = POLLIN};
    char byte;

    return poll(&fd, 1, timeout_ms) == 1 && read(child->ready_fd, &byte, 1) == 1;
}

void bench_child_go(const bench_child *child) {
    if (write(child->go_fd, "g", 1) != 1) {
        bench_give_up("a contender's process is gone");
    }
}

static void child_forget(bench_child *child) {
    (void)close(child->ready_fd);
    (void)close(child->go_fd);
    *child = (bench_child){0};
}

void bench_child_kill(bench_child *child) {
    if (child->pid == 0) {
        return;
    }
    (void)kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    child_forget(child);
}

bool bench_child_end(bench_child *child, int timeout_ms) {
    int64_t until = bench_now_ns() + (int64_t)timeout_ms * BENCH_NS_PER_MS;
    int status = 0;

    while (waitpid(child->pid, &status, WNOHANG) != child->pid) {
        if (bench_now_ns() > until) {
            bench_child_kill(child);
            return false;
        }
        bench_sleep_until(bench_now_ns() + BENCH_NS_PER_MS);
    }
    child_forget(child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void *bench_share(size_t bytes) {
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (block == MAP_FAILED) {
        bench_give_up("mmap: %s", strerror(errno));
    }
    return block;
}

void bench_unshare(void *block, size_t bytes) {
    (void)munmap(block, bytes);
}
