/* trust.c -- the options about TLS. */
#include "cli/trust.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/exit.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/text.h"

bool redlock_trust_has_option(int option) {
    return option >= REDLOCK_OPTION_TLS_CA && option <= REDLOCK_OPTION_TLS_INSECURE;
}

static int path_set(char **place, const char *text) {
    free(*place);
    *place = redlock_text_path(text);
    return *place != NULL ? REDLOCK_GO_ON : REDLOCK_EXIT_SYSTEM;
}

static bool is_folder(const char *path) {
    struct stat about;

    return path != NULL && stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static int insecure_set(redlock_trust *trust, const char *text, const char *topic) {
    bool is_on = text == NULL || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;

    if (!is_on && strcmp(text, "no") != 0 && strcmp(text, "0") != 0) {
        return redlock_say_usage(topic, "tls-insecure is yes or no, not '%s'", text);
    }
    trust->is_insecure = is_on;
    return REDLOCK_GO_ON;
}

int redlock_trust_take(redlock_trust *trust, int option, const char *text, const char *topic) {
    int code;

    switch (option) {
    case REDLOCK_OPTION_TLS_CA:
        code = path_set(&trust->ca, text);
        trust->ca_is_folder = is_folder(trust->ca);
        return code;
    case REDLOCK_OPTION_TLS_CERT:
        return path_set(&trust->cert, text);
    case REDLOCK_OPTION_TLS_KEY:
        return path_set(&trust->key, text);
    default:
        return insecure_set(trust, text, topic);
    }
}

void redlock_trust_deinit(redlock_trust *trust) {
    free(trust->ca);
    free(trust->cert);
    free(trust->key);
    *trust = (redlock_trust){.ca = NULL};
}

void redlock_trust_tell_client(const redlock_trust *trust, redlock_client_options *options) {
    options->tls_ca_file = trust->ca_is_folder ? NULL : trust->ca;
    options->tls_ca_dir = trust->ca_is_folder ? trust->ca : NULL;
    options->tls_cert_file = trust->cert;
    options->tls_key_file = trust->key;
    options->flags |= trust->is_insecure ? REDLOCK_CLIENT_TLS_NO_VERIFY : 0;
}

void redlock_trust_tell_ask(const redlock_trust *trust, redlock_ask_options *options) {
    options->tls_ca_file = trust->ca_is_folder ? NULL : trust->ca;
    options->tls_ca_dir = trust->ca_is_folder ? trust->ca : NULL;
    options->tls_cert_file = trust->cert;
    options->tls_key_file = trust->key;
    options->flags |= trust->is_insecure ? REDLOCK_CLIENT_TLS_NO_VERIFY : 0;
}
