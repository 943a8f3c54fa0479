/* trust.h -- how rediss:// servers are to prove who they are, and we to them: the four --tls options.
 *
 * They mean the same for every subcommand, so they have one table for getopt_long and one taker. */
#ifndef REDLOCK_CLI_TRUST_H
#define REDLOCK_CLI_TRUST_H

#include <stdbool.h>

#include <redlock/ask.h>
#include <redlock/redlock.h>

typedef struct redlock_trust {
    char *ca, *cert, *key; /* owned; NULL: none */
    bool ca_is_folder;
    bool is_insecure;
} redlock_trust;

/* Above those of all subcommands. */
enum {
    REDLOCK_OPTION_TLS_CA = 1024,
    REDLOCK_OPTION_TLS_CERT,
    REDLOCK_OPTION_TLS_KEY,
    REDLOCK_OPTION_TLS_INSECURE
};

/* In files and in the environment the last one has a value, so it may have one here. */
#define REDLOCK_TRUST_OPTIONS                                                                      \
    {"tls-ca", required_argument, NULL, REDLOCK_OPTION_TLS_CA},                                    \
        {"tls-cert", required_argument, NULL, REDLOCK_OPTION_TLS_CERT},                            \
        {"tls-key", required_argument, NULL, REDLOCK_OPTION_TLS_KEY}, {                            \
        "tls-insecure", optional_argument, NULL, REDLOCK_OPTION_TLS_INSECURE                       \
    }
#define REDLOCK_TRUST_HELP                                                                         \
    "  --tls-ca FILE        whose certificates rediss:// servers have to show: a file or folder\n" \
    "                       of authorities (default: the system's)\n"                              \
    "  --tls-cert FILE      our own certificate, for servers that ask\n"                           \
    "  --tls-key FILE       its key, if it is in another file\n"                                   \
    "  --tls-insecure       take any certificate: for trials only\n"

bool redlock_trust_has_option(int option);
/* Takes what getopt_long returned.  REDLOCK_GO_ON, or the code to exit with after saying why. */
int redlock_trust_take(redlock_trust *trust, int option, const char *text, const char *topic);
void redlock_trust_deinit(redlock_trust *trust);

void redlock_trust_tell_client(const redlock_trust *trust, redlock_client_options *options);
void redlock_trust_tell_ask(const redlock_trust *trust, redlock_ask_options *options);

#endif
