/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation of rows: a first pass over a row finds its statistics, a second scales it.
 */
#include "kernel.h"

/* The largest root with root * root <= value. */
static uint32_t square_root(uint32_t value) {
    uint32_t root = 0;
    for (uint32_t bit = 1u << 15; bit; bit >>= 1) {
        const uint32_t more = root | bit;
        if (more * more <= value) root = more;
    }
    return root;
}

/* ---- The integer dialect's (compiler/ops/inorm.py) ---------------------------------------------------------- */

static void inorm_row(const dse_inorm_args *a, const uint8_t *x, uint8_t *y) {
    const uint32_t flip = dse_flip(a->in_signed);
    int32_t mean = 0, sum = 0;
    if (a->centred) {
        for (int32_t k = 0; k < a->channels; k++) mean += dse_decode(x[k], flip);
        mean /= a->channels;
    }
    for (int32_t k = 0; k < a->channels; k++) {
        const int32_t d = dse_decode(x[k], flip) - mean;
        sum += d * d;
    }
    const int32_t root = (int32_t)square_root((uint32_t)(sum / a->channels + 1));
    const int32_t *const bias = a->tables + a->channels;
    for (int32_t k = 0; k < a->channels; k++) {
        int32_t value = dse_wrap_mul(dse_decode(x[k], flip) - mean, a->tables[k]) / root;
        if (a->biased) value += bias[k];
        y[k] = (uint8_t)dse_clamp(value >> a->shift, a->low, a->high);
    }
}

static void inorm_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_inorm_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        inorm_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch);
}

void dse_inorm(const dse_inorm_args *args) { dse_launch(inorm_task, args, args->split); }
