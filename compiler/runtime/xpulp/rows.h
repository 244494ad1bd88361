/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the softmax kernels: largest code of a row, sum of table entries (14 instructions for two elements),
 * quotients by a reciprocal (24, of which two multiplications take five cycles). Assembler, and C twins.
 */
#ifndef DSE_XPULP_ROWS_H
#define DSE_XPULP_ROWS_H

#include "../kernels/kernel.h"
#include "loops.h"

/* The table of a row's entries: entry 4*(top - code) bytes from `table` on. */
typedef struct {
    const uint8_t *table;
    int32_t top;
} x_entries;

/* Quotients by `divisor` > 0: with inverse = floor((2^32 - 1) / divisor) the high half of n * inverse is n / divisor
 * rounded down or one less, for every n < 2^32. */
typedef struct {
    uint32_t scale, add; /* the dividend is entry + add, or entry * scale */
    uint32_t divisor, inverse;
    int32_t offset, high; /* code: min(offset + quotient, high) */
} x_quotient;

/* The largest lane of a word of four codes. */
DSE_LEAF int32_t x_largest_lane(dse_word v, bool is_signed) {
    int32_t largest = dse_code((uint8_t)v, is_signed);
    for (int32_t k = 1; k < 4; k++) largest = dse_x_max(largest, dse_code((uint8_t)(v >> 8 * k), is_signed));
    return largest;
}

/* The largest of n codes, n >= 1: words, the last of which ends with the row. */
DSE_LEAF int32_t x_row_largest(const uint8_t *x, int32_t n, bool is_signed) {
    if (n < 4) {
        int32_t largest = dse_code(x[0], is_signed);
        for (int32_t k = 1; k < n; k++) largest = dse_x_max(largest, dse_code(x[k], is_signed));
        return largest;
    }
    dse_word v = dse_x_load(x + n - 4);
    for (const uint8_t *end = x + n - 4; x < end; x += 4)
        v = is_signed ? dse_x_max4_s(v, dse_x_load(x)) : dse_x_max4_u(v, dse_x_load(x));
    return x_largest_lane(v, is_signed);
}

DSE_LEAF uint32_t x_entry(const x_entries *e, uint8_t code, bool is_signed) {
    return dse_x_load(e->table + 4 * (e->top - dse_code(code, is_signed)));
}

DSE_LEAF uint8_t x_quotient_code(const x_quotient *q, uint32_t n) {
    uint32_t quotient = (uint32_t)((uint64_t)n * q->inverse >> 32);
    quotient += n - quotient * q->divisor >= q->divisor;
    return (uint8_t)dse_x_min(q->offset + (int32_t)quotient, q->high);
}

#if DSE_XPULP

#define R_I8 "0"
#define R_U8 "4"
/* d = byte at x, x += 1; then its entry, in two steps that a load does not follow at once. */
#define R_CODE(d, kind) ".insn i 0x0b, " kind ", %[" d "], 1(%[x])\n"
#define R_PLACE(d) "sub %[" d "], %[top], %[" d "]\nslli %[" d "], %[" d "], 2\n"
#define R_ENTRY(d) ".insn r 0x03, 7, 0x10, %[" d "], %[table], %[" d "]\n"
#define R_SUM(d) "add %[" d "], %[" d "], %[half]\nsrl %[" d "], %[" d "], %[shift]\nadd %[sum], %[sum], %[" d "]\n"

/* Sum of (entry + half) >> shift over pairs of codes. */
#define X_ROW_SUM(name, kind, is_signed)                                                                         \
    DSE_LEAF uint32_t name(const x_entries *e, const uint8_t *x, int32_t pairs, uint32_t half, int32_t shift) {  \
        uint32_t sum = 0, u, v;                                                                                  \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "pairs", "2*14") R_CODE("u", kind) R_CODE("v", kind) R_PLACE("u")  \
                         R_PLACE("v") R_ENTRY("u") R_ENTRY("v") R_SUM("u") R_SUM("v") X_END                      \
                         : [sum] "+r"(sum), [u] "=&r"(u), [v] "=&r"(v), [x] "+r"(x)                              \
                         : [pairs] "r"(pairs), [top] "r"(e->top), [table] "r"(e->table), [half] "r"(half),       \
                           [shift] "r"(shift)                                                                    \
                         : "memory");                                                                            \
        return sum;                                                                                              \
    }

#define R_ADD(d) "add %[" d "], %[" d "], %[more]\n"
#define R_SCALE(d) "mul %[" d "], %[" d "], %[more]\n"
/* Of the dividend d: its code, at y. p.msu takes the quotient's multiple away. */
#define R_DIVIDE(d)                                                                                              \
    "mulhu %[q], %[" d "], %[inverse]\n.insn r 0x33, 1, 0x21, %[" d "], %[q], %[divisor]\n"                      \
    "sltu %[" d "], %[" d "], %[divisor]\nadd %[q], %[q], %[offset]\nsub %[q], %[q], %[" d "]\n"                 \
    ".insn r 0x33, 4, 0x02, %[q], %[q], %[high]\n.insn s 0x2b, 0, %[q], 1(%[y])\n"

/* Codes of pairs of elements. */
#define X_ROW_QUOTIENTS(name, kind, is_signed, DIVIDEND, with)                                                   \
    DSE_LEAF void name(const x_entries *e, const x_quotient *p, const uint8_t *x, uint8_t *y, int32_t pairs) {   \
        uint32_t u, v, q;                                                                                        \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "pairs", "2*24") R_CODE("u", kind) R_CODE("v", kind) R_PLACE("u")  \
                         R_PLACE("v") R_ENTRY("u") R_ENTRY("v") DIVIDEND("u") DIVIDEND("v") R_DIVIDE("u")        \
                         R_DIVIDE("v") X_END                                                                     \
                         : [u] "=&r"(u), [v] "=&r"(v), [q] "=&r"(q), [x] "+r"(x), [y] "+r"(y)                    \
                         : [pairs] "r"(pairs), [top] "r"(e->top), [table] "r"(e->table), [more] "r"(p->with),    \
                           [inverse] "r"(p->inverse), [divisor] "r"(p->divisor), [offset] "r"(p->offset + 1),    \
                           [high] "r"(p->high)                                                                   \
                         : "memory");                                                                            \
    }

#else

#define X_ROW_SUM(name, kind, is_signed)                                                                         \
    DSE_LEAF uint32_t name(const x_entries *e, const uint8_t *x, int32_t pairs, uint32_t half, int32_t shift) {  \
        uint32_t sum = 0;                                                                                        \
        for (int32_t k = 0; k < 2 * pairs; k++) sum += (x_entry(e, x[k], is_signed) + half) >> shift;            \
        return sum;                                                                                              \
    }
#define R_ADD(d) d + p->add
#define R_SCALE(d) d *p->scale
#define X_ROW_QUOTIENTS(name, kind, is_signed, DIVIDEND, with)                                                   \
    DSE_LEAF void name(const x_entries *e, const x_quotient *p, const uint8_t *x, uint8_t *y, int32_t pairs) {   \
        for (int32_t k = 0; k < 2 * pairs; k++) {                                                                \
            const uint32_t entry = x_entry(e, x[k], is_signed);                                                  \
            y[k] = x_quotient_code(p, DIVIDEND(entry));                                                          \
        }                                                                                                        \
    }

#endif

X_ROW_SUM(x_row_sum_i8, R_I8, true)
X_ROW_SUM(x_row_sum_u8, R_U8, false)
X_ROW_QUOTIENTS(x_row_rounded_i8, R_I8, true, R_ADD, add)
X_ROW_QUOTIENTS(x_row_rounded_u8, R_U8, false, R_ADD, add)
X_ROW_QUOTIENTS(x_row_scaled_i8, R_I8, true, R_SCALE, scale)
X_ROW_QUOTIENTS(x_row_scaled_u8, R_U8, false, R_SCALE, scale)

#endif
