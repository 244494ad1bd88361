/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax of rows in unsigned 32-bit arithmetic: a table of exp in fixed point, indexed by the distance to the
 * row's maximum, and one division an element by the sum in units of an output step. Error bound against float:
 * softmax_error_steps in compiler/ops/softmax.py. The integer dialect's softmax divides products with the number of
 * levels instead: compiler/ops/isoftmax.py.
 */
#include "kernel.h"

static uint32_t row_maximum(const uint8_t *x, int32_t n, uint32_t flip) {
    uint32_t largest = 0;
    for (int32_t k = 0; k < n; k++) {
        const uint32_t code = x[k] ^ flip;
        if (code > largest) largest = code;
    }
    return largest;
}

/* (sum * multiplier) >> 16 without a product of more than 32 bits; multiplier is at most 2^16. */
static uint32_t output_step(uint32_t sum, uint32_t multiplier) {
    return (sum >> 16) * multiplier + (((sum & 0xffffu) * multiplier) >> 16);
}

/* Columns that row `row` of the tile sees. */
static int32_t seen_columns(const dse_softmax_args *a, int32_t row) {
    if (!a->period) return a->channels;
    const int32_t position = a->position ? dse_clamp(*a->position, 0, a->channels) : 0;
    return dse_min((a->first + row) / a->heads % a->period + 1 + a->offset + position, a->channels);
}

static void softmax_row(const dse_softmax_args *a, const uint8_t *x, uint8_t *y, int32_t n) {
    const uint32_t *const table = a->table;
    const uint32_t flip = dse_flip(a->in_signed), top = row_maximum(x, n, flip);
    const uint32_t half = 1u << (a->sum_shift - 1);
    uint32_t sum = 0;
    for (int32_t k = 0; k < n; k++) sum += (table[top - (x[k] ^ flip)] + half) >> a->sum_shift;
    const uint32_t step = output_step(sum, a->multiplier);
    for (int32_t k = 0; k < n; k++) {
        const uint32_t quotient = (table[top - (x[k] ^ flip)] + (step >> 1)) / step;
        y[k] = (uint8_t)dse_min(a->zero_point + (int32_t)quotient, a->high);
    }
    __builtin_memset(y + n, (uint8_t)dse_min(a->zero_point, a->high), (uint32_t)(a->channels - n));
}

static void softmax_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_softmax_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        softmax_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch, seen_columns(a, y));
}

void dse_softmax(const dse_softmax_args *args) { dse_launch(softmax_task, args, args->split); }

static void isoftmax_row(const dse_isoftmax_args *a, const uint8_t *x, uint8_t *y) {
    const uint32_t *const table = a->table;
    const uint32_t flip = dse_flip(a->in_signed), top = row_maximum(x, a->channels, flip);
    const uint32_t most = (uint32_t)a->levels - 1;
    uint32_t sum = 0;
    for (int32_t k = 0; k < a->channels; k++) sum += table[top - (x[k] ^ flip)];
    for (int32_t k = 0; k < a->channels; k++)
        y[k] = (uint8_t)((int32_t)(table[top - (x[k] ^ flip)] * most / sum) + a->offset);
}

static void isoftmax_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_isoftmax_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        isoftmax_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch);
}

void dse_isoftmax(const dse_isoftmax_args *args) { dse_launch(isoftmax_task, args, args->split); }

/* A distance below the maximum in halvings: 32 code steps each, rounded. */
static int32_t halvings(int32_t distance) { return (distance + 16) >> 5; }

static void itamax_row(const dse_itamax_args *a, const uint8_t *x, uint8_t *y) {
    int32_t maximum = a->first_maximum;
    uint32_t sum = 0;
    for (int32_t low = 0; low < a->channels; low += a->part) {
        int32_t higher = maximum;
        for (int32_t k = low; k < low + a->part; k++) higher = dse_max(higher, (int8_t)x[k]);
        sum >>= halvings(higher - maximum);
        maximum = higher;
        for (int32_t k = low; k < low + a->part; k++) sum += 256u >> halvings(maximum - (int8_t)x[k]);
    }
    const uint32_t share = (uint32_t)a->most * 256u / sum;
    for (int32_t k = 0; k < a->channels; k++) y[k] = (uint8_t)(share >> halvings(maximum - (int8_t)x[k]));
}

static void itamax_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_itamax_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        itamax_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch);
}

void dse_itamax(const dse_itamax_args *args) { dse_launch(itamax_task, args, args->split); }
