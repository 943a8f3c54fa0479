/* peer.c -- starts a client's program, has it work, and reads what it says. */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS 20000
#define WORK_EXTRA_MS 15000
#define ARGS_MAX 16

extern char **environ;

typedef struct peer_kind {
    const char *client, *program;
    bool has_quorum;
} peer_kind;

static const peer_kind kinds[PEERS_MAX] = {{"redis-py", "redis_py.py", false},
                                           {"redlock5", "npm.mjs", true},
                                           {"redlock4", "npm.mjs", true},
                                           {"redlock-universal", "npm.mjs", true}};

typedef struct peer_process {
    pid_t pid;
    int in, out; /* ours */
} peer_process;

static const peer_kind *kind_of(const bench_peer *peer) {
    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (strcmp(kinds[i].client, peer->client) == 0) {
            return &kinds[i];
        }
    }
    bench_give_up("there is no client %s", peer->client);
}

/* The arguments as execvp wants them: its type promises less than it keeps. */
static pid_t spawn(const char *const *args, int in, int out) {
    union {
        const char *const *from;
        char *const *to;
    } argv = {.from = args};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (posix_spawnp(&pid, args[0], &actions, NULL, argv.to, environ) != 0) {
        pid = 0;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static peer_process peer_start(const bench_peer *peer) {
    const peer_kind *kind = kind_of(peer);
    char program[512], seconds[32], concurrency[32];
    bool is_python = strstr(kind->program, ".py") != NULL;
    const char *args[ARGS_MAX] = {is_python ? "/usr/bin/python3" : "node",
                                  program,
                                  peer->client,
                                  peer->verb,
                                  seconds,
                                  concurrency};
    int in[2], out[2];

    (void)snprintf(program, sizeof(program), "%s/%s", peer->options->peers_dir, kind->program);
    (void)snprintf(seconds, sizeof(seconds), "%.3f", peer->options->seconds);
    (void)snprintf(concurrency, sizeof(concurrency), "%d", peer->concurrency);
    for (size_t i = 0; i < peer->url_count; i++) {
        args[6 + i] = peer->urls[i];
    }
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        bench_give_up("pipe: %s", strerror(errno));
    }
    peer_process process = {.pid = spawn(args, in[0], out[1]), .in = in[1], .out = out[0]};
    (void)close(in[0]);
    (void)close(out[1]);
    return process;
}

static void peer_end(peer_process *process) {
    (void)close(process->in);
    (void)close(process->out);
    if (process->pid > 0) {
        (void)kill(process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

/* A line of at most `size` - 1 bytes, without its end. */
static bool peer_line(const peer_process *process, char *line, size_t size, int64_t timeout_ms) {
    int64_t until = bench_now_ns() + timeout_ms * BENCH_NS_PER_MS;
    size_t len = 0;

    while (len + 1 < size) {
        struct pollfd fd = {.fd = process->out, .events = POLLIN};
        int64_t left_ms = (until - bench_now_ns()) / BENCH_NS_PER_MS;
        if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) != 1 ||
            read(process->out, line + len, 1) != 1) {
            return false;
        }
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

/* Keys that are figures; they have to outlive the line. */
static const char *key_of(const char *word) {
    static const char *const cycle_keys[] = {"cycles_per_s",   "p50_us",         "p99_us",
                                             "max_us",         "acquire_p50_us", "acquire_p99_us",
                                             "acquire_max_us", "handoff_p50_us", "handoff_p99_us",
                                             "handoff_max_us", "served",         "total_ms"};

    for (size_t i = 0; i < sizeof(cycle_keys) / sizeof(cycle_keys[0]); i++) {
        if (strcmp(cycle_keys[i], word) == 0) {
            return cycle_keys[i];
        }
    }
    return NULL;
}

static void line_figures(const bench_peer *peer, char *line, bench_load load,
                         bench_figures *figures) {
    bench_usage usage = {0};
    double cycles = 0;
    char *save = NULL;
    bool is_quorum = peer->url_count > 1;

    for (char *key = strtok_r(line, " ", &save); key != NULL; key = strtok_r(NULL, " ", &save)) {
        char *text = strtok_r(NULL, " ", &save);
        double value = text == NULL ? 0 : strtod(text, NULL);
        bool is_acquire = strncmp(key, "acquire_", 8) == 0, is_whole = strchr("pm", key[0]) != NULL;
        if (strcmp(key, "cycles") == 0) {
            cycles = value;
        } else if (strcmp(key, "cpu_us") == 0) {
            usage.cpu_ns = (int64_t)(value * 1000);
        } else if (strcmp(key, "voluntary") == 0) {
            usage.voluntary = (int64_t)value;
        } else if (strcmp(key, "involuntary") == 0) {
            usage.involuntary = (int64_t)value;
        } else if (key_of(key) != NULL && !(is_acquire && !is_quorum) && !(is_whole && is_quorum)) {
            bench_figures_add(figures, key_of(key), value);
        }
    }
    bench_cost_figures(figures, cycles, usage, load);
}

/* Where the limit is time itself. */
static void handoff_figures(const bench_peer *peer, bench_figures *figures) {
    double served = 0, total_ms = 0;

    (void)bench_figures_find(figures, "served", &served);
    (void)bench_figures_find(figures, "total_ms", &total_ms);
    if ((int)served == peer->concurrency && total_ms > 0) {
        bench_figures_add(figures, "total_to_ideal", total_ms / peer->concurrency);
        bench_figures_add(figures, "ratio_to_limit", peer->concurrency / total_ms);
    } else {
        bench_figures_fail(figures, "%d of %d were served", (int)served, peer->concurrency);
    }
}

static void peer_work(const bench_peer *peer, bench_figures *figures) {
    int64_t work_ms = (int64_t)(peer->options->seconds * 1000) + WORK_EXTRA_MS;
    peer_process process = peer_start(peer);
    char line[1024];

    if (process.pid == 0 || !peer_line(&process, line, sizeof(line), READY_MS)) {
        bench_figures_fail(figures, "%s did not begin (see ./dev bench --peers)", peer->client);
    } else {
        bench_load load = bench_load_read(peer->servers, peer->server_count);
        bool is_well =
            write(process.in, "go\n", 3) == 3 && peer_line(&process, line, sizeof(line), work_ms);
        load = bench_load_less(bench_load_read(peer->servers, peer->server_count), load);
        if (is_well) {
            line_figures(peer, line, load, figures);
        } else {
            bench_figures_fail(figures, "failed, or did not end within %d s",
                               (int)(work_ms / 1000));
        }
    }
    peer_end(&process);
}

static void peer_run(void *ctx, bench_figures *figures) {
    bench_peer peer = *(const bench_peer *)ctx;
    test_server *own = NULL;

    if (peer.servers == NULL) {
        own = bench_server_start();
        peer.servers = &own;
        peer.server_count = peer.url_count = 1;
        peer.urls[0] = test_server_url(own);
    }
    peer_work(&peer, figures);
    if (strcmp(peer.verb, "handoff") == 0 && figures->why[0] == '\0') {
        handoff_figures(&peer, figures);
    }
    test_server_stop(own);
}

size_t bench_peers_add(bench_contender *contenders, size_t count, bench_peer *peers,
                       const bench_peer *like, const char *limit) {
    for (size_t i = 0; i < PEERS_MAX && like->options->peers_dir != NULL; i++) {
        if (like->server_count > 1 && !kinds[i].has_quorum) {
            continue;
        }
        peers[i] = *like;
        peers[i].client = kinds[i].client;
        contenders[count++] = (bench_contender){kinds[i].client, peer_run, &peers[i], limit};
    }
    return count;
}
