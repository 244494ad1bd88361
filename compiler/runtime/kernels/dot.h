/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of dense convolution, for cores and for the NPU's model: dot products of one or two patches of the
 * input with one or four filters (dot.c), and sums of weights for what a window reads in the padding. A patch is
 * rows x cols runs of `run` contiguous codes.
 */
#ifndef DSE_KERNEL_DOT_H
#define DSE_KERNEL_DOT_H

#include "kernel.h"

/* Loop extents, and what to add to the pointers behind every run and behind every row. */
typedef struct {
    int32_t rows, cols, run;
    int32_t x_col_skip, x_row_skip, w_col_skip, w_row_skip;
} dse_patch;

/* acc[2*o + p] += patch p * filter o, o in [0, 4); filters lie `pitch` bytes apart. */
void dse_dot_4x2_i8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t pitch,
                             int32_t acc[8]);
void dse_dot_4x2_u8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t pitch,
                             int32_t acc[8]);
/* acc[o] += patch * filter o. */
void dse_dot_4x1_i8(const dse_patch *q, const uint8_t *x, const int8_t *w, int32_t pitch, int32_t acc[4]);
void dse_dot_4x1_u8(const dse_patch *q, const uint8_t *x, const int8_t *w, int32_t pitch, int32_t acc[4]);
/* acc[p] += patch p * filter. With x1 == x0 it serves a single patch. */
void dse_dot_1x2_i8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t acc[2]);
void dse_dot_1x2_u8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t acc[2]);

#ifndef DSE_SUM_4
#define DSE_SUM_4 dse_sum_4 /* or what a set of kernels has for this */
#endif

/* sum[k] += the n weights from w + k*pitch on, k in [0, 4). */
DSE_LEAF void dse_sum_4(const int8_t *w, int32_t pitch, int32_t n, int32_t sum[4]) {
    const int8_t *w0 = w, *w1 = w + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (; n >= 2; n -= 2, w0 += 2, w1 += 2, w2 += 2, w3 += 2)
        s0 += w0[0] + w0[1], s1 += w1[0] + w1[1], s2 += w2[0] + w2[1], s3 += w3[0] + w3[1];
    if (n > 0) s0 += *w0, s1 += *w1, s2 += *w2, s3 += *w3;
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
}

/* sum[k] += the weights of filter k over the taps outside ty x tx, that is in the padding, k in [0, 4). Filters lie
 * `pitch` bytes apart, taps `tap` bytes. What lies right of tx in a row of taps and left of tx in the next row is
 * contiguous: the padding is a head, equal gaps between rows, and a tail. */
static inline void dse_sum_padding_4(const int8_t *w, int32_t pitch, dse_span ty, dse_span tx, int32_t taps_y,
                                     int32_t taps_x, int32_t tap, int32_t sum[4]) {
    const int32_t row = taps_x * tap, all = taps_y * row, gap = row - dse_length(tx) * tap;
    if (dse_length(ty) == 0 || gap == row) {
        DSE_SUM_4(w, pitch, all, sum);
        return;
    }
    DSE_SUM_4(w, pitch, ty.low * row + tx.low * tap, sum);
    int32_t at = ty.low * row + tx.high * tap;
    for (int32_t r = dse_length(ty) - 1; r > 0 && gap > 0; r--, at += row) DSE_SUM_4(w + at, pitch, gap, sum);
    at = (ty.high - 1) * row + tx.high * tap;
    DSE_SUM_4(w + at, pitch, all - at, sum);
}

#endif
