/* config.h -- what need not be said each time: defaults from the environment and from files.
 *
 * A flag comes first, then the environment (REDLOCK_URL, REDLOCK_KEY_PREFIX: the option's name in
 * capitals), then ~/.config/redlock/config, then /etc/redlock/config.  REDLOCK_CONFIG names one
 * file in place of both.  A file has lines `key = value`, with keys named like the long options;
 * '#' begins a comment line. */
#ifndef REDLOCK_CLI_CONFIG_H
#define REDLOCK_CLI_CONFIG_H

#include <stddef.h>

enum { REDLOCK_CONFIG_ENTRIES_MAX = 64 };

typedef struct redlock_config_entry {
    const char *key;
    char *value; /* owned */
} redlock_config_entry;

typedef struct redlock_config {
    redlock_config_entry entry[REDLOCK_CONFIG_ENTRIES_MAX];
    size_t count;
} redlock_config;

/* Reads the files; those that are not there count as empty.  Returns 0, or an exit code after saying
 * what is wrong.  `config` is to be ended in any case. */
int redlock_config_load(redlock_config *config, const char *topic);
void redlock_config_deinit(redlock_config *config);
/* The index-th value of a key, from 0 on; NULL behind the last. */
const char *redlock_config_value(const redlock_config *config, const char *key, size_t index);
/* The value of the environment for a long option, or NULL: "key-prefix" is REDLOCK_KEY_PREFIX. */
const char *redlock_config_environment(const char *key);

/* argv with the defaults that this subcommand takes put in front of what the user gave, so that the
 * user's come later and count.  Returns 0 or an exit code; *ret_argv is one block of memory that
 * refers into `config`. */
int redlock_config_expand(redlock_config *config, int argc, char **argv, int *ret_argc,
                          char ***ret_argv);

#endif
