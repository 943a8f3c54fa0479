/* tls_load.h -- OpenSSL as a table of functions, looked up in the shared library when TLS is first
 * needed.
 *
 * Most programs with a lock never speak TLS, and the linking of two megabytes of relocations at each
 * start costs more than acquiring a lock does (docs/decisions/0013).  So nothing of ours is linked
 * with OpenSSL; it is opened by name when a client with a rediss:// URL is made, and its headers
 * check every call as if it were linked.
 *
 * The version is that of the headers: codes of errors and the layout of constants differ from one
 * major version to the next.  What was opened is never closed, because OpenSSL cannot be unloaded
 * from under threads that have been in it. */
#ifndef REDLOCK_DRIVE_TLS_LOAD_H
#define REDLOCK_DRIVE_TLS_LOAD_H

#include <stddef.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/status.h"

/* clang-format off */
#define REDLOCK_TLS_FUNCTIONS(X)                                                                   \
    X(ASN1_TIME_to_tm) X(BIO_ctrl) X(BIO_ctrl_pending) X(BIO_free) X(BIO_new) X(BIO_new_fd)        \
    X(BIO_read) X(BIO_s_mem) X(BIO_write) X(ERR_clear_error) X(ERR_peek_error)                     \
    X(ERR_reason_error_string) X(EVP_PKEY_free) X(OPENSSL_init_crypto) X(OPENSSL_sk_value)         \
    X(PEM_read_bio_PrivateKey) X(SSL_alert_desc_string_long) X(SSL_ctrl) X(SSL_CTX_ctrl)           \
    X(SSL_CTX_free) X(SSL_CTX_load_verify_locations) X(SSL_CTX_new)                                \
    X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_set_options) X(SSL_CTX_set_verify)               \
    X(SSL_CTX_use_certificate_chain_file) X(SSL_CTX_use_PrivateKey) X(SSL_do_handshake)            \
    X(SSL_free) X(SSL_get0_param) X(SSL_get1_session) X(SSL_get_error)                             \
    X(SSL_get_peer_cert_chain) X(SSL_get_verify_mode) X(SSL_get_verify_result)                     \
    X(SSL_get_version) X(SSL_is_init_finished) X(SSL_new) X(SSL_read_ex) X(SSL_SESSION_free)       \
    X(SSL_SESSION_is_resumable) X(SSL_session_reused) X(SSL_set_bio) X(SSL_set_cert_cb)            \
    X(SSL_set_connect_state) X(SSL_set_session) X(SSL_set_shutdown) X(SSL_write_ex)                \
    X(TLS_client_method) X(X509_get0_notAfter) X(X509_verify_cert_error_string)                    \
    X(X509_VERIFY_PARAM_set1_host) X(X509_VERIFY_PARAM_set1_ip_asc)                                \
    X(X509_VERIFY_PARAM_set_hostflags)
/* clang-format on */

#define REDLOCK_TLS_FUNCTION_MEMBER(name) __typeof__(name) *name;
typedef struct redlock_tls_library {
    REDLOCK_TLS_FUNCTIONS(REDLOCK_TLS_FUNCTION_MEMBER)
} redlock_tls_library;
#undef REDLOCK_TLS_FUNCTION_MEMBER

/* The file's name for the dynamic linker. */
extern const char redlock_tls_library_file[];

/* Opens `file` and fills the table: some 20 microseconds when the library is there already.  OK; else
 * UNSUPPORTED and, in `words`, what to install.  Any thread. */
redlock_status redlock_tls_library_load(redlock_tls_library *library, const char *file, char *words,
                                        size_t words_size);

#endif
