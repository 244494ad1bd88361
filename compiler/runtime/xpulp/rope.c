/* SPDX-License-Identifier: Apache-2.0
 *
 * Rotary position embedding with Xpulp instructions: heads of a row side by side, no division but the first.
 */
#include "../kernels/kernel.h"
#include "dse_xpulp.h"

#define dse_rope dse_rope_portable
#include "../kernels/rope.c"
#undef dse_rope

/* As rope_pairs(). */
DSE_LEAF void x_rope_pairs(const dse_rope_args *a, const rope_line *q, bool interleaved, bool is_signed) {
    const int32_t zero = a->zero_point, mul = a->mul, add = a->add, shift = a->shift, low = a->low, high = a->high;
    const int32_t apart = interleaved ? 1 : a->depth / 2, step = interleaved ? 2 : 1;
    const uint8_t *x = q->x;
    const int16_t *cosine = q->cosine, *sine = q->sine;
    uint8_t *y = q->y;
    for (const uint8_t *end = x + a->depth / 2 * step; x < end; x += step, y += step, cosine += step, sine += step) {
        const int32_t first = dse_code(x[0], is_signed) - zero, second = dse_code(x[apart], is_signed) - zero;
        const int32_t high_sum = dse_x_mac(second * cosine[apart], first, sine[apart]);
        const int32_t low_sum = first * cosine[0] - second * sine[0];
        y[0] = (uint8_t)dse_x_requant(low_sum, mul, add, shift, low, high);
        y[apart] = (uint8_t)dse_x_requant(high_sum, mul, add, shift, low, high);
    }
}

/* Lines of this core. */
DSE_LEAF void x_rope_lines(const dse_rope_args *a, dse_span lines, bool interleaved, bool is_signed) {
    int32_t row = lines.low / a->heads, head = lines.low - row * a->heads;
    rope_line q = {.x = a->input + row * a->in_row_pitch + head * a->in_head_pitch,
                   .cosine = (const int16_t *)(const void *)(a->cos + row * a->cos_row_pitch),
                   .sine = (const int16_t *)(const void *)(a->sin + row * a->sin_row_pitch),
                   .y = a->output + row * a->out_row_pitch + head * a->out_head_pitch};
    for (int32_t left = dse_length(lines); left > 0; left--) {
        x_rope_pairs(a, &q, interleaved, is_signed);
        q.x += a->in_head_pitch, q.y += a->out_head_pitch;
        if (++head < a->heads) continue;
        head = 0, row++;
        q.x = a->input + row * a->in_row_pitch, q.y = a->output + row * a->out_row_pitch;
        q.cosine = (const int16_t *)(const void *)(a->cos + row * a->cos_row_pitch);
        q.sine = (const int16_t *)(const void *)(a->sin + row * a->sin_row_pitch);
    }
}

static void x_rope_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_rope_args *a = arg;
    const dse_span lines = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows * a->heads, core, ncores);
    if (a->interleaved && a->in_signed)
        x_rope_lines(a, lines, true, true);
    else if (a->interleaved)
        x_rope_lines(a, lines, true, false);
    else if (a->in_signed)
        x_rope_lines(a, lines, false, true);
    else
        x_rope_lines(a, lines, false, false);
}

void dse_rope(const dse_rope_args *args);
void dse_rope(const dse_rope_args *args) { dse_launch(x_rope_task, args, args->split); }
