/* reply.h -- what one command of a model server says, and texts that grow.
 *
 * A command fills in a reply; whoever asked turns it into RESP or into Lua values.  A simulator
 * without memory is of no use to anybody, so running out of it ends the program. */
#ifndef REDLOCK_SIM_REPLY_H
#define REDLOCK_SIM_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "wire/resp.h"

/* Never NULL unless size is 0, which frees. */
void *redlock_sim_memory(void *at, size_t size);
/* Ends the program with a sentence on stderr: the simulator was asked for what it cannot do. */
_Noreturn void redlock_sim_give_up(const char *sentence);

typedef struct redlock_sim_text {
    uint8_t *at;
    size_t len, size;
} redlock_sim_text;

void redlock_sim_text_deinit(redlock_sim_text *text);
void redlock_sim_text_add(redlock_sim_text *text, redlock_bytes bytes);
void redlock_sim_text_say(redlock_sim_text *text, const char *words);
/* "*2\r\n", ":7\r\n": a kind's byte, a number, a line end. */
void redlock_sim_text_add_number(redlock_sim_text *text, char type, int64_t number);
void redlock_sim_text_add_bulk(redlock_sim_text *text, redlock_bytes bulk);
/* A status or error; line ends inside it become spaces, as servers make them. */
void redlock_sim_text_add_line(redlock_sim_text *text, char type, redlock_bytes line);

typedef struct redlock_sim_reply {
    redlock_resp_kind kind;
    int64_t integer;
    redlock_bytes text;     /* SIMPLE, ERROR, BULK; borrowed until the next command */
    redlock_sim_text *list; /* ARRAY: where the elements lie; set and owned by whoever asks */
    size_t count;           /* of elements */
    char scratch[512];      /* where composed texts lie */
} redlock_sim_reply;

void redlock_sim_reply_status(redlock_sim_reply *reply, const char *text);
void redlock_sim_reply_integer(redlock_sim_reply *reply, int64_t integer);
void redlock_sim_reply_bulk(redlock_sim_reply *reply, redlock_bytes bulk);
void redlock_sim_reply_nil(redlock_sim_reply *reply);
/* `text` has to last as long as the reply; the composed one is cut where the scratch ends. */
void redlock_sim_reply_error(redlock_sim_reply *reply, const char *text);
void redlock_sim_reply_error_about(redlock_sim_reply *reply, const char *before, const char *word,
                                   const char *after);
/* An array without elements, and one more at its end: a bulk, which is copied, or nil. */
void redlock_sim_reply_array(redlock_sim_reply *reply);
void redlock_sim_reply_add(redlock_sim_reply *reply, redlock_bytes bulk);
void redlock_sim_reply_add_nil(redlock_sim_reply *reply);
/* Goes through the elements of an array; *cursor is 0 at first, false ends.  The `at` of nil is NULL. */
bool redlock_sim_reply_next(const redlock_sim_reply *reply, size_t *cursor,
                            redlock_bytes *ret_bulk);
void redlock_sim_reply_write(const redlock_sim_reply *reply, redlock_sim_text *text);

#endif
