/* SPDX-License-Identifier: Apache-2.0
 *
 * What compilers call behind one's back: memory functions, and 64-bit shifts, products and quotients that
 * libgcc or compiler-rt would bring, so that no library is needed whatever the toolchain. Weak: a library wins.
 */
#include <stddef.h>
#include <stdint.h>

#include "../port.h"

#if defined(__GNUC__) && !defined(__clang__)
/* or GCC turns the loops of memcpy and memset into calls of themselves */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#define WEAK __attribute__((weak, used))

typedef uint32_t __attribute__((may_alias)) word;

static int both_aligned(const void *a, const void *b) { return (((uintptr_t)a | (uintptr_t)b) & 3u) == 0u; }

/* Eight words or bytes a turn: the copy loop stands for a DMA, so its instructions a byte should be few. */
void dse_port_move(void *dst, const void *src, uint32_t bytes) {
    uint8_t *d = dst;
    const uint8_t *s = src;
    if (both_aligned(d, s)) {
        for (; bytes >= 32u; bytes -= 32u, d += 32, s += 32) {
            const word *from = (const word *)(const void *)s;
            word *to = (word *)(void *)d;
            const word a = from[0], b = from[1], c = from[2], e = from[3];
            const word f = from[4], g = from[5], h = from[6], i = from[7];
            to[0] = a, to[1] = b, to[2] = c, to[3] = e;
            to[4] = f, to[5] = g, to[6] = h, to[7] = i;
        }
        for (; bytes >= 4u; bytes -= 4u, d += 4, s += 4) *(word *)(void *)d = *(const word *)(const void *)s;
    }
    for (; bytes >= 8u; bytes -= 8u, d += 8, s += 8) {
        const uint8_t a = s[0], b = s[1], c = s[2], e = s[3], f = s[4], g = s[5], h = s[6], i = s[7];
        d[0] = a, d[1] = b, d[2] = c, d[3] = e, d[4] = f, d[5] = g, d[6] = h, d[7] = i;
    }
    while (bytes--) *d++ = *s++;
}

WEAK void *memcpy(void *restrict dst, const void *restrict src, size_t bytes) {
    dse_port_move(dst, src, (uint32_t)bytes);
    return dst;
}

WEAK void *memmove(void *dst, const void *src, size_t bytes) {
    uint8_t *d = dst;
    const uint8_t *s = src;
    if (d <= s || d >= s + bytes) {
        for (size_t i = 0; i < bytes; i++) d[i] = s[i];
    } else {
        while (bytes--) d[bytes] = s[bytes];
    }
    return dst;
}

WEAK void *memset(void *dst, int value, size_t bytes) {
    uint8_t *d = dst;
    const uint32_t pattern = (uint8_t)value * 0x01010101u;
    for (; bytes && ((uintptr_t)d & 3u); bytes--) *d++ = (uint8_t)value;
    for (; bytes >= 4u; bytes -= 4u, d += 4) *(word *)(void *)d = pattern;
    while (bytes--) *d++ = (uint8_t)value;
    return dst;
}

WEAK int memcmp(const void *left, const void *right, size_t bytes) {
    const uint8_t *a = left, *b = right;
    for (; bytes; bytes--, a++, b++)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}

/* A 64-bit value as two words; every operation below works on halves, or it would call itself. */
typedef union {
    uint64_t all;
    struct {
        uint32_t low, high;
    } half;
} pair;

uint64_t __ashldi3(uint64_t value, int by);
WEAK uint64_t __ashldi3(uint64_t value, int by) {
    pair x = {value};
    if (by >= 32) return (pair){.half = {0u, x.half.low << (by - 32)}}.all;
    if (by == 0) return value;
    return (pair){.half = {x.half.low << by, x.half.high << by | x.half.low >> (32 - by)}}.all;
}

uint64_t __lshrdi3(uint64_t value, int by);
WEAK uint64_t __lshrdi3(uint64_t value, int by) {
    pair x = {value};
    if (by >= 32) return (pair){.half = {x.half.high >> (by - 32), 0u}}.all;
    if (by == 0) return value;
    return (pair){.half = {x.half.low >> by | x.half.high << (32 - by), x.half.high >> by}}.all;
}

int64_t __ashrdi3(int64_t value, int by);
WEAK int64_t __ashrdi3(int64_t value, int by) {
    pair x = {(uint64_t)value};
    const int32_t high = (int32_t)x.half.high;
    if (by >= 32) return (int64_t)(pair){.half = {(uint32_t)(high >> (by - 32)), (uint32_t)(high >> 31)}}.all;
    if (by == 0) return value;
    return (int64_t)(pair){.half = {x.half.low >> by | x.half.high << (32 - by), (uint32_t)(high >> by)}}.all;
}

uint64_t __muldi3(uint64_t left, uint64_t right);
WEAK uint64_t __muldi3(uint64_t left, uint64_t right) {
    pair a = {left}, b = {right};
    pair product = {(uint64_t)a.half.low * b.half.low}; /* one mul and one mulhu */
    product.half.high += a.half.low * b.half.high + a.half.high * b.half.low;
    return product.all;
}

int __clzsi2(uint32_t value);
WEAK int __clzsi2(uint32_t value) {
    int zeros = 32;
    for (; value; value >>= 1) zeros--;
    return zeros;
}

int __ctzsi2(uint32_t value);
WEAK int __ctzsi2(uint32_t value) { return 31 - __clzsi2(value & (0u - value)); }

/* Schoolbook division, a bit a turn: correct and slow; nothing of ours divides 64-bit values in a hot loop. */
static uint64_t divide(uint64_t dividend, uint64_t divisor, uint64_t *remainder) {
    uint64_t quotient = 0, rest = 0;
    for (int bit = 0; bit < 64; bit++) {
        const uint32_t carry = (uint32_t)(rest >> 63);
        rest = rest << 1 | dividend >> 63;
        dividend <<= 1;
        quotient <<= 1;
        if (carry || rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
    }
    *remainder = rest;
    return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b);
WEAK uint64_t __udivdi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    return divide(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b);
WEAK uint64_t __umoddi3(uint64_t a, uint64_t b) {
    uint64_t rest;
    divide(a, b, &rest);
    return rest;
}

static uint64_t magnitude(int64_t value) { return value < 0 ? 0u - (uint64_t)value : (uint64_t)value; }

int64_t __divdi3(int64_t a, int64_t b);
WEAK int64_t __divdi3(int64_t a, int64_t b) {
    const uint64_t quotient = __udivdi3(magnitude(a), magnitude(b));
    return (int64_t)((a < 0) != (b < 0) ? 0u - quotient : quotient);
}

int64_t __moddi3(int64_t a, int64_t b);
WEAK int64_t __moddi3(int64_t a, int64_t b) {
    const uint64_t rest = __umoddi3(magnitude(a), magnitude(b));
    return (int64_t)(a < 0 ? 0u - rest : rest);
}
