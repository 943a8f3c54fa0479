/* tls_test.c -- a link against a server of OpenSSL's, both in memory: whom it trusts, what it says of
 * those whom it does not, and that nothing is sealed for them. */
#include "drive/tls.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "drive/tls_fault.h"
#include "support/authority.h"

#define HOST "lock.test"

static test_authority *authority, *stranger;

static int group_setup(void **state) {
    const test_certificate host = {.names = "DNS:" HOST ",IP:127.0.0.1,IP:::1"};
    const test_certificate other = {.names = "DNS:other.test,IP:127.0.0.2"};
    const test_certificate wild = {.names = "DNS:*.wild.test,DNS:part*.test"};
    const test_certificate old = {.names = "DNS:" HOST, .from_s = -7200, .until_s = -3600};
    const test_certificate young = {.names = "DNS:" HOST, .from_s = 3600, .until_s = 7200};
    const test_certificate itself = {.names = "DNS:" HOST, .is_self_signed = true};
    const test_certificate common = {.common_name = HOST};
    (void)state;
    authority = test_authority_create();
    stranger = test_authority_create();
    test_authority_issue(authority, "host", &host);
    test_authority_issue(authority, "other", &other);
    test_authority_issue(authority, "wild", &wild);
    test_authority_issue(authority, "old", &old);
    test_authority_issue(authority, "young", &young);
    test_authority_issue(authority, "itself", &itself);
    test_authority_issue(authority, "common", &common);
    test_authority_issue(authority, "client", &(test_certificate){.names = NULL});
    test_authority_issue(stranger, "client", &(test_certificate){.names = NULL});
    test_authority_issue(stranger, "host", &host);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_authority_destroy(authority);
    test_authority_destroy(stranger);
    return 0;
}

/* --- both ends ------------------------------------------------------------------------------- */

typedef struct ends {
    redlock_tls *tls;
    redlock_tls_link *link;
    SSL_CTX *context;
    SSL *server;
    redlock_buffer wire; /* from the link to the server, of one move */
    redlock_tls_result result;
    bool is_open; /* the server's side of the handshake is done */
    size_t step;  /* bytes that are moved at once */
    size_t to_server, to_link;
} ends;

static redlock_tls *trust(const redlock_tls_config *config) {
    redlock_tls *tls = NULL;
    char words[256] = "";
    redlock_status status = redlock_tls_create(config, &tls, words, sizeof words);
    if (status != REDLOCK_OK) {
        fail_msg("%s", words);
    }
    return tls;
}

static redlock_tls_config trusting(void) {
    return (redlock_tls_config){.ca_file = test_authority_path(authority, "ca.crt")};
}

static void ends_start(ends *both) {
    both->server = SSL_new(both->context);
    assert_non_null(both->server);
    SSL_set_bio(both->server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    (void)BIO_set_mem_eof_return(SSL_get_rbio(both->server), -1);
    SSL_set_accept_state(both->server);
    both->is_open = false;
    assert_true(redlock_tls_link_start(both->link));
    both->result = redlock_tls_link_shake(both->link);
}

static void ends_stop(ends *both) {
    SSL_set_shutdown(both->server, SSL_SENT_SHUTDOWN); /* or it forgets the session */
    SSL_free(both->server);
    redlock_tls_link_end(both->link);
}

static void ends_init(ends *both, redlock_tls_config config, const char *host, SSL_CTX *context) {
    *both = (ends){.context = context, .step = SIZE_MAX};
    both->tls = trust(&config);
    both->link = redlock_tls_link_create(both->tls, host);
    assert_non_null(both->link);
    ends_start(both);
}

static void ends_deinit(ends *both) {
    ends_stop(both);
    redlock_tls_link_destroy(both->link);
    redlock_tls_destroy(both->tls);
    SSL_CTX_free(both->context);
    free(both->wire.at);
}

/* What the link has to say goes to the server, in steps. */
static void move_to_server(ends *both) {
    both->wire.len = 0;
    assert_true(redlock_tls_link_take(both->link, &both->wire));
    both->to_server += both->wire.len;
    for (size_t at = 0; at < both->wire.len;) {
        size_t left = both->wire.len - at, count = left < both->step ? left : both->step;
        assert_int_equal(BIO_write(SSL_get_rbio(both->server), both->wire.at + at, (int)count),
                         (int)count);
        at += count;
        if (!both->is_open) {
            both->is_open = SSL_do_handshake(both->server) == 1;
        }
    }
    ERR_clear_error();
}

static void move_to_link(ends *both) {
    uint8_t bytes[4096];
    size_t size = both->step < sizeof bytes ? both->step : sizeof bytes;
    int count;
    while ((count = BIO_read(SSL_get_wbio(both->server), bytes, (int)size)) > 0) {
        both->to_link += (size_t)count;
        assert_true(redlock_tls_link_put(both->link, (redlock_bytes){bytes, (size_t)count}));
        if (both->result == REDLOCK_TLS_MORE) {
            both->result = redlock_tls_link_shake(both->link);
        }
    }
}

/* Until nobody has anything to say. */
static void ends_shake(ends *both) {
    size_t before;
    do {
        before = both->to_server + both->to_link;
        move_to_server(both);
        move_to_link(both);
    } while (both->to_server + both->to_link > before);
}

static void assert_fault(const ends *both, redlock_status status, const char *words) {
    const char *said = NULL;
    assert_int_equal(redlock_tls_link_fault(both->link, &said), status);
    assert_string_equal(said, words);
}

/* The server hears `text`, says it twice over, and the link hears that. */
static void ends_talk(ends *both, const char *text) {
    char heard[256] = "";
    uint8_t room[512];
    redlock_buffer answer = {.at = room, .size = sizeof room};
    redlock_bytes bytes = redlock_bytes_of(text);
    assert_int_equal(redlock_tls_link_seal(both->link, bytes), REDLOCK_TLS_DONE);
    move_to_server(both);
    assert_int_equal(SSL_read(both->server, heard, sizeof heard - 1), (int)bytes.len);
    assert_string_equal(heard, text);
    assert_int_equal(SSL_write(both->server, heard, (int)bytes.len), (int)bytes.len);
    assert_int_equal(SSL_write(both->server, heard, (int)bytes.len), (int)bytes.len);
    move_to_link(both);
    while (redlock_tls_link_open(both->link, &answer) == REDLOCK_TLS_DONE) {
    }
    assert_int_equal(answer.len, 2 * bytes.len);
    assert_memory_equal(room, text, bytes.len);
    assert_memory_equal(room + bytes.len, text, bytes.len);
}

/* --- whom it trusts -------------------------------------------------------------------------- */

static void trusts(const char *certificate, const char *host) {
    ends both;
    ends_init(&both, trusting(), host, test_authority_server(authority, certificate, 0));
    ends_shake(&both);
    if (both.result != REDLOCK_TLS_DONE) {
        const char *words = "";
        (void)redlock_tls_link_fault(both.link, &words);
        fail_msg("%s at %s: %s", certificate, host, words);
    }
    assert_true(both.is_open);
    ends_talk(&both, "hello");
    ends_deinit(&both);
}

static void right_host_by_name_and_by_address(void **state) {
    (void)state;
    trusts("host", HOST);
    trusts("host", "LOCK.test");
    trusts("host", HOST "."); /* from the root on */
    trusts("host", "127.0.0.1");
    trusts("host", "::1");
    trusts("wild", "a.wild.test");
}

static void refuses_with(redlock_tls_config config, SSL_CTX *context, const char *host,
                         const char *words) {
    ends both;
    ends_init(&both, config, host, context);
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_FAILED);
    assert_false(both.is_open);
    assert_fault(&both, REDLOCK_UNTRUSTED, words);
    ends_deinit(&both);
}

static void refuses(const char *certificate, const char *host, const char *words) {
    refuses_with(trusting(), test_authority_server(authority, certificate, 0), host, words);
}

static void wrong_host_is_refused(void **state) {
    (void)state;
    refuses("other", HOST, "the server's certificate is not for this host: " HOST);
    refuses("other", "127.0.0.1", "the server's certificate is not for this host: 127.0.0.1");
    refuses("host", "::2", "the server's certificate is not for this host: ::2");
    refuses("host", "sub." HOST, "the server's certificate is not for this host: sub." HOST);
    refuses("wild", "a.b.wild.test",
            "the server's certificate is not for this host: a.b.wild.test");
    refuses("wild", "partial.test", "the server's certificate is not for this host: partial.test");
    refuses("common", HOST, "the server's certificate is not for this host: " HOST);
}

static void wrong_times_and_authorities_are_refused(void **state) {
    (void)state;
    refuses("old", HOST, "the server's certificate, or one that it rests on, has expired");
    refuses("young", HOST, "the server's certificate is not valid yet, or the clock here is wrong");
    refuses("itself", HOST,
            "the server's certificate is self-signed, and not among those trusted here");
    refuses_with(trusting(), test_authority_server(stranger, "host", 0), HOST,
                 "the server's certificate is from an authority that is not trusted here");
    refuses_with((redlock_tls_config){.ca_file = NULL}, test_authority_server(authority, "host", 0),
                 HOST, "the server's certificate is from an authority that is not trusted here");
}

static void self_signed_is_trusted_by_its_own_file(void **state) {
    ends both;
    redlock_tls_config config = {.ca_file = test_authority_path(authority, "itself.crt")};
    (void)state;
    ends_init(&both, config, HOST, test_authority_server(authority, "itself", 0));
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_DONE);
    ends_deinit(&both);
    refuses_with(config, test_authority_server(authority, "host", 0), HOST,
                 "the server's certificate is from an authority that is not trusted here");
}

static void authorities_may_be_in_a_directory(void **state) {
    char command[2 * TEST_PATH_BYTES + 64], folder[TEST_PATH_BYTES];
    ends both;
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", test_authority_path(authority, "trusted"));
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)snprintf(command, sizeof command, "cp %s %s/ && openssl rehash %s",
                   test_authority_path(authority, "ca.crt"), folder, folder);
    if (system(command) != 0) {
        skip(); /* no openssl command here */
    }
    ends_init(&both, (redlock_tls_config){.ca_dir = folder}, HOST,
              test_authority_server(authority, "host", 0));
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_DONE);
    ends_deinit(&both);
    refuses_with((redlock_tls_config){.ca_dir = folder}, test_authority_server(stranger, "host", 0),
                 HOST, "the server's certificate is from an authority that is not trusted here");
}

static void no_verify_takes_anybody(void **state) {
    static const char *const certificates[] = {"host", "other", "old", "young", "itself", "common"};
    (void)state;
    for (size_t i = 0; i < sizeof certificates / sizeof certificates[0]; i++) {
        ends both;
        ends_init(&both, (redlock_tls_config){.no_verify = true}, HOST,
                  test_authority_server(authority, certificates[i], 0));
        ends_shake(&both);
        assert_int_equal(both.result, REDLOCK_TLS_DONE);
        ends_talk(&both, "hello");
        ends_deinit(&both);
    }
}

/* --- who we are ------------------------------------------------------------------------------ */

#define MUTUAL (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)

/* With TLS 1.3 we are done before the server has looked: its no comes as the first answer. */
static redlock_tls_result verdict(ends *both) {
    uint8_t room[64];
    redlock_buffer answer = {.at = room, .size = sizeof room};
    ends_shake(both);
    return both->result == REDLOCK_TLS_DONE ? redlock_tls_link_open(both->link, &answer)
                                            : both->result;
}

static void client_is_refused(test_authority *whose, const char *name, int version,
                              const char *words) {
    redlock_tls_config config = trusting();
    char certificate[64], key[64];
    ends both;
    if (name != NULL) {
        (void)snprintf(certificate, sizeof certificate, "%s.crt", name);
        (void)snprintf(key, sizeof key, "%s.key", name);
        config.cert_file = test_authority_path(whose, certificate);
        config.key_file = test_authority_path(whose, key);
    }
    SSL_CTX *context = test_authority_server(authority, "host", MUTUAL);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    ends_init(&both, config, HOST, context);
    assert_int_equal(verdict(&both), REDLOCK_TLS_FAILED);
    assert_int_equal(redlock_tls_link_lacks_certificate(both.link), name == NULL);
    assert_fault(&both, REDLOCK_UNTRUSTED, words);
    ends_deinit(&both);
}

static void missing_client_certificate_is_told(void **state) {
    (void)state;
    client_is_refused(NULL, NULL, TLS1_3_VERSION, "the server wants a client certificate");
    client_is_refused(NULL, NULL, TLS1_2_VERSION, "the server wants a client certificate");
}

static void foreign_client_certificate_is_told(void **state) {
    (void)state;
    client_is_refused(stranger, "client", TLS1_3_VERSION,
                      "the server does not accept our client certificate: unknown CA");
    client_is_refused(stranger, "client", TLS1_2_VERSION,
                      "the server does not accept our client certificate: unknown CA");
}

static void client_certificate_is_shown(void **state) {
    redlock_tls_config config = trusting();
    ends both;
    (void)state;
    config.cert_file = test_authority_path(authority, "client.crt");
    config.key_file = test_authority_path(authority, "client.key");
    ends_init(&both, config, HOST, test_authority_server(authority, "host", MUTUAL));
    assert_int_equal(verdict(&both), REDLOCK_TLS_MORE);
    assert_true(both.is_open);
    assert_false(redlock_tls_link_lacks_certificate(both.link));
    ends_talk(&both, "hello");
    ends_deinit(&both);
}

/* --- files ----------------------------------------------------------------------------------- */

static void file_is_refused(const redlock_tls_config *config, const char *words) {
    redlock_tls *tls = NULL;
    char said[512] = "";
    assert_int_equal(redlock_tls_create(config, &tls, said, sizeof said), REDLOCK_INVALID);
    assert_null(tls);
    assert_int_equal(ERR_peek_error(), 0);
    if (strstr(said, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, said);
    }
}

static void file_write(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void bad_files_are_named(void **state) {
    const char *garbage = test_authority_path(authority, "garbage");
    const char *certificate = test_authority_path(authority, "client.crt");
    const char *key = test_authority_path(authority, "client.key");
    const char *other_key = test_authority_path(authority, "host.key");
    (void)state;
    file_write(garbage, "no certificate\n");
    file_is_refused(&(redlock_tls_config){.ca_file = "/nowhere/ca"}, "the CA file /nowhere/ca");
    file_is_refused(&(redlock_tls_config){.ca_file = garbage}, "the CA file ");
    file_is_refused(&(redlock_tls_config){.ca_dir = "/nowhere"}, "the CA directory /nowhere");
    file_is_refused(&(redlock_tls_config){.cert_file = garbage}, "the certificate file ");
    file_is_refused(&(redlock_tls_config){.cert_file = "/nowhere/crt"}, "the certificate file ");
    file_is_refused(&(redlock_tls_config){.key_file = key}, "no certificate file");
    file_is_refused(&(redlock_tls_config){.cert_file = certificate}, "there is no key in it");
    file_is_refused(&(redlock_tls_config){.cert_file = certificate, .key_file = garbage},
                    "there is no key in it");
    file_is_refused(&(redlock_tls_config){.cert_file = certificate, .key_file = "/nowhere/key"},
                    "it does not exist");
    file_is_refused(&(redlock_tls_config){.cert_file = certificate, .key_file = other_key},
                    "key values mismatch");
    assert_int_equal(chmod(key, 0644), 0);
    file_is_refused(&(redlock_tls_config){.cert_file = certificate, .key_file = key},
                    "others may read");
    assert_int_equal(chmod(key, 0600), 0);
}

/* A terminal must not be asked for anything. */
static void key_with_passphrase_is_refused(void **state) {
    const char *plain = test_authority_path(authority, "client.key");
    const char *locked = test_authority_path(authority, "locked.key");
    const char *certificate = test_authority_path(authority, "client.crt");
    char phrase[] = "secret";
    (void)state;
    FILE *file = fopen(plain, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    assert_non_null(key);
    assert_int_equal(fclose(file), 0);
    file = fopen(locked, "w");
    assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), phrase, 6, NULL, NULL),
                     1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(key);
    assert_int_equal(chmod(locked, 0600), 0);
    file_is_refused(&(redlock_tls_config){.cert_file = certificate, .key_file = locked},
                    "needs no passphrase");
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void handshake_may_come_byte_by_byte(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        ends both;
        SSL_CTX *context = test_authority_server(authority, "host", 0);
        assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
        ends_init(&both, trusting(), HOST, context);
        both.step = 1;
        ends_shake(&both);
        assert_int_equal(both.result, REDLOCK_TLS_DONE);
        ends_talk(&both, "hello");
        ends_deinit(&both);
    }
}

/* Each byte of the server's first flight, wrong by one bit: refused or still asking, never done and
 * never a crash. */
static void spoiled_handshake_is_never_done(void **state) {
    size_t total = 0;
    (void)state;
    for (size_t at = 0; at == 0 || at < total; at += 7) {
        ends both;
        uint8_t flight[8192];
        ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
        move_to_server(&both);
        int count = BIO_read(SSL_get_wbio(both.server), flight, sizeof flight);
        assert_in_range(count, 500, sizeof flight - 1);
        total = total == 0 ? (size_t)count - 64 : total; /* its length varies with the signature */
        flight[at] ^= 1;
        assert_true(redlock_tls_link_put(both.link, (redlock_bytes){flight, (size_t)count}));
        assert_int_not_equal(redlock_tls_link_shake(both.link), REDLOCK_TLS_DONE);
        ends_deinit(&both);
    }
}

static void plain_server_is_told(void **state) {
    ends both;
    (void)state;
    ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
    assert_true(redlock_tls_link_put(
        both.link, redlock_bytes_of("-ERR unknown command, with args beginning with: \r\n")));
    assert_int_equal(redlock_tls_link_shake(both.link), REDLOCK_TLS_FAILED);
    assert_fault(&both, REDLOCK_PROTOCOL, "there is no TLS at this port of the server");
    ends_deinit(&both);
}

static void old_versions_are_refused(void **state) {
    ends both;
    SSL_CTX *context = test_authority_server(authority, "host", 0);
    (void)state;
    SSL_CTX_set_security_level(context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION), 1);
    ends_init(&both, trusting(), HOST, context);
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_FAILED);
    assert_fault(&both, REDLOCK_UNTRUSTED, "the server accepts no TLS 1.2 or later");
    ends_deinit(&both);
}

static void end_of_tls_is_told(void **state) {
    ends both;
    uint8_t room[64];
    redlock_buffer answer = {.at = room, .size = sizeof room};
    (void)state;
    ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
    ends_shake(&both);
    ends_talk(&both, "hello");
    (void)SSL_write(both.server, "bye", 3);
    (void)SSL_shutdown(both.server);
    move_to_link(&both);
    assert_int_equal(redlock_tls_link_open(both.link, &answer), REDLOCK_TLS_DONE);
    assert_memory_equal(room, "bye", 3);
    assert_int_equal(redlock_tls_link_open(both.link, &answer), REDLOCK_TLS_ENDED);
    ends_deinit(&both);
}

/* --- sessions -------------------------------------------------------------------------------- */

static void session_is_resumed(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        ends both;
        size_t first = 0;
        SSL_CTX *context = test_authority_server(authority, "host", 0);
        assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
        ends_init(&both, trusting(), HOST, context);
        for (int i = 0; i < 4; i++) {
            both.to_link = 0;
            ends_shake(&both);
            assert_int_equal(both.result, REDLOCK_TLS_DONE);
            assert_int_equal(redlock_tls_link_is_resumed(both.link), i > 0);
            assert_int_equal(SSL_session_reused(both.server), i > 0);
            first = i == 0 ? both.to_link : first;
            assert_true(i == 0 || both.to_link < first);
            ends_talk(&both, "hello");
            ends_stop(&both); /* as a connection that breaks: nobody says goodbye */
            ends_start(&both);
        }
        ends_deinit(&both);
    }
}

/* A server that has forgotten the session, or is another one, is verified anew. */
static void session_opens_no_other_door(void **state) {
    ends both;
    (void)state;
    ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
    ends_shake(&both);
    ends_talk(&both, "hello");
    ends_stop(&both);
    SSL_CTX_free(both.context);
    both.context = test_authority_server(stranger, "host", 0);
    ends_start(&both);
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_FAILED);
    assert_fault(&both, REDLOCK_UNTRUSTED,
                 "the server's certificate is from an authority that is not trusted here");
    ends_stop(&both);
    SSL_CTX_free(both.context);
    both.context = test_authority_server(authority, "host", 0);
    ends_start(&both);
    ends_shake(&both);
    assert_int_equal(both.result, REDLOCK_TLS_DONE);
    assert_false(redlock_tls_link_is_resumed(both.link));
    ends_deinit(&both);
}

static void forked_child_may_destroy(void **state) {
    ends both;
    int status = 1;
    (void)state;
    ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
    ends_shake(&both);
    pid_t child = fork();
    if (child == 0) {
        redlock_tls_link_destroy(both.link);
        redlock_tls_destroy(both.tls);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ends_talk(&both, "hello");
    ends_deinit(&both);
}

/* --- sentences ------------------------------------------------------------------------------- */

static void troubles_have_sentences(void **state) {
    static const struct {
        redlock_tls_trouble trouble;
        redlock_status status;
        const char *words;
    } table[] = {
        {{.error = 0}, REDLOCK_PROTOCOL, "TLS went wrong: "},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, ERR_R_MALLOC_FAILURE)},
         REDLOCK_NOMEM,
         "no memory for TLS"},
        {{.error = ERR_PACK(ERR_LIB_EVP, 0, ERR_R_MALLOC_FAILURE)},
         REDLOCK_NOMEM,
         "no memory for TLS"},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED),
          .verify_result = X509_V_ERR_CERT_REVOKED},
         REDLOCK_UNTRUSTED,
         "the server's certificate is refused: certificate revoked"},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED),
          .verify_result = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN},
         REDLOCK_UNTRUSTED,
         "the server's certificate is from an authority that is not trusted here"},
        {{.error = ERR_PACK(ERR_LIB_EVP, 0, 1), .verify_result = X509_V_ERR_CERT_SIGNATURE_FAILURE},
         REDLOCK_UNTRUSTED,
         "the server's certificate is from an authority that is not trusted here"},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, 1000 + SSL_AD_HANDSHAKE_FAILURE)},
         REDLOCK_PROTOCOL,
         "the server ended TLS: handshake failure"},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, 1000 + SSL_AD_UNRECOGNIZED_NAME), .host = "h"},
         REDLOCK_UNTRUSTED,
         "the server knows no such host: h"},
        {{.error = ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNSUPPORTED_PROTOCOL)},
         REDLOCK_UNTRUSTED,
         "the server speaks no TLS 1.2 or later"},
        {{.error = ERR_PACK(ERR_LIB_EVP, 0, SSL_R_WRONG_VERSION_NUMBER)},
         REDLOCK_PROTOCOL,
         "TLS went wrong: "},
    };
    redlock_tls_library lib;
    char words[112];
    (void)state;
    assert_int_equal(redlock_tls_library_load(&lib, redlock_tls_library_file, words, sizeof words),
                     REDLOCK_OK);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        redlock_tls_fault fault = {.status = REDLOCK_OK};
        redlock_tls_explain(&lib, &table[i].trouble, &fault);
        assert_int_equal(fault.status, table[i].status);
        assert_int_equal(strncmp(fault.words, table[i].words, strlen(table[i].words)), 0);
    }
}

/* --- the library ----------------------------------------------------------------------------- */

static void library_that_is_not_there_is_named(void **state) {
    redlock_tls_library lib;
    char words[256];
    (void)state;
    assert_int_equal(redlock_tls_library_load(&lib, "libssl.so.0", words, sizeof words),
                     REDLOCK_UNSUPPORTED);
    assert_non_null(strstr(words, "libssl.so.0 cannot be loaded: install it"));
    assert_int_equal(redlock_tls_library_load(&lib, "libc.so.6", words, sizeof words),
                     REDLOCK_UNSUPPORTED);
    assert_non_null(strstr(words, "libc.so.6 is not the OpenSSL"));
}

static void facts_are_of_the_certificate_shown(void **state) {
    ends both;
    (void)state;
    int64_t now = (int64_t)time(NULL);
    ends_init(&both, trusting(), HOST, test_authority_server(authority, "host", 0));
    ends_shake(&both);
    redlock_tls_facts facts = redlock_tls_link_facts(both.link);
    assert_string_equal(facts.version, "TLSv1.3");
    assert_in_range(facts.until_s, now + 1, now + 400 * 86400);
    ends_deinit(&both);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_that_is_not_there_is_named),
        cmocka_unit_test(facts_are_of_the_certificate_shown),
        cmocka_unit_test(right_host_by_name_and_by_address),
        cmocka_unit_test(wrong_host_is_refused),
        cmocka_unit_test(wrong_times_and_authorities_are_refused),
        cmocka_unit_test(self_signed_is_trusted_by_its_own_file),
        cmocka_unit_test(authorities_may_be_in_a_directory),
        cmocka_unit_test(no_verify_takes_anybody),
        cmocka_unit_test(missing_client_certificate_is_told),
        cmocka_unit_test(foreign_client_certificate_is_told),
        cmocka_unit_test(client_certificate_is_shown),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(key_with_passphrase_is_refused),
        cmocka_unit_test(handshake_may_come_byte_by_byte),
        cmocka_unit_test(spoiled_handshake_is_never_done),
        cmocka_unit_test(plain_server_is_told),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(end_of_tls_is_told),
        cmocka_unit_test(session_is_resumed),
        cmocka_unit_test(session_opens_no_other_door),
        cmocka_unit_test(forked_child_may_destroy),
        cmocka_unit_test(troubles_have_sentences),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
