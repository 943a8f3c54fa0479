/* client.c -- a client: its nodes, its options, its life. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/inside.h"
#include "core/quorum.h"
#include "drive/entropy.h"
#include "drive/loop.h"
#include "drive/private.h"
#include "wire/step.h"
#include "wire/url.h"

#define TTL_MAX_MS_DEFAULT 60000
#define TTL_MAX_MS_LIMIT INT64_C(86400000)
#define CONNECT_TIMEOUT_MS 1000
#define RELEASE_TIMEOUT_MS 5000
#define TIMEOUT_MS_LIMIT INT64_C(3600000)
#define DRIFT_PPM 10000
#define DRIFT_PPM_LIMIT 500000
#define DRIFT_FLOOR_US 2000
#define INFLIGHT_MAX 1024
#define INFLIGHT_LIMIT 65536
#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 2000
/* A waiter that is frozen when it is handed the name costs the others so much. */
#define HAND_OFF_MS 2000
#define SILENCE_MAX_MS 3000
/* The guard outlasts every lease granted before a restart, and what clocks and attempts may add to
 * it: docs/guarantees.md, "Restart guard". */
#define GUARD_SLACK_MS 11000
#define GUARDED_FROM_NODES 3u

/* --- options --------------------------------------------------------------------------------- */

static bool take_number(int64_t given, int64_t default_value, int64_t max, int64_t *ret_value) {
    *ret_value = given == 0 ? default_value : given;
    return *ret_value > 0 && *ret_value <= max;
}

static bool read_config(const redlock_client_options *options, uint32_t node_count,
                        redlock_client *client, redlock_core_config *ret) {
    int64_t connect, release, ppm, floor_us, inflight;
    bool good =
        take_number(options->ttl_max_ms, TTL_MAX_MS_DEFAULT, TTL_MAX_MS_LIMIT,
                    &client->ttl_max_ms) &&
        take_number(options->connect_timeout_ms, CONNECT_TIMEOUT_MS, TIMEOUT_MS_LIMIT, &connect) &&
        take_number(options->release_timeout_ms, RELEASE_TIMEOUT_MS, TIMEOUT_MS_LIMIT, &release) &&
        take_number(options->drift_ppm, DRIFT_PPM, DRIFT_PPM_LIMIT, &ppm) &&
        take_number(options->drift_floor_us, DRIFT_FLOOR_US, TIMEOUT_MS_LIMIT, &floor_us) &&
        take_number(options->inflight_max, INFLIGHT_MAX, INFLIGHT_LIMIT, &inflight);
    uint32_t known = REDLOCK_CLIENT_GUARD_ON | REDLOCK_CLIENT_GUARD_OFF |
                     REDLOCK_CLIENT_EVEN_NODES | REDLOCK_CLIENT_EVENT_QUEUE |
                     REDLOCK_CLIENT_TLS_NO_VERIFY | REDLOCK_CLIENT_OWN_LOOP;
    if (!good || (options->flags & ~known) != 0) {
        return false;
    }
    client->guarded =
        node_count >= GUARDED_FROM_NODES || (options->flags & REDLOCK_CLIENT_GUARD_ON) != 0;
    client->guarded = client->guarded && (options->flags & REDLOCK_CLIENT_GUARD_OFF) == 0;
    uint64_t guard_ms = (uint64_t)client->ttl_max_ms + GUARD_SLACK_MS;
    *ret = (redlock_core_config){
        .node_count = node_count,
        .drift_ppm = (uint32_t)ppm,
        .drift_floor = (uint64_t)floor_us * REDLOCK_NS_PER_US,
        .connect_timeout = redlock_ns_from_ms((uint64_t)connect),
        .backoff_min = redlock_ns_from_ms(BACKOFF_MIN_MS),
        .backoff_max = redlock_ns_from_ms(BACKOFF_MAX_MS),
        .silence_max = redlock_ns_from_ms(SILENCE_MAX_MS),
        .release_timeout = redlock_ns_from_ms((uint64_t)release),
        .guard = client->guarded ? redlock_ns_from_ms(guard_ms) : 0,
        .inflight_max = (uint32_t)inflight,
        .hand_off = redlock_ns_from_ms(HAND_OFF_MS),
    };
    return true;
}

static void default_label(char out[REDLOCK_LABEL_BYTES_MAX + 1]) {
    char host[48] = "";
    char text[REDLOCK_LABEL_BYTES_MAX + 1] = "";
    uint8_t digits[REDLOCK_DIGITS_MAX];
    bool is_known = gethostname(host, sizeof host - 1) == 0 && host[0] != '\0';
    /* Not by snprintf: it would be the only one on a short program's way to its lock, and the first one of a
     * process touches pages of libc that nothing else needs. */
    redlock_bytes_append_text(redlock_bytes_of(is_known ? host : "unknown"), text, sizeof text);
    redlock_bytes_append_text(redlock_bytes_of("/"), text, sizeof text);
    redlock_bytes_append_text(redlock_bytes_from_u64((uint64_t)getpid(), digits), text,
                              sizeof text);
    redlock_options_label(text, out);
}

/* --- nodes ----------------------------------------------------------------------------------- */

static int refuse_url(redlock_report *report, size_t index, redlock_status status,
                      const redlock_url_error *error) {
    char sentence[256];
    (void)snprintf(sentence, sizeof sentence, "URL %zu, character %zu: %s", index + 1,
                   error->offset + 1, error->text);
    return redlock_report_refuse(report, status, sentence);
}

static int read_urls(const char *const *urls, size_t count, redlock_url *out,
                     redlock_report *report) {
    for (size_t i = 0; i < count; i++) {
        redlock_url_error error = {0, "missing"};
        if (urls[i] == NULL) {
            return refuse_url(report, i, REDLOCK_BAD_URL, &error);
        }
        redlock_status status = redlock_url_parse(redlock_bytes_of(urls[i]), &out[i], &error);
        if (status != REDLOCK_OK) {
            return refuse_url(report, i, status, &error);
        }
        for (size_t j = 0; j < i; j++) {
            if (redlock_url_is_same_server(&out[i], &out[j])) {
                return redlock_report_refuse(
                    report, REDLOCK_SAME_NODE,
                    "two of the URLs name the same server: each node must be a server of its own");
            }
        }
    }
    return REDLOCK_OK;
}

/* The password of a file, for the URLs that have none. */
static int read_password(const redlock_client_options *options, redlock_url *urls, size_t count,
                         redlock_report *report) {
    char password[REDLOCK_URL_PASSWORD_BYTES_MAX + 1], sentence[256];
    const char *wrong = NULL;
    if (options->password_file == NULL || options->password_file[0] == '\0') {
        return REDLOCK_OK;
    }
    redlock_status status =
        redlock_private_read(options->password_file, password, sizeof password, &wrong);
    if (status != REDLOCK_OK) {
        (void)snprintf(sentence, sizeof sentence, "the password file %s is not taken: %s",
                       options->password_file, wrong);
        return redlock_report_refuse(report, status, sentence);
    }
    for (size_t i = 0; i < count; i++) {
        if (urls[i].password[0] == '\0') {
            memcpy(urls[i].password, password, sizeof password);
        }
    }
    explicit_bzero(password, sizeof password);
    return REDLOCK_OK;
}

static int check_count(size_t count, const redlock_client_options *options,
                       redlock_report *report) {
    if (count < 1 || count > REDLOCK_NODES_MAX) {
        return redlock_report_refuse(report, REDLOCK_INVALID, "a client has 1 to 15 nodes");
    }
    if (count % 2 == 0 && (options->flags & REDLOCK_CLIENT_EVEN_NODES) == 0) {
        return redlock_report_refuse(report, REDLOCK_EVEN_NODES,
                                     "an even number of nodes survives no more failures than one "
                                     "node fewer: add or leave out one");
    }
    return REDLOCK_OK;
}

/* --- life ------------------------------------------------------------------------------------ */

/* Its ring is left as it is: to zero 40 KB that may never be used takes as long as connecting. */
static redlock_events *events_create(void) {
    redlock_events *events = malloc(sizeof *events);
    if (events != NULL) {
        events->first = 0;
        events->count = 0;
    }
    return events;
}

static redlock_meter *meters_create(size_t count) {
    redlock_meter *meters = malloc(count * sizeof *meters); /* REDLOCK_NODES_MAX at most */
    for (size_t i = 0; meters != NULL && i < count; i++) {
        redlock_meter_init(&meters[i]);
    }
    return meters;
}

static bool make_events(redlock_client *client, const redlock_client_options *options) {
    if (options->on_event != NULL) {
        client->on_event = options->on_event;
        client->user = options->user;
        client->callbacks = events_create();
        if (client->callbacks == NULL) {
            return false;
        }
    }
    if ((options->flags & REDLOCK_CLIENT_EVENT_QUEUE) != 0) {
        if (!redlock_wake_init(&client->queue_wake)) {
            return false;
        }
        client->queue = events_create();
        if (client->queue == NULL) {
            redlock_wake_deinit(&client->queue_wake);
            return false;
        }
    }
    return true;
}

static int make_engine(redlock_client *client, redlock_core_config *config, const redlock_url *urls,
                       const char *prefix, redlock_report *report) {
    const redlock_engine_hooks hooks = {
        .ctx = client,
        .tell = redlock_op_tell,
        .token = redlock_op_token,
        .gone = redlock_op_gone,
        .woken = redlock_op_woken,
        .wished = redlock_metrics_wished,
        .heard = redlock_metrics_heard,
        .bring_near = redlock_op_bring_near,
        .has_events = redlock_event_is_pending,
        .deliver = redlock_event_deliver,
    };
    if (!redlock_entropy_fill(&config->seed, sizeof config->seed) ||
        !redlock_op_random_digits(config->channel, sizeof config->channel)) {
        return redlock_report_refuse(report, REDLOCK_IO, "the kernel gives no random bytes");
    }
    redlock_bytes label = redlock_bytes_of(client->label);
    client->engine = redlock_engine_create(config, urls, label, redlock_bytes_of(prefix), &hooks);
    if (client->engine != NULL) {
        if (client->has_own_loop) {
            redlock_engine_use_own_loop(client->engine);
        }
        return REDLOCK_OK;
    }
    return errno == ENOMEM ? redlock_report_refuse(report, REDLOCK_NOMEM, NULL)
                           : redlock_report_refuse(report, REDLOCK_IO,
                                                   "no descriptor left for the client: close some, "
                                                   "or raise the limit (ulimit -n)");
}

/* Trust and certificates, if any URL needs them. */
static int make_tls(redlock_client *client, const redlock_url *urls,
                    const redlock_client_options *options, redlock_report *report) {
    const redlock_tls_config config = {
        .ca_file = options->tls_ca_file,
        .ca_dir = options->tls_ca_dir,
        .cert_file = options->tls_cert_file,
        .key_file = options->tls_key_file,
        .no_verify = (options->flags & REDLOCK_CLIENT_TLS_NO_VERIFY) != 0,
    };
    redlock_tls *tls = NULL;
    char sentence[256];
    bool is_needed = false;
    for (uint32_t i = 0; i < client->node_count; i++) {
        is_needed = is_needed || urls[i].scheme == REDLOCK_URL_TLS;
    }
    if (!is_needed) {
        return REDLOCK_OK;
    }
    redlock_status status = redlock_tls_create(&config, &tls, sentence, sizeof sentence);
    if (status != REDLOCK_OK) {
        return redlock_report_refuse(report, status, sentence);
    }
    return redlock_engine_set_tls(client->engine, tls)
               ? REDLOCK_OK
               : redlock_report_refuse(report, REDLOCK_NOMEM, NULL);
}

static int client_fill(redlock_client *client, const redlock_url *urls, size_t count,
                       const redlock_client_options *options, redlock_report *report) {
    redlock_core_config config;
    const char *prefix = options->key_prefix != NULL ? options->key_prefix : "";
    client->node_count = (uint32_t)count;
    client->quorum = redlock_quorum_of(client->node_count);
    redlock_list_init(&client->waits);
    if (!read_config(options, client->node_count, client, &config) ||
        strlen(prefix) > REDLOCK_PREFIX_BYTES_MAX) {
        return redlock_report_refuse(report, REDLOCK_INVALID,
                                     "a client option is out of its range: see redlock.h");
    }
    client->has_own_loop = (options->flags & REDLOCK_CLIENT_OWN_LOOP) != 0;
    if (client->has_own_loop && !redlock_loop_is_supported()) {
        return redlock_report_refuse(report, REDLOCK_UNSUPPORTED,
                                     "REDLOCK_CLIENT_OWN_LOOP needs epoll, so Linux");
    }
    if (options->label != NULL && options->label[0] != '\0') {
        redlock_options_label(options->label, client->label);
    } else {
        default_label(client->label);
    }
    for (size_t i = 0; i < count; i++) {
        redlock_url_to_text(&urls[i], client->where[i], sizeof client->where[i]);
    }
    client->pool = redlock_pool_create();
    client->meters = meters_create(count);
    if (client->pool == NULL || client->meters == NULL || !make_events(client, options)) {
        return redlock_report_refuse(report, REDLOCK_NOMEM, NULL);
    }
    int result = make_engine(client, &config, urls, prefix, report);
    return result == REDLOCK_OK ? make_tls(client, urls, options, report) : result;
}

int redlock_client_create(const char *const *urls, size_t count,
                          const redlock_client_options *options, redlock_client **ret_client,
                          redlock_report *report) {
    redlock_client_options given;
    redlock_report_start(report);
    redlock_status status = redlock_options_read(&given, sizeof given, options);
    if (status != REDLOCK_OK || ret_client == NULL || urls == NULL) {
        return redlock_report_refuse(report, status != REDLOCK_OK ? status : REDLOCK_INVALID, NULL);
    }
    int result = check_count(count, &given, report);
    if (result != REDLOCK_OK) {
        return result;
    }
    redlock_url *parsed = calloc(count, sizeof *parsed);
    redlock_client *client = calloc(1, sizeof *client);
    if (parsed == NULL || client == NULL) {
        result = redlock_report_refuse(report, REDLOCK_NOMEM, NULL);
        goto out;
    }
    result = read_urls(urls, count, parsed, report);
    if (result == REDLOCK_OK) {
        result = read_password(&given, parsed, count, report);
    }
    if (result == REDLOCK_OK) {
        result = client_fill(client, parsed, count, &given, report);
    }
    if (result == REDLOCK_OK) {
        *ret_client = client;
        client = NULL;
    }
out:
    redlock_client_destroy(client);
    if (parsed != NULL) {
        explicit_bzero(parsed, count * sizeof *parsed); /* passwords */
    }
    free(parsed);
    return result;
}

/* Locks that were not released, and slots whose undoing was not finished: their memory is the pool's. */
static void free_slots(redlock_client *client) {
    redlock_core *core = redlock_engine_core(client->engine);
    for (uint32_t i = 0; i < client->owner_count; i++) {
        redlock_lock_free(client->owners[i].lock);
        redlock_pool_give(client->pool, redlock_core_memory(core, i));
    }
}

void redlock_client_destroy(redlock_client *client) {
    if (client == NULL) {
        return;
    }
    if (client->engine != NULL) {
        redlock_engine_stop(client->engine); /* from here on this thread is alone */
        free_slots(client);
        redlock_engine_destroy(client->engine);
    }
    if (client->queue != NULL) {
        redlock_wake_deinit(&client->queue_wake);
    }
    free(client->queue);
    free(client->callbacks);
    free(client->owners);
    free(client->meters);
    redlock_pool_destroy(client->pool);
    free(client);
}
