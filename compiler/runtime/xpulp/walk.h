/* SPDX-License-Identifier: Apache-2.0
 *
 * Dot products of patches (kernels/dot.h) by the loops of loops.h: runs of any length from four codes on.
 */
#ifndef DSE_XPULP_WALK_H
#define DSE_XPULP_WALK_H

#include "../kernels/kernel.h"
#include "loops.h"

/* sum[k] += the n weights from w + k*pitch on, k in [0, 4), four at a time. */
DSE_LEAF void x_sum_4(const int8_t *w, int32_t pitch, int32_t n, int32_t sum[4]) {
    const uint8_t *p = (const uint8_t *)w;
    for (; n >= 4; n -= 4, p += 4)
        for (int32_t k = 0; k < 4; k++)
            sum[k] = (int32_t)dse_x_sdot_us((dse_word)sum[k], 0x01010101u, dse_x_load(p + k * pitch));
    for (; n > 0; n--, p++)
        for (int32_t k = 0; k < 4; k++) sum[k] += (int8_t)p[k * pitch];
}

#define DSE_SUM_4 x_sum_4
#include "../kernels/dot.h"

/* A patch as the loops take it: `outer` times `runs` runs of `words` words and `tail` codes. */
typedef struct {
    int32_t outer, runs, words, tail;
    int32_t x_skip, w_skip;   /* behind a run */
    int32_t x_outer, w_outer; /* and behind the last run of an outer turn */
} x_walk;

/* One level of runs where that is possible: it becomes a hardware loop. */
DSE_LEAF x_walk x_walk_of(const dse_patch *p) {
    const bool flat = p->cols == 1;
    x_walk q = {.outer = flat ? 1 : p->rows, .runs = flat ? p->rows : p->cols, .words = p->run >> 2, .tail = p->run & 3};
    q.x_skip = p->x_col_skip + (flat ? p->x_row_skip : 0), q.x_outer = flat ? 0 : p->x_row_skip;
    q.w_skip = p->w_col_skip + (flat ? p->w_row_skip : 0), q.w_outer = flat ? 0 : p->w_row_skip;
    return q;
}

/* Every run at least a word, at least one run. */
DSE_LEAF bool x_walk_valid(const x_walk *q) { return q->words > 0 && q->runs > 0 && q->outer > 0; }

/* The codes behind the last whole word of a run, with the word that ends with them. */
DSE_LEAF void x_tail_4x2(bool sgn, int32_t tail, const uint8_t *x0, const uint8_t *x1, const uint8_t *w, int32_t pitch,
                         int32_t s[8]) {
    const dse_x_signs signs = sgn ? DSE_X_SS : DSE_X_US;
    const dse_word mask = dse_x_tail_mask(tail);
    const int32_t at = tail - 4;
    const dse_word v0 = dse_x_load(x0 + at) & mask, v1 = dse_x_load(x1 + at) & mask;
    for (int32_t o = 0; o < 4; o++) {
        const dse_word f = dse_x_load(w + at + o * pitch);
        s[2 * o] = dse_x_sdot(signs, s[2 * o], v0, f);
        s[2 * o + 1] = dse_x_sdot(signs, s[2 * o + 1], v1, f);
    }
}

DSE_LEAF void x_tail_4x1(bool sgn, int32_t tail, const uint8_t *x, const uint8_t *w, int32_t pitch, int32_t s[4]) {
    const dse_word v = dse_x_load(x + tail - 4) & dse_x_tail_mask(tail);
    for (int32_t o = 0; o < 4; o++)
        s[o] = dse_x_sdot(sgn ? DSE_X_SS : DSE_X_US, s[o], v, dse_x_load(w + tail - 4 + o * pitch));
}

DSE_LEAF void x_runs_4x2(bool sgn, const x_walk *q, int32_t runs, const uint8_t *x0, const uint8_t *x1,
                         const uint8_t *w, int32_t pitch, int32_t s[8]) {
    if (sgn)
        dse_x_dot_4x2_ss(runs, q->words, q->x_skip, q->w_skip, x0, x1, w, pitch, s);
    else
        dse_x_dot_4x2_us(runs, q->words, q->x_skip, q->w_skip, x0, x1, w, pitch, s);
}

/* A single run, the case of pointwise and linear layers. */
DSE_LEAF void x_run_4x2(bool sgn, const x_walk *q, const uint8_t *x0, const uint8_t *x1, const uint8_t *w,
                        int32_t pitch, int32_t s[8]) {
    if (sgn)
        dse_x_dot_4x2_ss_one(q->words, x0, x1, w, pitch, s);
    else
        dse_x_dot_4x2_us_one(q->words, x0, x1, w, pitch, s);
    if (q->tail)
        x_tail_4x2(sgn, q->tail, x0 + 4 * q->words, x1 + 4 * q->words, w + 4 * q->words, pitch, s);
}

DSE_LEAF void x_runs_4x1(bool sgn, const x_walk *q, int32_t runs, const uint8_t *x, const uint8_t *w, int32_t pitch,
                         int32_t s[4]) {
    if (sgn)
        dse_x_dot_4x1_ss(runs, q->words, q->x_skip, q->w_skip, x, w, pitch, s);
    else
        dse_x_dot_4x1_us(runs, q->words, q->x_skip, q->w_skip, x, w, pitch, s);
}

DSE_LEAF void x_runs_1x2(bool sgn, const x_walk *q, int32_t runs, const uint8_t *x0, const uint8_t *x1,
                         const uint8_t *w, int32_t s[2]) {
    if (sgn)
        dse_x_dot_1x2_ss(runs, q->words, q->x_skip, q->w_skip, x0, x1, w, s);
    else
        dse_x_dot_1x2_us(runs, q->words, q->x_skip, q->w_skip, x0, x1, w, s);
}

#endif
