#include "authority.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define PATHS_MAX 1024

struct test_authority {
    char folder[64];
    char *path[PATHS_MAX];
    int path_count;
    EVP_PKEY *key;
    X509 *certificate;
    long serial;
};

_Noreturn static void give_up(const char *what) {
    fprintf(stderr, "# test_authority: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    abort();
}

static void check(bool good, const char *what) {
    if (!good) {
        give_up(what);
    }
}

static EVP_PKEY *key_make(void) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    check(maker != NULL && EVP_PKEY_keygen_init(maker) == 1 &&
              EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker, NID_X9_62_prime256v1) == 1 &&
              EVP_PKEY_keygen(maker, &key) == 1,
          "no key");
    EVP_PKEY_CTX_free(maker);
    return key;
}

static void extension_add(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    check(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_make(test_authority *authority, EVP_PKEY *key,
                              const test_certificate *what) {
    X509 *made = X509_new();
    X509_NAME *subject = X509_get_subject_name(made);
    const char *common_name = what->common_name != NULL ? what->common_name : "redlock test";
    bool has_times = what->from_s != 0 || what->until_s != 0;
    bool is_by_us = authority->certificate != NULL && !what->is_self_signed;
    check(X509_set_version(made, 2) == 1 &&
              ASN1_INTEGER_set(X509_get_serialNumber(made), ++authority->serial) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(made), has_times ? what->from_s : -3600) !=
                  NULL &&
              X509_gmtime_adj(X509_getm_notAfter(made), has_times ? what->until_s : 3600) != NULL &&
              X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                         (const unsigned char *)common_name, -1, -1, 0) == 1 &&
              X509_set_issuer_name(made, is_by_us ? X509_get_subject_name(authority->certificate)
                                                  : subject) == 1 &&
              X509_set_pubkey(made, key) == 1,
          "no certificate");
    if (what->names != NULL) {
        extension_add(made, NID_subject_alt_name, what->names);
    }
    if (authority->certificate == NULL) {
        extension_add(made, NID_basic_constraints, "critical,CA:TRUE");
        extension_add(made, NID_key_usage, "critical,keyCertSign");
    }
    check(X509_sign(made, is_by_us ? authority->key : key, EVP_sha256()) > 0, "no signature");
    return made;
}

const char *test_authority_path(test_authority *authority, const char *file) {
    check(authority->path_count < PATHS_MAX, "too many paths");
    char *path = malloc(TEST_PATH_BYTES);
    check(path != NULL, "no memory");
    (void)snprintf(path, TEST_PATH_BYTES, "%s/%s", authority->folder, file);
    authority->path[authority->path_count++] = path;
    return path;
}

static FILE *file_open(test_authority *authority, const char *name, const char *ending) {
    char path[TEST_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s.%s", authority->folder, name, ending);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    check(file != NULL, path);
    return file;
}

static void write_certificate(test_authority *authority, const char *name, X509 *certificate) {
    FILE *file = file_open(authority, name, "crt");
    check(PEM_write_X509(file, certificate) == 1 && fclose(file) == 0, name);
}

test_authority *test_authority_create(void) {
    test_certificate itself = {.common_name = NULL};
    test_authority *authority = calloc(1, sizeof *authority);
    const char *tmp = getenv("TMPDIR");
    check(authority != NULL, "no memory");
    (void)snprintf(authority->folder, sizeof authority->folder, "%s/rl-ca.XXXXXX",
                   tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    check(mkdtemp(authority->folder) != NULL, authority->folder);
    itself.common_name = authority->folder; /* or two authorities of one name would be mixed up */
    authority->key = key_make();
    authority->certificate = certificate_make(authority, authority->key, &itself);
    write_certificate(authority, "ca", authority->certificate);
    return authority;
}

void test_authority_issue(test_authority *authority, const char *name,
                          const test_certificate *what) {
    EVP_PKEY *key = key_make();
    X509 *certificate = certificate_make(authority, key, what);
    write_certificate(authority, name, certificate);
    FILE *file = file_open(authority, name, "key");
    check(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0,
          name);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

SSL_CTX *test_authority_server(test_authority *authority, const char *name, int verify_mode) {
    char certificate[TEST_PATH_BYTES], key[TEST_PATH_BYTES];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    (void)snprintf(certificate, sizeof certificate, "%s/%s.crt", authority->folder, name);
    (void)snprintf(key, sizeof key, "%s/%s.key", authority->folder, name);
    check(context != NULL && SSL_CTX_use_certificate_file(context, certificate, 1) == 1 &&
              SSL_CTX_use_PrivateKey_file(context, key, 1) == 1 &&
              X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority->certificate) == 1 &&
              SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4) == 1,
          "no server");
    SSL_CTX_set_verify(context, verify_mode, NULL);
    return context;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
    (void)status, (void)kind, (void)place;
    return remove(path);
}

void test_authority_destroy(test_authority *authority) {
    if (authority == NULL) {
        return;
    }
    (void)nftw(authority->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; i < authority->path_count; i++) {
        free(authority->path[i]);
    }
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    free(authority);
}
