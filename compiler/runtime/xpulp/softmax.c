/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax with Xpulp instructions: one division a row, by whose reciprocal the elements are divided (rows.h). Causal
 * rows differ in length, so cores take them in turn. The shift-only softmax is the portable one.
 */
#include "rows.h"

#define dse_softmax dse_softmax_portable
#define dse_isoftmax dse_isoftmax_portable
#include "../kernels/softmax.c"
#undef dse_softmax
#undef dse_isoftmax

/* n bytes. */
DSE_LEAF void x_fill(uint8_t *y, uint8_t value, int32_t n) {
    for (; n >= 4; n -= 4, y += 4) dse_x_store(y, 0x01010101u * value);
    for (; n > 0; n--) *y++ = value;
}

/* A hardware loop runs at least once. */
static __attribute__((noinline)) void x_softmax_row(const dse_softmax_args *a, const uint8_t *x, uint8_t *y, int32_t n,
                                                    bool sgn) {
    const x_entries e = {(const uint8_t *)a->table, x_row_largest(x, n, sgn)};
    const uint32_t half = 1u << (a->sum_shift - 1);
    uint32_t sum = 0;
    if (n > 1) sum = sgn ? x_row_sum_i8(&e, x, n >> 1, half, a->sum_shift) : x_row_sum_u8(&e, x, n >> 1, half, a->sum_shift);
    if (n & 1) sum += (x_entry(&e, x[n - 1], sgn) + half) >> a->sum_shift;
    const uint32_t step = output_step(sum, a->multiplier);
    const x_quotient q = {1, step >> 1, step, 0xffffffffu / step, a->zero_point, a->high};
    if (n > 1) sgn ? x_row_rounded_i8(&e, &q, x, y, n >> 1) : x_row_rounded_u8(&e, &q, x, y, n >> 1);
    if (n & 1) y[n - 1] = x_quotient_code(&q, x_entry(&e, x[n - 1], sgn) + q.add);
    x_fill(y + n, (uint8_t)dse_min(a->zero_point, a->high), a->channels - n);
}

/* Columns that rows see, from row to row `step` rows on. */
typedef struct {
    int32_t head, position, base;
} x_causal;

static x_causal x_causal_of(const dse_softmax_args *a, int32_t row) {
    const int32_t position = a->position ? dse_clamp(*a->position, 0, a->channels) : 0;
    if (!a->period) return (x_causal){0, 0, a->channels};
    const int32_t at = a->first + row, line = at / a->heads;
    return (x_causal){at - line * a->heads, line % a->period, 1 + a->offset + position};
}

static void x_causal_next(const dse_softmax_args *a, x_causal *c, int32_t step) {
    if (!a->period) return;
    for (c->head += step; c->head >= a->heads; c->head -= a->heads)
        if (++c->position == a->period) c->position = 0;
}

static void x_softmax_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_softmax_args *a = arg;
    const bool split = a->split == DSE_SPLIT_PIXELS;
    const int32_t step = split ? (int32_t)ncores : 1, low = split ? (int32_t)core : 0;
    x_causal c = x_causal_of(a, low);
    for (int32_t y = low; y < a->rows; y += step, x_causal_next(a, &c, step)) {
        const int32_t n = dse_min(c.position + c.base, a->channels);
        x_softmax_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch, n, a->in_signed);
    }
}

static void x_isoftmax_row(const dse_isoftmax_args *a, const uint8_t *x, uint8_t *y, bool sgn) {
    const int32_t n = a->channels;
    const x_entries e = {(const uint8_t *)a->table, x_row_largest(x, n, sgn)};
    uint32_t sum = 0;
    if (n > 1) sum = sgn ? x_row_sum_i8(&e, x, n >> 1, 0, 0) : x_row_sum_u8(&e, x, n >> 1, 0, 0);
    if (n & 1) sum += x_entry(&e, x[n - 1], sgn);
    const x_quotient q = {(uint32_t)a->levels - 1, 0, sum, 0xffffffffu / sum, a->offset, INT32_MAX};
    if (n > 1) sgn ? x_row_scaled_i8(&e, &q, x, y, n >> 1) : x_row_scaled_u8(&e, &q, x, y, n >> 1);
    if (n & 1) y[n - 1] = x_quotient_code(&q, x_entry(&e, x[n - 1], sgn) * q.scale);
}

static void x_isoftmax_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_isoftmax_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        x_isoftmax_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch, a->in_signed);
}

void dse_softmax(const dse_softmax_args *args);
void dse_isoftmax(const dse_isoftmax_args *args);
void dse_softmax(const dse_softmax_args *args) { dse_launch(x_softmax_task, args, args->split); }
void dse_isoftmax(const dse_isoftmax_args *args) { dse_launch(x_isoftmax_task, args, args->split); }
