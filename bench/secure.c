/* secure.c -- OpenSSL on a blocking socket, by SSL_read and SSL_write. */
#include "secure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authority.h"
#include "work.h"

#define IN_BYTES 4096

struct bench_secure {
    test_authority *authority;
    test_server *server;
    SSL_CTX *context;
    int port;
    char url[48];
};

/* --- the server ------------------------------------------------------------------------------------ */

static int socket_make(int port, struct sockaddr_in *ret_at) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ret_at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) {
        bench_give_up("no socket");
    }
    return fd;
}

static int free_port(void) {
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    int fd = socket_make(0, &at);

    if (bind(fd, (const struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        bench_give_up("no free port");
    }
    (void)close(fd);
    return ntohs(at.sin_port);
}

static SSL_CTX *context_make(const char *ca_file) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL || SSL_CTX_load_verify_locations(context, ca_file, NULL) != 1) {
        bench_give_up("OpenSSL does not take the authority's certificate");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

bench_secure *bench_secure_start(void) {
    const test_certificate host = {.names = "IP:127.0.0.1"};
    bench_secure *secure = bench_calloc(1, sizeof(*secure));
    char port[16];

    secure->authority = test_authority_create();
    test_authority_issue(secure->authority, "host", &host);
    secure->port = free_port();
    (void)snprintf(port, sizeof(port), "%d", secure->port);
    (void)snprintf(secure->url, sizeof(secure->url), "rediss://127.0.0.1:%d", secure->port);
    const char *const args[] = {"--appendonly",
                                "no",
                                "--tls-port",
                                port,
                                "--tls-cert-file",
                                test_authority_path(secure->authority, "host.crt"),
                                "--tls-key-file",
                                test_authority_path(secure->authority, "host.key"),
                                "--tls-auth-clients",
                                "no",
                                NULL};
    secure->context = context_make(bench_secure_ca_file(secure));
    secure->server = test_server_start(args);
    return secure;
}

void bench_secure_stop(bench_secure *secure) {
    SSL_CTX_free(secure->context);
    test_server_stop(secure->server);
    test_authority_destroy(secure->authority);
    free(secure);
}

test_server *bench_secure_server(const bench_secure *secure) {
    return secure->server;
}

const char *bench_secure_url(const bench_secure *secure) {
    return secure->url;
}

const char *bench_secure_ca_file(const bench_secure *secure) {
    return test_authority_path(secure->authority, "ca.crt");
}

/* --- the loop -------------------------------------------------------------------------------------- */

static SSL *link_open(const bench_secure *secure) {
    struct sockaddr_in at;
    int fd = socket_make(secure->port, &at), one = 1;
    SSL *link = SSL_new(secure->context);

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 || link == NULL ||
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link), "127.0.0.1") != 1 ||
        SSL_set_fd(link, fd) != 1 || SSL_connect(link) != 1) {
        bench_give_up("no TLS connection to %s", secure->url);
    }
    return link;
}

static void link_close(SSL *link) {
    int fd = SSL_get_fd(link);

    SSL_free(link);
    (void)close(fd);
}

/* One command, one answer: whatever comes in one record ends it, for a cycle's answers are short. */
static void link_ask(SSL *link, bench_command *command) {
    char in[IN_BYTES];

    bench_command_refresh(command);
    if (SSL_write(link, command->bytes, (int)command->len) <= 0 ||
        SSL_read(link, in, (int)sizeof(in)) <= 0) {
        bench_give_up("the TLS connection broke");
    }
    if (in[0] == '-') {
        bench_give_up("the server refuses: %.40s", in);
    }
}

void bench_loop_secure(const bench_work *work, int number, int64_t until_ns,
                       bench_samples *samples) {
    bench_recording commands = bench_recording_copy(work->commands, number);
    SSL *link = link_open(work->secure);

    for (int64_t begin = bench_now_ns(), end; begin < until_ns; begin = end) {
        for (size_t i = 0; i < commands.count; i++) {
            link_ask(link, &commands.at[i]);
        }
        end = bench_now_ns();
        bench_samples_add(samples, end - begin);
    }
    link_close(link);
    bench_recording_free(&commands);
}
