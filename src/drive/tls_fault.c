#include "drive/tls_fault.h"

#include <stddef.h>
#include <string.h>

/* What the peer's alert N is as a reason in the queue. */
#define REASON_OF_ALERT 1000

static void fault_set(redlock_tls_fault *fault, redlock_status status, const char *words,
                      const char *detail) {
    fault->status = status;
    redlock_bytes_to_text(redlock_bytes_of(words), fault->words, sizeof fault->words);
    if (detail != NULL) {
        redlock_bytes_append_text(redlock_bytes_of(detail), fault->words, sizeof fault->words);
    }
}

/* --- we don't trust them --------------------------------------------------------------------- */

static void explain_chain(const redlock_tls_library *lib, long result, const char *host,
                          redlock_tls_fault *fault) {
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        fault_set(fault, REDLOCK_UNTRUSTED,
                  "the server's certificate is not for this host: ", host);
        return;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        fault_set(fault, REDLOCK_UNTRUSTED,
                  "the server's certificate, or one that it rests on, has expired", NULL);
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        fault_set(fault, REDLOCK_UNTRUSTED,
                  "the server's certificate is not valid yet, or the clock here is wrong", NULL);
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        fault_set(fault, REDLOCK_UNTRUSTED,
                  "the server's certificate is self-signed, and not among those trusted here",
                  NULL);
        return;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* an authority made anew, with the name of the old one */
        fault_set(fault, REDLOCK_UNTRUSTED,
                  "the server's certificate is from an authority that is not trusted here", NULL);
        return;
    default: /* of some seventy */
        fault_set(fault, REDLOCK_UNTRUSTED, "the server's certificate is refused: ",
                  lib->X509_verify_cert_error_string(result));
        return;
    }
}

/* --- they don't trust us --------------------------------------------------------------------- */

static bool alert_is_about_certificate(int alert) {
    static const int about[] = {SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                                SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                                SSL_AD_ACCESS_DENIED};
    for (size_t i = 0; i < sizeof about / sizeof about[0]; i++) {
        if (alert == about[i]) {
            return true;
        }
    }
    return false;
}

/* Before TLS 1.3 there was no alert of its own for a certificate that is missing. */
static void explain_alert(const redlock_tls_library *lib, int alert,
                          const redlock_tls_trouble *trouble, redlock_tls_fault *fault) {
    bool refused = alert_is_about_certificate(alert);
    if (alert == SSL_AD_CERTIFICATE_REQUIRED ||
        (trouble->lacks_certificate && (refused || alert == SSL_AD_HANDSHAKE_FAILURE))) {
        fault_set(fault, REDLOCK_UNTRUSTED, "the server wants a client certificate", NULL);
    } else if (refused) {
        fault_set(fault, REDLOCK_UNTRUSTED, "the server does not accept our client certificate: ",
                  lib->SSL_alert_desc_string_long(alert));
    } else if (alert == SSL_AD_PROTOCOL_VERSION) {
        fault_set(fault, REDLOCK_UNTRUSTED, "the server accepts no TLS 1.2 or later", NULL);
    } else if (alert == SSL_AD_UNRECOGNIZED_NAME) {
        fault_set(fault, REDLOCK_UNTRUSTED, "the server knows no such host: ", trouble->host);
    } else {
        fault_set(fault, REDLOCK_PROTOCOL,
                  "the server ended TLS: ", lib->SSL_alert_desc_string_long(alert));
    }
}

/* --- both don't understand ------------------------------------------------------------------- */

static void explain_reason(const redlock_tls_library *lib, unsigned long error,
                           redlock_tls_fault *fault) {
    const char *words = lib->ERR_reason_error_string(error);
    switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
    case SSL_R_WRONG_VERSION_NUMBER: /* so is called what is no record at all */
    case SSL_R_HTTP_REQUEST:
        fault_set(fault, REDLOCK_PROTOCOL, "there is no TLS at this port of the server", NULL);
        return;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        fault_set(fault, REDLOCK_UNTRUSTED, "the server speaks no TLS 1.2 or later", NULL);
        return;
    default: /* of some five hundred */
        fault_set(fault, REDLOCK_PROTOCOL,
                  "TLS went wrong: ", words != NULL ? words : "no reason is known");
        return;
    }
}

void redlock_tls_explain(const redlock_tls_library *lib, const redlock_tls_trouble *trouble,
                         redlock_tls_fault *ret_fault) {
    int reason = ERR_GET_REASON(trouble->error);
    bool is_ours = ERR_GET_LIB(trouble->error) == ERR_LIB_SSL;
    if (reason == ERR_R_MALLOC_FAILURE) {
        fault_set(ret_fault, REDLOCK_NOMEM, "no memory for TLS", NULL);
    } else if (trouble->verify_result != X509_V_OK) { /* other errors may come before it */
        explain_chain(lib, trouble->verify_result, trouble->host, ret_fault);
    } else if (is_ours && reason > REASON_OF_ALERT && reason < REASON_OF_ALERT + 256) {
        explain_alert(lib, reason - REASON_OF_ALERT, trouble, ret_fault);
    } else {
        explain_reason(lib, trouble->error, ret_fault);
    }
}
