/* SPDX-License-Identifier: Apache-2.0
 *
 * The entries of kernels/dot.h by Xpulp loops; patches with runs of less than four codes go to the portable ones.
 */
#include "walk.h"

#define dse_dot_4x2_i8 portable_4x2_i8
#define dse_dot_4x2_u8 portable_4x2_u8
#define dse_dot_4x1_i8 portable_4x1_i8
#define dse_dot_4x1_u8 portable_4x1_u8
#define dse_dot_1x2_i8 portable_1x2_i8
#define dse_dot_1x2_u8 portable_1x2_u8
#include "../kernels/dot.c"
#undef dse_dot_4x2_i8
#undef dse_dot_4x2_u8
#undef dse_dot_4x1_i8
#undef dse_dot_4x1_u8
#undef dse_dot_1x2_i8
#undef dse_dot_1x2_u8

/* Steps over a patch: one call of the loops for all its runs, or for each run where runs have tails. */
#define X_STEPS(q)                                                                  \
    const int32_t at_once = (q).tail ? 1 : (q).runs, calls = (q).tail ? (q).runs : 1; \
    const int32_t x_step = at_once * (4 * (q).words + (q).x_skip) + (q).tail;       \
    const int32_t w_step = at_once * (4 * (q).words + (q).w_skip) + (q).tail

DSE_LEAF void walk_4x2(const x_walk *q, const uint8_t *x0, const uint8_t *x1, const uint8_t *w, int32_t pitch,
                       bool sgn, int32_t acc[8]) {
    X_STEPS(*q);
    const int32_t end = 4 * q->words;
    for (int32_t outer = q->outer; outer > 0; outer--) {
        for (int32_t call = calls; call > 0; call--, x0 += x_step, x1 += x_step, w += w_step) {
            int32_t s[8];
            x_runs_4x2(sgn, q, at_once, x0, x1, w, pitch, s);
            if (q->tail) x_tail_4x2(sgn, q->tail, x0 + end, x1 + end, w + end, pitch, s);
            for (int32_t k = 0; k < 8; k++) acc[k] = dse_wrap_add(acc[k], s[k]);
        }
        x0 += q->x_outer, x1 += q->x_outer, w += q->w_outer;
    }
}

DSE_LEAF void walk_4x1(const x_walk *q, const uint8_t *x, const uint8_t *w, int32_t pitch, bool sgn, int32_t acc[4]) {
    X_STEPS(*q);
    const int32_t end = 4 * q->words;
    for (int32_t outer = q->outer; outer > 0; outer--) {
        for (int32_t call = calls; call > 0; call--, x += x_step, w += w_step) {
            int32_t s[4];
            x_runs_4x1(sgn, q, at_once, x, w, pitch, s);
            if (q->tail) x_tail_4x1(sgn, q->tail, x + end, w + end, pitch, s);
            for (int32_t k = 0; k < 4; k++) acc[k] = dse_wrap_add(acc[k], s[k]);
        }
        x += q->x_outer, w += q->w_outer;
    }
}

DSE_LEAF void walk_1x2(const x_walk *q, const uint8_t *x0, const uint8_t *x1, const uint8_t *w, bool sgn,
                       int32_t acc[2]) {
    X_STEPS(*q);
    const dse_x_signs signs = sgn ? DSE_X_SS : DSE_X_US;
    const int32_t at = 4 * q->words + q->tail - 4;
    for (int32_t outer = q->outer; outer > 0; outer--) {
        for (int32_t call = calls; call > 0; call--, x0 += x_step, x1 += x_step, w += w_step) {
            int32_t s[2];
            x_runs_1x2(sgn, q, at_once, x0, x1, w, s);
            if (q->tail) {
                const dse_word f = dse_x_load(w + at) & dse_x_tail_mask(q->tail);
                s[0] = dse_x_sdot(signs, s[0], dse_x_load(x0 + at), f);
                s[1] = dse_x_sdot(signs, s[1], dse_x_load(x1 + at), f);
            }
            acc[0] = dse_wrap_add(acc[0], s[0]), acc[1] = dse_wrap_add(acc[1], s[1]);
        }
        x0 += q->x_outer, x1 += q->x_outer, w += q->w_outer;
    }
}

#define X_ENTRIES(suffix, sgn)                                                                                    \
    void dse_dot_4x2_##suffix(const dse_patch *p, const uint8_t *x0, const uint8_t *x1, const int8_t *w,          \
                              int32_t pitch, int32_t acc[8]) {                                                    \
        const x_walk q = x_walk_of(p);                                                                            \
        if (x_walk_valid(&q))                                                                                     \
            walk_4x2(&q, x0, x1, (const uint8_t *)w, pitch, sgn, acc);                                            \
        else                                                                                                      \
            portable_4x2_##suffix(p, x0, x1, w, pitch, acc);                                                      \
    }                                                                                                             \
    void dse_dot_4x1_##suffix(const dse_patch *p, const uint8_t *x, const int8_t *w, int32_t pitch,               \
                              int32_t acc[4]) {                                                                   \
        const x_walk q = x_walk_of(p);                                                                            \
        if (x_walk_valid(&q))                                                                                     \
            walk_4x1(&q, x, (const uint8_t *)w, pitch, sgn, acc);                                                 \
        else                                                                                                      \
            portable_4x1_##suffix(p, x, w, pitch, acc);                                                           \
    }                                                                                                             \
    void dse_dot_1x2_##suffix(const dse_patch *p, const uint8_t *x0, const uint8_t *x1, const int8_t *w,          \
                              int32_t acc[2]) {                                                                   \
        const x_walk q = x_walk_of(p);                                                                            \
        if (x_walk_valid(&q))                                                                                     \
            walk_1x2(&q, x0, x1, (const uint8_t *)w, sgn, acc);                                                   \
        else                                                                                                      \
            portable_1x2_##suffix(p, x0, x1, w, acc);                                                             \
    }

X_ENTRIES(i8, true)
X_ENTRIES(u8, false)
