/* tls_fault.h -- from OpenSSL's error codes to a sentence that says what to do. */
#ifndef REDLOCK_DRIVE_TLS_FAULT_H
#define REDLOCK_DRIVE_TLS_FAULT_H

#include <stdbool.h>

#include "base/status.h"
#include "drive/tls.h"
#include "drive/tls_load.h"

typedef struct redlock_tls_fault { /* OK: none */
    redlock_status status;
    char words[REDLOCK_TLS_WORDS_BYTES];
} redlock_tls_fault;

typedef struct redlock_tls_trouble { /* what is known when something fails */
    unsigned long error;             /* the first of OpenSSL's queue; 0: none */
    long verify_result;              /* X509_V_*: of the peer's chain; OK also when nobody looked */
    bool lacks_certificate;          /* we were asked for one and had none */
    const char *host;
} redlock_tls_trouble;

void redlock_tls_explain(const redlock_tls_library *lib, const redlock_tls_trouble *trouble,
                         redlock_tls_fault *ret_fault);

#endif
