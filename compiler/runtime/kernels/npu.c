/* SPDX-License-Identifier: Apache-2.0
 *
 * The functional model of the NPU, bit exact: what a job (dse_npu.h) leaves in memory, not how long it takes.
 *
 * The loop nest is N-EUREKA's: tile of output channels > 6x6 tile of pixels > tile of input channels, sums of a tile
 * kept until all input channels are in, then streamed out. (NE16's pixel tiles are smaller, which no value shows.) Within a tile, blocks of four filters are decoded
 * from the packed words once and used on all its pixels by the inner loops of the cores' kernels. (A 1x1 filter
 * takes as many tiles of input channels at once as its buffer holds: sums wrap, so their order does not matter.)
 * Precondition: weight codes plus weight_offset fit int8_t, as the engine's users make them.
 * Not reentrant: one NPU, one job at a time.
 */
#include "channelwise.h"
#include "dot.h"
#include "npu_weights.h"
#include "window.h"

#define TILE ((int32_t)DSE_NPU_TILE)
#define BLOCK 4

/* A tile of pixels and a tile of output channels, and the sums between them. */
typedef struct {
    const dse_npu_job *job;
    npu_filter filter;
    dse_window window;
    dse_span rows, cols, interior, outputs;
} npu_tile;

static int32_t npu_sums[TILE * TILE][(int32_t)DSE_NPU_KO];
/* Behind the last filter is room for what decoding writes too much. */
static int8_t npu_filters[BLOCK * DSE_NPU_FILTER_BYTES + 32];

static dse_window npu_window(const dse_npu_job *j) {
    const int32_t taps = j->mode == DSE_NPU_1X1 ? 1 : 3, stride = j->stride;
    return (dse_window){
        .in_row_pitch = (int32_t)j->in_row_stride,
        .in_pixel_pitch = (int32_t)j->in_pixel_stride,
        .out_row_pitch = (int32_t)j->out_row_stride,
        .out_pixel_pitch = (int32_t)j->out_pixel_stride,
        .in_rows = (j->h_out - 1) * stride + taps - j->pad_top - j->pad_bottom,
        .in_cols = (j->w_out - 1) * stride + taps - j->pad_left - j->pad_right,
        .out_rows = j->h_out,
        .out_cols = j->w_out,
        .taps_y = taps,
        .taps_x = taps,
        .stride_y = stride,
        .stride_x = stride,
        .dilation_y = 1,
        .dilation_x = 1,
        .shift_y = -(int32_t)j->pad_top,
        .shift_x = -(int32_t)j->pad_left,
    };
}

static int32_t *npu_sum(const npu_tile *t, int32_t y, int32_t x) {
    return npu_sums[(y - t->rows.low) * TILE + x - t->cols.low];
}

/* ---- Dense ---- */

/* Four decoded filters on one slice of input channels. */
typedef struct {
    const uint8_t *input; /* first channel of the slice */
    int32_t channels;     /* of the slice */
    int32_t pitch;        /* bytes from tap to tap */
    int32_t first, count; /* the filters' outputs, in the tile of output channels */
} npu_block;

static inline dse_patch npu_patch(const npu_tile *t, const npu_block *b, dse_span ty, dse_span tx) {
    const dse_window *w = &t->window;
    const int32_t cols = dse_length(tx);
    return (dse_patch){.rows = dse_length(ty),
                       .cols = cols,
                       .run = b->channels,
                       .x_col_skip = w->in_pixel_pitch - b->channels,
                       .x_row_skip = w->in_row_pitch - cols * w->in_pixel_pitch,
                       .w_col_skip = b->pitch - b->channels,
                       .w_row_skip = (w->taps_x - cols) * b->pitch};
}

/* The padding's share of the four sums. Unused codes of a tap are zero, so taps are summed whole. */
static inline void npu_padding(const npu_tile *t, const npu_block *b, dse_span ty, dse_span tx, int32_t sum[4]) {
    const dse_window *w = &t->window;
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    if (t->job->pad_value == 0 || (dse_length(ty) == w->taps_y && dse_length(tx) == w->taps_x)) return;
    dse_sum_padding_4(npu_filters, DSE_NPU_FILTER_BYTES, ty, tx, w->taps_y, w->taps_x, b->pitch, sum);
    for (int32_t k = 0; k < 4; k++) sum[k] *= t->job->pad_value;
}

/* Adds the block to the sums of `count` neighbouring pixels with the same taps. */
static void npu_block_at(const npu_tile *t, const npu_block *b, int32_t y, int32_t x, int32_t count, dse_span ty) {
    const dse_window *w = &t->window;
    const dse_span tx = dse_taps_x(w, x);
    const dse_patch q = npu_patch(t, b, ty, tx);
    const uint8_t *x0 = b->input + dse_first_tap(w, y, x, ty, tx);
    const int8_t *filter = npu_filters + (ty.low * w->taps_x + tx.low) * b->pitch;
    int32_t pad[4], *to = npu_sum(t, y, x) + b->first;
    npu_padding(t, b, ty, tx, pad);
    if (count == 2) {
        int32_t acc[8] = {pad[0], pad[0], pad[1], pad[1], pad[2], pad[2], pad[3], pad[3]};
        const uint8_t *x1 = x0 + w->stride_x * w->in_pixel_pitch;
        if (t->job->in_signed)
            dse_dot_4x2_i8(&q, x0, x1, filter, DSE_NPU_FILTER_BYTES, acc);
        else
            dse_dot_4x2_u8(&q, x0, x1, filter, DSE_NPU_FILTER_BYTES, acc);
        for (int32_t k = 0; k < b->count; k++) to[k] += acc[2 * k], to[k + (int32_t)DSE_NPU_KO] += acc[2 * k + 1];
        return;
    }
    if (t->job->in_signed)
        dse_dot_4x1_i8(&q, x0, filter, DSE_NPU_FILTER_BYTES, pad);
    else
        dse_dot_4x1_u8(&q, x0, filter, DSE_NPU_FILTER_BYTES, pad);
    for (int32_t k = 0; k < b->count; k++) to[k] += pad[k];
}

static void npu_block_pixels(const npu_tile *t, const npu_block *b) {
    const int32_t pair_end = dse_min(t->interior.high, t->cols.high) - 1;
    for (int32_t y = t->rows.low; y < t->rows.high; y++) {
        const dse_span ty = dse_taps_y(&t->window, y);
        for (int32_t x = t->cols.low; x < t->cols.high;) {
            const int32_t count = x >= t->interior.low && x < pair_end ? 2 : 1;
            npu_block_at(t, b, y, x, count, ty);
            x += count;
        }
    }
}

/* Decodes one filter on tiles [first, first + tiles) of input channels (more than one only without window). */
static void npu_decode_filter(const npu_tile *t, const npu_block *b, int32_t k, int32_t first, int32_t tiles) {
    const npu_filter *f = &t->filter;
    const int32_t all = dse_ceil_div(t->job->k_in, f->tile), output = t->outputs.low + b->first + k;
    const uint8_t *words = (const uint8_t *)t->job->weights + (output * all + first) * f->bytes;
    int8_t *out = npu_filters + k * DSE_NPU_FILTER_BYTES;
    for (int32_t i = 0; i < tiles; i++) npu_decode(f, words + i * f->bytes, out + i * f->tile);
    if (f->taps == 1) return;
    for (int32_t tap = 0; tap < f->taps; tap++)
        for (int32_t c = b->channels; c < f->tile; c++) out[tap * f->tile + c] = 0;
}

/* The sums of one tile of pixels and output channels. */
static void npu_dense(const npu_tile *t) {
    const dse_npu_job *j = t->job;
    const bool one = j->mode == DSE_NPU_1X1;
    const int32_t tile = t->filter.tile;
    const int32_t all = dse_ceil_div(j->k_in, tile), step = one ? DSE_NPU_FILTER_BYTES / tile : 1;
    for (int32_t first = 0; first < all; first += step) {
        const int32_t tiles = dse_min(step, all - first);
        npu_block b = {.input = (const uint8_t *)j->input + first * tile, .pitch = tile};
        b.channels = dse_min(tiles * tile, j->k_in - first * tile);
        if (one) b.pitch = b.channels;
        for (; b.first < dse_length(t->outputs); b.first += BLOCK) {
            b.count = dse_min(BLOCK, dse_length(t->outputs) - b.first);
            /* In this order: decoding one may write into the room of the next. */
            for (int32_t k = 0; k < b.count; k++) npu_decode_filter(t, &b, k, first, tiles);
            npu_block_pixels(t, &b);
        }
    }
}

/* ---- Depthwise ---- */

/* One pixel, or two neighbours with the same taps; pointers are to channel 0 of the tile. */
typedef struct {
    const uint8_t *x0, *x1;
    const int8_t *filter; /* first valid tap */
    int32_t pitch;        /* from tap to tap of the filters */
    int32_t *to0, *to1;
    dse_span ty, tx;
    dse_taps2d taps;
    int32_t pad_value; /* 0 where there is no padding */
} npu_site;

static inline npu_site npu_locate(const npu_tile *t, int32_t y, int32_t x, dse_span ty) {
    const dse_window *w = &t->window;
    const dse_span tx = dse_taps_x(w, x);
    const bool inside = dse_length(ty) == w->taps_y && dse_length(tx) == w->taps_x;
    npu_site s = {.pitch = t->filter.tile, .ty = ty, .tx = tx, .pad_value = inside ? 0 : t->job->pad_value};
    s.x0 = (const uint8_t *)t->job->input + t->outputs.low + dse_first_tap(w, y, x, ty, tx);
    s.x1 = s.x0 + w->stride_x * w->in_pixel_pitch;
    s.filter = npu_filters + (ty.low * w->taps_x + tx.low) * s.pitch;
    s.to0 = npu_sum(t, y, x);
    s.to1 = s.to0 + (int32_t)DSE_NPU_KO;
    s.taps = dse_taps2d_of(ty, tx, w->taps_x, w->in_row_pitch, w->in_pixel_pitch, s.pitch);
    return s;
}

/* What the sums of channels [c, c + 4) start from: the padding's share. */
DSE_LEAF void npu_channel_padding(const npu_site *s, int32_t c, int32_t sum[4]) {
    sum[0] = sum[1] = sum[2] = sum[3] = 0;
    if (s->pad_value == 0) return;
    dse_channelwise_padding_4(npu_filters + c, s->pitch, s->ty, s->tx, 3, 3, sum);
    for (int32_t k = 0; k < 4; k++) sum[k] *= s->pad_value;
}

DSE_LEAF void npu_channels_4x2(const npu_site *s, int32_t c, bool sgn) {
    int32_t pad[4];
    npu_channel_padding(s, c, pad);
    int32_t sum[8] = {pad[0], pad[0], pad[1], pad[1], pad[2], pad[2], pad[3], pad[3]};
    dse_channelwise_4x2(&s->taps, s->x0 + c, s->x1 + c, s->filter + c, sgn, sum);
    for (int32_t k = 0; k < 4; k++) s->to0[c + k] = sum[2 * k], s->to1[c + k] = sum[2 * k + 1];
}

DSE_LEAF void npu_channels_4x1(const npu_site *s, int32_t c, bool sgn) {
    int32_t sum[4];
    npu_channel_padding(s, c, sum);
    dse_channelwise_4x1(&s->taps, s->x0 + c, s->filter + c, sgn, sum);
    for (int32_t k = 0; k < 4; k++) s->to0[c + k] = sum[k];
}

DSE_LEAF void npu_channels_1x1(const npu_site *s, int32_t c, bool pair, bool sgn) {
    const int8_t *weights = npu_filters + c;
    const int32_t padding = s->pad_value * dse_channelwise_padding_1(weights, s->pitch, s->ty, s->tx, 3, 3);
    s->to0[c] = padding + dse_channelwise_1x1(&s->taps, s->x0 + c, s->filter + c, sgn);
    if (pair) s->to1[c] = padding + dse_channelwise_1x1(&s->taps, s->x1 + c, s->filter + c, sgn);
}

/* Channels [0, n) of a site; the last block of four overlaps the one before, less than four go one by one. */
DSE_LEAF void npu_channels(const npu_site *s, int32_t n, bool pair, bool sgn) {
    if (n < 4) {
        for (int32_t c = 0; c < n; c++) npu_channels_1x1(s, c, pair, sgn);
        return;
    }
    for (int32_t c = 0; c < n; c += 4) {
        if (pair)
            npu_channels_4x2(s, dse_min(c, n - 4), sgn);
        else
            npu_channels_4x1(s, dse_min(c, n - 4), sgn);
    }
}

static void npu_channels_i8(const npu_site *s, int32_t n, bool pair) { npu_channels(s, n, pair, true); }
static void npu_channels_u8(const npu_site *s, int32_t n, bool pair) { npu_channels(s, n, pair, false); }

static void npu_depthwise(const npu_tile *t) {
    const dse_npu_job *j = t->job;
    const uint8_t *words = j->weights;
    npu_decode(&t->filter, words + t->outputs.low / t->filter.tile * t->filter.bytes, npu_filters);
    const int32_t pair_end = dse_min(t->interior.high, t->cols.high) - 1;
    for (int32_t y = t->rows.low; y < t->rows.high; y++) {
        const dse_span ty = dse_taps_y(&t->window, y);
        for (int32_t x = t->cols.low; x < t->cols.high;) {
            const bool pair = x >= t->interior.low && x < pair_end;
            const npu_site s = npu_locate(t, y, x, ty);
            if (j->in_signed)
                npu_channels_i8(&s, dse_length(t->outputs), pair);
            else
                npu_channels_u8(&s, dse_length(t->outputs), pair);
            x += pair ? 2 : 1;
        }
    }
}

/* ---- Streaming out ---- */

static int32_t npu_saturating_add(int32_t a, int32_t b) {
    const int32_t sum = dse_wrap_add(a, b);
    const bool overflow = ((a ^ sum) & (b ^ sum)) < 0;
    return !overflow ? sum : a < 0 ? INT32_MIN : INT32_MAX;
}

static int32_t npu_normalise(const dse_npu_job *j, int32_t sum, int32_t k) {
    const uint32_t scale = j->scale_bits == 8 ? ((const uint8_t *)j->scale)[k] : ((const uint32_t *)j->scale)[k];
    const int32_t product = (int32_t)((uint32_t)sum * scale);
    return npu_saturating_add(product, j->bias ? j->bias[k] : 0) >> j->shift;
}

static void npu_stream_pixel(const dse_npu_job *j, const int32_t *sums, dse_span outputs, uint8_t *out) {
    const int32_t low = j->out_bits == 8 ? (j->out_signed && !j->relu ? -128 : 0) : (j->relu ? 0 : INT32_MIN);
    const int32_t high = j->out_bits == 8 ? (j->out_signed && !j->relu ? 127 : 255) : INT32_MAX;
    for (int32_t k = outputs.low; k < outputs.high; k++, sums++) {
        const int32_t value = j->scale ? dse_clamp(npu_normalise(j, *sums, k), low, high) : *sums;
        if (j->out_bits == 8)
            out[k] = (uint8_t)value;
        else
            __builtin_memcpy(out + 4 * k, &value, 4);
    }
}

static void npu_stream_out(const npu_tile *t) {
    const dse_npu_job *j = t->job;
    for (int32_t y = t->rows.low; y < t->rows.high; y++)
        for (int32_t x = t->cols.low; x < t->cols.high; x++) {
            uint8_t *out = (uint8_t *)j->output + y * t->window.out_row_pitch + x * t->window.out_pixel_pitch;
            npu_stream_pixel(j, npu_sum(t, y, x), t->outputs, out);
        }
}

/* ---- The job ---- */

static void npu_run_tile(const npu_tile *t) {
    if (t->job->mode == DSE_NPU_DW3X3) {
        npu_depthwise(t);
    } else {
        __builtin_memset(npu_sums, 0, (uint32_t)(dse_length(t->rows) * TILE) * sizeof npu_sums[0]);
        npu_dense(t);
    }
    npu_stream_out(t);
}

void dse_npu_execute(const dse_npu_job *job) {
    npu_tile t = {.job = job, .filter = npu_filter_of(job), .window = npu_window(job)};
    const int32_t tile_ko = job->mode == DSE_NPU_DW3X3 ? t.filter.tile : (int32_t)DSE_NPU_KO;
    t.interior = dse_interior(&t.window);
    for (int32_t k = 0; k < job->k_out; k += tile_ko)
        for (int32_t y = 0; y < job->h_out; y += TILE)
            for (int32_t x = 0; x < job->w_out; x += TILE) {
                t.outputs = (dse_span){k, dse_min(k + tile_ko, job->k_out)};
                t.rows = (dse_span){y, dse_min(y + TILE, job->h_out)};
                t.cols = (dse_span){x, dse_min(x + TILE, job->w_out)};
                npu_run_tile(&t);
            }
}
