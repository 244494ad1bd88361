/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution: one filter a channel, any window.
 *
 * Pixels outermost, then blocks of four channels; two neighbouring pixels together where all their taps lie inside
 * in x. A last block of less than four channels overlaps the one before, which computes some outputs twice; a
 * core that has less than four channels takes them one by one. Padding: as in conv2d.c.
 */
#include "channelwise.h"
#include "window.h"

/* One pixel, or two neighbours with the same taps. */
typedef struct {
    const uint8_t *x0, *x1; /* channel 0 of the first valid tap */
    uint8_t *y0, *y1;
    const int8_t *w; /* channel 0 of the first valid tap */
    dse_span ty, tx;
    dse_taps2d taps;
    bool pair;
    bool padded; /* some taps are padding, and it is not zero */
} dw_site;

static inline dw_site dw_locate(const dse_conv2d_args *a, int32_t y, int32_t x, bool pair, dse_span ty, dse_span tx) {
    const dse_window *w = &a->window;
    dw_site s = {.ty = ty, .tx = tx, .pair = pair};
    s.x0 = a->input + dse_first_tap(w, y, x, ty, tx);
    s.x1 = s.x0 + w->stride_x * w->in_pixel_pitch;
    s.y0 = a->output + y * w->out_row_pitch + x * w->out_pixel_pitch;
    s.y1 = s.y0 + w->out_pixel_pitch;
    s.w = (const int8_t *)a->weights + (ty.low * w->taps_x + tx.low) * a->groups;
    s.taps = dse_taps2d_of(ty, tx, w->taps_x, w->dilation_y * w->in_row_pitch, w->dilation_x * w->in_pixel_pitch,
                           a->groups);
    s.padded = a->pad_value != 0 && (dse_length(ty) < w->taps_y || dse_length(tx) < w->taps_x);
    return s;
}

/* The padding's share of the sums of channels [c, c + 4). */
DSE_LEAF void dw_padding(const dse_conv2d_args *a, const dw_site *s, int32_t c, int32_t sum[4]) {
    const int8_t *w = (const int8_t *)a->weights + c;
    dse_channelwise_padding_4(w, a->groups, s->ty, s->tx, a->window.taps_y, a->window.taps_x, sum);
    for (int32_t k = 0; k < 4; k++) sum[k] *= a->pad_value;
}

/* Channels [c, c + 4) of two pixels. */
DSE_LEAF void dw_4x2(const dse_conv2d_args *a, const dw_site *s, int32_t c, bool sgn) {
    const int32_t shift = a->shift, low = a->low, high = a->high;
    const int32_t *mul = a->tables + c, *add = mul + a->groups;
    uint8_t *y0 = s->y0 + c, *y1 = s->y1 + c;
    int32_t sum[8] = {0};
    if (s->padded) {
        int32_t pad[4];
        dw_padding(a, s, c, pad);
        for (int32_t k = 0; k < 4; k++) sum[2 * k] = sum[2 * k + 1] = pad[k];
    }
    dse_channelwise_4x2(&s->taps, s->x0 + c, s->x1 + c, s->w + c, sgn, sum);
    for (int32_t k = 0; k < 4; k++) {
        const int32_t m = mul[k], d = add[k];
        y0[k] = dse_requant(sum[2 * k], m, d, shift, low, high);
        y1[k] = dse_requant(sum[2 * k + 1], m, d, shift, low, high);
    }
}

/* Channels [c, c + 4) of one pixel. */
DSE_LEAF void dw_4x1(const dse_conv2d_args *a, const dw_site *s, int32_t c, bool sgn) {
    const int32_t shift = a->shift, low = a->low, high = a->high;
    const int32_t *mul = a->tables + c, *add = mul + a->groups;
    uint8_t *y = s->y0 + c;
    int32_t sum[4] = {0};
    if (s->padded) dw_padding(a, s, c, sum);
    dse_channelwise_4x1(&s->taps, s->x0 + c, s->w + c, sgn, sum);
    for (int32_t k = 0; k < 4; k++) y[k] = dse_requant(sum[k], mul[k], add[k], shift, low, high);
}

DSE_LEAF void dw_1x1(const dse_conv2d_args *a, const dw_site *s, int32_t c, int32_t pixel, bool sgn) {
    const dse_window *w = &a->window;
    const int8_t *weights = (const int8_t *)a->weights + c;
    int32_t sum = dse_channelwise_1x1(&s->taps, (pixel ? s->x1 : s->x0) + c, s->w + c, sgn);
    if (s->padded)
        sum += a->pad_value * dse_channelwise_padding_1(weights, a->groups, s->ty, s->tx, w->taps_y, w->taps_x);
    uint8_t *y = (pixel ? s->y1 : s->y0) + c;
    *y = dse_requant(sum, a->tables[c], a->tables[a->groups + c], a->shift, a->low, a->high);
}

/* The channels of one site. */
DSE_LEAF void dw_channels(const dse_conv2d_args *a, const dw_site *s, dse_span channels, bool sgn) {
    const int32_t last = channels.high - 4;
    if (last < channels.low) {
        for (int32_t c = channels.low; c < channels.high; c++)
            for (int32_t p = 0; p <= (s->pair ? 1 : 0); p++) dw_1x1(a, s, c, p, sgn);
        return;
    }
    for (int32_t c = channels.low; c < channels.high; c += 4) {
        const int32_t at = dse_min(c, last);
        if (s->pair)
            dw_4x2(a, s, at, sgn);
        else
            dw_4x1(a, s, at, sgn);
    }
}

static void dw_channels_i8(const dse_conv2d_args *a, const dw_site *s, dse_span channels) {
    dw_channels(a, s, channels, true);
}

static void dw_channels_u8(const dse_conv2d_args *a, const dw_site *s, dse_span channels) {
    dw_channels(a, s, channels, false);
}

static inline void dw_row(const dse_conv2d_args *a, int32_t y, dse_span cols, dse_span interior, dse_span channels) {
    const dse_span ty = dse_taps_y(&a->window, y);
    const int32_t pair_end = dse_min(interior.high, cols.high) - 1;
    for (int32_t x = cols.low; x < cols.high;) {
        const bool pair = x >= interior.low && x < pair_end;
        const dw_site s = dw_locate(a, y, x, pair, ty, dse_taps_x(&a->window, x));
        if (a->in_signed)
            dw_channels_i8(a, &s, channels);
        else
            dw_channels_u8(a, &s, channels);
        x += pair ? 2 : 1;
    }
}

static void dw_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_conv2d_args *a = arg;
    const dse_window *w = &a->window;
    const dse_span pixels = dse_share(a->split == DSE_SPLIT_PIXELS, w->out_rows * w->out_cols, core, ncores);
    const dse_span channels = dse_share(a->split == DSE_SPLIT_CHANNELS, a->groups, core, ncores);
    const int32_t outputs = dse_length(pixels) * dse_length(channels);
    dse_count_macs(core, (uint64_t)(uint32_t)(outputs * w->taps_y * w->taps_x));
    const dse_span interior = dse_interior(w);
    for (dse_rows r = dse_rows_begin(pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols))
        dw_row(a, r.y, r.cols, interior, channels);
}

void dse_depthwise2d(const dse_conv2d_args *args) { dse_launch(dw_task, args, args->split); }
