/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kernel shares: arithmetic whose result the standard (or an assertion here) fixes, the division of
 * work over cores, and the launch. Internal to runtime/kernels.
 */
#ifndef DSE_KERNEL_H
#define DSE_KERNEL_H

#include "dse_hal.h"
#include "dse_kernels.h"

/* Leaves take flags that are constant at the call, and must be specialised by them. */
#define DSE_LEAF static inline __attribute__((always_inline))

_Static_assert((-1 >> 1) == -1, "right shift of a negative int32_t must be arithmetic");
_Static_assert((int32_t)0xffffffffu == -1, "conversion to int32_t must wrap");

/* A half-open interval. */
typedef struct {
    int32_t low, high;
} dse_span;

DSE_LEAF int32_t dse_min(int32_t a, int32_t b) { return a < b ? a : b; }
DSE_LEAF int32_t dse_max(int32_t a, int32_t b) { return a > b ? a : b; }
DSE_LEAF int32_t dse_clamp(int32_t v, int32_t low, int32_t high) { return dse_min(dse_max(v, low), high); }

/* Sums and products modulo 2^32. */
DSE_LEAF int32_t dse_wrap_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
DSE_LEAF int32_t dse_wrap_mul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }

/* a / b rounded up; b > 0, and the quotient not below zero. */
DSE_LEAF int32_t dse_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

/* clamp((acc * mul + add) >> shift). The compiler proves that acc * mul + add fits int32_t. */
DSE_LEAF int32_t dse_requant_wide(int32_t acc, int32_t mul, int32_t add, int32_t shift, int32_t low, int32_t high) {
    return dse_clamp(dse_wrap_add(dse_wrap_mul(acc, mul), add) >> shift, low, high);
}

DSE_LEAF uint8_t dse_requant(int32_t acc, int32_t mul, int32_t add, int32_t shift, int32_t low, int32_t high) {
    return (uint8_t)dse_requant_wide(acc, mul, add, shift, low, high);
}

/* An 8-bit code as a number. */
DSE_LEAF int32_t dse_code(uint8_t code, bool is_signed) { return is_signed ? (int32_t)(int8_t)code : (int32_t)code; }

/* The same without a branch, where the sign is not known at compile time: flip is dse_flip(is_signed). Flipped codes
 * of both types are ordered like their numbers. */
DSE_LEAF uint32_t dse_flip(bool is_signed) { return is_signed ? 0x80u : 0u; }
DSE_LEAF int32_t dse_decode(uint8_t code, uint32_t flip) { return (int32_t)(code ^ flip) - (int32_t)flip; }

/* Code k of an array whose codes have 1 << log2 bytes; of one byte: see dse_decode. */
DSE_LEAF int32_t dse_get(const uint8_t *x, int32_t k, int32_t log2, uint32_t flip) {
    return log2 ? ((const int16_t *)(const void *)x)[k] : dse_decode(x[k], flip);
}

DSE_LEAF void dse_put(uint8_t *y, int32_t k, int32_t log2, int32_t value) {
    if (log2 == 0)
        y[k] = (uint8_t)value;
    else if (log2 == 1)
        ((int16_t *)(void *)y)[k] = (int16_t)value;
    else
        ((int32_t *)(void *)y)[k] = value;
}

/* Chunk `core` of `ncores` of [0, n): [core*ceil(n/ncores), (core+1)*ceil(n/ncores)), cut to [0, n). */
DSE_LEAF dse_span dse_chunk(int32_t n, uint32_t core, uint32_t ncores) {
    const int32_t size = dse_ceil_div(n, (int32_t)ncores);
    const int32_t low = dse_min((int32_t)core * size, n);
    return (dse_span){low, dse_min(low + size, n)};
}

/* This core's part of a loop of n iterations: a chunk if this is the loop that is split, else all of it. */
DSE_LEAF dse_span dse_share(bool is_split, int32_t n, uint32_t core, uint32_t ncores) {
    return is_split ? dse_chunk(n, core, ncores) : (dse_span){0, n};
}

DSE_LEAF int32_t dse_length(dse_span s) { return s.high - s.low; }

/* Every kernel starts here: one call counted, its task on all cores, or on this one if nothing is split. */
DSE_LEAF void dse_launch(dse_task task, const void *args, dse_split split) {
    dse_count_call();
    if (split == DSE_SPLIT_NONE)
        task(0, 1, args);
    else
        dse_fork(task, args);
}

#endif
