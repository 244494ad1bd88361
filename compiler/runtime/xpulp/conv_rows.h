/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution row by row, for conv2d.c: large windows, groups, filters left over. Pairs of neighbours take their
 * filters in strips; what padding adds is where the sums start. Everything else (filters left over, deep single
 * pixels) walks as the portable kernel does, whose inner loops are Xpulp's too (dot.c).
 */
#ifndef DSE_XPULP_CONV_ROWS_H
#define DSE_XPULP_CONV_ROWS_H

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

/* The strip of a walk whose sums begin as `start` says. */
DSE_LEAF x_strip_loop x_rows_strip(const dse_conv2d_args *a, const conv_site *s, const x_walk *q, x_start start,
                                   x_strip *strip) {
    x_conv_shared(a, s->filter_bytes, q->words, q->tail, strip);
    strip->runs = q->runs;
    if (q->runs > 1) strip->x_skip = q->x_skip, strip->w_skip = q->w_skip;
    return x_conv_loop(a, q->runs, q->words, q->tail, start);
}

/* `blocks` times four filters from output c on; weights: of the first of them. */
DSE_LEAF void x_rows_run(const dse_conv2d_args *a, x_strip *strip, x_strip_loop loop, const x_pair *p,
                         const uint8_t *weights, int32_t c, int32_t blocks) {
    strip->x0 = p->x[0], strip->x1 = p->x[1];
    strip->w = weights, strip->blocks = blocks, strip->pairs = 1; /* a strip counts its pairs down where they are */
    if (a->last)
        strip->y0 = p->y[0] + c, strip->y1 = p->y[1] + c, strip->mul = a->tables + c;
    else
        strip->y0 = (uint8_t *)(p->acc[0] + c), strip->y1 = (uint8_t *)(p->acc[1] + c);
    loop(strip);
}

enum { X_PADDED = 4 }; /* blocks whose padding is summed up at once */

/* The same for neighbouring pairs with the same padding: what it adds is where the sums start. A reduction that goes
 * on (first == false) starts elsewhere on every pixel: one pair. */
X_APART void x_rows_padded(const dse_conv2d_args *a, const conv_site *s, const x_walk *q, int32_t c, int32_t blocks,
                           int32_t pairs) {
    int32_t start[2][4 * X_PADDED];
    x_strip strip;
    const x_strip_loop loop = x_rows_strip(a, s, q, X_SUMS, &strip);
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
            x_rows_run(a, &strip, loop, &pair, weights, c, now);
        }
        c += 4 * now, blocks -= now;
    }
}

/* Sites that strips can compute: runs of whole words, or one run with a tail. */
DSE_LEAF bool x_rows_fit(const x_walk *q) { return x_walk_valid(q) && q->outer == 1 && (q->tail == 0 || q->runs == 1); }

/* `pairs` neighbouring pairs of pixels without padding, of which s is the first (or one pixel, twice). */
X_APART void x_rows_pairs(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, const x_walk *q,
                          int32_t pairs) {
    const int32_t blocks = dse_length(part->outputs) >> 2;
    x_strip strip;
    const x_strip_loop loop = x_rows_strip(a, s, q, a->first ? X_ZERO : X_SUMS, &strip);
    for (int32_t g = part->groups.low; g < part->groups.high; g++) {
        const int32_t c = g * a->outputs + part->outputs.low;
        const uint8_t *weights = (const uint8_t *)a->weights + c * s->filter_bytes + s->first_weight;
        x_pair p = x_pair_of(s);
        p.x[0] += g * a->inputs, p.x[1] += g * a->inputs;
        for (int32_t k = pairs; k > 0; k--, x_pair_next(a, &p)) {
            if (!a->first) strip.sum0 = p.acc[0] + c, strip.sum1 = p.acc[1] + c;
            x_rows_run(a, &strip, loop, &p, weights, c, blocks);
        }
    }
}

/* The filters behind the last block of each group of a site, or all. */
X_APART void x_rows_rest(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, int32_t done) {
    const dse_span rest = {part->outputs.low + done, part->outputs.high};
    for (int32_t g = part->groups.low; g < part->groups.high && rest.low < rest.high; g++) conv_group(a, s, g, rest);
}

enum { X_DEEP = 24 }; /* words from which a single pixel is better off in blocks of its own */

/* One site, a pair or a single pixel; with `blocks` if its strips are not computed yet. */
static void x_rows_site(const dse_conv2d_args *a, const conv_part *part, const conv_site *s, const x_walk *q,
                        int32_t blocks) {
    const bool deep = s->count == 1 && !s->padded && q->runs == 1 && q->words >= X_DEEP;
    if (!x_rows_fit(q) || deep || (s->padded && a->groups > 1)) blocks = 0;
    if (blocks && s->padded)
        x_rows_padded(a, s, q, part->outputs.low, blocks, 1);
    else if (blocks)
        x_rows_pairs(a, part, s, q, 1);
    x_rows_rest(a, part, s, 4 * blocks);
}

/* Columns of a row: pairs in the interior together, everything else site by site. */
X_APART void x_rows_row(const dse_conv2d_args *a, const conv_part *part, int32_t y, dse_span cols, dse_span interior) {
    const dse_span ty = dse_taps_y(&a->window, y);
    const int32_t pair_end = dse_min(interior.high, cols.high) - 1, blocks = dse_length(part->outputs) >> 2;
    for (int32_t x = cols.low; x < cols.high;) {
        const int32_t count = x >= interior.low && x < pair_end ? 2 : 1;
        const conv_site s = conv_locate(a, y, x, count, ty, dse_taps_x(&a->window, x));
        const x_walk q = x_walk_of(&s.patch);
        const bool alike = !s.padded || (a->first && a->groups == 1);
        const bool together = alike && blocks && count == 2 && x_rows_fit(&q) && !(dse_length(part->outputs) & 3);
        const int32_t pairs = together ? (pair_end - x + 1) / 2 : 1;
        if (pairs > 1 && s.padded)
            x_rows_padded(a, &s, &q, part->outputs.low, blocks, pairs);
        else if (pairs > 1)
            x_rows_pairs(a, part, &s, &q, pairs);
        else
            x_rows_site(a, part, &s, &q, blocks);
        x += count * pairs;
    }
}

static void x_rows_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_conv2d_args *a = arg;
    const dse_window *w = &a->window;
    const conv_part part = conv_share(a, core, ncores);
    const dse_span interior = dse_interior(w);
    for (dse_rows r = dse_rows_begin(part.pixels, w->out_cols); dse_rows_valid(&r); dse_rows_next(&r, w->out_cols))
        x_rows_row(a, &part, r.y, r.cols, interior);
}

#endif
