/* sha1.h -- the SHA1 of a text in hex, which is how servers call scripts.  Not for secrets. */
#ifndef REDLOCK_SIM_SHA1_H
#define REDLOCK_SIM_SHA1_H

#include "base/bytes.h"

#define REDLOCK_SIM_SHA1_BYTES 40u

/* Writes 40 lower-case hex digits and a NUL. */
void redlock_sim_sha1(redlock_bytes text, char *ret_hex);

#endif
