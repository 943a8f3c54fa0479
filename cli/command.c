/* command.c -- the guarded command, ready to be executed. */
#include "cli/command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cli/text.h"

extern char **environ;

static const char path_default[] = "/usr/local/bin:/usr/bin:/bin";

/* 0, or why this file cannot be executed. */
static int file_check(const char *path) {
    struct stat info;

    if (stat(path, &info) != 0) {
        return errno == EACCES ? EACCES : ENOENT;
    }
    return S_ISREG(info.st_mode) && access(path, X_OK) == 0 ? 0 : EACCES;
}

static char *path_join(const char *folder, size_t folder_length, const char *name) {
    /* An empty entry of PATH means the current folder. */
    char *own = folder_length > 0 ? strndup(folder, folder_length) : strdup(".");
    char *path = own != NULL ? redlock_text_join(own, "/", name, NULL) : NULL;

    free(own);
    return path;
}

static char *path_checked(char *take_path, int *ret_error) {
    *ret_error = take_path == NULL ? ENOMEM : file_check(take_path);
    if (*ret_error != 0) {
        free(take_path);
        return NULL;
    }
    return take_path;
}

char *redlock_path_find(const char *name) {
    const char *folders = getenv("PATH");
    int error = ENOENT;
    int worst = ENOENT;

    if (strchr(name, '/') != NULL) {
        char *path = path_checked(strdup(name), &error);

        errno = error;
        return path;
    }
    for (folders = folders != NULL ? folders : path_default;; folders++) {
        size_t length = strcspn(folders, ":");
        char *path = path_checked(path_join(folders, length, name), &error);

        if (path != NULL) {
            return path;
        }
        worst = error != ENOENT ? error : worst; /* a file that may not run explains more */
        folders += length;
        if (*folders == '\0') {
            errno = worst;
            return NULL;
        }
    }
}

static int path_missing(const redlock_say *say, const char *name) {
    int error = errno;

    redlock_say_error(say, "cannot run '%s': %s; the lock was not asked for", name,
                      error == ENOENT ? "there is no such command" : strerror(error));
    if (error == ENOMEM) {
        return REDLOCK_EXIT_SYSTEM;
    }
    return error == ENOENT ? REDLOCK_EXIT_NOT_FOUND : REDLOCK_EXIT_CANNOT_EXEC;
}

/* What the kernel refuses as a program is given to the shell, as execvp and every shell do. */
static bool shell_argv_make(redlock_command *command) {
    size_t count = 0;

    while (command->argv[count] != NULL) {
        count++;
    }
    command->shell_argv = calloc(count + 2, sizeof(command->shell_argv[0]));
    if (command->shell_argv == NULL) {
        return false;
    }

    command->shell_argv[0] = command->shell_words[0];
    command->shell_argv[1] = command->path;
    for (size_t i = 1; i < count; i++) {
        command->shell_argv[i + 1] = command->argv[i];
    }
    return true;
}

static bool script_make(redlock_command *command, const char *script) {
    command->shell_words[1] = strdup("-c");
    command->shell_words[2] = strdup(script);
    command->path = strdup("/bin/sh");
    command->argv = command->shell_words;
    return command->shell_words[1] != NULL && command->shell_words[2] != NULL &&
           command->path != NULL;
}

int redlock_command_init(redlock_command *command, char **argv, const char *script,
                         const redlock_say *say) {
    *command = (redlock_command){.argv = argv};
    command->shell_words[0] = strdup("sh");
    if (command->shell_words[0] == NULL) {
        return REDLOCK_EXIT_SYSTEM;
    }
    if (script != NULL) {
        return script_make(command, script) ? 0 : REDLOCK_EXIT_SYSTEM;
    }

    command->path = redlock_path_find(argv[0]);
    if (command->path == NULL) {
        return path_missing(say, argv[0]);
    }
    return shell_argv_make(command) ? 0 : REDLOCK_EXIT_SYSTEM;
}

static void env_end(redlock_command *command) {
    for (size_t i = 0; i < REDLOCK_COMMAND_ENV_MAX; i++) {
        free(command->env_own[i]);
        command->env_own[i] = NULL;
    }
    free(command->env);
    command->env = NULL;
}

/* Returns how many there are, 0 when there is no memory. */
static size_t env_own_make(redlock_command *command, const redlock_lock *lock, const char *name) {
    char fence[REDLOCK_TEXT_NUMBER_BYTES];
    size_t count = 0;

    redlock_text_number(redlock_lock_fence(lock), fence);
    command->env_own[count++] = redlock_text_join("REDLOCK_NAME=", name, NULL);
    command->env_own[count++] = redlock_text_join("REDLOCK_FENCE=", fence, NULL);
    command->env_own[count++] =
        redlock_text_join("REDLOCK_TOKEN=", redlock_lock_token(lock, NULL), NULL);
    if (command->status != NULL) {
        command->env_own[count++] = redlock_text_join("REDLOCK_STATUS=", command->status, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        if (command->env_own[i] == NULL) {
            return 0;
        }
    }
    return count;
}

int redlock_command_env_make(redlock_command *command, const redlock_lock *lock, const char *name) {
    /* All of REDLOCK_*: one of them is where the servers' password stands. */
    static const char own[] = "REDLOCK_";
    size_t count = 0;
    size_t used = 0;

    env_end(command);
    const size_t own_count = env_own_make(command, lock, name);
    while (environ[count] != NULL) {
        count++;
    }
    command->env = calloc(count + REDLOCK_COMMAND_ENV_MAX + 1, sizeof(command->env[0]));
    if (command->env == NULL || own_count == 0) {
        return REDLOCK_EXIT_SYSTEM;
    }

    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], own, sizeof(own) - 1) != 0) {
            command->env[used++] = environ[i];
        }
    }
    for (size_t i = 0; i < own_count; i++) {
        command->env[used++] = command->env_own[i];
    }
    return 0;
}

void redlock_command_deinit(redlock_command *command) {
    env_end(command);
    for (size_t i = 0; i < 4; i++) {
        free(command->shell_words[i]);
    }
    free(command->shell_argv);
    free(command->path);
}
