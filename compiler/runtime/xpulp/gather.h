/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows gathered into a buffer, in the order of the weights: padding, borders and short rows cost nothing later.
 */
#ifndef DSE_XPULP_GATHER_H
#define DSE_XPULP_GATHER_H

#include "../kernels/kernel.h"
#include "loops.h"

/* n codes, 1 at least; buffers do not overlap. Behind whole pairs of words, words that end where the codes end. */
DSE_LEAF void x_copy(uint8_t *to, const uint8_t *from, int32_t n) {
    if (n < 4) {
        for (; n > 0; n--) *to++ = *from++;
        return;
    }
    const int32_t rest = n & 7;
    if (n >= 8) dse_x_copy_8(&to, &from, n >> 3);
    if (rest > 4) dse_x_store(to, dse_x_load(from));
    if (rest) dse_x_store(to + rest - 4, dse_x_load(from + rest - 4));
}

/* The input of output pixel (y, x): `all` bytes, rounded up to words; no dilation. */
static inline void x_gather(const dse_conv2d_args *a, int32_t y, int32_t x, int32_t all, uint8_t *to) {
    const dse_window *w = &a->window;
    const int32_t low_y = y * w->stride_y + w->shift_y, low_x = x * w->stride_x + w->shift_x;
    const int32_t top = dse_clamp(-low_y, 0, w->taps_y), end = dse_clamp(w->in_rows - low_y, top, w->taps_y);
    const int32_t left = dse_clamp(-low_x, 0, w->taps_x), right = dse_clamp(w->in_cols - low_x, left, w->taps_x);
    if (end - top < w->taps_y || right - left < w->taps_x) {
        const dse_word pad = 0x01010101u * (uint8_t)a->pad_value;
        for (int32_t k = 0; k < all; k += 4) dse_x_store(to + k, pad);
    }
    const bool dense = w->in_pixel_pitch == a->inputs;
    const int32_t taps = dense ? right > left : right - left, run = dense ? (right - left) * a->inputs : a->inputs;
    const uint8_t *row = a->input + (low_y + top) * w->in_row_pitch + (low_x + left) * w->in_pixel_pitch;
    to += (top * w->taps_x + left) * a->inputs;
    for (int32_t ky = top; ky < end; ky++, row += w->in_row_pitch, to += w->taps_x * a->inputs)
        for (int32_t k = 0; k < taps; k++) x_copy(to + k * run, row + k * w->in_pixel_pitch, run);
}

#endif
