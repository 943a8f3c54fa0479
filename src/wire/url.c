/* url.c -- reads a server's URL in one pass from left to right.
 *
 * Everything that can be wrong has a sentence of its own and a place, because a URL is the first
 * thing that people get wrong.  The sentences are static, so no password can get into them. */
#include "wire/url.h"

#include <string.h>

#include "base/assert.h"

#define PORT_DEFAULT 6379u

typedef struct url_scan { /* a parse on its way */
    redlock_bytes text;
    size_t at; /* the next byte to read */
    redlock_url *url;
    redlock_url_error *error;
} url_scan;

/* False, so that a failing check can be returned in one line. */
static bool scan_fail(const url_scan *scan, size_t offset, const char *sentence) {
    *scan->error = (redlock_url_error){.offset = offset, .text = sentence};
    return false;
}

/* The first place at or behind `from`, and before `to`, with one of the characters; `to` when there
 * is none. */
static size_t scan_find(const url_scan *scan, size_t from, size_t to, const char *characters) {
    for (size_t at = from; at < to; at++) {
        if (memchr(characters, scan->text.at[at], strlen(characters)) != NULL) {
            return at;
        }
    }
    return to;
}

static bool byte_is(const url_scan *scan, size_t at, char wanted) {
    return at < scan->text.len && scan->text.at[at] == (uint8_t)wanted;
}

/* --- percent-encoding ------------------------------------------------------------------------ */

static int hex_value(uint8_t digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* One character at *at, decoded; moves *at behind it. */
static bool byte_decode(const url_scan *scan, size_t *at, size_t to, uint8_t *ret_byte) {
    uint8_t byte = scan->text.at[*at];

    if (byte != '%') {
        *at += 1;
        *ret_byte = byte;
        return true;
    }
    int high = *at + 2 < to ? hex_value(scan->text.at[*at + 1]) : -1;
    int low = *at + 2 < to ? hex_value(scan->text.at[*at + 2]) : -1;

    if (high < 0 || low < 0) {
        return scan_fail(scan, *at, "a '%' is followed by two hex digits; a '%' itself is %25");
    }
    *ret_byte = (uint8_t)(high * 16 + low);
    if (*ret_byte == 0) {
        return scan_fail(scan, *at, "a NUL byte (%00) can't be part of a server URL");
    }
    *at += 3;
    return true;
}

/* Decodes what lies in from .. to into `part`, which holds `size` bytes with the NUL. */
static bool part_decode(const url_scan *scan, size_t from, size_t to, char *part, size_t size,
                        const char *too_long) {
    size_t len = 0;

    for (size_t at = from; at < to;) {
        size_t before = at;
        uint8_t byte;

        if (!byte_decode(scan, &at, to, &byte)) {
            return false;
        }
        if (len == size - 1) {
            return scan_fail(scan, before, too_long);
        }
        part[len++] = (char)byte;
    }
    part[len] = '\0';
    return true;
}

/* --- parts ----------------------------------------------------------------------------------- */

static bool user_read(url_scan *scan, size_t to) {
    size_t colon = scan_find(scan, scan->at, to, ":");

    if (colon == to) {
        return scan_fail(scan, to,
                         "a password belongs in front of the '@': user:password@ or "
                         ":password@");
    }
    if (colon + 1 == to) {
        return scan_fail(scan, to,
                         "the password is empty; leave out everything up to the '@' "
                         "to log in without one");
    }
    if (!part_decode(scan, scan->at, colon, scan->url->user, sizeof(scan->url->user),
                     "a user name has at most 255 bytes")) {
        return false;
    }
    scan->at = to + 1;
    return part_decode(scan, colon + 1, to, scan->url->password, sizeof(scan->url->password),
                       "a password has at most 511 bytes");
}

/* user:password@ if there is one in front of `to`.  The last '@' ends it, so that an '@' in a
 * password is understood even where it was not written as %40. */
static bool user_read_if_any(url_scan *scan, size_t to) {
    for (size_t at = to; at > scan->at; at--) {
        if (byte_is(scan, at - 1, '@')) {
            return user_read(scan, at - 1);
        }
    }
    return true;
}

static bool number_read(const url_scan *scan, size_t from, size_t to, uint64_t max,
                        uint64_t *ret_number) {
    return redlock_bytes_to_u64((redlock_bytes){.at = scan->text.at + from, .len = to - from}, max,
                                ret_number);
}

static bool db_read(const url_scan *scan, size_t from, size_t to) {
    uint64_t db = 0;

    if (!number_read(scan, from, to, REDLOCK_URL_DB_MAX, &db)) {
        return scan_fail(scan, from, "the database is a number from 0 to 65535");
    }
    scan->url->db = (uint32_t)db;
    return true;
}

static bool port_read(url_scan *scan, size_t to) {
    uint64_t port = 0;

    if (!number_read(scan, scan->at, to, UINT16_MAX, &port) || port == 0) {
        return scan_fail(scan, scan->at,
                         "behind ':' stands a port, a number from 1 to 65535 (in a user name or "
                         "password write '/' as %2F, '?' as %3F and '#' as %23)");
    }
    scan->url->port = (uint16_t)port;
    scan->at = to;
    return true;
}

static bool byte_suits_host(uint8_t byte) {
    /* Anything that a resolver may be configured for, but nothing that means something in a URL. */
    static const char meaningful[] = ":/?#@[]%\\\"<>^`{|}";

    return byte > ' ' && byte != 0x7f && memchr(meaningful, byte, sizeof(meaningful) - 1) == NULL;
}

/* Checks what lies in from .. to, decoded, as a host name or an IPv6 zone. */
static bool name_check(const url_scan *scan, size_t from, size_t to) {
    for (size_t at = from; at < to;) {
        size_t before = at;
        uint8_t byte;

        if (!byte_decode(scan, &at, to, &byte)) {
            return false;
        }
        if (!byte_suits_host(byte)) {
            return scan_fail(scan, before, "this character can't be part of a host name");
        }
    }
    return true;
}

/* The address itself, and "%25" with the name of a zone if there is one (RFC 6874). */
static bool address_check(const url_scan *scan, size_t from, size_t to) {
    size_t at = from;

    while (at < to && (hex_value(scan->text.at[at]) >= 0 || byte_is(scan, at, ':') ||
                       byte_is(scan, at, '.'))) {
        at++;
    }
    bool has_zone = to - at > 3 && byte_is(scan, at, '%') && byte_is(scan, at + 1, '2') &&
                    byte_is(scan, at + 2, '5');

    if (at < to && !has_zone) {
        return scan_fail(scan, at,
                         "an IPv6 address consists of hex digits and colons; behind it "
                         "may stand a zone, as in [fe80::1%25eth0]");
    }
    return !has_zone || name_check(scan, at + 3, to);
}

/* [address] */
static bool bracket_read(url_scan *scan, size_t to) {
    size_t open = scan->at;
    size_t close = scan_find(scan, open, to, "]");

    if (close == to) {
        return scan_fail(scan, open, "the '[' of an IPv6 address has no ']'");
    }
    if (close == open + 1) {
        return scan_fail(scan, close, "an IPv6 address is missing between '[' and ']'");
    }
    if (!address_check(scan, open + 1, close)) {
        return false;
    }
    scan->at = close + 1;
    return part_decode(scan, open + 1, close, scan->url->host, sizeof(scan->url->host),
                       "a host name has at most 255 bytes");
}

static bool name_read(url_scan *scan, size_t to) {
    size_t from = scan->at;
    size_t colon = scan_find(scan, from, to, ":");

    if (!name_check(scan, from, colon)) {
        return false;
    }
    scan->at = colon;
    return part_decode(scan, from, colon, scan->url->host, sizeof(scan->url->host),
                       "a host name has at most 255 bytes");
}

/* host[:port] up to `to`. */
static bool host_read(url_scan *scan, size_t to) {
    size_t colon = scan_find(scan, scan->at, to, ":");

    if (colon < to && !byte_is(scan, scan->at, '[') && scan_find(scan, colon + 1, to, ":") < to) {
        return scan_fail(scan, scan->at, "an IPv6 address is written in brackets: [::1]:6379");
    }
    if (scan->at == to || colon == scan->at) {
        return scan_fail(scan, scan->at, "the host is missing");
    }
    if (!(byte_is(scan, scan->at, '[') ? bracket_read(scan, to) : name_read(scan, to))) {
        return false;
    }
    if (scan->at == to) {
        return true;
    }
    if (!byte_is(scan, scan->at, ':')) {
        return scan_fail(scan, scan->at, "only a ':' and a port may stand behind the host");
    }
    scan->at++;
    return port_read(scan, to);
}

/* --- the three forms ------------------------------------------------------------------------- */

static bool tcp_read(url_scan *scan) {
    size_t end = scan->text.len;
    size_t host_end = scan_find(scan, scan->at, end, "/?#");

    scan->url->port = PORT_DEFAULT;
    if (!user_read_if_any(scan, host_end) || !host_read(scan, host_end)) {
        return false;
    }
    size_t query = scan_find(scan, scan->at, end, "?#");

    if (query < end) {
        return scan_fail(scan, query,
                         "nothing may follow here; the database is written as /N "
                         "behind the host");
    }
    return end - scan->at <= 1 || db_read(scan, scan->at + 1, end);
}

static bool unix_read(url_scan *scan) {
    size_t end = scan->text.len;
    size_t path = scan_find(scan, scan->at, end, "/");
    size_t query = scan_find(scan, path, end, "?");

    if (!user_read_if_any(scan, path)) {
        return false;
    }
    if (scan->at < path) {
        return scan_fail(scan, scan->at,
                         "the path of a socket begins with '/': unix:///run/redis.sock");
    }
    if (query - path <= 1) {
        return scan_fail(scan, query, "the path of the socket is missing: unix:///run/redis.sock");
    }
    if (!part_decode(scan, path, query, scan->url->path, sizeof(scan->url->path),
                     "the path of a socket has at most 107 bytes")) {
        return false;
    }
    redlock_bytes rest = {.at = scan->text.at + query, .len = end - query};

    if (query == end) {
        return true;
    }
    if (!redlock_bytes_has_prefix(rest, redlock_bytes_of("?db="))) {
        return scan_fail(scan, query,
                         "behind the path only ?db=N is known (a '?' in a path is %3F)");
    }
    return db_read(scan, query + 4, end);
}

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

static bool scan_begins_with(const url_scan *scan, const char *prefix) {
    size_t len = strlen(prefix);

    for (size_t i = 0; i < len; i++) {
        if (i >= scan->text.len || lower(scan->text.at[i]) != (uint8_t)prefix[i]) {
            return false;
        }
    }
    return true;
}

/* Takes the scheme off; false when it is none of ours.  Without "://" it is host[:port]. */
static bool scheme_read(url_scan *scan) {
    static const struct {
        const char *prefix;
        redlock_url_scheme scheme;
    } schemes[] = {
        {"redis://", REDLOCK_URL_TCP},
        {"rediss://", REDLOCK_URL_TLS},
        {"unix://", REDLOCK_URL_UNIX},
    };
    size_t colon = scan_find(scan, 0, scan->text.len, ":/@[");

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (scan_begins_with(scan, schemes[i].prefix)) {
            scan->url->scheme = schemes[i].scheme;
            scan->at = strlen(schemes[i].prefix);
            return true;
        }
    }
    if (scan_begins_with(scan, "local:")) {
        return scan_fail(scan, 0,
                         "local: is known to the redlock command only; a host of that name "
                         "is written redis://local:6379");
    }
    if (byte_is(scan, colon, ':') && byte_is(scan, colon + 1, '/') &&
        byte_is(scan, colon + 2, '/')) {
        return scan_fail(scan, 0, "the URL begins with redis://, rediss:// or unix://");
    }
    scan->url->scheme = REDLOCK_URL_TCP;
    return true;
}

/* The short form has no place for a password or a database. */
static bool short_is_plain(const url_scan *scan) {
    size_t wrong = scan_find(scan, 0, scan->text.len, "/?#@");

    if (wrong == scan->text.len) {
        return true;
    }
    return scan_fail(scan, wrong,
                     "short for a server is host or host:port; anything more begins "
                     "with redis://, rediss:// or unix://");
}

static bool text_is_plausible(const url_scan *scan) {
    if (scan->text.len == 0) {
        return scan_fail(scan, 0, "the URL is empty; it looks like redis://host:6379");
    }
    if (scan->text.len > REDLOCK_URL_BYTES_MAX) {
        return scan_fail(scan, REDLOCK_URL_BYTES_MAX, "a URL has at most 2048 bytes");
    }
    const uint8_t *nul = memchr(scan->text.at, '\0', scan->text.len);

    return nul == NULL || scan_fail(scan, (size_t)(nul - scan->text.at),
                                    "a NUL byte can't be part of a server URL");
}

redlock_status redlock_url_parse(redlock_bytes text, redlock_url *ret_url,
                                 redlock_url_error *ret_error) {
    redlock_url url = {.port = 0};
    url_scan scan = {.text = text, .url = &url, .error = ret_error};

    if (!text_is_plausible(&scan)) {
        return REDLOCK_BAD_URL;
    }
    if (!scheme_read(&scan)) {
        return REDLOCK_UNSUPPORTED;
    }
    if (scan.at == 0 && !short_is_plain(&scan)) {
        return REDLOCK_BAD_URL;
    }
    if (!(url.scheme == REDLOCK_URL_UNIX ? unix_read(&scan) : tcp_read(&scan))) {
        return REDLOCK_BAD_URL;
    }
    *ret_url = url;
    return REDLOCK_OK;
}

/* --- back to text ---------------------------------------------------------------------------- */

static void text_add(char *text, size_t size, const char *more) {
    redlock_bytes_append_text(redlock_bytes_of(more), text, size);
}

static void text_add_number(char *text, size_t size, const char *before, uint64_t number) {
    uint8_t digits[REDLOCK_DIGITS_MAX];

    text_add(text, size, before);
    redlock_bytes_append_text(redlock_bytes_from_u64(number, digits), text, size);
}

void redlock_url_to_text(const redlock_url *url, char *text, size_t size) {
    REDLOCK_ASSERT(size >= 1);
    text[0] = '\0';
    if (url->scheme == REDLOCK_URL_UNIX) {
        text_add(text, size, "unix://");
        text_add(text, size, url->path);
        if (url->db != 0) {
            text_add_number(text, size, "?db=", url->db);
        }
        return;
    }
    bool is_ipv6 = memchr(url->host, ':', strlen(url->host)) != NULL;

    text_add(text, size, url->scheme == REDLOCK_URL_TLS ? "rediss://" : "redis://");
    text_add(text, size, is_ipv6 ? "[" : "");
    text_add(text, size, url->host);
    text_add(text, size, is_ipv6 ? "]" : "");
    text_add_number(text, size, ":", url->port);
    text_add_number(text, size, "/", url->db);
}

static bool host_is_equal(const char *a, const char *b) {
    while (*a != '\0' && lower((uint8_t)*a) == lower((uint8_t)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

bool redlock_url_is_same_server(const redlock_url *a, const redlock_url *b) {
    bool is_unix = a->scheme == REDLOCK_URL_UNIX;

    if (is_unix != (b->scheme == REDLOCK_URL_UNIX) || a->db != b->db) {
        return false;
    }
    if (is_unix) {
        return redlock_bytes_equal(redlock_bytes_of(a->path), redlock_bytes_of(b->path));
    }
    /* With or without TLS: one port of one host is one server. */
    return a->port == b->port && host_is_equal(a->host, b->host);
}
