/* resolve_test.c -- names to addresses; a getaddrinfo of our own makes some lookups hang at will. */
#include "drive/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 30000

/* --- the C library's getaddrinfo, but "hang" waits for `gate` and "missing" is not found ------ */

/* The linker puts the second in front of the first, in programs of every kind. */
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret);

static sem_t gate;
static atomic_uint hanging;
static atomic_bool signals_are_open; /* a lookup's thread would take a signal of the application */

/* So many addresses, of that length, in a list that freeaddrinfo takes. */
static int give_addresses(uint32_t count, socklen_t len, const char *service,
                          const struct addrinfo *hints, struct addrinfo **ret) {
    struct addrinfo **end = ret;
    for (uint32_t i = 0; i < count; i++) {
        char host[16] = "127.0.0.1";
        host[8] = (char)('1' + i % 9);
        if (__real_getaddrinfo(host, service, hints, end) != 0) {
            return EAI_FAIL;
        }
        (*end)->ai_addrlen = len > 0 ? len : (*end)->ai_addrlen;
        end = &(*end)->ai_next;
    }
    return 0;
}

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret) {
    if ((hints->ai_flags & AI_NUMERICHOST) == 0 && strcmp(host, "many") == 0) {
        return give_addresses(REDLOCK_RESOLVE_ADDRESSES_MAX + 1, 0, service, hints, ret);
    }
    if ((hints->ai_flags & AI_NUMERICHOST) == 0 && strcmp(host, "strange") == 0) {
        return give_addresses(2, 4096, service, hints, ret);
    }
    bool is_numeric = (hints->ai_flags & AI_NUMERICHOST) != 0;
    if (is_numeric || (strcmp(host, "hang") != 0 && strcmp(host, "missing") != 0)) {
        return __real_getaddrinfo(host, service, hints, ret);
    }
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (sigismember(&blocked, SIGTERM) != 1) {
        atomic_store(&signals_are_open, true);
    }
    if (strcmp(host, "missing") == 0) {
        return EAI_NONAME;
    }
    atomic_fetch_add(&hanging, 1);
    while (sem_wait(&gate) != 0) {
    }
    atomic_fetch_sub(&hanging, 1);
    return __real_getaddrinfo("127.0.0.1", service, hints, ret);
}

/* --- fixture ---------------------------------------------------------------------------------- */

typedef struct resolve_rig {
    redlock_wake wake;
    redlock_resolver *resolver;
} resolve_rig;

static void rig_init(resolve_rig *rig) {
    assert_true(redlock_wake_init(&rig->wake));
    rig->resolver = redlock_resolver_create(&rig->wake);
    assert_non_null(rig->resolver);
}

static void rig_deinit(resolve_rig *rig) {
    redlock_resolver_destroy(rig->resolver);
    redlock_wake_deinit(&rig->wake);
}

static void rig_await(resolve_rig *rig, redlock_lookup *lookup, redlock_addresses *ret) {
    while (!redlock_lookup_take(lookup, ret)) {
        struct pollfd pollfd = {.fd = rig->wake.read_fd, .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
        redlock_wake_clear(&rig->wake);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void numeric_addresses_are_known_at_once(void **state) {
    static const struct {
        const char *host;
        sa_family_t family;
    } rows[] = {{"127.0.0.1", AF_INET}, {"::1", AF_INET6}, {"10.1.2.3", AF_INET}};
    resolve_rig rig;
    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redlock_addresses got;
        redlock_lookup *lookup;
        assert_true(redlock_resolver_start(rig.resolver, rows[i].host, 6379, &got, &lookup));
        assert_null(lookup);
        assert_int_equal(got.count, 1);
        assert_int_equal(got.item[0].at.ss_family, rows[i].family);
    }
    rig_deinit(&rig);
}

static void port_is_kept(void **state) {
    static const uint16_t ports[] = {1, 80, 6379, 65535};
    resolve_rig rig;
    (void)state;
    rig_init(&rig);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        redlock_addresses got;
        redlock_lookup *lookup;
        struct sockaddr_in at;
        assert_true(redlock_resolver_start(rig.resolver, "127.0.0.1", ports[i], &got, &lookup));
        memcpy(&at, &got.item[0].at, sizeof at);
        assert_int_equal(ntohs(at.sin_port), ports[i]);
    }
    rig_deinit(&rig);
}

static void name_is_looked_up_on_a_thread(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookup;
    (void)state;
    rig_init(&rig);
    assert_false(redlock_resolver_start(rig.resolver, "localhost", 6379, &got, &lookup));
    assert_non_null(lookup);
    rig_await(&rig, lookup, &got);
    assert_true(got.count > 0);
    rig_deinit(&rig);
}

static void addresses_are_bounded_and_strange_ones_passed_over(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookup;
    struct sockaddr_in first;
    (void)state;
    rig_init(&rig);
    assert_false(redlock_resolver_start(rig.resolver, "many", 6379, &got, &lookup));
    rig_await(&rig, lookup, &got);
    assert_int_equal(got.count, REDLOCK_RESOLVE_ADDRESSES_MAX);
    memcpy(&first, &got.item[0].at, sizeof first);
    assert_int_equal(ntohl(first.sin_addr.s_addr), 0x7f000001); /* the preferred one */
    assert_false(redlock_resolver_start(rig.resolver, "strange", 6379, &got, &lookup));
    rig_await(&rig, lookup, &got);
    assert_int_equal(got.count, 0);
    assert_int_equal(got.gai_error, EAI_NONAME);
    rig_deinit(&rig);
}

static void missing_name_has_an_error(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookup;
    (void)state;
    rig_init(&rig);
    assert_false(redlock_resolver_start(rig.resolver, "missing", 6379, &got, &lookup));
    assert_non_null(lookup);
    rig_await(&rig, lookup, &got);
    assert_int_equal(got.count, 0);
    assert_int_equal(got.gai_error, EAI_NONAME);
    assert_false(atomic_load(&signals_are_open));
    rig_deinit(&rig);
}

/* The C library holds lookups back; everything that they were for is gone before they end. */
static void hanging_lookup_outlives_its_owner(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookup;
    (void)state;
    rig_init(&rig);
    assert_false(redlock_resolver_start(rig.resolver, "hang", 1, &got, &lookup));
    assert_non_null(lookup);
    assert_false(redlock_lookup_take(lookup, &got));
    redlock_lookup_abandon(lookup);
    rig_deinit(&rig);
    while (atomic_load(&hanging) == 0) { /* or the next test's lookups find the gate open */
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(sem_post(&gate), 0);
    while (atomic_load(&hanging) > 0) {
        (void)poll(NULL, 0, 1);
    }
}

static void too_many_lookups_are_refused(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookups[REDLOCK_RESOLVE_THREADS_MAX], *lookup;
    (void)state;
    rig_init(&rig);
    for (int i = 0; i < REDLOCK_RESOLVE_THREADS_MAX; i++) {
        assert_false(redlock_resolver_start(rig.resolver, "hang", 1, &got, &lookups[i]));
        assert_non_null(lookups[i]);
    }
    assert_false(redlock_resolver_start(rig.resolver, "hang", 1, &got, &lookup));
    assert_null(lookup);
    assert_true(redlock_resolver_start(rig.resolver, "127.0.0.1", 1, &got, &lookup));
    for (int i = 0; i < REDLOCK_RESOLVE_THREADS_MAX; i++) {
        assert_int_equal(sem_post(&gate), 0);
    }
    for (int i = 0; i < REDLOCK_RESOLVE_THREADS_MAX; i++) {
        rig_await(&rig, lookups[i], &got);
        assert_int_equal(got.count, 1);
    }
    rig_deinit(&rig);
}

/* Abandoning races with ending: either side may come last. */
static void abandoning_at_any_moment_is_safe(void **state) {
    resolve_rig rig;
    (void)state;
    rig_init(&rig);
    for (int i = 0; i < 500; i++) {
        redlock_addresses got;
        redlock_lookup *lookup;
        assert_false(redlock_resolver_start(rig.resolver, "missing", 1, &got, &lookup));
        for (int spin = 0; lookup != NULL && spin < i % 50; spin++) {
            struct pollfd pollfd = {.fd = rig.wake.read_fd, .events = POLLIN};
            (void)poll(&pollfd, 1, 0);
        }
        redlock_lookup_abandon(lookup);
    }
    redlock_lookup_abandon(NULL);
    rig_deinit(&rig);
}

static void too_long_a_name_is_refused(void **state) {
    resolve_rig rig;
    redlock_addresses got;
    redlock_lookup *lookup;
    char host[300];
    (void)state;
    rig_init(&rig);
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_false(redlock_resolver_start(rig.resolver, host, 1, &got, &lookup));
    assert_null(lookup);
    redlock_resolver_destroy(NULL);
    rig_deinit(&rig);
}

static int setup(void **state) {
    (void)state;
    return sem_init(&gate, 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_are_known_at_once),
        cmocka_unit_test(port_is_kept),
        cmocka_unit_test(name_is_looked_up_on_a_thread),
        cmocka_unit_test(missing_name_has_an_error),
        cmocka_unit_test(addresses_are_bounded_and_strange_ones_passed_over),
        cmocka_unit_test(hanging_lookup_outlives_its_owner),
        cmocka_unit_test(too_many_lookups_are_refused),
        cmocka_unit_test(abandoning_at_any_moment_is_safe),
        cmocka_unit_test(too_long_a_name_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
