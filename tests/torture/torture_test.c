/* torture_test.c -- every call of the library that can fail does so, at every place in the source where
 * there is one, and what is left behind is looked at.
 *
 * The short form makes the first call at each place fail with each fault that matters, and each
 * allocation alone and with all that follow it.  REDLOCK_TORTURE=long goes call by call instead, until
 * a workload makes no more of them, and cuts what the server says at every byte.  After each fault: no
 * crash (the sanitizers are in), no hang, no block or descriptor or thread too many, a status that is
 * one, a client that works once nothing fails any more, and no key that outlives its time. */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fleet.h"
#include "torture.h"
#include "workload.h"

#define HANG_S 60u /* nothing takes a tenth of it on a machine that has little else to do */
#define FAILURES_SHOWN 12u
#define CUTS_SHORT 8u
#define CUT_STEP_LONG 17u
#define OPENSSL_SHORT 5u /* of its allocations, evenly */
#define OPENSSL_LONG 400u

static char context[256] = "before the first run"; /* for whoever ends this program */
static unsigned failures, runs, struck;
static int fds_before, threads_before; /* the last run; what it has lost is told once */
static long blocks_before;
static int64_t deadline_ms; /* the long form ends then, wherever it is */

/* --- saying ---------------------------------------------------------------------------------- */

static void context_say(void) {
    static const char start[] = "# it was: ";

    (void)!write(STDOUT_FILENO, start, sizeof start - 1);
    (void)!write(STDOUT_FILENO, context, strlen(context));
    (void)!write(STDOUT_FILENO, "\n", 1);
}

static void on_signal(int number) {
    context_say();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* The sanitizers' own end, where they are in. */
void __sanitizer_set_death_callback(void (*call)(void)) __attribute__((weak));

static void context_on_death(void) {
    (void)signal(SIGABRT, on_signal);
    (void)signal(SIGALRM, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(context_say);
    }
}

/* Some workloads ask for what cannot be had. */
static bool is_strict(const torture_workload *workload) {
    return strstr(workload->name, "gone") == NULL;
}

static void fault_words(const torture_site *site, int fault, char *out, size_t size) {
    if (site->call == TORTURE_GETADDRINFO) {
        (void)snprintf(out, size, "%s", gai_strerror(fault));
    } else if (fault == TORTURE_END || fault == TORTURE_SHORT) {
        (void)snprintf(out, size, "%s", fault == TORTURE_END ? "the end" : "a part only");
    } else {
        (void)snprintf(out, size, "%s", strerror(fault));
    }
}

static void failure(const char *what, const torture_run *run) {
    failures++;
    if (failures <= FAILURES_SHOWN) {
        (void)printf("# %s: %s", context, what);
        if (run != NULL) {
            (void)printf(" (workload.c:%u, %s)", run->complaint_line,
                         redlock_status_name(run->status));
        }
        (void)printf("\n");
    }
}

/* --- one run --------------------------------------------------------------------------------- */

/* What a lookup's detached thread keeps is given back a moment later. */
static bool is_clean(void) {
    return torture_blocks() <= blocks_before && test_fd_count() <= fds_before &&
           test_thread_count() <= threads_before;
}

static void leftovers_note(void) {
    blocks_before = torture_blocks();
    fds_before = test_fd_count();
    threads_before = test_thread_count();
}

static void leftovers_check(void) {
    char what[128];

    for (int i = 0; i < 5000 && !is_clean(); i++) {
        test_nap_ms(1);
    }
    if (!is_clean()) {
        (void)snprintf(what, sizeof what, "%ld blocks, %d descriptors, %d threads too many",
                       torture_blocks() - blocks_before, test_fd_count() - fds_before,
                       test_thread_count() - threads_before);
        failure(what, NULL);
        leftovers_note();
    }
}

static bool play(const torture_workload *workload, const torture_plan *plan, bool is_strict) {
    torture_run run = {.is_strict = is_strict};

    int64_t began_ms = test_now_ms();

    runs++;
    (void)alarm(HANG_S);
    torture_start(plan);
    workload->run(&run);
    torture_stop();
    if (run.complaint != NULL) {
        failure(run.complaint, &run);
    }
    leftovers_check();
    const char *wrong = torture_servers_wrong();

    if (wrong != NULL) {
        failure(wrong, NULL);
    }
    (void)alarm(0);
    if (getenv("REDLOCK_TORTURE_TIMES") != NULL) {
        (void)printf("# %lld ms: %s\n", (long long)(test_now_ms() - began_ms), context);
    }
    struck += torture_has_struck();
    return torture_has_struck();
}

static void plan_describe(const torture_workload *workload, const torture_plan *plan,
                          const torture_site *site) {
    char words[96] = "";

    if (site != NULL) {
        fault_words(site, plan->fault, words, sizeof words);
        (void)snprintf(context, sizeof context, "%s, %s:%u, %s %u%s: %s", workload->name,
                       site->file, site->line, site->name, plan->index,
                       plan->for_ever ? " and all after it" : "", words);
    } else {
        (void)snprintf(context, sizeof context, "%s, %s %u%s, fault %d", workload->name,
                       plan->which == TORTURE_ALLOCATIONS ? "allocation" : "system call",
                       plan->index, plan->for_ever ? " and all after it" : "", plan->fault);
    }
}

/* --- cutting what the server says -------------------------------------------------------------- */

static bool time_is_over(void) {
    return test_now_ms() > deadline_ms;
}

static void cuts_play(const torture_workload *workload, size_t received, size_t step) {
    torture_plan plan = TORTURE_NOTHING;

    for (plan.cut_at = 0; plan.cut_at < received && !time_is_over(); plan.cut_at += step) {
        (void)snprintf(context, sizeof context, "%s, cut at byte %zu", workload->name, plan.cut_at);
        (void)play(workload, &plan, false);
    }
}

/* --- the short form: place by place ---------------------------------------------------------- */

static void site_play(const torture_workload *workload, torture_site *site) {
    const int *faults = torture_faults_of(site->call);

    for (int i = 0; i < 8 && faults[i] != 0; i++) {
        torture_plan plan = TORTURE_NOTHING;

        plan.which = torture_class_of(site->call);
        plan.site = site;
        plan.index = 0;
        plan.fault = faults[i];
        plan_describe(workload, &plan, site);
        bool is_harmless = torture_is_harmless(site->call, faults[i]);

        (void)play(workload, &plan, is_harmless && is_strict(workload));
    }
}

/* A place that is reached only when something else has failed before it. */
static void late_site_play(const torture_workload *workload, torture_site *site) {
    const int *faults = torture_faults_of(site->call);

    for (int i = 0; i < 8 && faults[i] != 0; i++) {
        torture_plan plan = TORTURE_NOTHING;

        plan.which = torture_class_of(site->call);
        plan.site = site;
        plan.index = 0;
        plan.fault = faults[i];
        plan.fails_madvise = site->call == TORTURE_MUNMAP;
        plan.no_openssl_after_open = site->call == TORTURE_CLOSE;
        plan_describe(workload, &plan, site);
        (void)play(workload, &plan, false);
    }
}

/* From the n-th allocation on there is no memory at all. */
static void drought_play(const torture_workload *workload, unsigned index) {
    torture_plan plan = TORTURE_NOTHING;

    plan.index = index;
    plan.for_ever = true;
    plan.fault = 12;
    plan_describe(workload, &plan, NULL);
    (void)play(workload, &plan, false);
}

/* From its n-th allocation on OpenSSL has no memory. */
static void openssl_drought_play(const torture_workload *workload, unsigned allocations,
                                 unsigned step) {
    torture_plan plan = TORTURE_NOTHING;

    for (unsigned i = 0; i < allocations && !time_is_over(); i += step) {
        plan.no_openssl_from = i;
        (void)snprintf(context, sizeof context, "%s, OpenSSL's allocation %u and all after it",
                       workload->name, i);
        (void)play(workload, &plan, false);
    }
}

static void workload_play_short(const torture_workload *workload, const unsigned *hits,
                                unsigned allocations, size_t received) {
    for (size_t i = 0; i < torture_site_count(); i++) {
        torture_site *site = torture_site_at(i);

        if (hits[i] > 0 && site->injected == 0) {
            site_play(workload, site);
        }
    }
    for (unsigned i = 0; i < allocations; i += 3) {
        drought_play(workload, i);
    }
    cuts_play(workload, received, received / CUTS_SHORT + 1);
}

/* --- the long form: call by call ------------------------------------------------------------- */

static void calls_play(const torture_workload *workload, torture_site *site, unsigned hits) {
    const int *faults = torture_faults_of(site->call);
    torture_plan plan = TORTURE_NOTHING;

    plan.which = torture_class_of(site->call);
    plan.site = site;
    for (int i = 0; i < 8 && faults[i] != 0; i++) {
        bool goes_on = true;
        bool strictly = torture_is_harmless(site->call, faults[i]) && is_strict(workload);

        plan.fault = faults[i];
        /* Threads make a few calls more or less each time, and what fails makes more of them. */
        for (plan.index = 0; goes_on && plan.index < hits + 8 && !time_is_over(); plan.index++) {
            plan_describe(workload, &plan, site);
            goes_on = play(workload, &plan, strictly);
        }
    }
}

static void workload_play_long(const torture_workload *workload, const unsigned *hits,
                               unsigned allocations, size_t received) {
    for (size_t i = 0; i < torture_site_count(); i++) {
        if (hits[i] > 0) {
            calls_play(workload, torture_site_at(i), hits[i]);
        }
    }
    for (unsigned i = 0; i < allocations && !time_is_over(); i++) {
        drought_play(workload, i);
    }
    /* Greetings are the same each time: they are cut at every byte once. */
    cuts_play(workload, received, workload == &torture_workloads[0] ? 1 : CUT_STEP_LONG);
}

/* --- all of it ------------------------------------------------------------------------------- */

static void byte_by_byte_play(const torture_workload *workload) {
    torture_plan plan = TORTURE_NOTHING;

    plan.byte_by_byte = true;
    (void)snprintf(context, sizeof context, "%s, byte by byte", workload->name);
    (void)play(workload, &plan, is_strict(workload));
}

static void workload_play(const torture_workload *workload, bool is_long, unsigned *hits) {
    const torture_plan nothing = TORTURE_NOTHING;
    unsigned runs_before = runs, failures_before = failures;

    (void)snprintf(context, sizeof context, "%s, nothing fails", workload->name);
    (void)play(workload, &nothing, is_strict(workload));
    unsigned allocations = torture_count(TORTURE_ALLOCATIONS);
    unsigned system_calls = torture_count(TORTURE_SYSTEM);
    unsigned openssl_allocations = torture_openssl_count();
    size_t received = torture_received_bytes();

    for (size_t i = 0; i < torture_site_count(); i++) {
        hits[i] = torture_site_at(i)->hits;
    }
    byte_by_byte_play(workload);
    if (is_long) {
        workload_play_long(workload, hits, allocations, received);
    } else {
        workload_play_short(workload, hits, allocations, received);
    }
    openssl_drought_play(workload, openssl_allocations,
                         openssl_allocations / (is_long ? OPENSSL_LONG : OPENSSL_SHORT) + 1);
    (void)printf(
        "# %s: %u allocations, %u system calls, %zu bytes received; %u runs, %u failures\n",
        workload->name, allocations, system_calls, received, runs - runs_before,
        failures - failures_before);
    (void)fflush(stdout);
}

static void late_sites_play(void) {
    for (size_t i = 0; i < torture_site_count(); i++) {
        torture_site *site = torture_site_at(i);

        for (size_t j = 0; j < torture_workload_count && site->injected == 0; j++) {
            late_site_play(&torture_workloads[j], site);
        }
    }
}

static bool sites_report(void) {
    unsigned all[TORTURE_CLASSES] = {0}, met[TORTURE_CLASSES] = {0};

    for (size_t i = 0; i < torture_site_count(); i++) {
        const torture_site *site = torture_site_at(i);
        torture_class which = torture_class_of(site->call);

        all[which]++;
        met[which] += site->injected > 0;
        if (site->injected == 0) {
            (void)printf("# not met: %s:%u %s\n", site->file, site->line, site->name);
        }
    }
    (void)printf(
        "# %u of %u allocation sites, %u of %u system call sites failed; %u faults in %u runs\n",
        met[0], all[0], met[1], all[1], struck, runs);
    return met[0] == all[0] && met[1] == all[1] && all[0] > 10 && all[1] > 30;
}

static void *do_nothing(void *ctx) {
    return ctx;
}

/* What a process has from its first thread on, such as those of the sanitizers. */
static void settle(void) {
    const torture_plan nothing = TORTURE_NOTHING;
    pthread_t thread;

    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        (void)pthread_join(thread, NULL);
    }
    torture_start(&nothing);
    for (size_t i = 0; i < torture_workload_count; i++) {
        torture_run run = {.is_strict = false};

        (void)snprintf(context, sizeof context, "%s, for the first time",
                       torture_workloads[i].name);
        torture_workloads[i].run(&run);
        for (int j = 0; j < 5000 && torture_blocks() > 0; j++) {
            test_nap_ms(1);
        }
        if (run.complaint != NULL || torture_blocks() != 0) {
            failure("it does not work at all, or leaks", &run);
        }
        blocks_before = torture_blocks();
    }
    leftovers_note();
    (void)torture_servers_wrong();
}

int main(void) {
    const char *form = getenv("REDLOCK_TORTURE");
    const char *seconds = getenv("REDLOCK_TORTURE_SECONDS");
    const char *only = getenv("REDLOCK_TORTURE_ONLY"); /* a part of a workload's name */
    bool is_long = form != NULL && strcmp(form, "long") == 0;
    unsigned *hits = calloc(torture_site_count() + 1, sizeof *hits);

    if (hits == NULL) {
        return 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    context_on_death();
    deadline_ms = test_now_ms() + (seconds != NULL ? strtol(seconds, NULL, 10) : 1800) * 1000;
    torture_take_openssl();
    torture_servers_start();
    settle();
    for (size_t i = 0; i < torture_workload_count; i++) {
        if (only == NULL || strstr(torture_workloads[i].name, only) != NULL) {
            workload_play(&torture_workloads[i], is_long, hits);
        }
    }
    late_sites_play();
    bool is_over = is_long && time_is_over();
    bool all_met = sites_report();

    torture_servers_stop();
    free(hits);
    if (is_over) {
        (void)printf("# the time was over before the last call\n");
    }
    (void)printf("%sok 1 - nothing is lost, stuck or left behind when a call fails\n",
                 failures == 0 ? "" : "not ");
    (void)printf("%sok 2 - each place that can fail has failed\n1..2\n", all_met ? "" : "not ");
    return failures == 0 && all_met ? 0 : 1;
}
