/* step.h -- the core's typed commands as bytes for Redis, and Redis's replies as typed answers.
 *
 * A command becomes EVALSHA of its script (EVAL with the whole text when `teach` is set); in plain
 * mode GRANT becomes SET NX PX.  docs/protocol.md describes keys, arguments and replies. */
#ifndef REDLOCK_WIRE_STEP_H
#define REDLOCK_WIRE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "wire/key.h"
#include "wire/resp.h"

/* No encoded command is longer, whatever its arguments. */
#define REDLOCK_STEP_BYTES_MAX 16384u

/* How many bytes the command takes; they were written if that is at most `size`.  `prefix` goes in
 * front of every key. */
size_t redlock_step_encode(const redlock_command *command, redlock_bytes prefix, uint8_t *out,
                           size_t size);
/* What a whole reply to a command of this kind means.  A reply that no script of ours gives is an
 * ERROR answer with status PROTOCOL.  The answer's text is borrowed from `data`, or static. */
redlock_answer redlock_step_decode(redlock_command_kind kind, bool fenced,
                                   const redlock_resp_reader *reader, const uint8_t *data);
/* The same for the renewal of this place, from 0 on, among the `count` that one reply is for. */
redlock_answer redlock_step_decode_renewal(uint32_t place, uint32_t count, bool fenced,
                                           const redlock_resp_reader *reader, const uint8_t *data);
/* The same for a RELEASE with a claim: its mark is the claim's, 0 when that was not looked at. */
redlock_answer redlock_step_decode_claimed(const redlock_resp_reader *reader, const uint8_t *data);
/* The status that an error reply means: "NOAUTH ..." -> AUTH_REQUIRED, "LOADING ..." -> REFUSED */
redlock_status redlock_step_error_status(redlock_bytes words);

#endif
