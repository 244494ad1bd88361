/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution, dense and grouped; fully connected layers are 1x1 windows on one pixel.
 *
 * Pixels outermost, then groups, then blocks of four filters. Two neighbouring pixels of a row whose taps all lie
 * inside in x are computed together (dse_dot_4x2); pixels on the left and right border, and what is left over, one
 * by one. A patch covers only the taps inside the input; the padding's share is pad_value times the weights of the
 * other taps, which costs less than a copy of the input with padding around it.
 * Where a window's row is contiguous in memory (dense tile, no dilation, one group) a patch has one run a row.
 */
#include "dot.h"
#include "window.h"

/* One pixel or two neighbours: where they are, which taps they have, and the walk over their patches. */
typedef struct {
    const uint8_t *x[2]; /* the first valid tap */
    uint8_t *y[2];
    int32_t *acc[2]; /* accumulators, unless the whole reduction is this call */
    int32_t count;   /* with one pixel, both entries are this pixel */
    dse_span ty, tx;
    dse_patch patch;
    int32_t first_weight; /* offset of the first valid tap in a filter */
    int32_t filter_bytes;
    bool padded; /* some taps are padding, and it is not zero */
} conv_site;

static inline dse_patch conv_patch(const dse_conv2d_args *a, dse_span ty, dse_span tx) {
    const dse_window *w = &a->window;
    const int32_t rows = dse_length(ty), cols = dse_length(tx), run = a->inputs;
    dse_patch q = {.rows = rows, .cols = cols, .run = run};
    q.x_col_skip = w->dilation_x * w->in_pixel_pitch - run;
    q.x_row_skip = w->dilation_y * w->in_row_pitch - cols * (q.x_col_skip + run);
    q.w_row_skip = (w->taps_x - cols) * run;
    if (q.x_col_skip == 0) q.cols = 1, q.run = cols * run;
    return q;
}

static inline conv_site conv_locate(const dse_conv2d_args *a, int32_t y, int32_t x, int32_t count, dse_span ty,
                                    dse_span tx) {
    const dse_window *w = &a->window;
    conv_site s = {.count = count, .ty = ty, .tx = tx, .patch = conv_patch(a, ty, tx)};
    const int32_t first = dse_first_tap(w, y, x, ty, tx);
    for (int32_t k = 0; k < 2; k++) {
        const int32_t step = count == 1 ? 0 : k;
        s.x[k] = a->input + first + step * w->stride_x * w->in_pixel_pitch;
        if (a->last) s.y[k] = a->output + y * w->out_row_pitch + (x + step) * w->out_pixel_pitch;
        if (!(a->first && a->last)) s.acc[k] = a->accumulator + (y * w->out_cols + x + step) * a->outputs;
    }
    s.first_weight = (ty.low * w->taps_x + tx.low) * a->inputs;
    s.filter_bytes = w->taps_y * w->taps_x * a->inputs;
    s.padded = a->pad_value != 0 && (dse_length(ty) < w->taps_y || dse_length(tx) < w->taps_x);
    return s;
}

/* What the sums of `blocks` filters start from on each pixel: the padding, and what earlier calls accumulated. */
static inline void conv_padding(const dse_conv2d_args *a, const conv_site *s, const int8_t *filter, int32_t pitch,
                                int32_t sum[4]) {
    const dse_window *w = &a->window;
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    if (!s->padded) return;
    dse_sum_padding_4(filter, pitch, s->ty, s->tx, w->taps_y, w->taps_x, a->inputs, sum);
    for (int32_t k = 0; k < 4; k++) sum[k] *= a->pad_value;
}

/* conv_finish where codes have several bytes. */
static void conv_finish_wide(const dse_conv2d_args *a, const conv_site *s, int32_t c, int32_t filters, int32_t pixels,
                             const int32_t *sum) {
    const int32_t *mul = a->tables, *add = mul + a->groups * a->outputs;
    for (int32_t p = 0; p < pixels; p++)
        for (int32_t k = 0; k < filters; k++)
            dse_put(s->y[p], c + k, a->out_log2,
                    dse_requant_wide(sum[k * pixels + p], mul[c + k], add[c + k], a->shift, a->low, a->high));
}

/* Writes `filters` x `pixels` sums, pixel fastest, from output c on. */
DSE_LEAF void conv_finish(const dse_conv2d_args *a, const conv_site *s, int32_t c, int32_t filters, int32_t pixels,
                          const int32_t *sum) {
    if (a->out_log2) {
        conv_finish_wide(a, s, c, filters, pixels, sum);
        return;
    }
    const int32_t shift = a->shift, low = a->low, high = a->high;
    const int32_t *mul = a->tables + c, *add = mul + a->groups * a->outputs;
    uint8_t *const y0 = s->y[0] + c, *const y1 = s->y[1] + c;
    for (int32_t k = 0; k < filters; k++) {
        const int32_t m = mul[k], d = add[k];
        y0[k] = dse_requant(sum[k * pixels], m, d, shift, low, high);
        if (pixels == 2) y1[k] = dse_requant(sum[k * pixels + 1], m, d, shift, low, high);
    }
}

DSE_LEAF void conv_load(const dse_conv2d_args *a, const conv_site *s, int32_t c, int32_t filters, int32_t pixels,
                        int32_t *sum) {
    if (a->first) return;
    for (int32_t k = 0; k < filters; k++)
        for (int32_t p = 0; p < pixels; p++) sum[k * pixels + p] += s->acc[p][c + k];
}

DSE_LEAF void conv_store(const dse_conv2d_args *a, const conv_site *s, int32_t c, int32_t filters, int32_t pixels,
                         const int32_t *sum) {
    if (a->last) {
        conv_finish(a, s, c, filters, pixels, sum);
        return;
    }
    for (int32_t k = 0; k < filters; k++)
        for (int32_t p = 0; p < pixels; p++) s->acc[p][c + k] = sum[k * pixels + p];
}

/* Four filters, from output c on, on two pixels, which have the same taps and so the same padding. */
static inline void conv_4x2(const dse_conv2d_args *a, const conv_site *s, int32_t offset, const int8_t *filter,
                            int32_t c) {
    int32_t pad[4];
    conv_padding(a, s, filter, s->filter_bytes, pad);
    int32_t sum[8] = {pad[0], pad[0], pad[1], pad[1], pad[2], pad[2], pad[3], pad[3]};
    conv_load(a, s, c, 4, 2, sum);
    const uint8_t *x0 = s->x[0] + offset, *x1 = s->x[1] + offset;
    if (a->in_signed)
        dse_dot_4x2_i8(&s->patch, x0, x1, filter + s->first_weight, s->filter_bytes, sum);
    else
        dse_dot_4x2_u8(&s->patch, x0, x1, filter + s->first_weight, s->filter_bytes, sum);
    conv_store(a, s, c, 4, 2, sum);
}

static inline void conv_4x1(const dse_conv2d_args *a, const conv_site *s, int32_t offset, const int8_t *filter,
                            int32_t c) {
    int32_t sum[4];
    conv_padding(a, s, filter, s->filter_bytes, sum);
    conv_load(a, s, c, 4, 1, sum);
    if (a->in_signed)
        dse_dot_4x1_i8(&s->patch, s->x[0] + offset, filter + s->first_weight, s->filter_bytes, sum);
    else
        dse_dot_4x1_u8(&s->patch, s->x[0] + offset, filter + s->first_weight, s->filter_bytes, sum);
    conv_store(a, s, c, 4, 1, sum);
}

/* A filter that is left over, on two pixels or twice on the same one. */
static inline void conv_1x2(const dse_conv2d_args *a, const conv_site *s, int32_t offset, const int8_t *filter,
                            int32_t c) {
    int32_t pad[4];
    conv_padding(a, s, filter, 0, pad);
    int32_t sum[2] = {pad[0], pad[0]};
    conv_load(a, s, c, 1, 2, sum);
    const uint8_t *x0 = s->x[0] + offset, *x1 = s->x[1] + offset;
    if (a->in_signed)
        dse_dot_1x2_i8(&s->patch, x0, x1, filter + s->first_weight, sum);
    else
        dse_dot_1x2_u8(&s->patch, x0, x1, filter + s->first_weight, sum);
    conv_store(a, s, c, 1, 2, sum);
}

/* Filters `outputs` of group g. */
static inline void conv_group(const dse_conv2d_args *a, const conv_site *s, int32_t g, dse_span outputs) {
    const int32_t offset = g * a->inputs, end = g * a->outputs + outputs.high;
    int32_t c = g * a->outputs + outputs.low;
    const int8_t *filter = (const int8_t *)a->weights + c * s->filter_bytes;
    for (; c + 4 <= end; c += 4, filter += 4 * s->filter_bytes) {
        if (s->count == 2)
            conv_4x2(a, s, offset, filter, c);
        else
            conv_4x1(a, s, offset, filter, c);
    }
    for (; c < end; c++, filter += s->filter_bytes) conv_1x2(a, s, offset, filter, c);
}

typedef struct {
    dse_span pixels, groups, outputs;
} conv_part;

/* The columns of one output row. */
static inline void conv_row(const dse_conv2d_args *a, const conv_part *part, int32_t y, dse_span cols,
                            dse_span interior) {
    const dse_span ty = dse_taps_y(&a->window, y);
    const int32_t pair_end = dse_min(interior.high, cols.high) - 1;
    for (int32_t x = cols.low; x < cols.high;) {
        const int32_t count = x >= interior.low && x < pair_end ? 2 : 1;
        const conv_site s = conv_locate(a, y, x, count, ty, dse_taps_x(&a->window, x));
        for (int32_t g = part->groups.low; g < part->groups.high; g++) conv_group(a, &s, g, part->outputs);
        x += count;
    }
}

/* What a core computes; counts its MACs. */
DSE_LEAF conv_part conv_share(const dse_conv2d_args *a, uint32_t core, uint32_t ncores) {
    const dse_window *w = &a->window;
    const bool by_channel = a->split == DSE_SPLIT_CHANNELS;
    const conv_part part = {
        .pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores),
        .groups = dse_share(by_channel && a->groups > 1, a->groups, core, ncores),
        .outputs = dse_share(by_channel && a->groups == 1, a->outputs, core, ncores),
    };
    const int32_t sums = dse_length(part.pixels) * dse_length(part.groups) * dse_length(part.outputs);
    dse_count_macs(core, (uint64_t)(uint32_t)(sums * a->inputs * w->taps_y * w->taps_x));
    return part;
}

static void conv_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_conv2d_args *a = arg;
    const dse_window *w = &a->window;
    const conv_part part = conv_share(a, core, ncores);
    const dse_span interior = dse_interior(w);
    for (dse_rows r = dse_rows_begin(part.pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols))
        conv_row(a, &part, r.y, r.cols, interior);
}

void dse_conv2d(const dse_conv2d_args *args) { dse_launch(conv_task, args, args->split); }
