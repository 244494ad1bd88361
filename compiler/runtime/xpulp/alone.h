/* SPDX-License-Identifier: Apache-2.0
 *
 * A single pixel, for conv2d.c: blocks of four filters on it take 9 instructions for 16 MACs, where a pair with itself
 * would take 14.
 */
#ifndef DSE_XPULP_ALONE_H
#define DSE_XPULP_ALONE_H

/* Four sums of output o on: added to those of earlier calls, then stored, or requantised. */
DSE_LEAF void x_alone_end(const x_conv *c, const x_conv_pairs *p, int32_t o, const int32_t s[4]) {
    const dse_conv2d_args *a = c->a;
    const dse_window *w = &a->window;
    int32_t s0 = s[0], s1 = s[1], s2 = s[2], s3 = s[3];
    int32_t *const acc = a->accumulator + p->at * a->outputs + o;
    if (!a->first) {
        s0 = dse_wrap_add(s0, acc[0]), s1 = dse_wrap_add(s1, acc[1]);
        s2 = dse_wrap_add(s2, acc[2]), s3 = dse_wrap_add(s3, acc[3]);
    }
    if (!a->last) {
        acc[0] = s0, acc[1] = s1, acc[2] = s2, acc[3] = s3;
        return;
    }
    const int32_t *const mul = a->tables + o, *const add = mul + a->outputs;
    const int32_t shift = a->shift, low = a->low, high = a->high;
    s0 = dse_x_requant(s0, mul[0], add[0], shift, low, high), s1 = dse_x_requant(s1, mul[1], add[1], shift, low, high);
    s2 = dse_x_requant(s2, mul[2], add[2], shift, low, high), s3 = dse_x_requant(s3, mul[3], add[3], shift, low, high);
    uint8_t *const y = a->output + p->y * w->out_row_pitch + p->x * w->out_pixel_pitch + (o << a->out_log2);
    if (a->out_log2)
        dse_put(y, 0, 1, s0), dse_put(y, 1, 1, s1), dse_put(y, 2, 1, s2), dse_put(y, 3, 1, s3);
    else
        y[0] = (uint8_t)s0, y[1] = (uint8_t)s1, y[2] = (uint8_t)s2, y[3] = (uint8_t)s3;
}

/* Outputs of the pixel whose window is at x. The last block ends with them. */
X_APART void x_conv_alone(const x_conv *c, const x_conv_pairs *p, dse_span outputs, const uint8_t *x) {
    const dse_conv2d_args *a = c->a;
    const int32_t words = c->depth >> 2, tail = c->depth & 3;
    for (int32_t at = outputs.low; at < outputs.high; at += 4) {
        const int32_t o = dse_min(at, outputs.high - 4);
        const uint8_t *const w = (const uint8_t *)a->weights + o * c->depth;
        int32_t s[4];
        if (a->in_signed)
            dse_x_dot_4x1_ss(1, words, 0, 0, x, w, c->depth, s);
        else
            dse_x_dot_4x1_us(1, words, 0, 0, x, w, c->depth, s);
        if (tail) x_tail_4x1(a->in_signed, tail, x + 4 * words, w + 4 * words, c->depth, s);
        x_alone_end(c, p, o, s);
    }
}

#endif
