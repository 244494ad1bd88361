/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels that move codes: concatenation (with requantisation), rows of a table, transposition, padding, nearest resizing.
 */
#include "window.h"

/* The compiler's own memcpy and memset: every target has them, a freestanding one has no <string.h>. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, int32_t n) { __builtin_memcpy(to, from, (uint32_t)n); }
static inline void fill_bytes(uint8_t *to, uint8_t value, int32_t n) { __builtin_memset(to, value, (uint32_t)n); }

/* ---- Concatenation ---- */

static void concat_row(const dse_concat_part *p, const uint8_t *x, uint8_t *y, int32_t low, int32_t high) {
    const uint32_t flip = dse_flip(p->in_signed);
    for (int32_t k = 0; k < p->width; k++)
        y[k] = dse_requant(dse_decode(x[k], flip), p->mul, p->add, p->shift, low, high);
}

static void concat_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_concat_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    int32_t offset = 0;
    for (int32_t k = 0; k < a->count; k++) {
        const dse_concat_part *p = &a->parts[k];
        for (int32_t y = rows.low; y < rows.high; y++)
            concat_row(p, p->input + y * p->row_pitch, a->output + y * a->out_row_pitch + offset, a->low, a->high);
        offset += p->width;
    }
}

void dse_concat(const dse_concat_args *args) { dse_launch(concat_task, args, args->split); }

/* ---- Rows of a table ---- */

static void embed_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_embed_args *a = arg;
    const int32_t *const tokens = (const int32_t *)(const void *)a->tokens;
    const int32_t row_bytes = a->channels << a->log2;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++) {
        const int32_t entry = a->in_order ? y : dse_clamp(tokens[y], 0, a->entries - 1);
        copy_bytes(a->output + y * a->out_row_pitch, a->table + entry * a->table_row_pitch, row_bytes);
    }
}

void dse_embed(const dse_embed_args *args) { dse_launch(embed_task, args, args->split); }

/* ---- Transposition ---- */

static void transpose_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_transpose_args *a = arg;
    const int32_t *e = a->extent, *ip = a->in_pitch, *op = a->out_pitch;
    const dse_span lines = dse_share(a->split == DSE_SPLIT_PIXELS, e[0] * e[1] * e[2] * e[3], core, ncores);
    for (int32_t line = lines.low; line < lines.high; line++) {
        const int32_t a012 = line / e[3], a3 = line - a012 * e[3], a01 = a012 / e[2], a2 = a012 - a01 * e[2];
        const int32_t a0 = a01 / e[1], a1 = a01 - a0 * e[1];
        const uint8_t *x = a->input + a0 * ip[0] + a1 * ip[1] + a2 * ip[2] + a3 * ip[3];
        uint8_t *y = a->output + a0 * op[0] + a1 * op[1] + a2 * op[2] + a3 * op[3];
        if (a->log2 == 0)
            for (int32_t k = e[4]; k > 0; k--, x += ip[4], y += op[4]) *y = *x;
        else
            for (int32_t k = e[4]; k > 0; k--, x += ip[4], y += op[4]) copy_bytes(y, x, 1 << a->log2);
    }
}

void dse_transpose(const dse_transpose_args *args) { dse_launch(transpose_task, args, args->split); }

/* ---- Padding ---- */

/* One output pixel from column `col` of an input row; row is NULL if it is padding. */
static void pad_pixel(const dse_pad_args *a, const uint8_t *row, int32_t col, uint8_t *y) {
    const uint8_t value = (uint8_t)a->value;
    if (!row || col < 0 || col >= a->in_cols) {
        fill_bytes(y, value, a->out_channels);
        return;
    }
    const int32_t low = dse_clamp(-a->shift_c, 0, a->out_channels);
    const int32_t high = dse_clamp(a->in_channels - a->shift_c, low, a->out_channels);
    fill_bytes(y, value, low);
    if (high > low) copy_bytes(y + low, row + col * a->in_pixel_pitch + low + a->shift_c, high - low);
    fill_bytes(y + high, value, a->out_channels - high);
}

static void pad_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_pad_args *a = arg;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, a->out_rows * a->out_cols, core, ncores);
    for (dse_rows r = dse_rows_begin(pixels, a->out_cols); dse_rows_valid(&r); dse_rows_next(&r, a->out_cols)) {
        const int32_t in_y = r.y + a->shift_y;
        const uint8_t *row = in_y < 0 || in_y >= a->in_rows ? NULL : a->input + in_y * a->in_row_pitch;
        uint8_t *out = a->output + r.y * a->out_row_pitch;
        for (int32_t x = r.cols.low; x < r.cols.high; x++)
            pad_pixel(a, row, x + a->shift_x, out + x * a->out_pixel_pitch);
    }
}

void dse_pad(const dse_pad_args *args) { dse_launch(pad_task, args, args->split); }

/* ---- Resizing ---- */

static void resize_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_resize_args *a = arg;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, a->out_rows * a->out_cols, core, ncores);
    for (dse_rows r = dse_rows_begin(pixels, a->out_cols); dse_rows_valid(&r); dse_rows_next(&r, a->out_cols)) {
        const int32_t in_y = (r.y + a->out_y) * a->down_y / a->up_y + a->offset_y - a->in_y;
        const uint8_t *row = a->input + in_y * a->in_row_pitch;
        uint8_t *out = a->output + r.y * a->out_row_pitch;
        for (int32_t x = r.cols.low; x < r.cols.high; x++) {
            const int32_t in_x = (x + a->out_x) * a->down_x / a->up_x + a->offset_x - a->in_x;
            copy_bytes(out + x * a->out_pixel_pitch, row + in_x * a->in_pixel_pitch, a->channels);
        }
    }
}

void dse_resize(const dse_resize_args *args) { dse_launch(resize_task, args, args->split); }
