/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling with Xpulp instructions: four channels at once. A last block of less than four overlaps the one before; a
 * core that has less than four channels runs the portable loops.
 */
#include "../kernels/kernel.h"
#include "dse_xpulp.h"

#define dse_maxpool dse_maxpool_portable
#define dse_avgpool dse_avgpool_portable
#include "../kernels/pool.c"
#undef dse_maxpool
#undef dse_avgpool

/* The largest codes of channels [c, c + 4). */
DSE_LEAF dse_word x_pool_max(const pool_site *s, int32_t c, bool sgn) {
    const uint8_t *x = s->x + c;
    dse_word largest = sgn ? 0x80808080u : 0u;
    for (int32_t r = s->rows; r > 0; r--, x += s->row_skip)
        for (int32_t k = s->cols; k > 0; k--, x += s->col_pitch)
            largest = sgn ? dse_x_max4_s(largest, dse_x_load(x)) : dse_x_max4_u(largest, dse_x_load(x));
    return largest;
}

/* sum[k] += the codes of channel c + k: products with words that have a single one. */
DSE_LEAF void x_pool_sum(const pool_site *s, int32_t c, bool sgn, dse_word sum[4]) {
    const uint8_t *x = s->x + c;
    for (int32_t r = s->rows; r > 0; r--, x += s->row_skip)
        for (int32_t n = s->cols; n > 0; n--, x += s->col_pitch) {
            const dse_word v = dse_x_load(x);
            for (int32_t k = 0; k < 4; k++)
                sum[k] = sgn ? dse_x_sdot_us(sum[k], 1u << 8 * k, v) : dse_x_sdot_uu(sum[k], 1u << 8 * k, v);
        }
}

static void x_max_pixel(const dse_maxpool_args *a, int32_t y, int32_t x, dse_span ty, dse_span channels) {
    const pool_site s = pool_locate(&a->window, a->input, y, x, ty);
    uint8_t *out = a->output + y * a->window.out_row_pitch + x * a->window.out_pixel_pitch;
    for (int32_t c = channels.low; c < channels.high; c += 4) {
        const int32_t at = dse_min(c, channels.high - 4);
        dse_x_store(out + at, a->in_signed ? x_pool_max(&s, at, true) : x_pool_max(&s, at, false));
    }
}

static void x_avg_pixel(const dse_avgpool_args *a, int32_t y, int32_t x, dse_span ty, dse_span channels) {
    const dse_window *w = &a->window;
    const pool_site s = pool_locate(w, a->input, y, x, ty);
    const int32_t all = w->taps_y * w->taps_x, valid = s.rows * s.cols, n = a->count_pad ? all : valid;
    const dse_word padding = (dse_word)((n - valid) * a->pad_value);
    const int32_t mul = a->tables[n], add = a->tables[all + 1 + n];
    uint8_t *out = a->output + y * w->out_row_pitch + x * w->out_pixel_pitch;
    for (int32_t c = channels.low; c < channels.high; c += 4) {
        const int32_t at = dse_min(c, channels.high - 4);
        dse_word sum[4] = {padding, padding, padding, padding};
        if (a->in_signed)
            x_pool_sum(&s, at, true, sum);
        else
            x_pool_sum(&s, at, false, sum);
        for (int32_t k = 0; k < 4; k++)
            out[at + k] = (uint8_t)dse_x_requant((int32_t)sum[k], mul, add, a->shift, a->low, a->high);
    }
}

static void x_max_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_maxpool_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores);
    const dse_span channels = dse_share(a->split == DSE_SPLIT_CHANNELS, a->channels, core, ncores);
    if (dse_length(channels) < 4) {
        max_task(core, ncores, arg);
        return;
    }
    for (dse_rows r = dse_rows_begin(pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols)) {
        const dse_span ty = dse_taps_y(w, r.y);
        for (int32_t x = r.cols.low; x < r.cols.high; x++) x_max_pixel(a, r.y, x, ty, channels);
    }
}

static void x_avg_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_avgpool_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores);
    const dse_span channels = dse_share(a->split == DSE_SPLIT_CHANNELS, a->channels, core, ncores);
    if (dse_length(channels) < 4) {
        avg_task(core, ncores, arg);
        return;
    }
    for (dse_rows r = dse_rows_begin(pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols)) {
        const dse_span ty = dse_taps_y(w, r.y);
        for (int32_t x = r.cols.low; x < r.cols.high; x++) x_avg_pixel(a, r.y, x, ty, channels);
    }
}

void dse_maxpool(const dse_maxpool_args *args);
void dse_avgpool(const dse_avgpool_args *args);
void dse_maxpool(const dse_maxpool_args *args) { dse_launch(x_max_task, args, args->split); }
void dse_avgpool(const dse_avgpool_args *args) { dse_launch(x_avg_task, args, args->split); }
