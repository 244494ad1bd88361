/* SPDX-License-Identifier: Apache-2.0
 *
 * Products whose second operand is not contiguous along the depth but along the outputs: blocks of four outputs on a
 * pair of rows, which turn 4 x 4 codes of that operand in registers as they go. 24 instructions for 32 MACs; the share
 * of a's zero point is found once for a block and all rows. Of matmul.c, whose portable twin this file uses.
 */
#ifndef DSE_XPULP_TURNED_H
#define DSE_XPULP_TURNED_H

#include "turn.h"

/* s[2*o + r] = row r * output o, over `words` times 4 steps of the depth; pitch: from step to step. words >= 1. */
#if DSE_XPULP
#define X_TURNED(name, signs, MAC)                                                                               \
    DSE_LEAF void name(const matmul_block *q, int32_t s[8]) {                                                    \
        const uint8_t *x0 = q->a0, *x1 = q->a1, *w = q->b;                                                       \
        dse_word a, b, d, e, f, g, v0, v1;                                                                       \
        __asm__ volatile(                                                                                        \
            X_BEGIN X_CLEAR_8 X_LOOP("x0", "words", "2*24") C_LOAD("a", "w", "pitch") C_LOAD("b", "w", "pitch")  \
            C_LOAD("d", "w", "pitch") C_LOAD("e", "w", "pitch") X_LOAD("v0", "x0") X_LOAD("v1", "x1") C_TURN     \
            MAC("s0", "v0", "b") MAC("s1", "v1", "b") MAC("s2", "v0", "a") MAC("s3", "v1", "a")                  \
            MAC("s4", "v0", "e") MAC("s5", "v1", "e") MAC("s6", "v0", "f") MAC("s7", "v1", "f") X_END            \
            : X_SUMS_8, [x0] "+r"(x0), [x1] "+r"(x1), [w] "+r"(w), [a] "=&r"(a), [b] "=&r"(b), [d] "=&r"(d),     \
              [e] "=&r"(e), [f] "=&r"(f), [g] "=&r"(g), [v0] "=&r"(v0), [v1] "=&r"(v1)                           \
            : [words] "r"(q->depth >> 2), [pitch] "r"(q->pitch), [lower] "r"(X_LOWER), [upper] "r"(X_UPPER),     \
              [halves] "r"(X_HALVES)                                                                             \
            : "memory");                                                                                         \
    }
#else
#define X_TURNED(name, signs, MAC)                                                                               \
    DSE_LEAF void name(const matmul_block *q, int32_t s[8]) {                                                    \
        const uint8_t *x0 = q->a0, *x1 = q->a1, *w = q->b;                                                       \
        for (int32_t k = 0; k < 8; k++) s[k] = 0;                                                                \
        for (int32_t n = q->depth >> 2; n > 0; n--, x0 += 4, x1 += 4, w += 4 * q->pitch) {                       \
            dse_word in[4], out[4];                                                                              \
            for (int32_t k = 0; k < 4; k++) in[k] = dse_x_load(w + k * q->pitch);                                \
            x_turn(in, out);                                                                                     \
            for (int32_t o = 0; o < 4; o++) {                                                                    \
                s[2 * o] = dse_x_sdot(signs, s[2 * o], dse_x_load(x0), out[o]);                                  \
                s[2 * o + 1] = dse_x_sdot(signs, s[2 * o + 1], dse_x_load(x1), out[o]);                          \
            }                                                                                                    \
        }                                                                                                        \
    }
#endif

X_TURNED(x_turned_dot_ss, DSE_X_SS, X_MAC_SS)
X_TURNED(x_turned_dot_us, DSE_X_US, X_MAC_US)
X_TURNED(x_turned_dot_su, DSE_X_SU, X_MAC_SU)
X_TURNED(x_turned_dot_uu, DSE_X_UU, X_MAC_UU)


/* The block of the last depth%4 steps. */
static __attribute__((noinline)) void x_turned_rest(const dse_matmul_args *p, const matmul_block *q, int32_t *s) {
    const uint32_t flip_a = dse_flip(p->a_signed), flip_b = dse_flip(p->b_signed);
    for (int32_t k = p->depth & ~3; k < p->depth; k++) {
        const int32_t x0 = dse_decode(q->a0[k], flip_a), x1 = dse_decode(q->a1[k], flip_a);
        const uint8_t *const w = q->b + k * q->pitch;
        for (int32_t o = 0; o < 4; o++) {
            const int32_t factor = dse_decode(w[o], flip_b);
            s[2 * o] = dse_x_mac(s[2 * o], x0, factor), s[2 * o + 1] = dse_x_mac(s[2 * o + 1], x1, factor);
        }
    }
}

/* What the sums of four outputs start from: the zero points' share but that of a row's codes. */
static __attribute__((noinline)) void x_turned_base(const dse_matmul_args *p, const uint8_t *w, int32_t base[4]) {
    const uint32_t flip = dse_flip(p->b_signed);
    const int32_t pitch = p->b_depth_pitch;
    const dse_x_signs signs = p->b_signed ? DSE_X_US : DSE_X_UU;
    int32_t s[4] = {0, 0, 0, 0}, k = 0;
    for (; k + 4 <= p->depth; k += 4, w += 4 * pitch) {
        const dse_word in[4] = {dse_x_load(w), dse_x_load(w + pitch), dse_x_load(w + 2 * pitch), dse_x_load(w + 3 * pitch)};
        dse_word out[4];
        x_turn(in, out);
        for (int32_t o = 0; o < 4; o++) s[o] = dse_x_sdot(signs, s[o], 0x01010101u, out[o]);
    }
    for (; k < p->depth; k++, w += pitch)
        for (int32_t o = 0; o < 4; o++) s[o] += dse_decode(w[o], flip);
    const int32_t constant = dse_wrap_mul(p->depth, dse_wrap_mul(p->zero_a, p->zero_b));
    for (int32_t o = 0; o < 4; o++) base[o] = dse_wrap_add(constant, -dse_wrap_mul(p->zero_a, s[o]));
}

DSE_LEAF void x_turned_add(int32_t *s, int32_t r, int32_t a, int32_t b, int32_t c, int32_t d) {
    s[r] = dse_wrap_add(s[r], a), s[r + 2] = dse_wrap_add(s[r + 2], b);
    s[r + 4] = dse_wrap_add(s[r + 4], c), s[r + 6] = dse_wrap_add(s[r + 6], d);
}

/* One row of a block: its sums are s[r], s[r + 2], s[r + 4], s[r + 6], written out so that they stay in registers. */
DSE_LEAF void x_turned_start(const dse_matmul_args *p, const matmul_head *h, const int32_t base[4], int32_t m, int32_t n,
                             int32_t *s, int32_t r) {
    x_turned_add(s, r, base[0], base[1], base[2], base[3]);
    if (p->zero_b) {
        const int32_t taken = dse_wrap_mul(-p->zero_b, x_sum_codes(h->a + m * p->a_row_pitch, p->depth, p->a_signed));
        x_turned_add(s, r, taken, taken, taken, taken);
    }
    if (p->first) return;
    const int32_t *const acc = h->acc + m * p->acc_row_pitch + n;
    x_turned_add(s, r, acc[0], acc[1], acc[2], acc[3]);
}

DSE_LEAF void x_turned_end(const dse_matmul_args *p, const matmul_head *h, int32_t m, int32_t n, const int32_t *s, int32_t r) {
    if (!p->last) {
        int32_t *const acc = h->acc + m * p->acc_row_pitch + n;
        acc[0] = s[r], acc[1] = s[r + 2], acc[2] = s[r + 4], acc[3] = s[r + 6];
        return;
    }
    const int32_t mul = h->mul, add = h->add, shift = p->shift, low = p->low, high = p->high;
    uint8_t *const y = h->y + m * p->out_row_pitch + n;
    y[0] = (uint8_t)dse_x_requant(s[r], mul, add, shift, low, high);
    y[1] = (uint8_t)dse_x_requant(s[r + 2], mul, add, shift, low, high);
    y[2] = (uint8_t)dse_x_requant(s[r + 4], mul, add, shift, low, high);
    y[3] = (uint8_t)dse_x_requant(s[r + 6], mul, add, shift, low, high);
}

/* Four outputs from n on, of the rows in `pairs`. A last row alone is a pair with itself. */
#define X_TURNED_ROWS(name, DOT)                                                                                 \
static __attribute__((noinline)) void name(const dse_matmul_args *p, const matmul_head *h, dse_span pairs, int32_t n,\
                                           const int32_t base[4]) {                                              \
    matmul_block q = {.b = h->b + n, .pitch = p->b_depth_pitch, .depth = p->depth};                              \
    for (int32_t m = 2 * pairs.low; m < dse_min(2 * pairs.high, p->rows); m += 2) {                              \
        const int32_t m1 = dse_min(m + 1, p->rows - 1);                                                          \
        int32_t s[8];                                                                                            \
        q.a0 = h->a + m * p->a_row_pitch, q.a1 = h->a + m1 * p->a_row_pitch;                                     \
        DOT(&q, s);                                                                                              \
        if (p->depth & 3) {                                                                                      \
            int32_t t[8] = {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};                                     \
            x_turned_rest(p, &q, t);                                                                             \
            s[0] = t[0], s[1] = t[1], s[2] = t[2], s[3] = t[3], s[4] = t[4], s[5] = t[5], s[6] = t[6], s[7] = t[7];\
        }                                                                                                        \
        x_turned_start(p, h, base, m, n, s, 0), x_turned_start(p, h, base, m1, n, s, 1);                         \
        x_turned_end(p, h, m, n, s, 0), x_turned_end(p, h, m1, n, s, 1);                                         \
    }                                                                                                            \
}

X_TURNED_ROWS(x_turned_ss, x_turned_dot_ss)
X_TURNED_ROWS(x_turned_us, x_turned_dot_us)
X_TURNED_ROWS(x_turned_su, x_turned_dot_su)
X_TURNED_ROWS(x_turned_uu, x_turned_dot_uu)

static void x_turned_block(const dse_matmul_args *p, const matmul_head *h, dse_span pairs, int32_t n) {
    int32_t base[4] = {0, 0, 0, 0};
    if (p->zero_a) x_turned_base(p, h->b + n, base);
    (p->a_signed ? p->b_signed ? x_turned_ss : x_turned_su : p->b_signed ? x_turned_us : x_turned_uu)(p, h, pairs, n, base);
}

static void x_turned_units(const dse_matmul_args *p, const matmul_head *h, dse_span pairs, dse_span blocks) {
    for (int32_t block = blocks.low; block < blocks.high; block++)
        x_turned_block(p, h, pairs, dse_min(4 * block, p->outputs - 4));
}

/* Whether these blocks compute it. */
static bool x_turned_fits(const dse_matmul_args *p) {
    return p->b_output_pitch == 1 && p->depth >= 4 && p->out_log2 == 0 && p->outputs >= 4 &&
           ((p->outputs & 3) == 0 || p->first);
}

#endif
