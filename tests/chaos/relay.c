/* relay.c -- redlock-chaos-relay SOCKET: the relay of tests/support/proxy.h as a process of its own,
 * told by lines on standard input what kind of a bad network it is:
 *
 *   pass | blackhole | freeze | garble | refuse | cut | delay TO_SERVER_US TO_CLIENT_US
 *
 * It prints its port first, and ends with its input. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy.h"

static bool mode_parse(const char *word, test_proxy_mode *ret_mode) {
    static const struct {
        const char *word;
        test_proxy_mode mode;
    } modes[] = {
        {"pass", TEST_PROXY_PASS},     {"blackhole", TEST_PROXY_BLACKHOLE},
        {"freeze", TEST_PROXY_FREEZE}, {"garble", TEST_PROXY_GARBLE},
        {"refuse", TEST_PROXY_REFUSE},
    };

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(word, modes[i].word) == 0) {
            *ret_mode = modes[i].mode;
            return true;
        }
    }
    return false;
}

static bool relay_obey(test_proxy *proxy, const char *line) {
    test_proxy_mode mode = TEST_PROXY_PASS;
    int64_t up_us, down_us;

    if (sscanf(line, "delay %" SCNd64 " %" SCNd64, &up_us, &down_us) == 2) {
        test_proxy_delay(proxy, up_us, down_us);
        return true;
    }
    if (strcmp(line, "cut") == 0) {
        test_proxy_cut(proxy);
        return true;
    }
    if (!mode_parse(line, &mode)) {
        return false;
    }
    test_proxy_set_mode(proxy, mode);
    return true;
}

int main(int argc, char **argv) {
    char line[128];

    if (argc != 2) {
        (void)fprintf(stderr, "usage: redlock-chaos-relay SOCKET\n");
        return 64;
    }
    test_proxy *proxy = test_proxy_start(argv[1]);
    (void)printf("%d\n", test_proxy_port(proxy));
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!relay_obey(proxy, line)) {
            (void)fprintf(stderr, "redlock-chaos-relay: what is \"%s\"?\n", line);
        }
    }
    test_proxy_stop(proxy);
    return 0;
}
