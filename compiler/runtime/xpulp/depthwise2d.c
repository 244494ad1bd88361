/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution with Xpulp instructions: 3x3 windows without dilation. Blocks of four channels outermost,
 * then strips of columns: the strip's input is turned once (columns.h), with its padding, and serves four channels
 * and all outputs below each other. Cores divide rows of blocks. Other windows, and tiles of less than four channels,
 * run the portable kernel.
 */
#include "columns.h"

#define dse_depthwise2d dse_depthwise2d_portable
#include "../kernels/depthwise2d.c"
#undef dse_depthwise2d

enum { X_STRIP_ROWS = 18 }; /* rows of the input that are turned at once: 288 bytes of stack */

/* Four channels from `first` on, of which `channels` are wanted. */
typedef struct {
    const dse_conv2d_args *a;
    int32_t first;
    dse_span channels;
    x_filter filter[4];
} dw_block;

static void x_dw_filters(dw_block *b) {
    const uint8_t *w = (const uint8_t *)b->a->weights + b->first;
    for (int32_t ky = 0; ky < 3; ky++, w += 3 * b->a->groups) {
        const dse_word in[4] = {dse_x_load(w), dse_x_load(w + b->a->groups), dse_x_load(w + 2 * b->a->groups), 0};
        dse_word out[4];
        x_turn(in, out);
        for (int32_t c = 0; c < 4; c++) b->filter[c].row[ky] = out[c];
    }
}

/* The input rows [low, low + rows) of the four columns from `col` on, turned; padding where there is no input. */
static __attribute__((noinline)) void x_dw_turn(const dw_block *b, int32_t low, int32_t rows, int32_t col, dse_word (*to)[4]) {
    const dse_conv2d_args *a = b->a;
    const dse_window *w = &a->window;
    const dse_word pad = 0x01010101u * (uint8_t)a->pad_value;
    const int32_t top = dse_clamp(-low, 0, rows), end = dse_clamp(w->in_rows - low, top, rows);
    const uint8_t *const first = a->input + (low + top) * w->in_row_pitch + b->first;
    x_columns c;
    for (int32_t k = 0; k < 4; k++) {
        const bool inside = col + k >= 0 && col + k < w->in_cols;
        c.at[k] = inside ? first + (col + k) * w->in_pixel_pitch : (const uint8_t *)&pad;
        c.step[k] = inside ? w->in_row_pitch : 0;
    }
    for (int32_t r = 0; r < top; r++) to[r][0] = to[r][1] = to[r][2] = to[r][3] = pad;
    if (end > top) x_turn_columns(&c, end - top, to + top);
    for (int32_t r = end; r < rows; r++) to[r][0] = to[r][1] = to[r][2] = to[r][3] = pad;
}

/* Outputs of `rows` rows from y on in column x, or also in x + 1. */
DSE_LEAF void x_dw_strip(const dw_block *b, int32_t y, int32_t rows, int32_t x, bool two, bool sgn) {
    const dse_conv2d_args *a = b->a;
    const dse_window *w = &a->window;
    dse_word turned[X_STRIP_ROWS][4];
    x_dw_turn(b, y * w->stride_y + w->shift_y, (rows - 1) * w->stride_y + 3, x * w->stride_x + w->shift_x, turned);
    x_outputs o = {.y_step = {w->out_row_pitch, w->out_row_pitch}, .shift = a->shift, .low = a->low, .high = a->high};
    uint8_t *const out = a->output + y * w->out_row_pitch + x * w->out_pixel_pitch;
    const int32_t step = 16 * w->stride_y;
    for (int32_t c = b->channels.low; c < b->channels.high; c++) {
        const dse_word *t = &turned[0][c - b->first];
        const x_filter *f = &b->filter[c - b->first];
        o.mul = a->tables[c], o.add = a->tables[a->groups + c];
        o.y[0] = out + c, o.y[1] = o.y[0] + w->out_pixel_pitch;
        if (two && sgn)
            x_windows_2_i8(t, step, rows, f, &o);
        else if (two)
            x_windows_2_u8(t, step, rows, f, &o);
        else if (sgn)
            x_windows_1_i8(t, step, rows, f, &o);
        else
            x_windows_1_u8(t, step, rows, f, &o);
    }
}

static __attribute__((noinline)) void x_dw_two(const dw_block *b, int32_t y, int32_t rows, int32_t x) {
    if (b->a->in_signed)
        x_dw_strip(b, y, rows, x, true, true);
    else
        x_dw_strip(b, y, rows, x, true, false);
}

static __attribute__((noinline)) void x_dw_one(const dw_block *b, int32_t y, int32_t rows, int32_t x) {
    if (b->a->in_signed)
        x_dw_strip(b, y, rows, x, false, true);
    else
        x_dw_strip(b, y, rows, x, false, false);
}

/* Columns `cols` of the rows [y, y + rows). */
static void x_dw_rectangle(const dw_block *b, int32_t y, int32_t rows, dse_span cols) {
    const dse_window *w = &b->a->window;
    const int32_t most = (X_STRIP_ROWS - 3) / w->stride_y + 1;
    for (; rows > 0; rows -= most, y += most) {
        int32_t x = cols.low;
        for (; w->stride_x == 1 && x + 2 <= cols.high; x += 2) x_dw_two(b, y, dse_min(rows, most), x);
        for (; x < cols.high; x++) x_dw_one(b, y, dse_min(rows, most), x);
    }
}

/* Units are rows of a block of four channels, block by block; every core takes as many, whatever the split. So strips
 * are as long as the work allows: a core's rows of a block lie together. */
static void x_dw_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_conv2d_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span units = dse_chunk(((a->groups + 3) >> 2) * w->out_rows, core, ncores), cols = {0, w->out_cols};
    int32_t block = units.low / w->out_rows, y = units.low - block * w->out_rows, macs = 0;
    for (int32_t left = dse_length(units); left > 0; block++, y = 0) {
        const int32_t rows = dse_min(left, w->out_rows - y), c = 4 * block;
        dw_block b = {.a = a, .first = dse_min(c, a->groups - 4), .channels = {c, dse_min(c + 4, a->groups)}};
        x_dw_filters(&b);
        x_dw_rectangle(&b, y, rows, cols);
        macs += rows * w->out_cols * dse_length(b.channels) * 9, left -= rows;
    }
    dse_count_macs(core, (uint64_t)(uint32_t)macs);
}

/* Whether strips compute it. */
static bool x_dw_fits(const dse_conv2d_args *a) {
    const dse_window *w = &a->window;
    return w->taps_y == 3 && w->taps_x == 3 && w->dilation_y == 1 && w->dilation_x == 1 && a->groups >= 4 &&
           w->stride_y <= X_STRIP_ROWS - 3;
}

void dse_depthwise2d(const dse_conv2d_args *args);
void dse_depthwise2d(const dse_conv2d_args *args) {
    dse_launch(x_dw_fits(args) ? x_dw_task : dw_task, args, args->split);
}
