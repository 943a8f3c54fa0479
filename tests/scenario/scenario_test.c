/* scenario_test.c -- runs the scenario scripts that lie beside it and compares their traces.
 *
 *     scenario_test                         runs all *.scn of $REDLOCK_TEST_DIR/scenario
 *     scenario_test FILE.scn...             runs these
 *     REDLOCK_SCN_REWRITE=1 scenario_test   writes what happened into the files: review the diff
 *
 * What a scenario is, is in tests/support/scenario.h.  Prints TAP, one line for each file. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scenario.h"

#define FOLDER_BYTES 512
#define FILES_MAX 256

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_files(const char *folder, char **paths) {
    DIR *dir = opendir(folder);
    int count = 0;
    for (struct dirent *entry;
         dir != NULL && count < FILES_MAX && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len > 4 && strcmp(entry->d_name + len - 4, ".scn") == 0) {
            size_t size = strlen(folder) + len + 2;
            paths[count] = malloc(size);
            REDLOCK_ASSERT(paths[count] != NULL);
            (void)snprintf(paths[count++], size, "%s/%s", folder, entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    qsort(paths, (size_t)count, sizeof paths[0], by_name);
    return count;
}

static int run_files(char *const *paths, int count) {
    int failed = count == 0;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        bool is_ok = test_scenario_run(paths[i]);
        const char *slash = strrchr(paths[i], '/');
        printf("%s %d - %s\n", is_ok ? "ok" : "not ok", i + 1,
               slash == NULL ? paths[i] : slash + 1);
        (void)fflush(stdout);
        failed += !is_ok;
    }
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return run_files(argv + 1, argc - 1);
    }
    char *paths[FILES_MAX], folder[FOLDER_BYTES];
    const char *tests = getenv("REDLOCK_TEST_DIR");
    (void)snprintf(folder, sizeof folder, "%s/scenario", tests != NULL ? tests : "tests");
    int count = find_files(folder, paths);
    int result = run_files(paths, count);
    for (int i = 0; i < count; i++) {
        free(paths[i]);
    }
    return result;
}
