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

/* ---- Our own (compiler/ops/norm.py, where the arithmetic is written out and its error bound proven) --------- */

enum { NORM_FRACTION = 12, NORM_CODE = 14 };

/* 1/sqrt(w) = *reciprocal * 2^(shift - 47), *reciprocal in (2^15, 2^16]; answers with shift. w > 0. Shifts of double
 * words by constants only: they need no library. */
static int32_t reciprocal_root(uint64_t w, int32_t *reciprocal) {
    int32_t shift = 0;
    if (!(w >> 32)) w <<= 32, shift += 16;
    if (!(w >> 48)) w <<= 16, shift += 8;
    if (!(w >> 56)) w <<= 8, shift += 4;
    if (!(w >> 60)) w <<= 4, shift += 2;
    if (!(w >> 62)) w <<= 2, shift += 1;
    const uint32_t root = square_root((uint32_t)(w >> 32));
    *reciprocal = (int32_t)(((1u << 31) + (root >> 1)) / root);
    return shift;
}

/* u = (((c + half_h) >> h) * reciprocal + half_s) >> s */
typedef struct {
    int32_t h, s, half_h, half_s, reciprocal;
} norm_scale;

/* From a row's sum of codes and of their squares (of their distances to the zero point, unless centred). */
DSE_LEAF norm_scale norm_scale_of(const dse_norm_args *a, int32_t sum, uint64_t squares, bool centred) {
    const uint32_t channels = (uint32_t)a->channels, distance = (uint32_t)(sum < 0 ? -sum : sum);
    uint64_t w = squares;
    if (centred) w = w * channels - (uint64_t)distance * distance;
    w = (w << NORM_FRACTION) + ((uint64_t)a->epsilon_high << 32 | a->epsilon_low);
    if (!(w >> NORM_FRACTION)) w = 1u << NORM_FRACTION;
    int32_t reciprocal;
    const int32_t total = 26 - reciprocal_root(w, &reciprocal) + a->spread;
    const int32_t h = dse_max(total - NORM_CODE, 0), s = dse_min(total, NORM_CODE);
    return (norm_scale){h, s, 1 << h >> 1, 1 << (s - 1), reciprocal};
}

DSE_LEAF int32_t norm_code(const uint8_t *x, int32_t k, uint32_t flip, bool wide) {
    return wide ? ((const int16_t *)(const void *)x)[k] : dse_decode(x[k], flip);
}

DSE_LEAF void norm_row(const dse_norm_args *a, const uint8_t *x, uint8_t *y, bool centred, bool wide) {
    const uint32_t flip = dse_flip(a->in_signed);
    const int32_t pivot = centred ? 0 : a->zero_point;
    int32_t sum = 0;
    uint64_t wide_squares = 0;
    uint32_t squares = 0;
    for (int32_t k = 0; k < a->channels; k++) {
        const int32_t v = norm_code(x, k, flip, wide) - pivot;
        const uint32_t square = (uint32_t)v * (uint32_t)v;
        if (centred) sum += v;
        if (wide)
            wide_squares += square;
        else
            squares += square;
    }
    const norm_scale q = norm_scale_of(a, sum, wide ? wide_squares : squares, centred);
    const int32_t h = q.h, s = q.s, half_h = q.half_h, half_s = q.half_s, reciprocal = q.reciprocal;
    const int32_t offset = centred ? sum : pivot;
    const int32_t *const mul = a->tables, *const add = a->tables + a->channels;
    for (int32_t k = 0; k < a->channels; k++) {
        const int32_t code = norm_code(x, k, flip, wide);
        const int32_t c = ((centred ? code * a->channels : code) - offset + half_h) >> h;
        const int32_t u = (c * reciprocal + half_s) >> s;
        y[k] = dse_requant(u, mul[k], add[k], a->shift, a->low, a->high);
    }
}

DSE_LEAF void norm_rows(const dse_norm_args *a, dse_span rows, bool centred, bool wide) {
    for (int32_t y = rows.low; y < rows.high; y++)
        norm_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch, centred, wide);
}

DSE_LEAF void norm_share(const void *arg, uint32_t core, uint32_t ncores, bool centred) {
    const dse_norm_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    if (a->in_wide)
        norm_rows(a, rows, centred, true);
    else
        norm_rows(a, rows, centred, false);
}

static void rmsnorm_task(uint32_t core, uint32_t ncores, const void *arg) { norm_share(arg, core, ncores, false); }
static void layernorm_task(uint32_t core, uint32_t ncores, const void *arg) { norm_share(arg, core, ncores, true); }

void dse_rmsnorm(const dse_norm_args *args) { dse_launch(rmsnorm_task, args, args->split); }
void dse_layernorm(const dse_norm_args *args) { dse_launch(layernorm_task, args, args->split); }
