/* options_fuzz.c -- any bytes as the options that a program passes: what is taken lies within the
 * bounds that the rest relies on, what is not is refused with a status and a sentence. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DAY_NS (UINT64_C(86400000) * REDLOCK_NS_PER_MS)

/* The bytes at their exact size, so that reading beyond struct_size is seen; the rest of a caller's
 * struct is there, because programs are compiled against some released size. */
static void *struct_of(const uint8_t *data, size_t size, size_t size_min) {
    size_t given = size < size_min ? size_min : size;
    uint8_t *options = calloc(1, given);
    uint32_t struct_size = (uint32_t)given;

    REDLOCK_ASSERT(options != NULL);
    memcpy(options, data, size);
    if (size < 4 || data[0] % 4 != 0) { /* else any number that is not larger than what is there */
        memcpy(options, &struct_size, sizeof struct_size);
    } else {
        memcpy(&struct_size, options, sizeof struct_size);
        struct_size %= (uint32_t)given + 1;
        struct_size -= struct_size >= 8 ? struct_size % 8 : 0; /* no pointer is cut in two */
        memcpy(options, &struct_size, sizeof struct_size);
    }
    return options;
}

static void seek_check(const redlock_client *client, const redlock_seek *seek) {
    uint64_t ttl_max = (uint64_t)client->ttl_max_ms * REDLOCK_NS_PER_MS;

    REDLOCK_ASSERT(seek->ttl >= REDLOCK_NS_PER_MS && seek->ttl <= ttl_max);
    REDLOCK_ASSERT(seek->margin <= DAY_NS && seek->renew <= DAY_NS);
    REDLOCK_ASSERT(seek->node_timeout >= REDLOCK_NS_PER_MS && seek->node_timeout <= DAY_NS);
    REDLOCK_ASSERT(seek->retry_min <= DAY_NS && seek->retry_jitter <= DAY_NS);
    REDLOCK_ASSERT(!seek->queued || (seek->fenced && seek->wait > 0 && seek->poll > 0));
}

/* Pointers become what the program meant, or NULL: no bytes of a file are addresses. */
static void acquire_play(const uint8_t *data, size_t size, int64_t ttl_max_ms) {
    redlock_client client = {.ttl_max_ms = ttl_max_ms};
    redlock_acquire_options given;
    redlock_seek seek;
    void *options = struct_of(data, size, sizeof(uint32_t));
    redlock_status status = redlock_options_read(&given, sizeof given, options);

    REDLOCK_ASSERT(status == REDLOCK_OK || status == REDLOCK_INVALID ||
                   status == REDLOCK_UNSUPPORTED);
    if (status == REDLOCK_OK) {
        given.token = given.token != NULL ? "token" : NULL;
        status = redlock_options_seek(&client, &given, &seek);
        REDLOCK_ASSERT(status == REDLOCK_OK || status == REDLOCK_INVALID ||
                       status == REDLOCK_BAD_TTL || status == REDLOCK_BAD_TOKEN);
    }
    if (status == REDLOCK_OK) {
        seek_check(&client, &seek);
    }
    free(options);
}

static void name_play(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), label[REDLOCK_LABEL_BYTES_MAX + 1];
    redlock_status status = redlock_options_name((const char *)data, size);

    REDLOCK_ASSERT(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    redlock_options_label(text, label);
    for (const char *at = label; *at != '\0'; at++) {
        REDLOCK_ASSERT(*at > ' ' && *at < 0x7f);
    }
    REDLOCK_ASSERT(status == REDLOCK_OK || status == REDLOCK_BAD_NAME);
    REDLOCK_ASSERT(status == REDLOCK_BAD_NAME || (size >= 1 && size <= REDLOCK_NAME_BYTES_MAX));
    free(text);
}

/* A whole client; it connects to nobody, because nothing is asked of it. */
static void create_play(const uint8_t *data, size_t size) {
    static const char *const urls[] = {"redis://127.0.0.1:1", "redis://127.0.0.1:2",
                                       "redis://127.0.0.1:3"};
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = NULL;
    redlock_client_options *options = struct_of(data, size, sizeof *options);
    char prefix[200];
    bool has_prefix = options->key_prefix != NULL;

    memset(prefix, 'p', sizeof prefix);
    prefix[(unsigned)options->flags % sizeof prefix] = '\0';
    options->key_prefix = has_prefix ? prefix : NULL;
    options->label = options->label != NULL ? "label" : NULL;
    options->on_event = NULL;
    options->password_file = options->tls_ca_file = options->tls_ca_dir = NULL;
    options->tls_cert_file = options->tls_key_file = NULL;
    int status = redlock_client_create(urls, 3, options, &client, &report);

    REDLOCK_ASSERT((status == REDLOCK_OK) == (client != NULL));
    REDLOCK_ASSERT(status == REDLOCK_OK || report.sentence[0] != '\0');
    REDLOCK_ASSERT(status == REDLOCK_OK || status == REDLOCK_INVALID ||
                   status == REDLOCK_UNSUPPORTED);
    redlock_client_destroy(client);
    free(options);
}

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int64_t ttl_maxima[] = {1, 1000, 60000, INT64_C(86400000)};

    if (size < 1) {
        return 0;
    }
    unsigned choice = data[0] % 6;

    if (choice == 4) {
        name_play(data + 1, size - 1);
    } else if (choice == 5) {
        create_play(data + 1, size - 1);
    } else {
        acquire_play(data + 1, size - 1, ttl_maxima[choice]);
    }
    return 0;
}
