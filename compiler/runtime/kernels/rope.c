/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary position embedding of int8 rows by int16 sines and cosines: two products a channel, one requantisation.
 */
#include "kernel.h"

typedef struct {
    const uint8_t *x;
    const int16_t *cosine, *sine;
    uint8_t *y;
} rope_line;

/* Pairs are `apart` channels apart, the next pair begins `step` channels on. */
DSE_LEAF void rope_pairs(const dse_rope_args *a, const rope_line *q, int32_t apart, int32_t step) {
    const uint32_t flip = dse_flip(a->in_signed);
    const int32_t zero = a->zero_point, mul = a->mul, add = a->add;
    const int32_t shift = a->shift, low = a->low, high = a->high;
    const int32_t end = a->depth / 2 * step;
    for (int32_t k = 0; k < end; k += step) {
        const int32_t first = dse_decode(q->x[k], flip) - zero, second = dse_decode(q->x[k + apart], flip) - zero;
        const int32_t low_sum = first * q->cosine[k] - second * q->sine[k];
        const int32_t high_sum = second * q->cosine[k + apart] + first * q->sine[k + apart];
        q->y[k] = dse_requant(low_sum, mul, add, shift, low, high);
        q->y[k + apart] = dse_requant(high_sum, mul, add, shift, low, high);
    }
}

static void rope_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_rope_args *a = arg;
    const dse_span lines = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows * a->heads, core, ncores);
    for (int32_t line = lines.low; line < lines.high; line++) {
        const int32_t row = line / a->heads, head = line % a->heads;
        const rope_line q = {
            .x = a->input + row * a->in_row_pitch + head * a->in_head_pitch,
            .cosine = (const int16_t *)(const void *)(a->cos + row * a->cos_row_pitch),
            .sine = (const int16_t *)(const void *)(a->sin + row * a->sin_row_pitch),
            .y = a->output + row * a->out_row_pitch + head * a->out_head_pitch,
        };
        if (a->interleaved)
            rope_pairs(a, &q, 1, 2);
        else
            rope_pairs(a, &q, a->depth / 2, 1);
    }
}

void dse_rope(const dse_rope_args *args) { dse_launch(rope_task, args, args->split); }
