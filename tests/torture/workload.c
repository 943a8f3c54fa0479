/* workload.c -- the workloads.
 *
 * Each creates its client, does its work, whatever of it works, then has nothing fail any more and
 * proves that the same client still takes and gives a lock.  A status that is none, a handle on
 * failure or none on success are complaints; so is any failure in a strict run. */
#include "workload.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <redlock/ask.h>

#include "authority.h"
#include "fleet.h"
#include "tls_relay.h"
#include "torture.h"

#define PASSWORD "open-sesame"
#define LOCKS 20

static test_server *server;
static test_authority *authority, *stranger;
static test_tls_relay *relay;
static char unix_url[192], tcp_url[192], tls_url[192];
static char password_path[192], open_path[192], folder_path[192];
static const char *ca_path, *stranger_path, *cert_path, *key_path;

/* --- servers --------------------------------------------------------------------------------- */

static void password_file_make(char *path, size_t size, const char *name, mode_t mode) {
    FILE *file;

    (void)snprintf(path, size, "%s", test_authority_path(authority, name));
    file = fopen(path, "w");
    if (file == NULL || fputs(PASSWORD "\n", file) < 0 || fclose(file) != 0 ||
        chmod(path, mode) != 0) {
        perror(path);
        abort();
    }
}

void torture_servers_start(void) {
    const char *const args[] = {"--requirepass", PASSWORD, "--appendonly", "no", NULL};
    const test_certificate host = {.names = "DNS:localhost,IP:127.0.0.1"};

    server = test_server_start_tcp(args);
    authority = test_authority_create();
    test_authority_issue(authority, "host", &host);
    test_authority_issue(authority, "client", &(test_certificate){.names = NULL});
    stranger = test_authority_create();
    relay = test_tls_relay_start(test_authority_server(authority, "host", SSL_VERIFY_PEER),
                                 test_server_socket(server));
    ca_path = test_authority_path(authority, "ca.crt");
    stranger_path = test_authority_path(stranger, "ca.crt");
    cert_path = test_authority_path(authority, "client.crt");
    key_path = test_authority_path(authority, "client.key");
    (void)snprintf(folder_path, sizeof folder_path, "%s", ca_path);
    *strrchr(folder_path, '/') = '\0';
    (void)snprintf(unix_url, sizeof unix_url, "unix://:" PASSWORD "@%s",
                   test_server_socket(server));
    /* A name, so that it is looked up on a thread. */
    (void)snprintf(tcp_url, sizeof tcp_url, "redis://localhost:%d", test_server_port(server));
    (void)snprintf(tls_url, sizeof tls_url, "rediss://:" PASSWORD "@127.0.0.1:%d",
                   test_tls_relay_port(relay));
    password_file_make(password_path, sizeof password_path, "password", 0600);
    password_file_make(open_path, sizeof open_path, "open-password", 0666);
}

void torture_servers_stop(void) {
    test_tls_relay_stop(relay);
    test_server_stop(server);
    test_authority_destroy(authority);
    test_authority_destroy(stranger);
}

const char *torture_servers_wrong(void) {
    static char wrong[256];
    static const char script[] =
        "for _, key in ipairs(redis.call('KEYS', '*')) do "
        "  local left = redis.call('PTTL', key) "
        "  local ours = string.find(key, 'redlock:', 1, true) == 1 "
        "  if left < 0 and left ~= -2 then return key .. ' has no end' end "
        "  if not ours and left > tonumber(ARGV[1]) then "
        "    return key .. ' stays for ' .. left end "
        "end redis.call('FLUSHALL') return 'well'";
    char longest[16];
    char *said;

    (void)snprintf(longest, sizeof longest, "%d", TORTURE_TTL_MS + TORTURE_MARGIN_MS);
    said = test_server_ask(server, "EVAL", script, "0", longest, NULL);
    (void)snprintf(wrong, sizeof wrong, "%s", said != NULL ? said : "the server does not answer");
    free(said);
    return strcmp(wrong, "well") == 0 ? NULL : wrong;
}

/* --- judging --------------------------------------------------------------------------------- */

static void complain_at(torture_run *run, const char *complaint, int status, unsigned line) {
    if (run->complaint == NULL) {
        run->complaint = complaint;
        run->status = status;
        run->complaint_line = line;
    }
}

#define CLAIM(run, condition, status)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            complain_at(run, #condition, status, __LINE__);                                        \
        }                                                                                          \
    } while (0)
/* Any status will do that is one, and in a strict run only OK. */
#define SAYS(run, status)                                                                          \
    do {                                                                                           \
        int said = (status);                                                                       \
        CLAIM(run, redlock_status_name(said)[0] != '?', said);                                     \
        CLAIM(run, !(run)->is_strict || said == REDLOCK_OK, said);                                 \
    } while (0)

/* --- parts ----------------------------------------------------------------------------------- */

static redlock_acquire_options options_of(const torture_run *run, int64_t wait_ms) {
    redlock_acquire_options options = REDLOCK_INIT(redlock_acquire_options);

    /* What must work does so on a slow machine as well; what may fail is soon over. */
    options.ttl_ms = run->is_strict ? TORTURE_TTL_MS : TORTURE_TTL_MS / 5;
    options.node_timeout_ms = run->is_strict ? 2000 : 0;
    options.margin_ms = TORTURE_MARGIN_MS;
    options.wait_ms = wait_ms;
    options.retry_min_ms = 5;
    options.retry_jitter_ms = 5;
    return options;
}

/* Long enough for any machine where it must work, and short where it may not. */
static int64_t wait_of(const torture_run *run) {
    return run->is_strict ? 10000 : 300;
}

static redlock_client *create(torture_run *run, const char *const *urls, size_t count,
                              redlock_client_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;

    options->flags |= REDLOCK_CLIENT_GUARD_OFF;
    options->connect_timeout_ms = 5000; /* what is slow is this machine */
    int status = redlock_client_create(urls, count, options, &client, &report);

    SAYS(run, status);
    CLAIM(run, (status == REDLOCK_OK) == (client != NULL), status);
    CLAIM(run, status == REDLOCK_OK || report.sentence[0] != '\0', status);
    return client;
}

static redlock_lock *acquire(torture_run *run, redlock_client *client, const char *name,
                             const redlock_acquire_options *options) {
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_lock *lock = NULL;
    int status = redlock_acquire(client, name, strlen(name), options, &lock, &report);

    SAYS(run, status);
    CLAIM(run, (status == REDLOCK_OK) == (lock != NULL), status);
    CLAIM(run, status == REDLOCK_OK || report.sentence[0] != '\0', status);
    return lock;
}

static void release(torture_run *run, redlock_lock *lock) {
    if (lock != NULL) {
        SAYS(run, redlock_release(lock, NULL));
    }
}

/* Nothing fails any more, and the client is as good as a new one.  Where there is none, a new one is
 * to be had.  OpenSSL calls a want of memory an internal error at times, which is taken for the server's
 * fault: then one of the next calls finds it mended. */
static void prove_usable(torture_run *run, redlock_client *client, const char *const *urls,
                         size_t count, redlock_client_options *options) {
    torture_run strict = {.is_strict = true};
    redlock_acquire_options patient = options_of(&strict, wait_of(&strict));

    torture_stop();
    patient.flags = REDLOCK_ACQUIRE_POLL;
    if (client == NULL) {
        client = create(&strict, urls, count, options);
    }
    for (int tries_left = 200; client != NULL; tries_left--) {
        release(&strict, acquire(&strict, client, "afterwards", &patient));
        if (strict.status != REDLOCK_PROTOCOL || tries_left == 0) {
            break;
        }
        strict = (torture_run){.is_strict = true};
        test_nap_ms(25);
    }
    if (strict.complaint != NULL) {
        complain_at(run, strict.complaint, strict.status, strict.complaint_line);
    }
    redlock_client_destroy(client);
}

static void end(torture_run *run, redlock_client *client, const char *const *urls, size_t count,
                redlock_client_options *options) {
    if (client == NULL || run->is_strict) {
        redlock_client_destroy(client); /* also counted */
        client = NULL;
    }
    prove_usable(run, client, urls, count, options);
}

static void hear(const redlock_event *event, void *user) {
    (void)user, (void)event;
}

/* --- the life of a lock ---------------------------------------------------------------------- */

static void lock_play(torture_run *run, redlock_lock *lock) {
    SAYS(run, redlock_extend(lock, 0, NULL));
    SAYS(run, redlock_try_extend(lock, 1000, NULL));
    CLAIM(run, !run->is_strict || redlock_lock_is_held(lock), 0);
    int fd = redlock_lock_lost_fd(lock);

    CLAIM(run, !run->is_strict || fd >= 0, fd);
}

static void adopt_play(torture_run *run, redlock_client *client, redlock_lock *lock) {
    redlock_acquire_options options = options_of(run, 0);
    redlock_lock *adopted = NULL;
    size_t token_len = 0;
    const char *token = redlock_lock_token(lock, &token_len);
    int status = redlock_adopt(client, "job", 3, token, token_len, redlock_lock_fence(lock),
                               &options, &adopted, NULL);

    SAYS(run, status);
    CLAIM(run, (status == REDLOCK_OK) == (adopted != NULL), status);
    release(run, adopted);
}

static void life(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_info info = REDLOCK_INIT(redlock_info);
    redlock_event event = REDLOCK_INIT(redlock_event);
    redlock_wait *wait = NULL;

    options.flags = REDLOCK_CLIENT_EVENT_QUEUE;
    options.on_event = hear;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        SAYS(run, redlock_wait_create(client, &wait));
        once.wait = wait;
        redlock_lock *lock = acquire(run, client, "job", &once);

        SAYS(run, redlock_inspect(client, "job", 3, &info, NULL));
        if (lock != NULL) {
            lock_play(run, lock);
            adopt_play(run, client, lock);
            (void)redlock_release(lock, NULL); /* by its adopted twin it may be gone */
        }
        SAYS(run, redlock_break(client, "other", 5, &info, NULL));
        while (redlock_client_next_event(client, &event) == 1) {
        }
        redlock_wait_destroy(wait);
    }
    end(run, client, urls, 1, &options);
}

/* More locks than there is room for at first. */
static void many(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_lock *lock[LOCKS] = {NULL};
    redlock_client *client = create(run, urls, 1, &options);
    char name[32];

    for (int i = 0; client != NULL && i < LOCKS; i++) {
        (void)snprintf(name, sizeof name, "many-%d", i);
        lock[i] = acquire(run, client, name, &once);
    }
    for (int i = 0; i < LOCKS; i++) {
        release(run, lock[i]);
    }
    end(run, client, urls, 1, &options);
}

/* --- waiting --------------------------------------------------------------------------------- */

typedef struct waiter {
    torture_run *run;
    redlock_client *client;
} waiter;

static void *waiter_run(void *ctx) {
    waiter *me = ctx;
    redlock_acquire_options options = options_of(me->run, wait_of(me->run));

    release(me->run, acquire(me->run, me->client, "queue", &options));
    return NULL;
}

/* One holds, the other stands in the queue until it is handed the name; both by one client, so that
 * there are a leader and a follower as well. */
static void waiting(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    torture_run waiters_run = {.is_strict = run->is_strict};
    redlock_client *client = create(run, urls, 1, &options);
    waiter other = {.run = &waiters_run, .client = client};
    pthread_t thread;

    if (client != NULL) {
        redlock_lock *lock = acquire(run, client, "queue", &once);
        bool runs = pthread_create(&thread, NULL, waiter_run, &other) == 0;

        test_nap_ms(lock != NULL ? 5 : 0);
        release(run, lock);
        if (runs) {
            (void)pthread_join(thread, NULL);
        }
        CLAIM(run, waiters_run.complaint == NULL, waiters_run.status);
    }
    end(run, client, urls, 1, &options);
}

/* The keeper renews, then the lock is lost. */
static void losing(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_info info = REDLOCK_INIT(redlock_info);

    options.on_event = hear;
    once.renew_ms = 2;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        redlock_lock *lock = acquire(run, client, "job", &once);

        if (lock != NULL) {
            test_nap_ms(8);
            SAYS(run, redlock_break(client, "job", 3, &info, NULL));
            test_nap_ms(4);
            (void)redlock_lock_lost_fd(lock);
            (void)redlock_release(lock, NULL);
        }
    }
    end(run, client, urls, 1, &options);
}

static void count_renewals(const redlock_event *event, void *user) {
    *(int *)user += event->kind == REDLOCK_EVENT_RENEWED;
}

/* Turns the client's loop until the lock was renewed twice more, or for a while where that may fail. */
static void loop_turn(torture_run *run, redlock_client *client, const int *renewed) {
    int64_t until = test_now_ms() + (run->is_strict ? wait_of(run) : 10);
    int enough = *renewed + 2;

    while (*renewed < enough && test_now_ms() < until) {
        struct pollfd news = {.fd = redlock_client_fd(client), .events = POLLIN};
        int64_t ms = redlock_client_deadline_ms(client);

        (void)poll(&news, 1, (int)(ms < 100 ? ms : 100));
        SAYS(run, redlock_client_process(client));
    }
    CLAIM(run, !run->is_strict || *renewed >= enough, *renewed);
}

/* No keeper: the loop renews, and connects again. */
static void own_loop(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    int renewed = 0;

    options.flags = REDLOCK_CLIENT_OWN_LOOP;
    options.on_event = count_renewals;
    options.user = &renewed;
    once.renew_ms = 2;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        redlock_lock *lock = acquire(run, client, "job", &once);

        if (lock != NULL) {
            loop_turn(run, client, &renewed);
            free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
            loop_turn(run, client, &renewed);
            SAYS(run, redlock_extend(lock, 0, NULL));
            loop_turn(run, client, &renewed);
        }
        release(run, lock);
    }
    options.flags = 0; /* what follows has nobody to turn a loop */
    end(run, client, urls, 1, &options);
}

/* The server throws everybody out between two calls; it costs a call at most. */
static void killed(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options patient = options_of(run, wait_of(run));

    patient.flags = REDLOCK_ACQUIRE_POLL;
    patient.node_timeout_ms = 100; /* for so long what was unanswered may still land */
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        release(run, acquire(run, client, "job", &patient));
        free(test_server_ask(server, "CLIENT", "KILL", "TYPE", "normal", NULL));
        release(run, acquire(run, client, "job", &patient));
    }
    end(run, client, urls, 1, &options);
}

/* --- other ways to a server ------------------------------------------------------------------ */

static void by_name(torture_run *run) {
    const char *const urls[] = {tcp_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);

    options.password_file = password_path;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        release(run, acquire(run, client, "job", &once));
    }
    end(run, client, urls, 1, &options);
}

static void by_tls(torture_run *run) {
    const char *const urls[] = {tls_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);

    options.tls_ca_file = ca_path;
    options.tls_cert_file = cert_path;
    options.tls_key_file = key_path;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        release(run, acquire(run, client, "job", &once));
    }
    end(run, client, urls, 1, &options);
}

/* A server that is not whom it should be is told so, and asked nothing. */
static void by_tls_untrusted(torture_run *run) {
    const char *const urls[] = {tls_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client_options good = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_lock *lock = NULL;

    options.tls_ca_file = stranger_path;
    good.tls_ca_file = ca_path;
    redlock_client *client = create(run, urls, 1, &options);

    if (client != NULL) {
        int status = redlock_acquire(client, "job", 3, &once, &lock, NULL);

        CLAIM(run, status != REDLOCK_OK && lock == NULL, status);
        CLAIM(run, !run->is_strict || status == REDLOCK_UNTRUSTED, status);
    }
    redlock_client_destroy(client);
    end(run, NULL, urls, 1, &good);
}

/* Files that others can read are opened, looked at and closed. */
static void open_secrets(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client_options good = REDLOCK_INIT(redlock_client_options);
    redlock_client *client = NULL;

    options.password_file = open_path;
    int status = redlock_client_create(urls, 1, &options, &client, NULL);

    CLAIM(run, status != REDLOCK_OK && client == NULL, status);
    CLAIM(run, !run->is_strict || status == REDLOCK_INVALID, status);
    end(run, NULL, urls, 1, &good);
}

static void by_tls_folder(torture_run *run) {
    const char *const urls[] = {tls_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_client_options good = REDLOCK_INIT(redlock_client_options);

    options.tls_ca_dir = folder_path;
    good.tls_ca_file = ca_path;
    redlock_client *client = create(run, urls, 1, &options);

    redlock_client_destroy(client); /* whoever is in there by hash: nobody */
    end(run, NULL, urls, 1, &good);
}

/* Two ways to one server and one that leads nowhere: links fail all the time, and there is a quorum
 * at most at times. */
static void broken_fleet(torture_run *run) {
    const char *const urls[] = {"unix:///tmp/nobody-is-here.sock", "redis://127.0.0.1:1", unix_url};
    const char *const good_urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_client *client = create(run, urls, 3, &options);
    redlock_lock *lock = NULL;

    if (client != NULL) {
        int status = redlock_acquire(client, "job", 3, &once, &lock, NULL);

        CLAIM(run, status != REDLOCK_OK && lock == NULL, status);
    }
    redlock_client_destroy(client);
    end(run, NULL, good_urls, 1, &options);
}

/* --- asking ---------------------------------------------------------------------------------- */

static void ask_play(torture_run *run, redlock_ask *ask) {
    static const char *const big[] = {"EVAL", "return string.rep('x', 40000)", "0"};
    static const char *const ping[] = {"PING"};
    const redlock_reply *reply = NULL;

    SAYS(run, redlock_ask_command(ask, big, NULL, 3, &reply, NULL));
    SAYS(run, redlock_ask_send(ask, ping, NULL, 1, NULL));
    SAYS(run, redlock_ask_send(ask, ping, NULL, 1, NULL));
    int status = redlock_ask_receive(ask, &reply, NULL);

    SAYS(run, status);
    if (status == REDLOCK_OK) {
        SAYS(run, redlock_ask_receive(ask, &reply, NULL));
    }
}

static void asking_at(torture_run *run, const char *url) {
    redlock_node_report report;
    redlock_ask *ask = NULL;
    int status = redlock_ask_open(url, NULL, &ask, &report);

    SAYS(run, status);
    CLAIM(run, (status == REDLOCK_OK) == (ask != NULL), status);
    if (ask != NULL) {
        ask_play(run, ask);
        redlock_ask_close(ask);
    }
    torture_stop();
    status = redlock_ask_open(url, NULL, &ask, &report);
    CLAIM(run, status == REDLOCK_OK, status);
    redlock_ask_close(ask);
}

static void asking(torture_run *run) {
    asking_at(run, unix_url);
}

static void asking_by_name(torture_run *run) {
    char url[256];

    (void)snprintf(url, sizeof url, "redis://:" PASSWORD "@localhost:%d", test_server_port(server));
    asking_at(run, url);
}

/* Nobody whom the system trusts has signed for this server. */
static void asking_untrusted(torture_run *run) {
    redlock_ask *ask = NULL;
    int status = redlock_ask_open(tls_url, NULL, &ask, NULL);

    CLAIM(run, status != REDLOCK_OK && ask == NULL, status);
    CLAIM(run, redlock_status_name(status)[0] != '?', status);
    torture_stop();
}

/* --- forking --------------------------------------------------------------------------------- */

/* Everything the child asks is answered, and nothing of it reaches the server. */
static int child_play(redlock_client *client, redlock_lock *lock) {
    bool is_held = redlock_lock_is_held(lock);
    int status = redlock_release(lock, NULL);

    redlock_client_destroy(client);
    return !is_held && status == REDLOCK_FORKED ? 0 : 1;
}

static void forking(torture_run *run) {
    const char *const urls[] = {unix_url};
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_acquire_options once = options_of(run, 0);
    redlock_client *client = create(run, urls, 1, &options);
    redlock_lock *lock = client != NULL ? acquire(run, client, "job", &once) : NULL;
    int said = 0;

    if (lock != NULL) {
        pid_t child = fork();

        if (child == 0) {
            _exit(child_play(client, lock));
        }
        CLAIM(run, child > 0 && waitpid(child, &said, 0) == child && said == 0, said);
    }
    release(run, lock);
    end(run, client, urls, 1, &options);
}

const torture_workload torture_workloads[] = {
    {"the life of a lock", life},
    {"many locks", many},
    {"waiting in the queue", waiting},
    {"renewing and losing", losing},
    {"a loop of the application's own", own_loop},
    {"connections that are killed", killed},
    {"a server by its name, with a password from a file", by_name},
    {"a server behind TLS", by_tls},
    {"a server that is not to be trusted", by_tls_untrusted},
    {"files that others can read", open_secrets},
    {"a folder of authorities", by_tls_folder},
    {"a fleet of which most is gone", broken_fleet},
    {"asking", asking},
    {"asking a server by its name", asking_by_name},
    {"asking a server that is not to be trusted", asking_untrusted},
    {"a forked child", forking},
};
const size_t torture_workload_count = sizeof torture_workloads / sizeof torture_workloads[0];
