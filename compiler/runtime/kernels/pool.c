/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling: maximum and mean over windows. Only taps inside the stored input are visited.
 */
#include "window.h"

/* The valid taps of one output pixel. */
typedef struct {
    const uint8_t *x; /* channel 0 of the first one */
    int32_t rows, cols, col_pitch, row_skip;
} pool_site;

static inline pool_site pool_locate(const dse_window *w, const uint8_t *input, int32_t y, int32_t x, dse_span ty) {
    const dse_span tx = dse_taps_x(w, x);
    const int32_t cols = dse_length(tx), col_pitch = w->dilation_x * w->in_pixel_pitch;
    return (pool_site){.x = input + dse_first_tap(w, y, x, ty, tx),
                       .rows = cols > 0 ? dse_length(ty) : 0,
                       .cols = cols,
                       .col_pitch = col_pitch,
                       .row_skip = w->dilation_y * w->in_row_pitch - cols * col_pitch};
}

static inline uint8_t pool_max(const pool_site *s, int32_t c, uint32_t flip) {
    const uint8_t *x = s->x + c;
    uint32_t largest = 0;
    for (int32_t r = s->rows; r > 0; r--, x += s->row_skip)
        for (int32_t k = s->cols; k > 0; k--, x += s->col_pitch) {
            const uint32_t code = *x ^ flip;
            if (code > largest) largest = code;
        }
    return (uint8_t)(largest ^ flip);
}

static inline int32_t pool_sum(const pool_site *s, int32_t c, uint32_t flip) {
    const uint8_t *x = s->x + c;
    int32_t sum = 0;
    for (int32_t r = s->rows; r > 0; r--, x += s->row_skip)
        for (int32_t k = s->cols; k > 0; k--, x += s->col_pitch) sum += dse_decode(*x, flip);
    return sum;
}

static void max_pixel(const dse_maxpool_args *a, int32_t y, int32_t x, dse_span ty, dse_span channels) {
    const pool_site s = pool_locate(&a->window, a->input, y, x, ty);
    const uint32_t flip = dse_flip(a->in_signed);
    uint8_t *out = a->output + y * a->window.out_row_pitch + x * a->window.out_pixel_pitch;
    for (int32_t c = channels.low; c < channels.high; c++) out[c] = pool_max(&s, c, flip);
}

static void max_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_maxpool_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores);
    const dse_span channels = dse_share(a->split == DSE_SPLIT_CHANNELS, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols)) {
        const dse_span ty = dse_taps_y(w, r.y);
        for (int32_t x = r.cols.low; x < r.cols.high; x++) max_pixel(a, r.y, x, ty, channels);
    }
}

static void avg_pixel(const dse_avgpool_args *a, int32_t y, int32_t x, dse_span ty, dse_span channels) {
    const dse_window *w = &a->window;
    const pool_site s = pool_locate(w, a->input, y, x, ty);
    const int32_t all = w->taps_y * w->taps_x, valid = s.rows * s.cols;
    const int32_t n = a->count_pad ? all : valid;
    const int32_t padding = (n - valid) * a->pad_value;
    const int32_t mul = a->tables[n], add = a->tables[all + 1 + n];
    const uint32_t flip = dse_flip(a->in_signed);
    uint8_t *out = a->output + y * w->out_row_pitch + x * w->out_pixel_pitch;
    for (int32_t c = channels.low; c < channels.high; c++)
        out[c] = dse_requant(padding + pool_sum(&s, c, flip), mul, add, a->shift, a->low, a->high);
}

static void avg_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_avgpool_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores);
    const dse_span channels = dse_share(a->split == DSE_SPLIT_CHANNELS, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols)) {
        const dse_span ty = dse_taps_y(w, r.y);
        for (int32_t x = r.cols.low; x < r.cols.high; x++) avg_pixel(a, r.y, x, ty, channels);
    }
}

void dse_maxpool(const dse_maxpool_args *args) { dse_launch(max_task, args, args->split); }
void dse_avgpool(const dse_avgpool_args *args) { dse_launch(avg_task, args, args->split); }
