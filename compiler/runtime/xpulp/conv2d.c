/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with Xpulp instructions. Pairs of pixels without padding take their filters in strips (strip.h).
 * Everything else (borders, single pixels, filters left over) walks as the portable kernel does, whose inner loops
 * are Xpulp's too (dot.c). No im2col where a window's row is a run of whole words; other windows are gathered into a
 * small buffer, pixel by pixel, if they fit.
 */
#include "strip.h"
#include "walk.h"

#define dse_conv2d dse_conv2d_portable
#include "../kernels/conv2d.c"
#undef dse_conv2d

/* Stacks are small: what is not needed together has frames of its own. */
#define X_APART static __attribute__((noinline))

X_STRIPS_ONE(conv_one_i8, DSE_X_SS, A_SS)
X_STRIPS_ONE(conv_one_u8, DSE_X_US, A_US)
X_STRIPS_TAIL(conv_tail_i8, DSE_X_SS, A_SS)
X_STRIPS_TAIL(conv_tail_u8, DSE_X_US, A_US)
X_STRIPS_RUNS(conv_runs_i8, DSE_X_SS, A_SS)
X_STRIPS_RUNS(conv_runs_u8, DSE_X_US, A_US)

/* The loop for a walk whose sums start at zero, or not. */
static x_strip_loop x_conv_loop(const dse_conv2d_args *a, const x_walk *q, bool zero) {
    if (q->tail) return (a->in_signed ? conv_tail_i8 : conv_tail_u8)[zero][a->last];
    if (q->runs == 1) return (a->in_signed ? conv_one_i8 : conv_one_u8)[zero][a->last];
    return (a->in_signed ? conv_runs_i8 : conv_runs_u8)[zero][a->last];
}

/* What the strips of all sites with the same walk share; x, y, sums and the place among the outputs come later. */
static x_strip x_conv_strip(const dse_conv2d_args *a, const conv_site *s, const x_walk *q) {
    x_strip strip;
    strip.pitch = s->filter_bytes;
    strip.words = q->words, strip.runs = q->runs;
    strip.x_skip = q->runs > 1 ? q->x_skip : 0, strip.w_skip = q->runs > 1 ? q->w_skip : 0;
    strip.tail_back = q->tail ? q->tail - 4 : 0;
    strip.tail_mask = q->tail ? dse_x_tail_mask(q->tail) : 0;
    strip.add_offset = 4 * a->groups * a->outputs;
    strip.shift = a->shift, strip.low = a->low, strip.high = a->high;
    return strip;
}

/* Two pixels, or one twice: first codes, outputs, sums. */
typedef struct {
    const uint8_t *x[2];
    uint8_t *y[2];
    int32_t *acc[2];
} x_pair;

DSE_LEAF x_pair x_pair_of(const conv_site *s) {
    return (x_pair){{s->x[0], s->x[1]}, {s->y[0], s->y[1]}, {s->acc[0], s->acc[1]}};
}

/* The pair of pixels to the right. */
DSE_LEAF void x_pair_next(const dse_conv2d_args *a, x_pair *p) {
    const dse_window *w = &a->window;
    const int32_t x_step = 2 * w->stride_x * w->in_pixel_pitch, y_step = 2 * w->out_pixel_pitch;
    p->x[0] += x_step, p->x[1] += x_step;
    if (a->last) p->y[0] += y_step, p->y[1] += y_step;
    if (!(a->first && a->last)) p->acc[0] += 2 * a->outputs, p->acc[1] += 2 * a->outputs;
}

/* `blocks` times four filters from output c on; weights: of the first of them. */
DSE_LEAF void x_conv_run(const dse_conv2d_args *a, x_strip *strip, x_strip_loop loop, const x_pair *p,
                         const uint8_t *weights, int32_t c, int32_t blocks) {
    strip->x0 = p->x[0], strip->x1 = p->x[1];
    strip->w = weights, strip->blocks = blocks;
    if (a->last)
        strip->y0 = p->y[0] + c, strip->y1 = p->y[1] + c, strip->mul = a->tables + c;
    else
        strip->y0 = (uint8_t *)(p->acc[0] + c), strip->y1 = (uint8_t *)(p->acc[1] + c);
    loop(strip);
}

/* ---- Padding -------------------------------------------------------------------------------------------------- */

enum { X_PADDED = 4 }; /* blocks whose padding is summed up at once */

/* The same for neighbouring pairs with the same padding: what it adds is where the sums start. A reduction that goes
 * on (first == false) starts elsewhere on every pixel: one pair. */
X_APART void x_conv_padded(const dse_conv2d_args *a, const conv_site *s, const x_walk *q, int32_t c, int32_t blocks,
                           int32_t pairs) {
    int32_t start[2][4 * X_PADDED];
    const x_strip_loop loop = x_conv_loop(a, q, false);
    x_strip strip = x_conv_strip(a, s, q);
    const int8_t *filter = (const int8_t *)a->weights + c * s->filter_bytes;
    while (blocks > 0) {
        const int32_t now = dse_min(blocks, X_PADDED);
        const uint8_t *weights = (const uint8_t *)filter + s->first_weight;
        for (int32_t k = 0; k < 4 * now; k += 4, filter += 4 * s->filter_bytes) {
            int32_t sum[4];
            conv_padding(a, s, filter, s->filter_bytes, sum);
            for (int32_t o = 0; o < 4; o++) {
                start[0][k + o] = dse_wrap_add(sum[o], a->first ? 0 : s->acc[0][c + k + o]);
                start[1][k + o] = dse_wrap_add(sum[o], a->first ? 0 : s->acc[1][c + k + o]);
            }
        }
        x_pair pair = x_pair_of(s);
        for (int32_t k = pairs; k > 0; k--, x_pair_next(a, &pair)) {
            strip.sum0 = start[0], strip.sum1 = start[1];
            x_conv_run(a, &strip, loop, &pair, weights, c, now);
        }
        c += 4 * now, blocks -= now;
    }
}

/* ---- Gathered windows ---------------------------------------------------------------------------------------- */

enum { X_GATHERED = 64 }; /* bytes of the largest window that is gathered */

/* All codes of the window of output pixel (y, x), in the order of the weights. */
X_APART void x_gather(const dse_conv2d_args *a, int32_t y, int32_t x, uint8_t *to) {
    const dse_window *w = &a->window;
    const dse_span tx = dse_taps_x(w, x), ty = dse_taps_y(w, y);
    const int32_t head = tx.low * a->inputs, body = dse_length(tx) * a->inputs;
    const int32_t all = w->taps_x * a->inputs;
    const uint8_t *row = a->input + dse_first_tap(w, y, x, ty, tx);
    for (int32_t ky = 0; ky < w->taps_y; ky++, to += all) {
        const bool inside = ky >= ty.low && ky < ty.high;
        const int32_t n = inside ? body : 0, before = inside ? head : 0;
        for (int32_t k = 0; k < before; k++) to[k] = (uint8_t)a->pad_value;
        int32_t k = 0;
        for (; k + 4 <= n; k += 4) dse_x_store(to + before + k, dse_x_load(row + k));
        for (; k < n; k++) to[before + k] = row[k];
        for (k = before + n; k < all; k++) to[k] = (uint8_t)a->pad_value;
        if (inside) row += w->dilation_y * w->in_row_pitch;
    }
}

/* Whether windows are gathered: small ones whose rows are no runs of words, in a tile whose rows are dense. */
static bool x_gathers(const dse_conv2d_args *a, const conv_part *part) {
    const dse_window *w = &a->window;
    const int32_t row = w->taps_x * a->inputs, bytes = w->taps_y * row;
    const bool dense = w->in_pixel_pitch * w->dilation_x == a->inputs;
    return a->groups == 1 && dense && w->taps_y > 1 && (row & 3) && bytes >= 4 && bytes <= X_GATHERED && dse_length(part->outputs) >= 4;
}

/* All outputs of one pixel or two neighbours of a single group. */
X_APART void x_conv_gathered(const dse_conv2d_args *a, const conv_part *part, int32_t y, int32_t x, int32_t count) {
    uint8_t window[2][X_GATHERED];
    const dse_window *w = &a->window;
    const dse_span all_y = {0, w->taps_y}, all_x = {0, w->taps_x};
    const int32_t bytes = w->taps_y * w->taps_x * a->inputs, blocks = dse_length(part->outputs) >> 2;
    conv_site s = conv_locate(a, y, x, count, all_y, all_x);
    s.patch = (dse_patch){.rows = 1, .cols = 1, .run = bytes};
    for (int32_t k = 0; k < count; k++) x_gather(a, y, x + k, window[k]);
    s.x[0] = window[0], s.x[1] = window[count - 1];
    const x_walk q = x_walk_of(&s.patch);
    x_strip strip = x_conv_strip(a, &s, &q);
    const x_pair pair = x_pair_of(&s);
    const int32_t c = part->outputs.low;
    if (!a->first) strip.sum0 = pair.acc[0] + c, strip.sum1 = pair.acc[1] + c;
    /* With one pixel, both of the strip's are this one: a block reads its sums before it writes them, twice. */
    x_conv_run(a, &strip, x_conv_loop(a, &q, a->first), &pair, (const uint8_t *)a->weights + c * bytes, c, blocks);
    conv_group(a, &s, 0, (dse_span){c + 4 * blocks, part->outputs.high});
}

/* ---- The walk ------------------------------------------------------------------------------------------------ */

/* Sites that strips can compute: runs of whole words, or one run with a tail. */
DSE_LEAF bool x_fits(const x_walk *q) { return x_walk_valid(q) && q->outer == 1 && (q->tail == 0 || q->runs == 1); }

/* `pairs` neighbouring pairs of pixels without padding, of which s is the first (or one pixel, twice). */
X_APART void x_conv_pairs(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, const x_walk *q,
                         int32_t pairs) {
    const int32_t blocks = dse_length(part->outputs) >> 2;
    const x_strip_loop loop = x_conv_loop(a, q, a->first);
    x_strip strip = x_conv_strip(a, s, q);
    for (int32_t g = part->groups.low; g < part->groups.high; g++) {
        const int32_t c = g * a->outputs + part->outputs.low;
        const uint8_t *weights = (const uint8_t *)a->weights + c * s->filter_bytes + s->first_weight;
        x_pair p = x_pair_of(s);
        p.x[0] += g * a->inputs, p.x[1] += g * a->inputs;
        for (int32_t k = pairs; k > 0; k--, x_pair_next(a, &p)) {
            if (!a->first) strip.sum0 = p.acc[0] + c, strip.sum1 = p.acc[1] + c;
            x_conv_run(a, &strip, loop, &p, weights, c, blocks);
        }
    }
}

/* The filters behind the last block of each group of a site, or all. */
X_APART void x_conv_rest(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, int32_t done) {
    const dse_span rest = {part->outputs.low + done, part->outputs.high};
    for (int32_t g = part->groups.low; g < part->groups.high && rest.low < rest.high; g++) conv_group(a, s, g, rest);
}

enum { X_DEEP = 24 }; /* words from which a single pixel is better off in blocks of its own */

/* One site, a pair or a single pixel; with `blocks` if its strips are not computed yet. */
static void x_conv_site(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, const x_walk *q,
                        int32_t blocks) {
    const bool deep = s->count == 1 && !s->padded && q->runs == 1 && q->words >= X_DEEP;
    if (!x_fits(q) || deep || (s->padded && a->groups > 1)) blocks = 0;
    if (blocks && s->padded)
        x_conv_padded(a, s, q, part->outputs.low, blocks, 1);
    else if (blocks)
        x_conv_pairs(a, part, s, q, 1);
    x_conv_rest(a, part, s, 4 * blocks);
}

/* Columns of a row: pairs in the interior together, everything else site by site. */
X_APART void x_conv_row(const dse_conv2d_args *a, const conv_part *part, int32_t y, dse_span cols, dse_span interior) {
    const dse_span ty = dse_taps_y(&a->window, y);
    const int32_t pair_end = dse_min(interior.high, cols.high) - 1, blocks = dse_length(part->outputs) >> 2;
    for (int32_t x = cols.low; x < cols.high;) {
        const int32_t count = x >= interior.low && x < pair_end ? 2 : 1;
        const conv_site s = conv_locate(a, y, x, count, ty, dse_taps_x(&a->window, x));
        const x_walk q = x_walk_of(&s.patch);
        const bool alike = !s.padded || (a->first && a->groups == 1);
        const bool together = alike && blocks && count == 2 && x_fits(&q) && !(dse_length(part->outputs) & 3);
        const int32_t pairs = together ? (pair_end - x + 1) / 2 : 1;
        if (pairs > 1 && s.padded)
            x_conv_padded(a, &s, &q, part->outputs.low, blocks, pairs);
        else if (pairs > 1)
            x_conv_pairs(a, part, &s, &q, pairs);
        else
            x_conv_site(a, part, &s, &q, blocks);
        x += count * pairs;
    }
}

static void x_conv_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_conv2d_args *a = arg;
    const dse_window *w = &a->window;
    const conv_part part = conv_share(a, core, ncores);
    const dse_span interior = dse_interior(w);
    const bool gathers = x_gathers(a, &part);
    for (dse_rows r = dse_rows_begin(part.pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols)) {
        if (!gathers) x_conv_row(a, &part, r.y, r.cols, interior);
        for (int32_t x = r.cols.low; gathers && x < r.cols.high; x += 2)
            x_conv_gathered(a, &part, r.y, x, dse_min(2, r.cols.high - x));
    }
}

void dse_conv2d(const dse_conv2d_args *args);
/* Wide outputs take the portable walk. */
void dse_conv2d(const dse_conv2d_args *args) {
    dse_launch(args->out_log2 == 0 ? x_conv_task : conv_task, args, args->split);
}
