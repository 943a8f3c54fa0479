/* status.c -- names and sentences, made from the one list in redlock/status.h. */
#include <redlock/redlock.h>

const char *redlock_status_name(int status) {
    switch (status) {
#define CASE(name, number, text)                                                                   \
    case number:                                                                                   \
        return #name;
        REDLOCK_STATUS_MAP(CASE)
#undef CASE
    default: /* any int may come from outside */
        return "?";
    }
}

const char *redlock_status_text(int status) {
    switch (status) {
#define CASE(name, number, text)                                                                   \
    case number:                                                                                   \
        return text;
        REDLOCK_STATUS_MAP(CASE)
#undef CASE
    default:
        return "a status that this version does not know";
    }
}

const char *redlock_version(void) {
    return REDLOCK_VERSION;
}
