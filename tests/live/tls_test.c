/* tls_test.c -- rediss:// end to end: on a real server with TLS of its own, and on a relay that counts
 * what reaches it.  Whoever is not who he should be never sees a byte of the password. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <redlock/ask.h>

#include "authority.h"
#include "fleet.h"
#include "tls_relay.h"

#define CANARY "canary-5b1e-password"
#define MUTUAL (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT)

static test_authority *authority, *stranger;
static test_server *server; /* its TLS port wants client certificates; the unix socket is plain */
static int tls_port;
static const char *ca_file, *client_crt, *client_key;

static int free_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0 && bind(fd, (const struct sockaddr *)&at, len) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static void *do_nothing(void *ctx) {
    return ctx;
}

static int group_setup(void **state) {
    const test_certificate host = {.names = "DNS:localhost,IP:127.0.0.1"};
    const test_certificate other = {.names = "DNS:other.test"};
    const test_certificate old = {.names = "IP:127.0.0.1", .from_s = -7200, .until_s = -3600};
    const test_certificate itself = {.names = "IP:127.0.0.1", .is_self_signed = true};
    char port[16];
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, do_nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    authority = test_authority_create();
    stranger = test_authority_create();
    test_authority_issue(authority, "host", &host);
    test_authority_issue(authority, "other", &other);
    test_authority_issue(authority, "old", &old);
    test_authority_issue(authority, "itself", &itself);
    test_authority_issue(authority, "client", &(test_certificate){.names = NULL});
    test_authority_issue(stranger, "client", &(test_certificate){.names = NULL});
    test_authority_issue(stranger, "host", &host);
    ca_file = test_authority_path(authority, "ca.crt");
    client_crt = test_authority_path(authority, "client.crt");
    client_key = test_authority_path(authority, "client.key");
    tls_port = free_port();
    (void)snprintf(port, sizeof port, "%d", tls_port);
    const char *const args[] = {"--tls-port",
                                port,
                                "--tls-cert-file",
                                test_authority_path(authority, "host.crt"),
                                "--tls-key-file",
                                test_authority_path(authority, "host.key"),
                                "--tls-ca-cert-file",
                                ca_file,
                                "--tls-auth-clients",
                                "yes",
                                "--requirepass",
                                CANARY,
                                NULL};
    server = test_server_start(args);
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    test_server_stop(server);
    test_authority_destroy(authority);
    test_authority_destroy(stranger);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return test_lock_count(server) != 0;
}

static redlock_client_options trusting(void) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    options.tls_ca_file = ca_file;
    options.tls_cert_file = client_crt;
    options.tls_key_file = client_key;
    options.connect_timeout_ms = 20000; /* sanitizers are slow; where it matters it is set */
    return options;
}

static redlock_client *client_at(const char *host, int port,
                                 const redlock_client_options *options) {
    char url[160];
    const char *const urls[] = {url};
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    (void)snprintf(url, sizeof url, "rediss://:" CANARY "@%s:%d", host, port);
    TEST_STATUS(redlock_client_create(urls, 1, options, &client, &report), REDLOCK_OK, &report);
    return client;
}

/* --- a real server --------------------------------------------------------------------------- */

static void whole_life_of_a_lock(void **state) {
    const redlock_client_options options = trusting();
    redlock_report report = REDLOCK_INIT(redlock_report);
    int fds = test_fd_count();
    (void)state;
    for (int i = 0; i < 2; i++) {
        redlock_client *client = client_at(i == 0 ? "127.0.0.1" : "localhost", tls_port, &options);
        redlock_lock *lock = test_take_kept(client, "job", 6000, 300);
        assert_true(test_value_is(server, "job", redlock_lock_token(lock, NULL)));
        assert_true(test_is_renewed(lock)); /* by the keeper */
        TEST_STATUS(redlock_extend(lock, 20000, &report), REDLOCK_OK, &report);
        assert_in_range(test_pttl(server, "job"), 10000, 22000);
        test_give(lock);
        redlock_client_destroy(client);
    }
    assert_int_equal(test_fd_count(), fds);
}

static void count_renewals(const redlock_event *event, void *user) {
    *(int *)user += event->kind == REDLOCK_EVENT_RENEWED;
}

static bool loop_until_renewed(redlock_client *client, const int *renewed, int count) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (*renewed < count && test_now_ms() < until) {
        struct pollfd news = {.fd = redlock_client_fd(client), .events = POLLIN};
        int64_t ms = redlock_client_deadline_ms(client);
        (void)poll(&news, 1, (int)(ms < 1000 ? ms : 1000));
        assert_int_equal(redlock_client_process(client), REDLOCK_OK);
    }
    return *renewed >= count;
}

/* Look-ups and handshakes, too, are the loop's. */
static void own_loop_keeps_a_lock(void **state) {
    redlock_client_options options = trusting();
    int fds = test_fd_count();
    (void)state;
    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    options.on_event = count_renewals;
    for (int i = 0; i < 2; i++) {
        int renewed = 0;
        options.user = &renewed;
        redlock_client *client = client_at(i == 0 ? "127.0.0.1" : "localhost", tls_port, &options);
        redlock_lock *lock = test_take_kept(client, "job", 20000, 200);
        assert_true(loop_until_renewed(client, &renewed, 3));
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        assert_true(loop_until_renewed(client, &renewed, renewed + 3));
        assert_true(redlock_lock_is_held(lock));
        test_give(lock);
        redlock_client_destroy(client);
    }
    assert_int_equal(test_fd_count(), fds);
}

/* --- plain questions ------------------------------------------------------------------------- */

static int ask_opened(const char *ca, const char *certificate, uint32_t flags,
                      redlock_ask **ret_ask, redlock_node_report *report) {
    redlock_ask_options options = REDLOCK_INIT(redlock_ask_options);
    char url[160];
    options.tls_ca_file = ca;
    options.tls_cert_file = certificate;
    options.tls_key_file = certificate != NULL ? client_key : NULL;
    options.flags = flags;
    options.connect_timeout_ms = 10000;
    options.answer_timeout_ms = 10000;
    (void)snprintf(url, sizeof url, "rediss://:" CANARY "@127.0.0.1:%d", tls_port);
    return redlock_ask_open(url, &options, ret_ask, report);
}

/* Answers longer than a record of TLS, and many on their way at once. */
static void questions_go_over_tls_too(void **state) {
    static char value[60000];
    const char *const set[] = {"SET", "long", value};
    const char *const get[] = {"GET", "long"};
    const char *const del[] = {"DEL", "long"};
    const redlock_reply *reply = NULL;
    redlock_node_report report;
    redlock_ask *ask = NULL;
    int fds = test_fd_count();
    (void)state;
    memset(value, 'v', sizeof value - 1);
    assert_int_equal(ask_opened(ca_file, client_crt, 0, &ask, &report), REDLOCK_OK);
    assert_string_equal(redlock_ask_tls_version(ask), "TLSv1.3");
    assert_true(redlock_ask_tls_until_s(ask) > 1700000000);
    assert_int_equal(redlock_ask_command(ask, set, NULL, 3, &reply, NULL), REDLOCK_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(redlock_ask_send(ask, get, NULL, 2, NULL), REDLOCK_OK);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(redlock_ask_receive(ask, &reply, NULL), REDLOCK_OK);
        assert_string_equal(reply->text, value);
    }
    assert_int_equal(redlock_ask_command(ask, del, NULL, 2, &reply, NULL), REDLOCK_OK);
    redlock_ask_close(ask);
    assert_int_equal(test_fd_count(), fds);
}

static void questions_are_not_put_to_strangers(void **state) {
    const struct {
        const char *ca, *certificate;
        uint32_t flags;
        redlock_status status;
        const char *words;
    } rows[] = {
        {test_authority_path(stranger, "ca.crt"), client_crt, 0, REDLOCK_UNTRUSTED,
         "not trusted here"},
        {ca_file, NULL, 0, REDLOCK_UNTRUSTED, "wants a client certificate"},
        {"/nowhere", client_crt, 0, REDLOCK_INVALID, "the CA file /nowhere"},
        {NULL, client_crt, REDLOCK_CLIENT_TLS_NO_VERIFY, REDLOCK_OK, ""},
        {ca_file, client_crt, 1u << 20, REDLOCK_INVALID, "option"},
    };
    int fds = test_fd_count();
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_node_report report = {.status = REDLOCK_OK};
        redlock_ask *ask = NULL;
        assert_int_equal(ask_opened(rows[i].ca, rows[i].certificate, rows[i].flags, &ask, &report),
                         rows[i].status);
        assert_non_null(strstr(report.words, rows[i].words));
        redlock_ask_close(ask);
    }
    assert_int_equal(test_fd_count(), fds);
}

static void *give_later(void *lock) {
    test_nap_ms(300);
    test_give(lock);
    return NULL;
}

/* The listening connection is TLS too: a hand-off comes long before the next poll. */
static void waiter_is_woken(void **state) {
    const redlock_client_options options = trusting();
    redlock_client *holder = client_at("127.0.0.1", tls_port, &options);
    redlock_client *waiter = client_at("127.0.0.1", tls_port, &options);
    redlock_acquire_options wait = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    pthread_t thread;
    (void)state;
    wait.wait_ms = 20000;
    wait.ttl_ms = 60000;
    redlock_lock *held = test_take(holder, "job", 60000);
    assert_int_equal(pthread_create(&thread, NULL, give_later, held), 0);
    int64_t before = test_now_ms();
    TEST_STATUS(redlock_acquire(waiter, "job", 3, &wait, &lock, &report), REDLOCK_OK, &report);
    assert_in_range(test_now_ms() - before, 250, 4500); /* polls are 5,000 apart */
    assert_int_equal(pthread_join(thread, NULL), 0);
    test_give(lock);
    redlock_client_destroy(waiter);
    redlock_client_destroy(holder);
}

static void killed_connections_come_back(void **state) {
    const redlock_client_options options = trusting();
    redlock_acquire_options patient = REDLOCK_INIT(redlock_acquire_options);
    redlock_client *client = client_at("127.0.0.1", tls_port, &options);
    (void)state;
    patient.wait_ms = TEST_PATIENCE_MS;
    for (int i = 0; i < 5; i++) {
        redlock_report report = REDLOCK_INIT(redlock_report);
        redlock_lock *lock = NULL;
        TEST_STATUS(redlock_acquire(client, "job", 3, &patient, &lock, &report), REDLOCK_OK,
                    &report);
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        TEST_STATUS(redlock_extend(lock, 0, &report), REDLOCK_OK, &report);
        test_give(lock);
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
    }
    redlock_client_destroy(client);
}

static redlock_report refusal_at(int port, const redlock_client_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_acquire_options wait = REDLOCK_INIT(redlock_acquire_options);
    redlock_client *client = client_at("127.0.0.1", port, options);
    redlock_lock *lock = NULL;
    wait.wait_ms = 20000; /* not waited for: it does not mend by itself */
    int64_t before = test_now_ms();
    TEST_STATUS(redlock_acquire(client, "job", 3, &wait, &lock, &report), REDLOCK_UNTRUSTED,
                &report);
    assert_true(test_now_ms() - before < 15000);
    assert_null(lock);
    redlock_client_destroy(client);
    return report;
}

static void says(const redlock_report *report, const char *words) {
    if (strstr(report->sentence, words) == NULL || strstr(report->node[0].words, words) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, report->sentence);
    }
    assert_null(strstr(report->sentence, CANARY));
    assert_null(strstr(report->node[0].words, CANARY));
}

static void missing_or_foreign_client_certificate(void **state) {
    redlock_client_options options = trusting();
    (void)state;
    options.tls_cert_file = NULL;
    options.tls_key_file = NULL;
    redlock_report missing = refusal_at(tls_port, &options);
    says(&missing, "the server wants a client certificate");
    options.tls_cert_file = test_authority_path(stranger, "client.crt");
    options.tls_key_file = test_authority_path(stranger, "client.key");
    redlock_report foreign = refusal_at(tls_port, &options);
    says(&foreign, "the server does not accept our client certificate");
}

static void server_that_is_not_trusted(void **state) {
    redlock_client_options options = trusting();
    (void)state;
    options.tls_ca_file = test_authority_path(stranger, "ca.crt");
    redlock_report report = refusal_at(tls_port, &options);
    says(&report, "from an authority that is not trusted here");
    options.tls_ca_file = NULL; /* the system's */
    report = refusal_at(tls_port, &options);
    says(&report, "from an authority that is not trusted here");
    options.flags = REDLOCK_CLIENT_TLS_NO_VERIFY;
    redlock_client *client = client_at("127.0.0.1", tls_port, &options);
    test_give(test_take(client, "job", 8000));
    redlock_client_destroy(client);
}

/* --- a relay that counts --------------------------------------------------------------------- */

static test_tls_relay *relay_of(test_authority *whose, const char *name, int verify_mode) {
    return test_tls_relay_start(test_authority_server(whose, name, verify_mode),
                                test_server_socket(server));
}

/* Who is not trusted gets a hello, at most an alert, and not a byte that means anything. */
static void untrusted_gets_nothing(test_authority *whose, const char *name, const char *words) {
    const redlock_client_options options = trusting();
    test_tls_relay *relay = relay_of(whose, name, 0);
    redlock_report report = refusal_at(test_tls_relay_port(relay), &options);
    says(&report, words);
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    while (test_tls_relay_counts(relay).failed == 0 && test_now_ms() < until) {
        test_nap_ms(5); /* for the alert, which tells the server's people why */
    }
    test_tls_counts counts = test_tls_relay_counts(relay);
    assert_true(counts.connections >= 1);
    assert_int_equal(counts.handshakes, 0);
    assert_true(counts.failed >= 1);
    assert_int_equal(counts.plain_bytes, 0);
    assert_true(counts.sealed_bytes < 1024u * (uint64_t)counts.connections);
    assert_false(test_tls_relay_heard(relay, CANARY));
    assert_false(test_tls_relay_heard(relay, "AUTH"));
    test_tls_relay_stop(relay);
}

static void untrusted_never_gets_a_byte(void **state) {
    (void)state;
    untrusted_gets_nothing(authority, "other", "not for this host: 127.0.0.1");
    untrusted_gets_nothing(authority, "old", "has expired");
    untrusted_gets_nothing(authority, "itself", "self-signed");
    untrusted_gets_nothing(stranger, "host", "from an authority that is not trusted here");
}

/* The same relay hears all of it from who trusts it: so it can hear, and it is not on the wire. */
static void trusted_gets_the_password_and_nobody_between(void **state) {
    const redlock_client_options options = trusting();
    test_tls_relay *relay = relay_of(authority, "host", MUTUAL);
    (void)state;
    redlock_client *client = client_at("localhost", test_tls_relay_port(relay), &options);
    test_give(test_take(client, "job", 8000));
    redlock_client_destroy(client);
    test_tls_counts counts = test_tls_relay_counts(relay);
    assert_int_equal(counts.handshakes, 1);
    assert_true(counts.plain_bytes > 500); /* a greeting and two commands */
    assert_true(counts.sealed_bytes > counts.plain_bytes);
    assert_true(test_tls_relay_heard(relay, CANARY));
    test_tls_relay_stop(relay);
}

static void reconnect_resumes_the_session(void **state) {
    const redlock_client_options options = trusting();
    redlock_acquire_options patient = REDLOCK_INIT(redlock_acquire_options);
    test_tls_relay *relay = relay_of(authority, "host", 0);
    redlock_client *client = client_at("127.0.0.1", test_tls_relay_port(relay), &options);
    (void)state;
    patient.wait_ms = TEST_PATIENCE_MS;
    for (int i = 0; i < 4; i++) {
        redlock_report report = REDLOCK_INIT(redlock_report);
        redlock_lock *lock = NULL;
        TEST_STATUS(redlock_acquire(client, "job", 3, &patient, &lock, &report), REDLOCK_OK,
                    &report);
        test_give(lock);
        test_tls_relay_cut(relay);
    }
    redlock_client_destroy(client);
    test_tls_counts counts = test_tls_relay_counts(relay);
    assert_true(counts.handshakes >= 4);
    assert_true(counts.resumed >= 3);
    assert_true(counts.resumed >= counts.handshakes - 2); /* commands; and who listens */
    test_tls_relay_stop(relay);
}

/* Bounded by the connect timeout: a server that says nothing, and one that never stops saying little. */
static void slow_handshake_is_bounded(void **state) {
    static const test_tls_mode modes[] = {TEST_TLS_MUTE, TEST_TLS_DRIBBLE};
    redlock_client_options options = trusting();
    test_tls_relay *relay = relay_of(authority, "host", 0);
    (void)state;
    options.connect_timeout_ms = 400;
    for (int i = 0; i < 2; i++) {
        redlock_report report = REDLOCK_INIT(redlock_report);
        redlock_lock *lock = NULL;
        test_tls_relay_set_mode(relay, modes[i]);
        redlock_client *client = client_at("127.0.0.1", test_tls_relay_port(relay), &options);
        int64_t before = test_now_ms();
        TEST_STATUS(redlock_acquire(client, "job", 3, NULL, &lock, &report), REDLOCK_NO_QUORUM,
                    &report);
        assert_in_range(test_now_ms() - before, 350, 10000); /* else it is 20,000 */
        assert_int_equal(report.node[0].status, REDLOCK_SILENT);
        redlock_client_destroy(client);
    }
    test_tls_relay_set_mode(relay, TEST_TLS_PASS);
    options.connect_timeout_ms = 20000;
    redlock_client *client = client_at("127.0.0.1", test_tls_relay_port(relay), &options);
    test_give(test_take(client, "job", 8000));
    redlock_client_destroy(client);
    test_tls_relay_stop(relay);
}

/* All of the handshake and of every reply in single bytes. */
static void slow_server_is_served(void **state) {
    redlock_client_options options = trusting();
    redlock_acquire_options slow = REDLOCK_INIT(redlock_acquire_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    test_tls_relay *relay = relay_of(authority, "host", 0);
    (void)state;
    test_tls_relay_set_mode(relay, TEST_TLS_DRIBBLE);
    options.connect_timeout_ms = 110000;
    slow.ttl_ms = 60000;
    slow.node_timeout_ms = 20000;
    redlock_client *client = client_at("127.0.0.1", test_tls_relay_port(relay), &options);
    TEST_STATUS(redlock_acquire(client, "job", 3, &slow, &lock, &report), REDLOCK_OK, &report);
    test_give(lock);
    redlock_client_destroy(client);
    test_tls_relay_stop(relay);
}

/* --- a password from a file ------------------------------------------------------------------ */

static int create_with_file(const char *path, redlock_client **ret_client, redlock_report *report) {
    redlock_client_options options = trusting();
    char url[64];
    const char *const urls[] = {url};
    (void)snprintf(url, sizeof url, "rediss://127.0.0.1:%d", tls_port);
    options.password_file = path;
    return redlock_client_create(urls, 1, &options, ret_client, report);
}

static void file_is_refused(const char *path, const char *words) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    TEST_STATUS(create_with_file(path, &client, &report), REDLOCK_INVALID, &report);
    assert_null(client);
    if (strstr(report.sentence, words) == NULL || strstr(report.sentence, CANARY) != NULL) {
        fail_msg("\"%s\" is not in \"%s\"", words, report.sentence);
    }
}

static void file_write(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void password_comes_from_a_file(void **state) {
    const char *path = test_authority_path(authority, "password");
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    (void)state;
    file_write(path, CANARY "\nand a comment\n");
    assert_int_equal(chmod(path, 0600), 0);
    TEST_STATUS(create_with_file(path, &client, &report), REDLOCK_OK, &report);
    file_write(path, "\n"); /* it was read once */
    test_give(test_take(client, "job", 8000));
    free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
    redlock_client_destroy(client);
}

static void password_file_must_be_private(void **state) {
    static char line[600];
    const char *path = test_authority_path(authority, "loose");
    (void)state;
    file_write(path, CANARY "\n");
    assert_int_equal(chmod(path, 0644), 0);
    file_is_refused(path, "others may read or write it");
    assert_int_equal(chmod(path, 0602), 0);
    file_is_refused(path, "others may read or write it");
    assert_int_equal(chmod(path, 0600), 0);
    file_write(path, "\n" CANARY "\n");
    file_is_refused(path, "first line is empty");
    memset(line, 'x', sizeof line - 1);
    file_write(path, line);
    file_is_refused(path, "too long");
    file_is_refused("/nowhere/password", "it does not exist");
    file_is_refused("/dev/null", "not a regular file");
}

/* --- a password in memory -------------------------------------------------------------------- */

/* How often the canary is in a stretch of memory.  It is not compared with itself but with what it
 * becomes, so that no copy is made for looking; ASan is not asked, because freed memory counts too. */
__attribute__((no_sanitize("address"))) static int count_in(const volatile unsigned char *from,
                                                            const volatile unsigned char *to) {
    static const char canary[] = CANARY;
    const size_t len = sizeof canary - 1;
    int count = 0;
    for (; from + len <= to; from++) {
        size_t same = 0;
        while (same < len && from[same] == (unsigned char)canary[same]) {
            same++;
        }
        count += same == len;
    }
    return count;
}

/* In what this process can write to, its stack aside. */
static int count_in_memory(void) {
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from = 0, to = 0;
        char rights[5] = "";
        bool is_ours = sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 &&
                       strcmp(rights, "rw-p") == 0 && strstr(line, "[stack]") == NULL;
        if (is_ours && to - from < (1ul << 30)) { /* a sanitizer's shadow is larger */
            const volatile unsigned char *at = (const volatile unsigned char *)(uintptr_t)from;
            count += count_in(at, at + (to - from));
        }
    }
    (void)fclose(maps);
    return count;
}

/* The map of memory may change under the counting, when the keeper starts or ends: what is meant is
 * what stays. */
static int count_what_stays(void) {
    int last = -1, count = count_in_memory();
    for (int i = 0; i < 10 && count != last; i++) {
        last = count;
        count = count_in_memory();
    }
    return count;
}

static void assert_count_in_memory(int wanted) {
    int64_t until = test_now_ms() + TEST_PATIENCE_MS;
    int count = count_in_memory();
    while (count != wanted && test_now_ms() < until) {
        test_nap_ms(50);
        count = count_in_memory();
    }
    assert_int_equal(count, wanted);
}

/* The url is wiped, so that what is found is the library's. */
static redlock_client *client_of_wiped_url(const char *scheme_and_login, const char *rest) {
    const redlock_client_options options = trusting();
    redlock_client *client = NULL;
    char *url = malloc(256);
    assert_non_null(url);
    (void)snprintf(url, 256, "%s%s", scheme_and_login, rest);
    const char *const urls[] = {url};
    assert_int_equal(redlock_client_create(urls, 1, &options, &client, NULL), REDLOCK_OK);
    explicit_bzero(url, 256);
    free(url);
    return client;
}

/* A connection keeps it, to log in again: one for commands, one that would listen.  Nothing else does,
 * not even the buffers that it went out through; and when the client is gone, nobody. */
static void password_is_wiped_after_use(void **state) {
    char rest[160];
    int before = count_what_stays();
    (void)state;
    for (int i = 0; i < 2; i++) {
        if (i == 0) {
            (void)snprintf(rest, sizeof rest, "127.0.0.1:%d", tls_port);
        } else {
            (void)snprintf(rest, sizeof rest, "%s", test_server_socket(server));
        }
        redlock_client *client =
            client_of_wiped_url(i == 0 ? "rediss://:" CANARY "@" : "unix://:" CANARY "@", rest);
        redlock_lock *lock = test_take_unkept(client, "job", 60000);
        assert_count_in_memory(before + 2); /* before more commands fall on the greeting's place */
        test_give(lock);
        redlock_client_destroy(client);
        assert_count_in_memory(before);
    }
}

int main(void) {
#define LIVE(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        LIVE(whole_life_of_a_lock),
        LIVE(own_loop_keeps_a_lock),
        LIVE(waiter_is_woken),
        LIVE(killed_connections_come_back),
        LIVE(missing_or_foreign_client_certificate),
        LIVE(server_that_is_not_trusted),
        LIVE(untrusted_never_gets_a_byte),
        LIVE(trusted_gets_the_password_and_nobody_between),
        LIVE(questions_go_over_tls_too),
        LIVE(questions_are_not_put_to_strangers),
        LIVE(reconnect_resumes_the_session),
        LIVE(slow_handshake_is_bounded),
        LIVE(slow_server_is_served),
        LIVE(password_comes_from_a_file),
        LIVE(password_file_must_be_private),
        LIVE(password_is_wiped_after_use),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
