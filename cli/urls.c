/* urls.c -- which servers to ask. */
#include "cli/urls.h"

#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/exit.h"
#include "cli/secret.h"

static const char local_scheme[] = "local:";
static const char separators[] = ", \t\r\n";

static bool is_local(const char *text) {
    return strncmp(text, local_scheme, sizeof(local_scheme) - 1) == 0;
}

int redlock_urls_local_size(const char *text) {
    size_t length = strlen(text);
    int size = 0;

    if (length == 0) {
        return 1;
    }
    if (length > 2) {
        return 0;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }
        size = size * 10 + (text[i] - '0');
    }
    return size % 2 == 1 && size <= REDLOCK_NODES_MAX ? size : 0;
}

static int local_add(redlock_urls *urls, const char *text, const char *topic) {
    if (urls->count > 0 || urls->local_size != 0) {
        return redlock_say_usage(topic, "local: stands alone, with no other URL beside it");
    }

    urls->local_size = redlock_urls_local_size(text + sizeof(local_scheme) - 1);
    if (urls->local_size == 0) {
        return redlock_say_usage(topic,
                                 "local:N starts N private servers; N is odd and from 1 to %d",
                                 REDLOCK_NODES_MAX);
    }
    return 0;
}

int redlock_urls_add(redlock_urls *urls, const char *text, const char *topic) {
    if (is_local(text)) {
        return local_add(urls, text, topic);
    }
    if (urls->local_size != 0) {
        return redlock_say_usage(topic, "local: stands alone, with no other URL beside it");
    }
    if (urls->count == REDLOCK_NODES_MAX) {
        return redlock_say_usage(topic, "there are more than %d URLs", REDLOCK_NODES_MAX);
    }

    char *copy = strdup(text);
    if (copy == NULL) {
        return REDLOCK_EXIT_SYSTEM;
    }
    urls->url[urls->count++] = copy;
    return 0;
}

void redlock_urls_blank(char *text) {
    char *start = strstr(text, "://");
    char *end = strrchr(text, '@');

    if (end == NULL) {
        return;
    }
    start = start != NULL && start < end ? start + 3 : text;
    memset(start, 'x', (size_t)(end - start));
}

static void wiped_free(char *text) {
    explicit_bzero(text, strlen(text));
    free(text);
}

static int list_add(redlock_urls *urls, const char *list, const char *topic) {
    int code = 0;

    while (code == 0 && *(list += strspn(list, separators)) != '\0') {
        size_t length = strcspn(list, separators);
        char *one = strndup(list, length);

        if (one == NULL) {
            return REDLOCK_EXIT_SYSTEM;
        }
        code = redlock_urls_add(urls, one, topic);
        wiped_free(one);
        list += length;
    }
    return code;
}

static int config_add(redlock_urls *urls, const redlock_config *config, const char *topic) {
    const char *list;
    int code = 0;

    for (size_t i = 0; code == 0 && (list = redlock_config_value(config, "url", i)) != NULL; i++) {
        code = list_add(urls, list, topic);
    }
    return code;
}

static int password_take(const char *password, const char *topic,
                         char out[REDLOCK_SECRET_BYTES_MAX]) {
    size_t size = strlen(password) + 1;

    if (size > REDLOCK_SECRET_BYTES_MAX) {
        return redlock_say_usage(topic, "the password in REDLOCK_PASSWORD is too long");
    }
    memcpy(out, password, size);
    return 0;
}

/* "" when there is none. */
static int password_find(const redlock_urls *urls, const redlock_config *config, const char *topic,
                         char out[REDLOCK_SECRET_BYTES_MAX]) {
    const char *password = redlock_config_environment("password");
    const char *file = urls->password_file;

    out[0] = '\0';
    if (file == NULL && password != NULL) {
        return password_take(password, topic, out);
    }
    file = file != NULL ? file : redlock_config_environment("password-file");
    char *credential = file == NULL ? redlock_secret_credential() : NULL;
    file = credential != NULL ? credential : file;
    file = file != NULL ? file : redlock_config_value(config, "password-file", 0);
    int code = file != NULL ? redlock_secret_read(file, topic, out) : 0;
    free(credential);
    return code;
}

static int logins_add(redlock_urls *urls, const redlock_config *config, const char *topic) {
    char password[REDLOCK_SECRET_BYTES_MAX];
    const char *user = redlock_config_environment("user");
    int code = urls->count > 0 ? password_find(urls, config, topic, password) : 0;

    user = user != NULL ? user : redlock_config_value(config, "user", 0);
    for (size_t i = 0; code == 0 && i < urls->count && password[0] != '\0'; i++) {
        char *url = redlock_secret_url_dup(urls->url[i], user, password);

        if (url == NULL) {
            code = REDLOCK_EXIT_SYSTEM;
        } else {
            wiped_free(urls->url[i]);
            urls->url[i] = url;
        }
    }
    explicit_bzero(password, sizeof(password));
    return code;
}

/* Also with -q: whoever reads the log has to know. */
static void insecure_say(const redlock_urls *urls) {
    static const redlock_say loud = {.loudness = REDLOCK_NORMAL};
    bool has_tls = false;

    for (size_t i = 0; i < urls->count; i++) {
        has_tls = has_tls || strncmp(urls->url[i], "rediss://", 9) == 0;
    }
    if (has_tls && urls->trust.is_insecure) {
        redlock_say_error(&loud,
                          "WARNING: --tls-insecure: nobody checks who the server is; whoever "
                          "is in between reads the password and grants any lock");
    }
}

/* /proc/PID/environ shows what the environment was at the start, in place: there, too, no password
 * stays. */
static void environment_wipe(void) {
    char *password = getenv("REDLOCK_PASSWORD");
    char *list = getenv("REDLOCK_URL");

    if (password != NULL) {
        explicit_bzero(password, strlen(password));
    }
    if (list != NULL) {
        redlock_urls_blank(list);
    }
}

int redlock_urls_complete(redlock_urls *urls, const char *topic) {
    const char *list = getenv("REDLOCK_URL");
    redlock_config config;
    int code = redlock_config_load(&config, topic);

    if (code == 0 && urls->count == 0 && urls->local_size == 0 && list != NULL) {
        code = list_add(urls, list, topic);
    }
    if (code == 0 && urls->count == 0 && urls->local_size == 0) {
        code = config_add(urls, &config, topic);
    }
    if (code == 0 && urls->count == 0 && urls->local_size == 0) {
        code = redlock_say_usage(topic, "no server given: use --url redis://HOST:6379 or set "
                                        "REDLOCK_URL; to try it out, --url local:");
    }
    if (code == 0) {
        code = logins_add(urls, &config, topic);
    }
    if (code == 0) {
        insecure_say(urls);
    }
    environment_wipe();
    redlock_config_deinit(&config);
    return code;
}

void redlock_urls_forget(redlock_urls *urls) {
    for (size_t i = 0; i < urls->count; i++) {
        wiped_free(urls->url[i]);
    }
    urls->count = 0;
}

void redlock_urls_deinit(redlock_urls *urls) {
    redlock_urls_forget(urls);
    redlock_trust_deinit(&urls->trust);
}
