/* script.h -- the server-side steps, as text that the build has put into the program.
 *
 * One file src/script/<name>.lua per kind of command, with prelude.lua in front and whole-line
 * comments taken out; tools/embed-scripts.cmake makes script.c of them.  The SHA1 is that of
 * exactly this text, as SCRIPT LOAD answers and EVALSHA wants it. */
#ifndef REDLOCK_SCRIPT_SCRIPT_H
#define REDLOCK_SCRIPT_SCRIPT_H

#include <stddef.h>

#include "base/command.h"

#define REDLOCK_SCRIPT_SHA1_BYTES 40

typedef struct redlock_script {
    const char *name; /* "acquire" */
    const char *text; /* ASCII; also NUL-terminated */
    size_t text_len;
    char sha1[REDLOCK_SCRIPT_SHA1_BYTES + 1]; /* lower-case hex */
} redlock_script;

/* Every kind has one; the first is REDLOCK_COMMAND_GRANT, the last REDLOCK_COMMAND_DECLARE. */
const redlock_script *redlock_script_of(redlock_command_kind kind);

#endif
