/* authority.h -- a certificate authority of a test's own, with files in a folder of its own.
 *
 * What goes wrong here aborts the test program.  Keys are of P-256, which takes no time to make. */
#ifndef REDLOCK_TEST_AUTHORITY_H
#define REDLOCK_TEST_AUTHORITY_H

#include <stdbool.h>

#include <openssl/ssl.h>

#define TEST_PATH_BYTES 128

typedef struct test_authority test_authority;

typedef struct test_certificate { /* zeroed: valid for an hour around now, for nobody */
    const char *names;            /* alternative names: "DNS:localhost,IP:127.0.0.1"; NULL: none */
    const char *common_name;      /* NULL: "redlock test" */
    long from_s, until_s;         /* from now; both 0: an hour each way */
    bool is_self_signed;
} test_certificate;

/* Makes the folder and ca.crt in it. */
test_authority *test_authority_create(void);
/* Removes the folder.  NULL is fine. */
void test_authority_destroy(test_authority *authority);
/* Makes NAME.crt and NAME.key, the key with mode 0600. */
void test_authority_issue(test_authority *authority, const char *name,
                          const test_certificate *what);
/* Where a file is; lives as long as the authority. */
const char *test_authority_path(test_authority *authority, const char *file);
/* A server's context with NAME.crt and NAME.key, that knows this authority for its clients.  The
 * caller's to free. */
SSL_CTX *test_authority_server(test_authority *authority, const char *name, int verify_mode);

#endif
