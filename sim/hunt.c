/* hunt.c -- see hunt.h.  Workers are processes: a core that asserts ends its own only, and what it was
 * doing is in memory that it shares with its parent. */
#include "sim/hunt.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/mutant.h"
#include "sim/picture.h"
#include "sim/trace.h"

#define WORKERS_MAX 64u
#define HANG_SECONDS 60u /* one seed never takes so long */

double redlock_sim_seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void counts_add(redlock_sim_counts *sum, const redlock_sim_counts *more) {
    sum->grants += more->grants;
    sum->renewals += more->renewals;
    sum->losses += more->losses;
    sum->releases += more->releases;
    sum->failures += more->failures;
    sum->commands += more->commands;
    sum->events += more->events;
    sum->doubles += more->doubles;
    sum->handed += more->handed;
    sum->claimed += more->claimed;
    sum->taken += more->taken;
    sum->writes += more->writes;
    sum->stale += more->stale;
    sum->simulated += more->simulated;
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        sum->faults[i] += more->faults[i];
    }
}

void redlock_sim_run_seed(redlock_sim_kind kind, uint64_t seed, struct redlock_sim_trace *trace,
                          struct redlock_sim_picture *picture, redlock_sim_result *ret_result) {
    redlock_sim_world *world = redlock_sim_world_create(kind, seed, trace, picture);
    bool is_well = redlock_sim_world_run(world);
    counts_add(&ret_result->counts, &world->counts);
    ret_result->hash = world->hash;
    ret_result->runs++;
    if (!is_well) {
        ret_result->failures++;
        if (ret_result->failures == 1) {
            ret_result->kind = kind;
            ret_result->seed = seed;
            memcpy(ret_result->complaint, world->complaint, sizeof ret_result->complaint);
        }
    }
    redlock_sim_world_destroy(world);
}

/* --- workers --------------------------------------------------------------------------------- */

typedef struct worker { /* in memory that parent and child share */
    redlock_sim_result result;
    redlock_sim_kind kind; /* in the works */
    uint64_t seed;
    uint64_t seeds; /* taken so far */
    bool is_done;
} worker;

typedef struct crew {
    worker *worker;
    pid_t pid[WORKERS_MAX];
    uint32_t count;
    double started;
} crew;

static bool job_is_over(const redlock_sim_job *job, const worker *mine, uint32_t workers,
                        double started) {
    const redlock_sim_result *result = &mine->result;
    return (job->runs_max > 0 && mine->seeds * workers >= job->runs_max) ||
           (job->simulated_max > 0 && result->counts.simulated * workers >= job->simulated_max) ||
           (job->seconds_max > 0 && redlock_sim_seconds() - started >= job->seconds_max) ||
           (job->stops_at_failure && result->failures > 0);
}

static void work(const redlock_sim_job *job, worker *mine, uint32_t number, uint32_t workers,
                 double started) {
    (void)redlock_sim_mutant_choose(job->mutant);
    while (!job_is_over(job, mine, workers, started)) {
        uint64_t index = mine->seeds * workers + number;
        mine->kind = job->kinds[index % job->kind_count];
        mine->seed = job->first + index / job->kind_count * job->step;
        mine->seeds++;
        (void)alarm(HANG_SECONDS);
        redlock_sim_run_seed(mine->kind, mine->seed, NULL, NULL, &mine->result);
    }
    mine->is_done = true;
}

/* What an assertion says is said again when its seed is shown. */
static void hush(void) {
    if (freopen("/dev/null", "w", stderr) == NULL) {
        _exit(1);
    }
}

static void worker_start(const redlock_sim_job *job, crew *all, uint32_t number) {
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        abort();
    }
    if (pid == 0) {
        hush();
        work(job, &all->worker[number], number, all->count, all->started);
        _exit(0);
    }
    all->pid[number] = pid;
}

/* A worker that died: its seed has failed, and another process goes on behind it. */
static void worker_died(const redlock_sim_job *job, crew *all, uint32_t number, int status) {
    worker *mine = &all->worker[number];
    mine->result.failures++;
    mine->result.runs++;
    if (mine->result.failures == 1) {
        mine->result.kind = mine->kind;
        mine->result.seed = mine->seed;
        bool hangs = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
        (void)snprintf(mine->result.complaint, sizeof mine->result.complaint,
                       hangs ? "hang: the seed did not end in %u seconds"
                             : "assert: the process ended itself",
                       HANG_SECONDS);
    }
    if (job_is_over(job, mine, all->count, all->started)) {
        mine->is_done = true;
    } else {
        worker_start(job, all, number);
    }
}

static void report_progress(const crew *all, FILE *file) {
    redlock_sim_result sum = {.runs = 0};
    uint64_t faults = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        counts_add(&sum.counts, &all->worker[i].result.counts);
        sum.runs += all->worker[i].result.runs;
        sum.failures += all->worker[i].result.failures;
    }
    for (uint32_t i = 0; i < REDLOCK_SIM_TROUBLE_COUNT; i++) {
        faults += sum.counts.faults[i];
    }
    double hours = (double)sum.counts.simulated / 3600e9;
    double seconds = redlock_sim_seconds() - all->started;
    (void)fprintf(file,
                  "\r%8.2f h simulated, %" PRIu64 " runs, %" PRIu64 " grants, %" PRIu64
                  " faults, %.3f h/s, %" PRIu64 " failed ",
                  hours, sum.runs, sum.counts.grants, faults, hours / (seconds > 0 ? seconds : 1),
                  sum.failures);
    (void)fflush(file);
}

static bool has_failed(const crew *all) {
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->worker[i].result.failures > 0) {
            return true;
        }
    }
    return false;
}

/* True when nobody works any more. */
static bool crew_watch(const redlock_sim_job *job, crew *all) {
    uint32_t working = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        int status;
        if (all->pid[i] == 0) {
            continue;
        }
        working++;
        if (waitpid(all->pid[i], &status, WNOHANG) != all->pid[i]) {
            continue;
        }
        all->pid[i] = 0;
        if (!all->worker[i].is_done) {
            worker_died(job, all, i, status);
        }
    }
    return working == 0;
}

static void crew_dismiss(crew *all) {
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->pid[i] != 0) {
            (void)kill(all->pid[i], SIGKILL);
            (void)waitpid(all->pid[i], NULL, 0);
            all->pid[i] = 0;
        }
    }
}

static void crew_sum(const crew *all, redlock_sim_result *ret_result) {
    for (uint32_t i = 0; i < all->count; i++) {
        const redlock_sim_result *one = &all->worker[i].result;
        counts_add(&ret_result->counts, &one->counts);
        ret_result->runs += one->runs;
        if (ret_result->failures == 0 && one->failures > 0) {
            ret_result->kind = one->kind;
            ret_result->seed = one->seed;
            memcpy(ret_result->complaint, one->complaint, sizeof ret_result->complaint);
        }
        ret_result->failures += one->failures;
    }
}

void redlock_sim_run_job(const redlock_sim_job *job, uint32_t workers, FILE *progress,
                         redlock_sim_result *ret_result) {
    crew all = {.count = workers < WORKERS_MAX ? workers : WORKERS_MAX,
                .started = redlock_sim_seconds()};
    size_t size = all.count * sizeof *all.worker;
    double shown = all.started;
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        abort();
    }
    all.worker = shared;
    *ret_result = (redlock_sim_result){.runs = 0};
    for (uint32_t i = 0; i < all.count; i++) {
        worker_start(job, &all, i);
    }
    while (!crew_watch(job, &all)) {
        const struct timespec nap = {.tv_nsec = 5000000};
        (void)nanosleep(&nap, NULL);
        if (job->stops_at_failure && has_failed(&all)) {
            crew_dismiss(&all);
        }
        if (progress != NULL && redlock_sim_seconds() - shown > 1) {
            report_progress(&all, progress);
            shown = redlock_sim_seconds();
        }
    }
    if (progress != NULL) {
        report_progress(&all, progress);
        (void)fputc('\n', progress);
    }
    crew_sum(&all, ret_result);
    (void)munmap(shared, size);
}

/* --- showing a failure ----------------------------------------------------------------------- */

static void show(redlock_sim_kind kind, uint64_t seed, struct redlock_sim_trace *trace) {
    redlock_sim_result result = {.runs = 0};
    (void)alarm(HANG_SECONDS);
    redlock_sim_run_seed(kind, seed, trace, NULL, &result);
}

void redlock_sim_show_failure(redlock_sim_kind kind, uint64_t seed, uint32_t mutant) {
    char words[600];
    redlock_sim_plan plan;
    redlock_sim_plan_draw(&plan, kind, seed);
    redlock_sim_plan_to_text(&plan, words, sizeof words);
    (void)printf("%s\n", words);
    (void)fflush(stdout);
    redlock_sim_trace *trace =
        mmap(NULL, sizeof *trace, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (trace == MAP_FAILED) {
        return;
    }
    pid_t pid = fork(); /* it may assert */
    if (pid == 0) {
        (void)redlock_sim_mutant_choose(mutant);
        show(kind, seed, trace);
        _exit(0);
    }
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
    redlock_sim_trace_print(trace, stdout);
    (void)printf("replay: ./dev sim --seed %" PRIu64 " --world %s%s%s --trace\n", seed,
                 redlock_sim_kind_words(kind), mutant != 0 ? " --mutant " : "",
                 mutant != 0 ? redlock_sim_mutant_name(mutant) : "");
    (void)fflush(stdout);
    (void)munmap(trace, sizeof *trace);
}
