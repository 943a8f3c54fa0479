/* main.c -- redlock-bench: which benchmarks, how long, and how they are printed. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <redlock/redlock.h>
#include <sys/prctl.h>

#include "bench.h"
#include "server.h"

typedef struct bench_entry {
    const char *name;
    void (*run)(const bench_options *options);
} bench_entry;

static const bench_entry entries[] = {
    {"solo", bench_solo},       {"many", bench_many}, {"quorum", bench_quorum},
    {"handoff", bench_handoff}, {"keep", bench_keep}, {"cli", bench_cli},
    {"curves", bench_curves},
};

#define ENTRY_COUNT (sizeof(entries) / sizeof(entries[0]))

static void usage(FILE *to) {
    (void)fputs("usage: redlock-bench [WHAT] [OPTION...]\n"
                "  WHAT           solo, many, quorum, handoff, keep, cli or all (all); or curves\n"
                "  --case NAME    only this case of it\n"
                "  --rounds N     rounds of each contender (5; curves 3)\n"
                "  --seconds S    length of a round, where a case runs for a time (1; curves 0.4)\n"
                "  --waiters N    leave out cases with more waiters (5000; curves 10000)\n"
                "  --locks N      locks to keep (10000; curves up to 100000)\n"
                "  --peers DIR    other clients too: those in DIR\n"
                "  --contender C  only this one, for profilers\n"
                "  --json         one object a line for each contender and case\n",
                to);
}

static double number_of(const char *text, double least, double most) {
    char *end = NULL;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < least || value > most) {
        (void)fprintf(stderr, "redlock-bench: %s is not a number from %g to %g\n", text, least,
                      most);
        exit(64);
    }
    return value;
}

static void options_read(bench_options *options, int argc, char **argv) {
    static const struct option known[] = {{"case", required_argument, NULL, 'c'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"waiters", required_argument, NULL, 'w'},
                                          {"locks", required_argument, NULL, 'l'},
                                          {"peers", required_argument, NULL, 'p'},
                                          {"contender", required_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};

    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options->only = optarg;
            break;
        case 'r':
            options->rounds = (int)number_of(optarg, 1, 1000);
            break;
        case 's':
            options->seconds = number_of(optarg, 0.01, 3600);
            break;
        case 'w':
            options->waiters_max = (int64_t)number_of(optarg, 1, 100000);
            break;
        case 'l':
            options->locks = (int64_t)number_of(optarg, 1, 1000000);
            break;
        case 'p':
            options->peers_dir = optarg;
            break;
        case 'o':
            options->contender = optarg;
            break;
        case 'j':
            options->is_json = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(64);
        }
    }
    if (optind < argc) {
        options->what = argv[optind++];
    }
    if (optind < argc) {
        usage(stderr);
        exit(64);
    }
}

static void machine_print(bool is_json) {
    test_server *server = test_server_start(NULL);
    char *info = test_server_ask(server, "INFO", "server", NULL);
    const char *version = info == NULL ? NULL : strstr(info, "redis_version:");
    int version_len = version == NULL ? 1 : (int)strcspn(version + 14, "\r\n");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct utsname system = {0};

    version = version == NULL ? "?" : version + 14;
    (void)uname(&system);
    if (is_json) {
        (void)printf("{\"redlock\":\"%s\",\"server\":\"%.*s\",\"system\":\"%s %s %s\","
                     "\"cores\":%ld,\"time\":%lld}\n",
                     redlock_version(), version_len, version, system.sysname, system.release,
                     system.machine, cores, (long long)time(NULL));
    } else {
        (void)printf("redlock %s, server %.*s, %s %s, %ld cores; of_limit above 1 is better than "
                     "the limit\n",
                     redlock_version(), version_len, version, system.sysname, system.release,
                     cores);
    }
    free(info);
    test_server_stop(server);
}

/* What was not said. */
static void options_settle(bench_options *options) {
    bool is_curves = strcmp(options->what, "curves") == 0;

    options->rounds = options->rounds > 0 ? options->rounds : is_curves ? 3 : 5;
    options->seconds = options->seconds > 0 ? options->seconds : is_curves ? 0.4 : 1;
    options->locks = options->locks > 0 ? options->locks : is_curves ? 100000 : 10000;
    if (options->waiters_max == 0) {
        options->waiters_max = is_curves ? 10000 : 5000;
    }
}

/* `all` is without the curves, which have most of it in them. */
static bool entry_is_wanted(const bench_options *options, const bench_entry *entry) {
    bool is_in_all = strcmp(options->what, "all") == 0 && entry->run != bench_curves;
    return is_in_all || strcmp(options->what, entry->name) == 0;
}

int main(int argc, char **argv) {
    /* A hold of 1 ms is to last 1 ms: by default the kernel lets timers be 50 us late. */
    (void)prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    bench_options options = {.what = "all"};
    size_t ran = 0;
    int cases_ran = 0;

    options_read(&options, argc, argv);
    options_settle(&options);
    options.cases_ran = &cases_ran;
    options.bin_dir = getenv("REDLOCK_BIN_DIR");
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (entry_is_wanted(&options, &entries[i])) {
            if (ran++ == 0) {
                machine_print(options.is_json);
            }
            entries[i].run(&options);
        }
    }
    if (ran == 0) {
        usage(stderr);
        return 64;
    }
    if (cases_ran == 0) {
        (void)fprintf(stderr, "redlock-bench: %s has no such case, or --waiters leaves it out\n",
                      options.what);
        return 64;
    }
    return 0;
}
