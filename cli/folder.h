/* folder.h -- a folder that is this user's alone.
 *
 * What lies in it is trusted (sockets of our servers), so it has to be a real folder, owned by us,
 * and closed to everybody else: in /tmp anybody could have made it first, or a symbolic link. */
#ifndef REDLOCK_CLI_FOLDER_H
#define REDLOCK_CLI_FOLDER_H

#include <stdbool.h>

/* Where things live: room for a socket path, which the kernel limits to 107 bytes. */
#define REDLOCK_FOLDER_BYTES_MAX 96

/* Makes it if need be, and checks it.  NULL, or what is wrong with it. */
const char *redlock_folder_make(const char *path);
/* Whether it is there and ours; nothing is made. */
bool redlock_folder_is_safe(const char *path);
/* The folder for all that redlock keeps running: false when no path fits. */
bool redlock_folder_runtime(char path[REDLOCK_FOLDER_BYTES_MAX]);

#endif
