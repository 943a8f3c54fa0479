/* textfile.h -- keeps a file with a client's numbers, as node_exporter's textfile collector reads it.
 *
 * A thread of its own writes it at the start, every ten seconds, and at the end, so that a slow disk
 * holds up neither the lock nor the command.  The file is replaced as a whole, by rename: a reader never
 * sees half of it.  A file that cannot be written is complained about once, and the work goes on. */
#ifndef REDLOCK_CLI_TEXTFILE_H
#define REDLOCK_CLI_TEXTFILE_H

#include <pthread.h>
#include <stdbool.h>

#include "cli/exposition.h"
#include "cli/say.h"

typedef struct redlock_textfile { /* zeroed: there is none */
    redlock_exposition what;
    const redlock_say *say;
    char *path, *path_new; /* in one folder; the second becomes the first */
    pthread_t thread;
    int stop_pipe[2];
    bool runs;    /* the thread does */
    bool is_told; /* that it cannot be written */
} redlock_textfile;

/* `path` is the file, or a folder (it ends with '/', or there is one), in which a name for the file is
 * made from those of subcommand and lock.  `what` but for start_ms and is_over is the caller's, and
 * lives until the end. */
void redlock_textfile_start(redlock_textfile *file, const char *path,
                            const redlock_exposition *what, const redlock_say *say);
/* Writes it for the last time; the client still lives.  Nothing to do when there is none. */
void redlock_textfile_end(redlock_textfile *file);

#endif
