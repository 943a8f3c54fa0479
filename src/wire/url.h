/* url.h -- where a node is and how to log in, from one line of text.
 *
 *   redis://[[user]:password@]host[:port][/db]      port 6379, db 0; host may be [::1]
 *   rediss://...                                    the same over TLS
 *   unix://[[user]:password@]/path/to/socket[?db=N]
 *   host[:port]                                     short for redis://host:port
 * User, password, host and path are percent-decoded.  A bad one is refused with the place of the
 * first wrong character and a sentence; a password never appears in such a sentence. */
#ifndef REDLOCK_WIRE_URL_H
#define REDLOCK_WIRE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define REDLOCK_URL_BYTES_MAX 2048u
#define REDLOCK_URL_HOST_BYTES_MAX 255u
#define REDLOCK_URL_USER_BYTES_MAX 255u
#define REDLOCK_URL_PASSWORD_BYTES_MAX 511u
#define REDLOCK_URL_PATH_BYTES_MAX 107u /* sun_path on Linux, less its NUL */
#define REDLOCK_URL_DB_MAX 65535u

typedef enum redlock_url_scheme {
    REDLOCK_URL_TCP = 1,
    REDLOCK_URL_TLS,
    REDLOCK_URL_UNIX
} redlock_url_scheme;

typedef struct redlock_url {
    redlock_url_scheme scheme;
    char host[REDLOCK_URL_HOST_BYTES_MAX + 1];         /* without brackets; empty for UNIX */
    char path[REDLOCK_URL_PATH_BYTES_MAX + 1];         /* UNIX only */
    char user[REDLOCK_URL_USER_BYTES_MAX + 1];         /* empty: the default user */
    char password[REDLOCK_URL_PASSWORD_BYTES_MAX + 1]; /* empty: no AUTH */
    uint16_t port;
    uint32_t db;
} redlock_url;

typedef struct redlock_url_error {
    size_t offset;    /* of the character that is wrong; the length when something is missing */
    const char *text; /* static: what is wrong there, and what belongs there instead */
} redlock_url_error;

/* OK, or BAD_URL (UNSUPPORTED for a scheme that is not ours) and *ret_error.  NUL bytes, also
 * percent-encoded ones, are refused. */
redlock_status redlock_url_parse(redlock_bytes text, redlock_url *ret_url,
                                 redlock_url_error *ret_error);
/* The URL without user and password, for people: "redis://host:6379/0".  Always ends with NUL. */
void redlock_url_to_text(const redlock_url *url, char *text, size_t size);
/* Whether two URLs name the same server and database, by their spelling. */
bool redlock_url_is_same_server(const redlock_url *a, const redlock_url *b);

#endif
