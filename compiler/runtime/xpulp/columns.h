/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the depthwise kernel: a strip of four columns of the input, four channels at once, turned so that a
 * word holds one channel's four columns (18 instructions a row); then 3x3 windows down that strip, one channel at a
 * time, for two neighbouring outputs (21 instructions for 18 MACs) or for one (12 for 9). Assembler, and C twins.
 */
#ifndef DSE_XPULP_COLUMNS_H
#define DSE_XPULP_COLUMNS_H

#include "../kernels/kernel.h"
#include "turn.h"

/* Four columns: their first words, and the bytes to the word below (0: the same again, as for padding). */
typedef struct {
    const uint8_t *at[4];
    int32_t step[4];
} x_columns;

/* Where outputs go, and by which constants they are requantised. */
typedef struct {
    uint8_t *y[2];
    int32_t y_step[2]; /* to the output below */
    int32_t mul, add, shift, low, high;
} x_outputs;

/* Weights of a channel: word k holds the three of row k, lowest first, and above them a zero. */
typedef struct {
    dse_word row[3];
} x_filter;

#if DSE_XPULP

/* Turns `rows` words of the four columns, rows >= 1. */
DSE_LEAF void x_turn_columns(const x_columns *c, int32_t rows, dse_word (*to)[4]) {
    const uint8_t *p0 = c->at[0], *p1 = c->at[1], *p2 = c->at[2], *p3 = c->at[3];
    dse_word a, b, d, e, f, g;
    __asm__ volatile(X_BEGIN X_LOOP("x0", "rows", "2*18")
                     C_LOAD("a", "p0", "s0") C_LOAD("b", "p1", "s1") C_LOAD("d", "p2", "s2") C_LOAD("e", "p3", "s3")
                     C_TURN
                     "sw %[a], 4(%[to])\nsw %[e], 8(%[to])\nsw %[f], 12(%[to])\n"
                     ".insn s 0x2b, 2, %[b], 16(%[to])\n" X_END
                     : [p0] "+r"(p0), [p1] "+r"(p1), [p2] "+r"(p2), [p3] "+r"(p3), [to] "+r"(to), [a] "=&r"(a),
                       [b] "=&r"(b), [d] "=&r"(d), [e] "=&r"(e), [f] "=&r"(f), [g] "=&r"(g)
                     : [s0] "r"(c->step[0]), [s1] "r"(c->step[1]), [s2] "r"(c->step[2]), [s3] "r"(c->step[3]),
                       [lower] "r"(X_LOWER), [upper] "r"(X_UPPER), [halves] "r"(X_HALVES), [rows] "r"(rows)
                     : "memory");
}

#define C_FIRST_SS(s, x, w) ".insn r 0x57, 1, 0x4c, %[" s "], %[" x "], %[" w "]\n"
#define C_FIRST_US(s, x, w) ".insn r 0x57, 1, 0x44, %[" s "], %[" x "], %[" w "]\n"
#define C_WINDOW "lw %[r1], 16(%[p])\nlw %[r2], 32(%[p])\n" C_LOAD("r0", "p", "step")
#define C_SCALE(d, s) ".insn r 0x33, 0, 0x21, %[" d "], %[" s "], %[mul]\n"
#define C_SHIFT(d) "sra %[" d "], %[" d "], %[shift]\n"
#define C_LOW(d) ".insn r 0x33, 6, 0x02, %[" d "], %[" d "], %[low]\n"
#define C_HIGH(d) ".insn r 0x33, 4, 0x02, %[" d "], %[" d "], %[high]\n"
#define C_PUT(d, y, step) ".insn r 0x2b, 4, 0, %[" step "], %[" y "], %[" d "]\n"
#define C_CONSTANTS                                                                                              \
    [step] "r"(step), [w0] "r"(f->row[0]), [w1] "r"(f->row[1]), [w2] "r"(f->row[2]), [mul] "r"(o->mul),          \
        [add] "r"(o->add), [shift] "r"(o->shift), [low] "r"(o->low), [high] "r"(o->high), [s0] "r"(o->y_step[0]), \
        [rows] "r"(rows)

/* Two outputs a row, from columns 0 to 2 and 1 to 3; t: the channel's word of the first row, rows 16 bytes apart;
 * step: bytes from the first row of a window to that of the next one. rows >= 1. */
#define X_WINDOWS_2(name, signs, FIRST, MAC)                                                                     \
    DSE_LEAF void name(const dse_word *t, int32_t step, int32_t rows, const x_filter *f, const x_outputs *o) {   \
        uint8_t *y0 = o->y[0], *y1 = o->y[1];                                                                    \
        dse_word r0, r1, r2, a, b;                                                                               \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "rows", "2*21") C_WINDOW                                           \
                         FIRST("a", "r1", "w1") FIRST("b", "r1", "v1") MAC("a", "r2", "w2") MAC("b", "r2", "v2") \
                         MAC("a", "r0", "w0") MAC("b", "r0", "v0") C_MOVE("r0", "add") C_MOVE("r1", "add")       \
                         C_SCALE("r0", "a") C_SCALE("r1", "b") C_SHIFT("r0") C_SHIFT("r1") C_LOW("r0")           \
                         C_LOW("r1") C_HIGH("r0") C_HIGH("r1") C_PUT("r0", "y0", "s0") C_PUT("r1", "y1", "s1")   \
                         X_END                                                                                   \
                         : [p] "+r"(t), [y0] "+r"(y0), [y1] "+r"(y1), [r0] "=&r"(r0), [r1] "=&r"(r1),            \
                           [r2] "=&r"(r2), [a] "=&r"(a), [b] "=&r"(b)                                            \
                         : C_CONSTANTS, [v0] "r"(f->row[0] << 8), [v1] "r"(f->row[1] << 8),                      \
                           [v2] "r"(f->row[2] << 8), [s1] "r"(o->y_step[1])                                      \
                         : "memory");                                                                            \
    }
/* One output a row, from columns 0 to 2. */
#define X_WINDOWS_1(name, signs, FIRST, MAC)                                                                     \
    DSE_LEAF void name(const dse_word *t, int32_t step, int32_t rows, const x_filter *f, const x_outputs *o) {   \
        uint8_t *y0 = o->y[0];                                                                                   \
        dse_word r0, r1, r2, a;                                                                                  \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "rows", "2*12") C_WINDOW                                           \
                         FIRST("a", "r1", "w1") MAC("a", "r2", "w2") MAC("a", "r0", "w0") C_MOVE("r0", "add")    \
                         C_SCALE("r0", "a") C_SHIFT("r0") C_LOW("r0") C_HIGH("r0") C_PUT("r0", "y0", "s0")       \
                         X_END                                                                                   \
                         : [p] "+r"(t), [y0] "+r"(y0), [r0] "=&r"(r0), [r1] "=&r"(r1), [r2] "=&r"(r2),           \
                           [a] "=&r"(a)                                                                          \
                         : C_CONSTANTS                                                                           \
                         : "memory");                                                                            \
    }

#else

DSE_LEAF void x_turn_columns(const x_columns *c, int32_t rows, dse_word (*to)[4]) {
    const uint8_t *at[4] = {c->at[0], c->at[1], c->at[2], c->at[3]};
    for (; rows > 0; rows--, to++) {
        dse_word in[4];
        for (int32_t k = 0; k < 4; k++) in[k] = dse_x_load(at[k]), at[k] += c->step[k];
        x_turn(in, *to);
    }
}

DSE_LEAF uint8_t x_window(const dse_word *t, dse_x_signs signs, const x_filter *f, int32_t left, const x_outputs *o) {
    int32_t sum = 0;
    for (int32_t k = 0; k < 3; k++) sum = dse_x_sdot(signs, sum, t[4 * k], f->row[k] << left);
    return (uint8_t)dse_x_requant(sum, o->mul, o->add, o->shift, o->low, o->high);
}

#define X_WINDOWS_2(name, signs, FIRST, MAC)                                                                     \
    DSE_LEAF void name(const dse_word *t, int32_t step, int32_t rows, const x_filter *f, const x_outputs *o) {   \
        uint8_t *y0 = o->y[0], *y1 = o->y[1];                                                                    \
        for (; rows > 0; rows--, t += step / 4, y0 += o->y_step[0], y1 += o->y_step[1])                          \
            *y0 = x_window(t, signs, f, 0, o), *y1 = x_window(t, signs, f, 8, o);                                \
    }
#define X_WINDOWS_1(name, signs, FIRST, MAC)                                                                     \
    DSE_LEAF void name(const dse_word *t, int32_t step, int32_t rows, const x_filter *f, const x_outputs *o) {   \
        uint8_t *y0 = o->y[0];                                                                                   \
        for (; rows > 0; rows--, t += step / 4, y0 += o->y_step[0]) *y0 = x_window(t, signs, f, 0, o);           \
    }

#endif

X_WINDOWS_2(x_windows_2_i8, DSE_X_SS, C_FIRST_SS, X_MAC_SS)
X_WINDOWS_2(x_windows_2_u8, DSE_X_US, C_FIRST_US, X_MAC_US)
X_WINDOWS_1(x_windows_1_i8, DSE_X_SS, C_FIRST_SS, X_MAC_SS)
X_WINDOWS_1(x_windows_1_u8, DSE_X_US, C_FIRST_US, X_MAC_US)

#endif
