// use.cc -- a C++ program (C++98 too) that links with the shared library and makes calls which need
// no server.
#include <redlock/redlock.h>

#include <string.h>

static int complains(const char *url, int expected) {
    redlock_client_options options = REDLOCK_INIT(redlock_client_options);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_client *client = 0;
    const char *urls[1];

    urls[0] = url;
    options.ttl_max_ms = 60000;
    if (redlock_client_create(urls, 1, &options, &client, &report) != expected) {
        return 1;
    }
    redlock_client_destroy(client);
    return 0;
}

int main() {
    if (strcmp(redlock_version(), REDLOCK_VERSION) != 0) {
        return 1;
    }
    if (strcmp(redlock_status_name(REDLOCK_NO_QUORUM), "NO_QUORUM") != 0) {
        return 2;
    }
    return complains("redis://", REDLOCK_BAD_URL) || complains("unix:///tmp/nobody.sock", REDLOCK_OK) ? 3 : 0;
}
