/* config.c -- defaults from the environment and from files. */
#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/say.h"
#include "cli/text.h"

enum { FILE_BYTES_MAX = 65536 };

static const char space[] = " \t\r";

typedef struct config_key {
    const char *word;
    const char *subcommands; /* that have it as an option, each between spaces; "": see urls.h */
} config_key;

#define EVERYWHERE                                                                                 \
    " run elect acquire extend release hold watch wait break init status ls top doctor "

static const config_key keys[] = {
    {"url", ""},
    {"user", ""},
    {"password-file", ""},
    {"key-prefix", EVERYWHERE},
    {"tls-ca", EVERYWHERE},
    {"tls-cert", EVERYWHERE},
    {"tls-key", EVERYWHERE},
    {"tls-insecure", EVERYWHERE},
    {"label", " run elect acquire hold "},
    {"ttl", " run elect acquire extend hold watch "},
    {"metrics", " run elect hold watch "},
    {"timeout", " status ls top doctor "},
    {"ttl-max", " doctor "},
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static const char *key_find(const char *word, size_t len) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strlen(keys[i].word) == len && memcmp(keys[i].word, word, len) == 0) {
            return keys[i].word;
        }
    }
    return NULL;
}

/* That nothing can be opened any more is no fault of the file. */
static int unreadable_say(const char *topic, const char *path, int error) {
    static const redlock_say say = {.loudness = REDLOCK_NORMAL};

    if (error == EMFILE || error == ENFILE || error == ENOMEM) {
        redlock_say_error(&say, "%s cannot be opened: %s", path, strerror(error));
        return REDLOCK_EXIT_SYSTEM;
    }
    return redlock_say_usage(topic, "%s cannot be read: %s", path, strerror(error));
}

/* --- files ----------------------------------------------------------------------------------- */

typedef struct config_file {
    const char *path, *topic;
    bool is_private; /* nobody else can read it */
    size_t line;
    size_t entries_before; /* those of a file that counts more */
} config_file;

static bool is_set_before(const redlock_config *config, const config_file *file, const char *key) {
    for (size_t i = 0; i < file->entries_before; i++) {
        if (strcmp(config->entry[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static int entry_add(redlock_config *config, const config_file *file, const char *key,
                     const char *value) {
    bool has_secret = strcmp(key, "url") == 0 && strchr(value, '@') != NULL;

    if (has_secret && !file->is_private) {
        return redlock_say_usage(file->topic,
                                 "%s, line %zu: a URL with a password, in a file that others can "
                                 "read; chmod 600 it, or use password-file",
                                 file->path, file->line);
    }
    if (is_set_before(config, file, key)) {
        return 0;
    }
    if (config->count == REDLOCK_CONFIG_ENTRIES_MAX) {
        return redlock_say_usage(file->topic, "%s, line %zu: there are too many lines", file->path,
                                 file->line);
    }
    redlock_config_entry *entry = &config->entry[config->count];

    *entry = (redlock_config_entry){.key = key, .value = strdup(value)};
    config->count += entry->value != NULL;
    return entry->value != NULL ? 0 : REDLOCK_EXIT_SYSTEM;
}

/* Takes one line, which is its own to change. */
static int line_take(redlock_config *config, const config_file *file, char *line) {
    line += strspn(line, space);
    if (*line == '\0' || *line == '#') {
        return 0;
    }
    char *equals = strchr(line, '=');
    size_t len = strcspn(line, " \t\r=");
    const char *key = key_find(line, len);

    if (key == NULL) {
        return redlock_say_usage(file->topic, "%s, line %zu: '%.*s' is no key", file->path,
                                 file->line, (int)(len < 64 ? len : 64), line);
    }
    if (equals == NULL || strspn(line + len, space) != (size_t)(equals - line) - len) {
        return redlock_say_usage(file->topic, "%s, line %zu: a line is 'key = value'", file->path,
                                 file->line);
    }
    char *value = equals + 1 + strspn(equals + 1, space);
    size_t value_len = strlen(value);

    while (value_len > 0 && strchr(space, value[value_len - 1]) != NULL) {
        value[--value_len] = '\0';
    }
    return entry_add(config, file, key, value);
}

static int text_take(redlock_config *config, config_file *file, char *text) {
    int code = 0;

    while (code == 0 && text != NULL) {
        char *end = strchr(text, '\n');

        if (end != NULL) {
            *end++ = '\0';
        }
        file->line++;
        code = line_take(config, file, text);
        text = end;
    }
    return code;
}

static int file_read(redlock_config *config, config_file *file, int fd) {
    char *text = calloc(1, FILE_BYTES_MAX + 1);
    struct stat about;
    size_t len = 0;
    ssize_t got = -1;

    while (text != NULL && len < FILE_BYTES_MAX &&
           (got = read(fd, text + len, FILE_BYTES_MAX - len)) > 0) {
        len += (size_t)got;
    }
    int code;
    if (text == NULL) {
        code = REDLOCK_EXIT_SYSTEM;
    } else if (got < 0 || fstat(fd, &about) != 0) {
        code = unreadable_say(file->topic, file->path, errno);
    } else if (strlen(text) != len || len == FILE_BYTES_MAX) {
        code = redlock_say_usage(file->topic, "%s is no text, or too long", file->path);
    } else {
        file->is_private = (about.st_mode & 077U) == 0;
        code = text_take(config, file, text);
    }
    if (text != NULL) {
        explicit_bzero(text, FILE_BYTES_MAX);
    }
    free(text);
    return code;
}

static int file_load(redlock_config *config, const char *path, bool is_needed, const char *topic) {
    config_file file = {.path = path, .topic = topic, .entries_before = config->count};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        bool is_absent = errno == ENOENT || errno == ENOTDIR || errno == EACCES;

        return is_absent && !is_needed ? 0 : unreadable_say(topic, path, errno);
    }
    int code = file_read(config, &file, fd);
    (void)close(fd);
    return code;
}

/* Where people have their own, if they have a home. */
static int user_file_load(redlock_config *config, const char *topic) {
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    bool has_folder = folder != NULL && folder[0] == '/';

    if (!has_folder && (home == NULL || home[0] != '/')) {
        return 0;
    }
    char *path =
        redlock_text_join(has_folder ? folder : home,
                          has_folder ? "/redlock/config" : "/.config/redlock/config", NULL);
    int code = path != NULL ? file_load(config, path, false, topic) : REDLOCK_EXIT_SYSTEM;
    free(path);
    return code;
}

int redlock_config_load(redlock_config *config, const char *topic) {
    static bool is_absent; /* they are read twice, a moment apart: see urls_wipe */
    const char *given = getenv("REDLOCK_CONFIG");

    config->count = 0;
    if (given != NULL && given[0] != '\0') {
        return file_load(config, given, true, topic);
    }
    int code = is_absent ? 0 : user_file_load(config, topic);
    if (code == 0 && !is_absent) {
        code = file_load(config, "/etc/redlock/config", false, topic);
        is_absent = code == 0 && config->count == 0;
    }
    return code;
}

void redlock_config_deinit(redlock_config *config) {
    for (size_t i = 0; i < config->count; i++) {
        explicit_bzero(config->entry[i].value, strlen(config->entry[i].value));
        free(config->entry[i].value);
    }
    config->count = 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

const char *redlock_config_value(const redlock_config *config, const char *key, size_t index) {
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->entry[i].key, key) == 0 && index-- == 0) {
            return config->entry[i].value;
        }
    }
    return NULL;
}

const char *redlock_config_environment(const char *key) {
    char name[64] = "REDLOCK_";
    size_t len = strlen(name);

    for (; *key != '\0' && len + 1 < sizeof(name); key++) {
        bool is_letter = *key >= 'a' && *key <= 'z';

        name[len++] = is_letter ? (char)(*key - 'a' + 'A') : '_';
    }
    name[len] = '\0';
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* --- argv ------------------------------------------------------------------------------------ */

static bool key_is_for(const config_key *key, const char *subcommand) {
    size_t len = strlen(subcommand);
    const char *at = key->subcommands;

    while ((at = strstr(at, subcommand)) != NULL) {
        if (at[-1] == ' ' && at[len] == ' ') {
            return true;
        }
        at += len;
    }
    return false;
}

/* The default of an option as a word for argv: "--key=value", kept by `config`. */
static int option_make(redlock_config *config, const char *key, char **ret_word) {
    const char *value = redlock_config_environment(key);
    char *word = NULL;

    value = value != NULL ? value : redlock_config_value(config, key, 0);
    *ret_word = NULL;
    if (value == NULL) {
        return 0;
    }
    word = config->count < REDLOCK_CONFIG_ENTRIES_MAX
               ? redlock_text_join("--", key, "=", value, NULL)
               : NULL;
    if (word == NULL) {
        return REDLOCK_EXIT_SYSTEM;
    }
    config->entry[config->count++] = (redlock_config_entry){.key = "", .value = word};
    *ret_word = word;
    return 0;
}

static bool takes_defaults(const char *subcommand) {
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (key_is_for(&keys[i], subcommand)) {
            return true;
        }
    }
    return false;
}

/* What is kept while the subcommand runs are its options; URLs, which it reads anew, are none. */
static void urls_wipe(redlock_config *config) {
    for (size_t i = 0; i < config->count; i++) {
        if (strcmp(config->entry[i].key, "url") == 0) {
            explicit_bzero(config->entry[i].value, strlen(config->entry[i].value));
        }
    }
}

int redlock_config_expand(redlock_config *config, int argc, char **argv, int *ret_argc,
                          char ***ret_argv) {
    char **words = calloc((size_t)argc + KEY_COUNT + 1, sizeof(words[0]));
    int count = 1;
    int code = words != NULL ? 0 : REDLOCK_EXIT_SYSTEM;

    config->count = 0;
    *ret_argv = words;
    if (code == 0 && takes_defaults(argv[0])) {
        code = redlock_config_load(config, argv[0]);
    }
    for (size_t i = 0; code == 0 && i < KEY_COUNT; i++) {
        if (key_is_for(&keys[i], argv[0])) {
            code = option_make(config, keys[i].word, &words[count]);
            count += words[count] != NULL;
        }
    }
    if (code == 0) {
        words[0] = argv[0];
        memcpy(words + count, argv + 1, (size_t)argc * sizeof(words[0])); /* and the NULL */
        *ret_argc = count + argc - 1;
    }
    urls_wipe(config);
    return code;
}
