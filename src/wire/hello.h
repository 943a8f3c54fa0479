/* hello.h -- the first words on a new connection: log in, pick the database, ask what the server
 * is and which of our scripts it knows, teach it the others.
 *
 * All questions go out in one write; the scripts follow only to a server that lacks them, because they
 * are fifty times as long as all the rest.  The replies say whether the server may vote: it must be Redis
 * or Valkey, a master, and must not evict keys.
 *
 * A server that votes alone is asked HELLO, and where nobody has logged in CONFIG GET, in the place of INFO,
 * which takes it ten times as long to write.  What they don't tell is the run id.  Whatever they tell but that
 * this is a master that stands alone, and a policy, leads to a second round, with INFO: that one has the words
 * for people.  Who has logged in may have few rights, and is not to be caught asking for more. */
#ifndef REDLOCK_WIRE_HELLO_H
#define REDLOCK_WIRE_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/command.h"
#include "base/status.h"
#include "wire/resp.h"
#include "wire/url.h"

#define REDLOCK_HELLO_BYTES_MAX 32768u    /* with all scripts */
#define REDLOCK_HELLO_ASK_BYTES_MAX 4096u /* without */
#define REDLOCK_HELLO_WORDS_BYTES 112u

typedef struct redlock_hello {             /* what has been learned so far */
    uint32_t asked, answered;              /* replies expected, replies taken */
    uint8_t questions[16];                 /* hello.c's own: which question each reply answers */
    redlock_status status;                 /* OK, or the first reason why the server can't vote */
    char words[REDLOCK_HELLO_WORDS_BYTES]; /* the server's words, or ours, behind status */
    uint8_t run_id[REDLOCK_RUN_ID_BYTES];
    uint8_t run_id_len; /* 0: the server does not tell */
    uint64_t time_ms;   /* the node's clock, from TIME */
    char version[16];   /* "7.0.15", for people */
    bool is_valkey;
    bool lacks_scripts;          /* the server has to be taught */
    bool asks_what, asks_policy; /* INFO is to be asked what it is, and whether it evicts */
} redlock_hello;

/* Begins a new greeting and writes its bytes; `size` is at least REDLOCK_HELLO_ASK_BYTES_MAX.
 * Returns the number of bytes.  `label` is the connection's name for CLIENT SETNAME. */
size_t redlock_hello_start(redlock_hello *hello, const redlock_url *url, redlock_bytes label,
                           uint8_t *out, size_t size);
/* The same for a server that votes alone and has no restart guard: nobody needs to know its run. */
size_t redlock_hello_start_alone(redlock_hello *hello, const redlock_url *url, redlock_bytes label,
                                 uint8_t *out, size_t size);
/* The greeting of a connection that only listens: log in and subscribe to `channel`.  It ends with
 * the reply to that; there is nothing to learn of the server then. */
size_t redlock_hello_start_listening(redlock_hello *hello, const redlock_url *url,
                                     redlock_bytes label, redlock_bytes channel, uint8_t *out,
                                     size_t size);
/* Takes the next reply.  True when it was the last one: then `status` is final, unless something has to be
 * asked again.  A server that hangs up before that may have said why already: `status` and `words` tell. */
bool redlock_hello_take(redlock_hello *hello, const redlock_resp_reader *reader,
                        const uint8_t *data);
/* After the last reply, while `status` is OK: whether a second round of questions is needed, and what it is, 0
 * when there is none.  `size` as for the first, and the replies are taken likewise. */
bool redlock_hello_asks_again(const redlock_hello *hello);
size_t redlock_hello_ask_again(redlock_hello *hello, uint8_t *out, size_t size);
/* After the last reply of a server that may vote: the scripts that it has to be taught; 0: none.  `size` is
 * at least REDLOCK_HELLO_BYTES_MAX.  Commands may follow them at once, since a server does one after the
 * other.  The replies come before those to the commands, and are taken as above. */
size_t redlock_hello_teach(redlock_hello *hello, uint8_t *out, size_t size);
/* Whether replies are still to be taken. */
bool redlock_hello_is_open(const redlock_hello *hello);

#endif
