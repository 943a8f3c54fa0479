#include "drive/tls_load.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)

#ifdef OPENSSL_SHLIB_VERSION
#define VERSION TEXT_OF_VALUE(OPENSSL_SHLIB_VERSION)
#else
#define VERSION SHLIB_VERSION_NUMBER /* 1.1 */
#endif
#ifdef __APPLE__
const char redlock_tls_library_file[] = "libssl." VERSION ".dylib";
#else
const char redlock_tls_library_file[] = "libssl.so." VERSION;
#endif

typedef struct entry {
    const char *name;
    size_t at; /* its place in the table */
} entry;

#define ENTRY(name) {#name, offsetof(redlock_tls_library, name)},
static const entry entries[] = {REDLOCK_TLS_FUNCTIONS(ENTRY)};
#undef ENTRY

_Static_assert(sizeof(redlock_tls_library) == sizeof entries / sizeof entries[0] * sizeof(void *),
               "a table of addresses and nothing else");

/* The name of the first function that is missing, or NULL. */
static const char *table_fill(redlock_tls_library *library, void *handle) {
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        /* libcrypto's too: it is searched with what libssl itself needs. */
        void *address = dlsym(handle, entries[i].name);
        if (address == NULL) {
            return entries[i].name;
        }
        /* As bytes: C has no cast from an object's address to a function's. */
        memcpy((char *)library + entries[i].at, &address, sizeof address);
    }
    return NULL;
}

redlock_status redlock_tls_library_load(redlock_tls_library *library, const char *file, char *words,
                                        size_t words_size) {
    /* Opening it again only counts.  Local, so that our OpenSSL is never taken for the program's. */
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL) {
        (void)snprintf(words, words_size,
                       "rediss:// needs OpenSSL, and %s cannot be loaded: install it "
                       "(Debian, Ubuntu: libssl" VERSION ")",
                       file);
        return REDLOCK_UNSUPPORTED;
    }
    const char *missing = table_fill(library, handle);
    if (missing != NULL) {
        (void)snprintf(words, words_size, "%s is not the OpenSSL that rediss:// needs: no %s", file,
                       missing);
        (void)dlclose(handle);
        return REDLOCK_UNSUPPORTED;
    }
    return REDLOCK_OK;
}
