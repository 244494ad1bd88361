/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of depthwise convolution, for cores and for the NPU's model: every channel with its own filter,
 * weights [tap][channel]. Blocks of 4 channels x 2 pixels load 12 values for 8 MACs.
 */
#ifndef DSE_KERNEL_CHANNELWISE_H
#define DSE_KERNEL_CHANNELWISE_H

#include "pin.h"

/* Taps of a patch, and the bytes from one to the next: along a row, and from behind a row to the next row. */
typedef struct {
    int32_t rows, cols;
    int32_t x_col, x_row_skip, w_col, w_row_skip;
} dse_taps2d;

/* The patch of pixels with taps ty x tx; weights of neighbouring taps lie `pitch` bytes apart. */
DSE_LEAF dse_taps2d dse_taps2d_of(dse_span ty, dse_span tx, int32_t taps_x, int32_t x_row, int32_t x_col,
                                  int32_t pitch) {
    const int32_t cols = dse_length(tx);
    return (dse_taps2d){.rows = dse_length(ty),
                        .cols = cols,
                        .x_col = x_col,
                        .x_row_skip = x_row - cols * x_col,
                        .w_col = pitch,
                        .w_row_skip = (taps_x - cols) * pitch};
}

/* acc[2*c + p] += channel c of patch p, c in [0, 4). */
DSE_LEAF void dse_channelwise_4x2(const dse_taps2d *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, bool sgn,
                                  int32_t acc[8]) {
    const int32_t x_col = q->x_col, w_col = q->w_col;
    int32_t s00 = acc[0], s01 = acc[1], s10 = acc[2], s11 = acc[3];
    int32_t s20 = acc[4], s21 = acc[5], s30 = acc[6], s31 = acc[7];
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--) {
            const int32_t f0 = w[0], f1 = w[1], f2 = w[2], f3 = w[3];
            s00 += f0 * dse_code(x0[0], sgn), s01 += f0 * dse_code(x1[0], sgn);
            s10 += f1 * dse_code(x0[1], sgn), s11 += f1 * dse_code(x1[1], sgn);
            s20 += f2 * dse_code(x0[2], sgn), s21 += f2 * dse_code(x1[2], sgn);
            s30 += f3 * dse_code(x0[3], sgn), s31 += f3 * dse_code(x1[3], sgn);
            x0 += x_col, x1 += x_col, w += w_col;
            DSE_PIN_2(x0, x1);
        }
        x0 += q->x_row_skip, x1 += q->x_row_skip, w += q->w_row_skip;
    }
    acc[0] = s00, acc[1] = s01, acc[2] = s10, acc[3] = s11;
    acc[4] = s20, acc[5] = s21, acc[6] = s30, acc[7] = s31;
}

/* acc[c] += channel c of the patch, c in [0, 4). */
DSE_LEAF void dse_channelwise_4x1(const dse_taps2d *q, const uint8_t *x, const int8_t *w, bool sgn, int32_t acc[4]) {
    const int32_t x_col = q->x_col, w_col = q->w_col;
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3];
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--) {
            s0 += w[0] * dse_code(x[0], sgn), s1 += w[1] * dse_code(x[1], sgn);
            s2 += w[2] * dse_code(x[2], sgn), s3 += w[3] * dse_code(x[3], sgn);
            x += x_col, w += w_col;
        }
        x += q->x_row_skip, w += q->w_row_skip;
    }
    acc[0] = s0, acc[1] = s1, acc[2] = s2, acc[3] = s3;
}

/* One channel of the patch. */
DSE_LEAF int32_t dse_channelwise_1x1(const dse_taps2d *q, const uint8_t *x, const int8_t *w, bool sgn) {
    int32_t sum = 0;
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--, x += q->x_col, w += q->w_col) sum += *w * dse_code(*x, sgn);
        x += q->x_row_skip, w += q->w_row_skip;
    }
    return sum;
}

/* sum[c] += the weights of `taps` neighbouring taps, c in [0, 4). */
DSE_LEAF void dse_sum_taps_4(const int8_t *w, int32_t pitch, int32_t taps, int32_t sum[4]) {
    int32_t s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
    for (; taps > 0; taps--, w += pitch) s0 += w[0], s1 += w[1], s2 += w[2], s3 += w[3];
    sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
}

/* sum[c] = the weights of channel c over the taps outside ty x tx, that is in the padding, c in [0, 4). What lies
 * right of tx in a row of taps and left of it in the next is contiguous: a head, equal gaps, and a tail. */
DSE_LEAF void dse_channelwise_padding_4(const int8_t *w, int32_t pitch, dse_span ty, dse_span tx, int32_t taps_y,
                                             int32_t taps_x, int32_t sum[4]) {
    const int32_t all = taps_y * taps_x, gap = taps_x - dse_length(tx);
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    if (dse_length(ty) == 0 || gap == taps_x) {
        dse_sum_taps_4(w, pitch, all, sum);
        return;
    }
    dse_sum_taps_4(w, pitch, ty.low * taps_x + tx.low, sum);
    int32_t at = ty.low * taps_x + tx.high;
    for (int32_t r = dse_length(ty) - 1; r > 0; r--, at += taps_x) dse_sum_taps_4(w + at * pitch, pitch, gap, sum);
    dse_sum_taps_4(w + at * pitch, pitch, all - at, sum);
}

/* The same for one channel. */
static inline int32_t dse_channelwise_padding_1(const int8_t *w, int32_t pitch, dse_span ty, dse_span tx,
                                                int32_t taps_y, int32_t taps_x) {
    int32_t sum = 0;
    for (int32_t ky = 0; ky < taps_y; ky++)
        for (int32_t kx = 0; kx < taps_x; kx++, w += pitch) {
            const bool inside = ky >= ty.low && ky < ty.high && kx >= tx.low && kx < tx.high;
            sum += inside ? 0 : *w;
        }
    return sum;
}

#endif
