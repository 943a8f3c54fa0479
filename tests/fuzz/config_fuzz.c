/* config_fuzz.c -- any bytes as a configuration file of the command, and what becomes of its values:
 * URLs, defaults of options.  The first byte says whether others may read the file. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/urls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

/* What the command has to say about the file is said to nobody. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len) {
    return fd == STDERR_FILENO ? (ssize_t)len : __real_write(fd, bytes, len);
}

static int file_make(const uint8_t *data, size_t size) {
    int fd = memfd_create("config", 0);
    char path[64];

    REDLOCK_ASSERT(fd >= 0);
    REDLOCK_ASSERT(fchmod(fd, (data[0] & 1u) != 0 ? 0600 : 0644) == 0);
    REDLOCK_ASSERT(__real_write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)setenv("REDLOCK_CONFIG", path, 1);
    return fd;
}

static void config_check(const redlock_config *config, bool is_private) {
    REDLOCK_ASSERT(config->count <= REDLOCK_CONFIG_ENTRIES_MAX);
    for (size_t i = 0; i < config->count; i++) {
        const redlock_config_entry *entry = &config->entry[i];
        size_t len = strlen(entry->value);

        REDLOCK_ASSERT(strcspn(entry->value, "\n") == len);
        REDLOCK_ASSERT(len == 0 || strchr(" \t\r", entry->value[len - 1]) == NULL);
        REDLOCK_ASSERT(is_private || strcmp(entry->key, "url") != 0 ||
                       strchr(entry->value, '@') == NULL);
    }
}

static void words_check(void) {
    char word[] = "acquire", name[] = "NAME";
    char *given[] = {word, name, NULL};
    redlock_config config;
    char **words = NULL;
    int count = 0;

    if (redlock_config_expand(&config, 2, given, &count, &words) == 0) {
        REDLOCK_ASSERT(count >= 2 && words[count] == NULL);
        REDLOCK_ASSERT(words[0] == word && words[count - 1] == name);
        for (int i = 1; i < count - 1; i++) {
            REDLOCK_ASSERT(strncmp(words[i], "--", 2) == 0 && strchr(words[i], '=') != NULL);
        }
    }
    free(words);
    redlock_config_deinit(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_config config;
    redlock_urls urls = {.count = 0};

    if (size < 1) {
        return 0;
    }
    int fd = file_make(data, size);
    int code = redlock_config_load(&config, "acquire");

    REDLOCK_ASSERT(code == 0 || code == REDLOCK_EXIT_USAGE);
    config_check(&config, (data[0] & 1u) != 0);
    redlock_config_deinit(&config);
    words_check();
    code = redlock_urls_complete(&urls, "acquire");
    REDLOCK_ASSERT(code != 0 || urls.count > 0 || urls.local_size > 0);
    redlock_urls_deinit(&urls);
    (void)close(fd);
    return 0;
}
