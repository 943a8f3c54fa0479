/* fake_server.h -- a server on a thread of its own that does exactly what a script says.
 *
 * For tests of whoever talks to it: it can be slow, mute, rude or wrong, at a chosen byte.  Nothing
 * in it sleeps: where the order matters, a step waits for redlock_fake_go. */
#ifndef REDLOCK_TESTS_FAKE_SERVER_H
#define REDLOCK_TESTS_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define REDLOCK_FAKE_STEPS_MAX 64u

typedef enum redlock_fake_kind {
    REDLOCK_FAKE_ACCEPT = 1,  /* the next connection; the one before is closed */
    REDLOCK_FAKE_EXPECT,      /* exactly `bytes` must come next */
    REDLOCK_FAKE_COMMANDS,    /* `count` whole commands must come next, whatever they are */
    REDLOCK_FAKE_GREET,       /* expects the greeting `bytes`, answers as a healthy master would */
    REDLOCK_FAKE_SERVE,       /* as GREET does, each command at once, until the peer closes */
    REDLOCK_FAKE_SEND,        /* `bytes`, in as few writes as the kernel takes */
    REDLOCK_FAKE_SEND_SLOWLY, /* one byte for each redlock_fake_go */
    REDLOCK_FAKE_SEND_TIMES,  /* `bytes`, `count` times over */
    REDLOCK_FAKE_PAUSE,       /* until redlock_fake_go */
    REDLOCK_FAKE_STALL,       /* reads and writes nothing any more; the script is done */
    REDLOCK_FAKE_CLOSE,       /* the connection ends in order */
    REDLOCK_FAKE_RESET        /* TCP: the connection breaks (RST) */
} redlock_fake_kind;

typedef struct redlock_fake_step { /* bytes are borrowed for the server's life */
    redlock_fake_kind kind;
    redlock_bytes bytes;
    uint32_t count;
} redlock_fake_step;

typedef struct redlock_fake redlock_fake;

/* Listens when it returns; aborts the test program when it cannot.  `path` NULL: TCP on 127.0.0.1,
 * at redlock_fake_port. */
redlock_fake *redlock_fake_start(const char *path, const redlock_fake_step *steps, uint32_t count);
uint16_t redlock_fake_port(const redlock_fake *fake);
void redlock_fake_go(redlock_fake *fake);
/* Waits until the script is done. */
void redlock_fake_await(redlock_fake *fake);
/* Ends the thread wherever it is, closes everything and frees.  True when the whole script was
 * done; else *ret_step is the step that was not, when ret_step is not NULL. */
bool redlock_fake_finish(redlock_fake *fake, uint32_t *ret_step);

/* The replies of a healthy master to a greeting, as GREET sends them: one reply per command.
 * Returns how many bytes they take; nothing is written past `size`. */
size_t redlock_fake_greeting_replies(redlock_bytes greeting, uint8_t *out, size_t size);

#endif
