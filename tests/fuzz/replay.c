/* replay.c -- plays kept inputs through a fuzz target, without a fuzzer: replay FOLDER...
 *
 * Each input is played whole, cut at every byte, and with single bytes changed.  Prints TAP.  A target
 * that fails ends the program, and its last line says with which input. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX (1024u * 1024u)
#define CUTS_MAX 2048u
#define CHANGES 256u

static unsigned long executions;

/* In a block of its very size, so that AddressSanitizer sees a byte too far. */
static void play(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    executions++;
}

static void play_around(uint8_t *data, size_t size) {
    redlock_prng prng;

    play(data, size);
    for (size_t cut = 0; cut < size && cut < CUTS_MAX; cut++) {
        play(data, cut);
    }
    redlock_prng_init(&prng, size);
    for (unsigned i = 0; i < CHANGES && size > 0; i++) {
        size_t at = (size_t)redlock_prng_upto(&prng, size - 1);
        uint8_t before = data[at];

        data[at] = (uint8_t)redlock_prng_next(&prng);
        play(data, size);
        data[at] = before;
    }
}

static size_t file_read(const char *path, uint8_t *out) {
    FILE *file = fopen(path, "rb");
    size_t size = file != NULL ? fread(out, 1, INPUT_BYTES_MAX, file) : 0;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    (void)fclose(file);
    return size;
}

static unsigned folder_play(const char *folder, uint8_t *data) {
    DIR *dir = opendir(folder);
    unsigned count = 0;
    char path[1024];

    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)printf("# %s\n", path);
        (void)fflush(stdout); /* the last thing said, should it fail */
        play_around(data, file_read(path, data));
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}

int main(int argc, char **argv) {
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    unsigned count = 0;

    if (data == NULL) {
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        count += folder_play(argv[i], data);
    }
    free(data);
    (void)printf("%sok 1 - %u kept inputs, played in %lu ways\n1..1\n", count > 0 ? "" : "not ",
                 count, executions);
    return count > 0 ? 0 : 1;
}
