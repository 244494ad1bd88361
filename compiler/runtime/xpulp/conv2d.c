/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with Xpulp instructions. The work is a list of units: two neighbours in the row-major list of the tile's
 * pixels (of an odd number the last one alone), times a block of four filters. Every core takes as many units, be the
 * split by pixels or by channels; strips (strip.h) compute them, and blocks for one pixel (alone.h) what is alone.
 * Windows of one pixel are read in place, other small ones gathered (gather.h), so that borders are like any pixel;
 * outputs of 16 bits are requantised apart (wide.h). Large windows, groups, and filters that make no block walk by
 * rows (conv_rows.h).
 */
#include "strip.h"
#include "walk.h"

#define dse_conv2d dse_conv2d_portable
#include "../kernels/conv2d.c"
#undef dse_conv2d

X_STRIPS_ONE(conv_one_i8, DSE_X_SS, A_SS)
X_STRIPS_ONE(conv_one_u8, DSE_X_US, A_US)
X_STRIPS_TAIL(conv_tail_i8, DSE_X_SS, A_SS)
X_STRIPS_TAIL(conv_tail_u8, DSE_X_US, A_US)
X_STRIPS_RUNS(conv_runs_i8, DSE_X_SS, A_SS)
X_STRIPS_RUNS(conv_runs_u8, DSE_X_US, A_US)

/* Stacks are small: what is not needed together has frames of its own. */
#define X_APART static __attribute__((noinline))

/* Runs of `words` words, or one with a tail, from what `start` says. */
static x_strip_loop x_conv_loop(const dse_conv2d_args *a, int32_t runs, int32_t words, int32_t tail, x_start start) {
    const x_end end = x_end_of(a->last && a->out_log2 == 0, a->low, a->high);
    if (tail) return (a->in_signed ? conv_tail_i8 : conv_tail_u8)[start][end];
    if (runs == 1 && words > 1) return (a->in_signed ? conv_one_i8 : conv_one_u8)[start][end];
    return (a->in_signed ? conv_runs_i8 : conv_runs_u8)[start][end];
}

/* What all strips of filters of `pitch` bytes share. */
DSE_LEAF void x_conv_shared(const dse_conv2d_args *a, int32_t pitch, int32_t words, int32_t tail, x_strip *strip) {
    x_strip_shape(strip, pitch, words, tail);
    strip->add_offset = 4 * a->groups * a->outputs;
    strip->shift = a->shift, strip->low = a->low, strip->high = a->high;
}

#include "conv_rows.h"
#include "gather.h"

/* ---- Units ----------------------------------------------------------------------------------------------------- */

enum { X_GATHERED = 288 }; /* bytes of the largest window that is gathered */

typedef struct {
    const dse_conv2d_args *a;
    x_strip_loop loop;
    int32_t depth;  /* bytes of a window */
    int32_t pixels; /* of the tile */
    int32_t cols;   /* pixels in a row: all, where rows follow each other like pixels */
    int32_t most;   /* pairs of a strip */
    int32_t window; /* bytes of a gathered window, or 0 */
    x_strip strip;
} x_conv;

/* Some pairs of one row, or of two: the first's place in the list, its row and column, its partner's. */
typedef struct {
    int32_t pairs, at, y, x, y1, x1;
} x_conv_pairs;

/* Whether every window is one stored pixel. */
DSE_LEAF bool x_conv_in_place(const dse_window *w) {
    return w->taps_y == 1 && w->taps_x == 1 && w->shift_y >= 0 && w->shift_x >= 0 &&
           (w->out_rows - 1) * w->stride_y + w->shift_y < w->in_rows &&
           (w->out_cols - 1) * w->stride_x + w->shift_x < w->in_cols;
}

/* Whether units compute the tile. Outputs behind the last whole block are computed by a block that ends with them, so
 * sums may not be added to where they are. */
static bool x_conv_fits(const dse_conv2d_args *a) {
    const dse_window *w = &a->window;
    const int32_t depth = w->taps_y * w->taps_x * a->inputs;
    const bool gathers = depth <= X_GATHERED && w->dilation_y == 1 && w->dilation_x == 1;
    const bool wide = a->last && a->out_log2 > 0;
    return a->groups == 1 && a->outputs >= 4 && depth >= 4 && ((a->outputs & 3) == 0 || a->first || a->last) &&
           (wide ? a->out_log2 == 1 && x_conv_in_place(w) : gathers || x_conv_in_place(w));
}

static void x_conv_begin(const dse_conv2d_args *a, x_conv *c) {
    const dse_window *w = &a->window;
    const int32_t depth = w->taps_y * w->taps_x * a->inputs, words = depth >> 2, tail = depth & 3;
    const bool in_place = x_conv_in_place(w);
    const bool x_linear = !in_place || w->stride_y * w->in_row_pitch == w->out_cols * w->stride_x * w->in_pixel_pitch;
    const bool y_linear = !a->last || w->out_row_pitch == w->out_cols * w->out_pixel_pitch;
    c->a = a, c->depth = depth, c->pixels = w->out_rows * w->out_cols;
    c->cols = x_linear && y_linear ? c->pixels : w->out_cols;
    c->window = in_place ? 0 : (depth + 3) & ~3;
    c->most = words == 1 && tail == 0 ? 1 : in_place ? INT32_MAX : X_GATHERED / c->window;
    c->loop = x_conv_loop(a, 1, words, tail, a->first ? X_ZERO : X_SUMS);
    x_conv_shared(a, depth, words, tail, &c->strip);
    c->strip.x_step = in_place ? 2 * w->stride_x * w->in_pixel_pitch : 2 * c->window;
}

/* `blocks` blocks from output o on; the strip has its inputs. */
static void x_conv_strip(x_conv *c, const x_conv_pairs *p, const uint8_t *x0, const uint8_t *x1, int32_t o, int32_t blocks) {
    const dse_conv2d_args *a = c->a;
    const dse_window *w = &a->window;
    x_strip *const s = &c->strip;
    s->x0 = x0, s->x1 = x1, s->w = (const uint8_t *)a->weights + o * c->depth;
    s->blocks = blocks, s->pairs = p->pairs;
    if (!a->first) {
        s->sum0 = a->accumulator + p->at * a->outputs + o, s->sum1 = s->sum0 + a->outputs;
        s->s_step = 8 * a->outputs - 16 * blocks;
    }
    if (a->last) {
        s->y0 = a->output + p->y * w->out_row_pitch + p->x * w->out_pixel_pitch + o;
        s->y1 = a->output + p->y1 * w->out_row_pitch + p->x1 * w->out_pixel_pitch + o;
        s->y_step = 2 * w->out_pixel_pitch - 4 * blocks, s->mul = a->tables + o;
    } else {
        int32_t *const acc = a->accumulator + p->at * a->outputs + o;
        s->y0 = (uint8_t *)acc, s->y1 = (uint8_t *)(acc + a->outputs), s->y_step = 8 * a->outputs - 16 * blocks;
    }
    c->loop(s);
}

#include "wide.h"
#include "alone.h"

DSE_LEAF void x_conv_outputs(x_conv *c, const x_conv_pairs *p, dse_span outputs, const uint8_t *x0, const uint8_t *x1) {
    const int32_t blocks = dse_length(outputs) >> 2;
    if (blocks) x_conv_strip(c, p, x0, x1, outputs.low, blocks);
    if (dse_length(outputs) & 3) x_conv_strip(c, p, x0, x1, outputs.high - 4, 1);
}

X_APART void x_conv_read(x_conv *c, const x_conv_pairs *p, dse_span outputs) {
    const dse_window *w = &c->a->window;
    const int32_t row = w->stride_y * w->in_row_pitch, col = w->stride_x * w->in_pixel_pitch;
    const uint8_t *const x = c->a->input + w->shift_y * w->in_row_pitch + w->shift_x * w->in_pixel_pitch;
    const uint8_t *const x0 = x + p->y * row + p->x * col, *const x1 = x + p->y1 * row + p->x1 * col;
    if (p->at + 1 == c->pixels) {
        x_conv_alone(c, p, outputs, x0);
    } else if (c->a->last && c->a->out_log2) {
        const int32_t blocks = dse_length(outputs) >> 2;
        if (blocks) x_conv_wide(c, p, x0, x1, outputs.low, blocks);
        if (dse_length(outputs) & 3) x_conv_wide(c, p, x0, x1, outputs.high - 4, 1);
    } else {
        x_conv_outputs(c, p, outputs, x0, x1);
    }
}

X_APART void x_conv_gather(x_conv *c, const x_conv_pairs *p, dse_span outputs) {
    uint8_t windows[2 * X_GATHERED] __attribute__((aligned(4)));
    const int32_t cols = c->a->window.out_cols, count = dse_min(2 * p->pairs, c->pixels - p->at);
    int32_t y = p->y, x = p->x;
    if (x >= cols) y = x / cols, x -= y * cols;
    uint8_t *to = windows;
    for (int32_t k = 0; k < count; k++, to += c->window) {
        x_gather(c->a, y, x, c->window, to);
        if (++x == cols) x = 0, y++;
    }
    if (count == 1)
        x_conv_alone(c, p, outputs, windows);
    else
        x_conv_outputs(c, p, outputs, windows, windows + c->window);
}

/* Units: `pairs` of the list times `blocks`. */
static void x_conv_units(x_conv *c, dse_span pairs, dse_span blocks) {
    const dse_span outputs = {4 * blocks.low, dse_min(4 * blocks.high, c->a->outputs)};
    x_conv_pairs p = {.at = 2 * pairs.low, .x = 2 * pairs.low};
    if (p.x >= c->cols) p.y = p.x / c->cols, p.x -= p.y * c->cols;
    for (int32_t left = dse_length(pairs); left > 0; left -= p.pairs) {
        const bool across = p.x + 1 >= c->cols, alone = p.at + 1 == c->pixels;
        p.pairs = across ? 1 : dse_min(dse_min(left, c->most), (c->cols - p.x) >> 1);
        p.y1 = across && !alone ? p.y + 1 : p.y, p.x1 = alone ? p.x : across ? 0 : p.x + 1;
        if (c->window)
            x_conv_gather(c, &p, outputs);
        else
            x_conv_read(c, &p, outputs);
        p.at += 2 * p.pairs, p.x += 2 * p.pairs;
        while (p.x >= c->cols && p.at < c->pixels) p.x -= c->cols, p.y++;
    }
}

static void x_conv_count(const x_conv *c, uint32_t core, dse_span pairs, dse_span blocks) {
    const int32_t pixels = dse_min(2 * pairs.high, c->pixels) - 2 * pairs.low;
    const int32_t outputs = dse_min(4 * blocks.high, c->a->outputs) - 4 * blocks.low;
    dse_count_macs(core, (uint64_t)(uint32_t)(pixels * outputs * c->depth));
}

/* Pairs outermost: a core's units are the rest of a pair's blocks, whole pairs, and the beginning of one. */
static void x_conv_task(uint32_t core, uint32_t ncores, const void *arg) {
    x_conv c;
    x_conv_begin(arg, &c);
    const int32_t blocks = (c.a->outputs + 3) >> 2;
    const dse_span units = dse_chunk(((c.pixels + 1) >> 1) * blocks, core, ncores);
    int32_t left = dse_length(units);
    int32_t pair = units.low / blocks, block = units.low - pair * blocks;
    while (left > 0) {
        const bool whole = block == 0 && left >= blocks;
        const dse_span pairs = {pair, pair + (whole ? left / blocks : 1)};
        const dse_span part = {block, whole ? blocks : dse_min(blocks, block + left)};
        x_conv_units(&c, pairs, part);
        x_conv_count(&c, core, pairs, part);
        left -= dse_length(pairs) * dse_length(part);
        pair = pairs.high, block = 0;
    }
}

void dse_conv2d(const dse_conv2d_args *args);
/* Other wide outputs take the portable walk. */
void dse_conv2d(const dse_conv2d_args *args) {
    dse_launch(x_conv_fits(args) ? x_conv_task : args->out_log2 == 0 ? x_rows_task : conv_task, args, args->split);
}
