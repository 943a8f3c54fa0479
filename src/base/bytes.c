/* bytes.c -- borrowed runs of bytes: comparing, reading numbers, and making them safe to print. */
#include "base/bytes.h"

#include <string.h>

#include "base/assert.h"

bool redlock_bytes_equal(redlock_bytes a, redlock_bytes b) {
    /* memcmp must not see NULL, not even with a length of 0. */
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool redlock_bytes_has_prefix(redlock_bytes bytes, redlock_bytes prefix) {
    return bytes.len >= prefix.len &&
           redlock_bytes_equal((redlock_bytes){.at = bytes.at, .len = prefix.len}, prefix);
}

/* A terminal obeys the C0 controls, DEL, and the C1 controls, which lie at 0x80 to 0x9f when they
 * stand alone and behind 0xc2 in UTF-8.  Elsewhere those bytes are parts of ordinary letters. */
static bool byte_is_control(uint8_t byte, uint8_t previous) {
    if (byte < 0x20 || byte == 0x7f) {
        return true;
    }
    return byte >= 0x80 && byte <= 0x9f && (previous < 0x80 || previous == 0xc2);
}

void redlock_bytes_to_text(redlock_bytes bytes, char *text, size_t size) {
    REDLOCK_ASSERT(size >= 1);
    size_t len = bytes.len < size - 1 ? bytes.len : size - 1;
    uint8_t previous = 0;

    for (size_t i = 0; i < len; i++) {
        text[i] = byte_is_control(bytes.at[i], previous) ? '?' : (char)bytes.at[i];
        previous = bytes.at[i];
    }
    text[len] = '\0';
}

#define DIGITS_SAFE 19u /* so many never wrap a uint64_t */

static bool digit_add(uint8_t byte, uint64_t max, uint64_t *number) {
    uint64_t digit = (uint64_t)(byte - '0');

    /* Asked before the sum is made, so that it can't wrap. */
    if (digit > max || *number > (max - digit) / 10) {
        return false;
    }
    *number = *number * 10 + digit;
    return true;
}

bool redlock_bytes_to_u64(redlock_bytes bytes, uint64_t max, uint64_t *ret_number) {
    uint64_t number = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.at[i] < '0' || bytes.at[i] > '9') {
            return false;
        }
        if (i < DIGITS_SAFE) { /* a division less */
            number = number * 10 + (uint64_t)(bytes.at[i] - '0');
        } else if (!digit_add(bytes.at[i], max, &number)) {
            return false;
        }
    }
    if (bytes.len == 0 || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* Most numbers of ours are lengths of a digit or two; the rest are times. */
uint32_t redlock_bytes_digits(uint64_t number) {
    uint32_t count = 1;

    for (; number >= 10000; number /= 10000) {
        count += 4;
    }
    return count + (number >= 10) + (number >= 100) + (number >= 1000);
}

/* Two digits at a time: half the divisions. */
uint32_t redlock_bytes_put_u64(uint64_t number, uint8_t *digits) {
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    if (number < 10) {
        digits[0] = (uint8_t)('0' + number);
        return 1;
    }
    uint32_t count = number < 100 ? 2 : redlock_bytes_digits(number), left = count;

    for (; left >= 2; left -= 2, number /= 100) {
        memcpy(digits + left - 2, pairs + 2 * (number % 100), 2);
    }
    if (left == 1) {
        digits[0] = (uint8_t)('0' + number);
    }
    return count;
}

redlock_bytes redlock_bytes_from_u64(uint64_t number, uint8_t *digits) {
    return (redlock_bytes){.at = digits, .len = redlock_bytes_put_u64(number, digits)};
}

void redlock_bytes_append_text(redlock_bytes bytes, char *text, size_t size) {
    size_t used = strlen(text);

    REDLOCK_ASSERT(used < size);
    redlock_bytes_to_text(bytes, text + used, size - used);
}
