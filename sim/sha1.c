/* sha1.c -- FIPS 180-4, section 6.1, on a text that is there as a whole. */
#include "sim/sha1.h"

#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES 64u

static uint32_t turn(uint32_t word, unsigned bits) {
    return (word << bits) | (word >> (32 - bits));
}

static void schedule_fill(uint32_t *w, const uint8_t *block) {
    for (size_t i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    }
    for (size_t i = 16; i < 80; i++) {
        w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
}

static uint32_t mix(size_t round, uint32_t b, uint32_t c, uint32_t d) {
    if (round < 20) {
        return ((b & c) | (~b & d)) + UINT32_C(0x5a827999);
    }
    if (round < 40) {
        return (b ^ c ^ d) + UINT32_C(0x6ed9eba1);
    }
    if (round < 60) {
        return ((b & c) | (b & d) | (c & d)) + UINT32_C(0x8f1bbcdc);
    }
    return (b ^ c ^ d) + UINT32_C(0xca62c1d6);
}

static void block_take(uint32_t *hash, const uint8_t *block) {
    uint32_t w[80];
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];

    schedule_fill(w, block);
    for (size_t i = 0; i < 80; i++) {
        uint32_t next = turn(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = turn(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

/* The rest of the text, a one bit, zeroes, and the length in bits: one block or two. */
static void end_take(uint32_t *hash, const uint8_t *rest, size_t rest_len, uint64_t text_len) {
    uint8_t end[2 * BLOCK_BYTES] = {0};
    size_t len = rest_len + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;

    if (rest_len > 0) {
        memcpy(end, rest, rest_len);
    }
    end[rest_len] = 0x80;
    for (size_t i = 0; i < 8; i++) {
        end[len - 1 - i] = (uint8_t)(text_len * 8 >> (8 * i));
    }
    block_take(hash, end);
    if (len > BLOCK_BYTES) {
        block_take(hash, end + BLOCK_BYTES);
    }
}

void redlock_sim_sha1(redlock_bytes text, char *ret_hex) {
    static const char digits[] = "0123456789abcdef";
    uint32_t hash[5] = {UINT32_C(0x67452301), UINT32_C(0xefcdab89), UINT32_C(0x98badcfe),
                        UINT32_C(0x10325476), UINT32_C(0xc3d2e1f0)};
    size_t at = 0;

    for (; text.len - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
        block_take(hash, text.at + at);
    }
    end_take(hash, text.len > 0 ? text.at + at : NULL, text.len - at, text.len);
    for (size_t i = 0; i < REDLOCK_SIM_SHA1_BYTES; i++) {
        ret_hex[i] = digits[hash[i / 8] >> (28 - 4 * (i % 8)) & 15];
    }
    ret_hex[REDLOCK_SIM_SHA1_BYTES] = '\0';
}
