/* tls.c -- TLS by OpenSSL (1.1.1 or 3), between two memory BIOs.
 *
 * Its functions are called through a table (tls_load.h), and what its headers have as macros over
 * SSL_ctrl and its like is written out.  Callbacks are only those that are handed something of ours.
 *
 * Sockets stay with the rest of the house, so that nothing in here can block, raise SIGPIPE or be
 * closed under somebody's hands. */
#include "drive/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "drive/private.h"
#include "drive/tls_fault.h"
#include "drive/tls_load.h"

#define OUT_BYTES_MIN 4096u
#define HOST_BYTES 256u

struct redlock_tls {
    redlock_tls_library lib;
    SSL_CTX *context;
    bool has_identity; /* a certificate of our own */
    pid_t pid;         /* whose it is: nothing is freed in a forked child */
};

struct redlock_tls_link {
    redlock_tls *tls; /* borrowed */
    SSL *ssl;         /* NULL: no connection */
    BIO *in, *out;    /* the SSL's own */
    SSL_SESSION *session;
    bool lacks_certificate;
    /* Written by each call, so that ThreadSanitizer, which does not see into OpenSSL, sees when two
     * threads are in here. */
    uint32_t call_count;
    redlock_tls_fault fault;
    char host[HOST_BYTES];
};

static bool is_given(const char *text) {
    return text != NULL && text[0] != '\0';
}

/* --- whom we trust, and who we are ----------------------------------------------------------- */

/* The first error of the queue: those behind it are its consequences. */
static redlock_status words_of_file(const redlock_tls_library *lib, const char *what,
                                    const char *path, char *words, size_t size) {
    unsigned long error = lib->ERR_peek_error();
    const char *reason = lib->ERR_reason_error_string(error);
    (void)snprintf(words, size, "%s %s cannot be used: %s", what, path,
                   reason != NULL ? reason : "it cannot be read"); /* cut is fine */
    return ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ? REDLOCK_NOMEM : REDLOCK_INVALID;
}

static bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static redlock_status trust_load(redlock_tls *tls, const redlock_tls_config *config, char *words,
                                 size_t size) {
    const redlock_tls_library *lib = &tls->lib;
    const char *file = is_given(config->ca_file) ? config->ca_file : NULL;
    const char *folder = is_given(config->ca_dir) ? config->ca_dir : NULL;
    if (file == NULL && folder == NULL) {
        /* Files that are not there are an empty list here: then nobody is trusted. */
        return lib->SSL_CTX_set_default_verify_paths(tls->context) == 1
                   ? REDLOCK_OK
                   : words_of_file(lib, "the system's list of", "authorities", words, size);
    }
    if (folder != NULL && !is_folder(folder)) { /* it is read only when needed */
        return words_of_file(lib, "the CA directory", folder, words, size);
    }
    return lib->SSL_CTX_load_verify_locations(tls->context, file, folder) == 1
               ? REDLOCK_OK
               : words_of_file(lib, "the CA file", file != NULL ? file : folder, words, size);
}

/* A key with a passphrase is refused: the default would ask for it on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *ctx) {
    (void)out, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

static EVP_PKEY *key_read(const redlock_tls_library *lib, const char *path,
                          const char **ret_words) {
    int fd = redlock_private_open(path, ret_words);
    if (fd < 0) {
        return NULL;
    }
    BIO *file = lib->BIO_new_fd(fd, BIO_CLOSE);
    if (file == NULL) {
        (void)close(fd);
        *ret_words = "no memory";
        return NULL;
    }
    EVP_PKEY *key = lib->PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    *ret_words = "there is no key in it that needs no passphrase";
    (void)lib->BIO_free(file);
    return key;
}

static redlock_status key_load(redlock_tls *tls, const char *path, char *words, size_t size) {
    const redlock_tls_library *lib = &tls->lib;
    const char *wrong = NULL;
    EVP_PKEY *key = key_read(lib, path, &wrong);
    if (key == NULL) {
        (void)snprintf(words, size, "the key file %s is not taken: %s", path, wrong);
        return REDLOCK_INVALID;
    }
    bool fits = lib->SSL_CTX_use_PrivateKey(tls->context, key) == 1;
    lib->EVP_PKEY_free(key);
    return fits ? REDLOCK_OK : words_of_file(lib, "the key in", path, words, size);
}

static redlock_status identity_load(redlock_tls *tls, const redlock_tls_config *config, char *words,
                                    size_t size) {
    const redlock_tls_library *lib = &tls->lib;
    if (!is_given(config->cert_file)) {
        if (is_given(config->key_file)) {
            (void)snprintf(words, size, "a key file was given, and no certificate file");
            return REDLOCK_INVALID;
        }
        return REDLOCK_OK;
    }
    tls->has_identity = true;
    if (lib->SSL_CTX_use_certificate_chain_file(tls->context, config->cert_file) != 1) {
        return words_of_file(lib, "the certificate file", config->cert_file, words, size);
    }
    return key_load(tls, is_given(config->key_file) ? config->key_file : config->cert_file, words,
                    size);
}

/* --- what OpenSSL asks us -------------------------------------------------------------------- */

/* Called when the server asks for a certificate. */
static int certificate_asked(SSL *ssl, void *ctx) {
    redlock_tls_link *link = ctx;
    (void)ssl;
    link->lacks_certificate = !link->tls->has_identity;
    return 1; /* go on without: whether that will do is for the server to say */
}

static bool context_set_up(const redlock_tls *tls, bool no_verify) {
    const redlock_tls_library *lib = &tls->lib;
    (void)lib->SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)lib->SSL_CTX_ctrl(tls->context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
    lib->SSL_CTX_set_verify(tls->context, no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return lib->SSL_CTX_ctrl(tls->context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL) ==
           1;
}

static redlock_status tls_fill(redlock_tls *tls, const redlock_tls_config *config, char *words,
                               size_t words_size) {
    const redlock_tls_library *lib = &tls->lib;
    /* The exit handler would tear OpenSSL down under a keeper thread that is still at work. */
    (void)lib->OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    lib->ERR_clear_error();
    tls->context = lib->SSL_CTX_new(lib->TLS_client_method());
    if (tls->context == NULL || !context_set_up(tls, config->no_verify)) {
        (void)snprintf(words, words_size, "no memory for TLS");
        return REDLOCK_NOMEM;
    }
    redlock_status status = trust_load(tls, config, words, words_size);
    return status == REDLOCK_OK ? identity_load(tls, config, words, words_size) : status;
}

redlock_status redlock_tls_create(const redlock_tls_config *config, redlock_tls **ret_tls,
                                  char *words, size_t words_size) {
    redlock_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        (void)snprintf(words, words_size, "no memory for TLS");
        return REDLOCK_NOMEM;
    }
    redlock_status status =
        redlock_tls_library_load(&tls->lib, redlock_tls_library_file, words, words_size);
    if (status != REDLOCK_OK) {
        free(tls);
        return status;
    }
    tls->pid = getpid();
    status = tls_fill(tls, config, words, words_size);
    tls->lib.ERR_clear_error(); /* the queue is the calling thread's, and may serve others too */
    if (status != REDLOCK_OK) {
        redlock_tls_destroy(tls);
        return status;
    }
    *ret_tls = tls;
    return REDLOCK_OK;
}

static bool is_the_parents(const redlock_tls *tls) {
    return tls->pid != getpid();
}

void redlock_tls_destroy(redlock_tls *tls) {
    if (tls == NULL || is_the_parents(tls)) {
        return;
    }
    tls->lib.SSL_CTX_free(tls->context);
    free(tls);
}

/* --- a link's life --------------------------------------------------------------------------- */

redlock_tls_link *redlock_tls_link_create(redlock_tls *tls, const char *host) {
    redlock_tls_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    link->tls = tls;
    size_t len = strnlen(host, sizeof link->host - 1);
    memcpy(link->host, host, len);
    if (len > 1 && link->host[len - 1] == '.') {
        link->host[len - 1] = '\0'; /* a name from the root on: certificates have it without */
    }
    return link;
}

void redlock_tls_link_destroy(redlock_tls_link *link) {
    if (link == NULL || is_the_parents(link->tls)) {
        return;
    }
    redlock_tls_link_end(link);
    link->tls->lib.SSL_SESSION_free(link->session);
    free(link);
}

static bool host_is_address(const char *host) {
    struct in6_addr address; /* room for either */
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* What the certificate has to bear, in one of its alternative names: the common name is not looked
 * at (RFC 9525), nor is a wildcard in the middle of a label. */
static bool link_expect_host(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    X509_VERIFY_PARAM *param = lib->SSL_get0_param(link->ssl);
    if (host_is_address(link->host)) {
        return lib->X509_VERIFY_PARAM_set1_ip_asc(param, link->host) == 1;
    }
    lib->X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return lib->X509_VERIFY_PARAM_set1_host(param, link->host, 0) == 1 &&
           lib->SSL_ctrl(link->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         link->host) == 1;
}

static bool link_attach_memory(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    link->in = lib->BIO_new(lib->BIO_s_mem());
    link->out = lib->BIO_new(lib->BIO_s_mem());
    if (link->in == NULL || link->out == NULL) {
        (void)lib->BIO_free(link->in);
        (void)lib->BIO_free(link->out);
        return false;
    }
    /* Empty means later, not the end. */
    (void)lib->BIO_ctrl(link->in, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, NULL);
    lib->SSL_set_bio(link->ssl, link->in, link->out);
    return true;
}

static bool link_set_up(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    link->ssl = lib->SSL_new(link->tls->context);
    if (link->ssl == NULL || !link_attach_memory(link) || !link_expect_host(link)) {
        return false;
    }
    lib->SSL_set_cert_cb(link->ssl, certificate_asked, link);
    if (link->session != NULL && lib->SSL_SESSION_is_resumable(link->session) == 1) {
        (void)lib->SSL_set_session(link->ssl, link->session); /* else the handshake is a full one */
    }
    lib->SSL_set_connect_state(link->ssl);
    return true;
}

bool redlock_tls_link_start(redlock_tls_link *link) {
    REDLOCK_ASSERT(link->ssl == NULL);
    link->lacks_certificate = false;
    link->fault = (redlock_tls_fault){.status = REDLOCK_OK};
    link->tls->lib.ERR_clear_error();
    bool is_ready = link_set_up(link);
    link->tls->lib.ERR_clear_error();
    if (!is_ready) {
        redlock_tls_link_end(link);
    }
    return is_ready;
}

/* With TLS 1.3 sessions come after the handshake, and more than one: SSL has the newest. */
static void link_keep_session(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    SSL_SESSION *session =
        lib->SSL_is_init_finished(link->ssl) == 1 ? lib->SSL_get1_session(link->ssl) : NULL;
    if (session != NULL && lib->SSL_SESSION_is_resumable(session) == 1) {
        lib->SSL_SESSION_free(link->session);
        link->session = session;
    } else {
        lib->SSL_SESSION_free(session);
    }
}

void redlock_tls_link_end(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    if (link->ssl != NULL) {
        /* Said to be closed, or OpenSSL takes the loss of the connection for an attack and spoils
         * the session.  RESP says itself where a reply ends, so cutting it short gains nothing. */
        lib->SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        link_keep_session(link);
        lib->SSL_free(link->ssl); /* and both BIOs */
    }
    if (link->fault.status != REDLOCK_OK) {
        lib->SSL_SESSION_free(link->session);
        link->session = NULL;
    }
    link->ssl = NULL;
    link->in = NULL;
    link->out = NULL;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* The queue of errors is the thread's: what others left in it must not be taken for the link's. */
static void link_enter(redlock_tls_link *link) {
    link->call_count++;
    link->tls->lib.ERR_clear_error();
}

static redlock_tls_result link_fail(redlock_tls_link *link, unsigned long error) {
    const redlock_tls_library *lib = &link->tls->lib;
    bool verifies = lib->SSL_get_verify_mode(link->ssl) != SSL_VERIFY_NONE;
    const redlock_tls_trouble trouble = {
        .error = error,
        .verify_result = verifies ? lib->SSL_get_verify_result(link->ssl) : X509_V_OK,
        .lacks_certificate = link->lacks_certificate,
        .host = link->host,
    };
    if (link->fault.status == REDLOCK_OK) { /* what follows the first is its consequence */
        redlock_tls_explain(lib, &trouble, &link->fault);
    }
    lib->ERR_clear_error();
    return REDLOCK_TLS_FAILED;
}

/* `rc` is what the last call said; the queue was empty before it. */
static redlock_tls_result link_result(redlock_tls_link *link, int rc) {
    int error = link->tls->lib.SSL_get_error(link->ssl, rc);
    if (error == SSL_ERROR_NONE) {
        return REDLOCK_TLS_DONE;
    }
    if (error == SSL_ERROR_WANT_READ) {
        return REDLOCK_TLS_MORE;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return REDLOCK_TLS_ENDED;
    }
    return link_fail(link, link->tls->lib.ERR_peek_error());
}

bool redlock_tls_link_put(redlock_tls_link *link, redlock_bytes bytes) {
    REDLOCK_ASSERT(bytes.len <= INT_MAX);
    link_enter(link);
    if (bytes.len == 0 ||
        link->tls->lib.BIO_write(link->in, bytes.at, (int)bytes.len) == (int)bytes.len) {
        return true;
    }
    (void)link_fail(link, ERR_PACK(ERR_LIB_BIO, 0, ERR_R_MALLOC_FAILURE));
    return false;
}

bool redlock_tls_link_take(redlock_tls_link *link, redlock_buffer *out) {
    const redlock_tls_library *lib = &link->tls->lib;
    link_enter(link);
    size_t count = lib->BIO_ctrl_pending(link->out);
    if (count == 0) {
        return true;
    }
    if (count > INT_MAX || !redlock_buffer_reserve(out, count, OUT_BYTES_MIN)) {
        return false;
    }
    int taken = lib->BIO_read(link->out, out->at + out->len, (int)count);
    REDLOCK_ASSERT(taken == (int)count);
    out->len += count;
    return true;
}

redlock_tls_result redlock_tls_link_shake(redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    link_enter(link);
    redlock_tls_result result = link_result(link, lib->SSL_do_handshake(link->ssl));
    if (result == REDLOCK_TLS_DONE) {
        /* OpenSSL has refused before it gets here; a mistake in what we asked of it must not open
         * the door. */
        bool verifies = lib->SSL_get_verify_mode(link->ssl) != SSL_VERIFY_NONE;
        bool is_trusted = lib->SSL_get_verify_result(link->ssl) == X509_V_OK;
        REDLOCK_ASSERT(!verifies || is_trusted);
    }
    return result;
}

redlock_tls_result redlock_tls_link_open(redlock_tls_link *link, redlock_buffer *out) {
    size_t count = 0;
    REDLOCK_ASSERT(out->len < out->size);
    link_enter(link);
    int rc =
        link->tls->lib.SSL_read_ex(link->ssl, out->at + out->len, out->size - out->len, &count);
    redlock_tls_result result = link_result(link, rc);
    out->len += result == REDLOCK_TLS_DONE ? count : 0;
    return result;
}

redlock_tls_result redlock_tls_link_seal(redlock_tls_link *link, redlock_bytes bytes) {
    const redlock_tls_library *lib = &link->tls->lib;
    size_t count = 0;
    REDLOCK_ASSERT(bytes.len > 0 && lib->SSL_is_init_finished(link->ssl) == 1);
    link_enter(link);
    redlock_tls_result result =
        link_result(link, lib->SSL_write_ex(link->ssl, bytes.at, bytes.len, &count));
    if (result == REDLOCK_TLS_DONE) {
        REDLOCK_ASSERT(count == bytes.len); /* memory takes everything */
        return REDLOCK_TLS_DONE;
    }
    return result == REDLOCK_TLS_FAILED ? result : link_fail(link, 0);
}

redlock_status redlock_tls_link_fault(const redlock_tls_link *link, const char **ret_words) {
    *ret_words = link->fault.words;
    return link->fault.status;
}

bool redlock_tls_link_lacks_certificate(const redlock_tls_link *link) {
    return link->lacks_certificate;
}

bool redlock_tls_link_is_resumed(const redlock_tls_link *link) {
    return link->ssl != NULL && link->tls->lib.SSL_session_reused(link->ssl) == 1;
}

redlock_tls_facts redlock_tls_link_facts(const redlock_tls_link *link) {
    const redlock_tls_library *lib = &link->tls->lib;
    redlock_tls_facts facts = {.until_s = 0};
    struct tm until = {.tm_sec = 0};
    redlock_bytes_to_text(redlock_bytes_of(lib->SSL_get_version(link->ssl)), facts.version,
                          sizeof facts.version);
    /* The chain as it was sent, the server's own first: SSL_get_peer_certificate has another name in
     * OpenSSL 3. */
    STACK_OF(X509) *chain = lib->SSL_get_peer_cert_chain(link->ssl);
    const X509 *own = lib->OPENSSL_sk_value((const OPENSSL_STACK *)chain, 0);
    if (own != NULL && lib->ASN1_TIME_to_tm(lib->X509_get0_notAfter(own), &until) == 1) {
        facts.until_s = (int64_t)timegm(&until);
    }
    return facts;
}
