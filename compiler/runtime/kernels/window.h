/* SPDX-License-Identifier: Apache-2.0
 *
 * Which taps of a sliding window lie inside the stored input, and walks over the output pixels of a core.
 */
#ifndef DSE_KERNEL_WINDOW_H
#define DSE_KERNEL_WINDOW_H

#include "kernel.h"

/* Taps k in [0, taps) with base + k*dilation in [0, extent): an interval, perhaps empty. */
DSE_LEAF dse_span dse_taps(int32_t base, int32_t taps, int32_t dilation, int32_t extent) {
    dse_span s = {0, taps};
    if (base < 0) s.low = dse_min(dse_ceil_div(-base, dilation), taps);
    if (base + (taps - 1) * dilation >= extent) s.high = base >= extent ? 0 : dse_ceil_div(extent - base, dilation);
    s.high = dse_max(s.low, s.high);
    return s;
}

DSE_LEAF dse_span dse_taps_y(const dse_window *w, int32_t y) {
    return dse_taps(y * w->stride_y + w->shift_y, w->taps_y, w->dilation_y, w->in_rows);
}

DSE_LEAF dse_span dse_taps_x(const dse_window *w, int32_t x) {
    return dse_taps(x * w->stride_x + w->shift_x, w->taps_x, w->dilation_x, w->in_cols);
}

/* The output columns whose taps all lie inside: the interval where no column needs dse_taps_x. */
DSE_LEAF dse_span dse_interior(const dse_window *w) {
    const int32_t room = w->in_cols - 1 - (w->taps_x - 1) * w->dilation_x - w->shift_x;
    const int32_t low = w->shift_x < 0 ? dse_min(dse_ceil_div(-w->shift_x, w->stride_x), w->out_cols) : 0;
    const int32_t high = room < 0 ? 0 : dse_min(room / w->stride_x + 1, w->out_cols);
    return (dse_span){low, dse_max(low, high)};
}

/* Byte offset in the input of the first valid tap of pixel (y, x); 0 where there is none. */
DSE_LEAF int32_t dse_first_tap(const dse_window *w, int32_t y, int32_t x, dse_span ty, dse_span tx) {
    if (ty.low >= ty.high || tx.low >= tx.high) return 0;
    const int32_t row = y * w->stride_y + w->shift_y + ty.low * w->dilation_y;
    const int32_t col = x * w->stride_x + w->shift_x + tx.low * w->dilation_x;
    return row * w->in_row_pitch + col * w->in_pixel_pitch;
}

/* Walks the output pixels [low, high) of the flattened (row, column) space row by row. */
typedef struct {
    int32_t y;     /* current row */
    dse_span cols; /* its columns */
    int32_t left;  /* pixels of later rows */
} dse_rows;

DSE_LEAF dse_rows dse_rows_begin(dse_span pixels, int32_t out_cols) {
    const int32_t y = pixels.low / out_cols, x = pixels.low - y * out_cols;
    const int32_t n = dse_length(pixels), here = dse_min(n, out_cols - x);
    return (dse_rows){y, {x, x + here}, n - here};
}

DSE_LEAF bool dse_rows_valid(const dse_rows *r) { return r->cols.low < r->cols.high; }

DSE_LEAF void dse_rows_next(dse_rows *r, int32_t out_cols) {
    const int32_t here = dse_min(r->left, out_cols);
    *r = (dse_rows){r->y + 1, {0, here}, r->left - here};
}

#endif
