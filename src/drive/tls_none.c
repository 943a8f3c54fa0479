/* tls_none.c -- in the place of tls.c where there is no OpenSSL: nobody gets a redlock_tls, so the
 * rest is never called. */
#include "base/assert.h"
#include "drive/tls.h"

redlock_status redlock_tls_create(const redlock_tls_config *config, redlock_tls **ret_tls,
                                  char *words, size_t words_size) {
    (void)config, (void)ret_tls;
    redlock_bytes_to_text(
        redlock_bytes_of("this build has no TLS: rediss:// needs one with OpenSSL"), words,
        words_size);
    return REDLOCK_UNSUPPORTED;
}

void redlock_tls_destroy(redlock_tls *tls) {
    REDLOCK_ASSERT(tls == NULL);
}

redlock_tls_link *redlock_tls_link_create(redlock_tls *tls, const char *host) {
    (void)tls, (void)host;
    return NULL;
}

void redlock_tls_link_destroy(redlock_tls_link *link) {
    REDLOCK_ASSERT(link == NULL);
}

bool redlock_tls_link_start(redlock_tls_link *link) {
    (void)link;
    return false;
}

void redlock_tls_link_end(redlock_tls_link *link) {
    REDLOCK_ASSERT(link == NULL);
}

bool redlock_tls_link_put(redlock_tls_link *link, redlock_bytes bytes) {
    (void)link, (void)bytes;
    return false;
}

bool redlock_tls_link_take(redlock_tls_link *link, redlock_buffer *out) {
    (void)link, (void)out;
    return false;
}

redlock_tls_result redlock_tls_link_shake(redlock_tls_link *link) {
    (void)link;
    return REDLOCK_TLS_FAILED;
}

redlock_tls_result redlock_tls_link_open(redlock_tls_link *link, redlock_buffer *out) {
    (void)link, (void)out;
    return REDLOCK_TLS_FAILED;
}

redlock_tls_result redlock_tls_link_seal(redlock_tls_link *link, redlock_bytes bytes) {
    (void)link, (void)bytes;
    return REDLOCK_TLS_FAILED;
}

redlock_status redlock_tls_link_fault(const redlock_tls_link *link, const char **ret_words) {
    (void)link;
    *ret_words = "TLS is not in this build";
    return REDLOCK_UNSUPPORTED;
}

bool redlock_tls_link_lacks_certificate(const redlock_tls_link *link) {
    (void)link;
    return false;
}

bool redlock_tls_link_is_resumed(const redlock_tls_link *link) {
    (void)link;
    return false;
}

redlock_tls_facts redlock_tls_link_facts(const redlock_tls_link *link) {
    (void)link;
    return (redlock_tls_facts){.until_s = 0};
}
