/* stream.h -- the bytes of one connection on their way in and out, with TLS between or without.
 *
 * Each half belongs to several threads in turn, and conn.c says who may touch what.  Calls marked
 * [leader] and [flusher] are made without the mutex, all others under it. */
#ifndef REDLOCK_DRIVE_STREAM_H
#define REDLOCK_DRIVE_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "drive/buffer.h"
#include "drive/tls.h"

#define REDLOCK_INPUT_BYTES_MIN 16384u /* doubled until a reply fits */

typedef struct redlock_input {
    int fd; /* what the leader polls in this round; -1: nothing */
    bool connecting, shaking, ended, starved;
    int sys_errno;
    redlock_buffer buffer;
    redlock_tls_result shook; /* shaking: what it came to */
    atomic_bool ready;        /* the leader is done with all of the above, and learned something */
} redlock_input;

typedef struct redlock_output {
    redlock_buffer pending; /* commands */
    redlock_buffer sealed;  /* TLS: on their way from pending to flight, with what TLS has to say */
    redlock_buffer flight;  /* the flusher's */
    size_t written;         /* of flight */
    bool has_secret;        /* the greeting is in pending or flight, as it is */
    bool flushing;
    bool is_full; /* the kernel took less than it was given */
    bool is_dead; /* the server reads no more; it may still have something to say */
    int sys_errno;
    atomic_bool blocked; /* until the leader sees POLLOUT */
} redlock_output;

void redlock_input_init(redlock_input *in);
void redlock_input_clear(redlock_input *in); /* for the next socket; buffers stay */
void redlock_input_deinit(redlock_input *in);
/* [leader] How the connecting went, into in->sys_errno. */
void redlock_input_connected(redlock_input *in);
/* [leader] Reads once, without blocking. */
void redlock_input_read(redlock_input *in);
/* [leader] What was read is the handshake's. */
void redlock_input_shake(redlock_input *in, redlock_tls_link *link);

void redlock_output_init(redlock_output *out);
/* For the next socket, and no password stays in the buffers. */
void redlock_output_clear(redlock_output *out);
void redlock_output_deinit(redlock_output *out);
bool redlock_output_has_bytes(const redlock_output *out);
bool redlock_output_is_written(const redlock_output *out); /* all of flight */
/* When flight is written: what waits takes its place, sealed where `link` is not NULL.  OK, NOMEM, or
 * UNTRUSTED: the link failed. */
redlock_status redlock_output_load(redlock_output *out, redlock_tls_link *link);
/* [flusher] Writes what it can of flight without blocking. */
void redlock_output_write(redlock_output *out, int fd);
/* What has been written is not needed any more: no password stays in it. */
void redlock_output_forget(redlock_output *out);
/* What a link that failed has to say: an alert, so that the people at the other end can read why.  Best
 * effort: it is short, and goes out at once or not at all. */
void redlock_output_part(redlock_output *out, redlock_tls_link *link, int fd);

#endif
