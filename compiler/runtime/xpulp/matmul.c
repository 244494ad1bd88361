/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of two activations with Xpulp instructions, where both operands are contiguous along the depth: strips of
 * four outputs on two rows (strip.h), outputs in chunks, whose zero points' share is found once for all rows. Strided
 * operands, depths below four, wide outputs, and outputs left over run the portable loops.
 */
#include "strip.h"
#include "walk.h"

#define dse_matmul dse_matmul_portable
#include "../kernels/matmul.c"
#undef dse_matmul

X_STRIPS_TAIL(matmul_ss, DSE_X_SS, A_SS)
X_STRIPS_TAIL(matmul_us, DSE_X_US, A_US)
X_STRIPS_TAIL(matmul_su, DSE_X_SU, A_SU)
X_STRIPS_TAIL(matmul_uu, DSE_X_UU, A_UU)
X_STRIPS_ONE(matmul_whole_ss, DSE_X_SS, A_SS)
X_STRIPS_ONE(matmul_whole_us, DSE_X_US, A_US)
X_STRIPS_ONE(matmul_whole_su, DSE_X_SU, A_SU)
X_STRIPS_ONE(matmul_whole_uu, DSE_X_UU, A_UU)

enum { X_CHUNK = 16 }; /* outputs of a chunk */

/* One chunk of outputs of one head. */
typedef struct {
    x_strip strip;
    x_strip_loop loop;
    int32_t scales[2 * X_CHUNK]; /* the head's multiplier, then its addend, for every output */
    int32_t base[X_CHUNK];       /* the share of a's zero point */
    int32_t n, outputs;
    bool starts; /* sums do not start at zero */
} x_chunk;

/* Sum of n codes. */
static int32_t x_sum_codes(const uint8_t *x, int32_t n, bool is_signed) {
    dse_word sum = 0;
    for (; n >= 4; n -= 4, x += 4)
        sum = is_signed ? dse_x_sdot_us(sum, 0x01010101u, dse_x_load(x)) : dse_x_sdot_uu(sum, 0x01010101u, dse_x_load(x));
    for (; n > 0; n--, x++) sum += (dse_word)dse_code(*x, is_signed);
    return (int32_t)sum;
}

static x_strip_loop x_matmul_loop(const dse_matmul_args *p, bool zero) {
    if (p->depth & 3)
        return (p->a_signed ? p->b_signed ? matmul_ss : matmul_su : p->b_signed ? matmul_us : matmul_uu)[zero][p->last];
    return (p->a_signed   ? p->b_signed ? matmul_whole_ss : matmul_whole_su
            : p->b_signed ? matmul_whole_us
                          : matmul_whole_uu)[zero][p->last];
}

static void x_chunk_begin(const dse_matmul_args *p, const matmul_head *h, x_chunk *c) {
    const int32_t tail = p->depth & 3, constant = dse_wrap_mul(p->depth, dse_wrap_mul(p->zero_a, p->zero_b));
    const uint8_t *b = h->b + c->n * p->b_output_pitch;
    c->starts = p->zero_a != 0 || p->zero_b != 0 || !p->first;
    c->loop = x_matmul_loop(p, !c->starts);
    for (int32_t k = 0; k < c->outputs; k++, b += p->b_output_pitch) {
        const int32_t sum = p->zero_a ? x_sum_codes(b, p->depth, p->b_signed) : 0;
        c->base[k] = dse_wrap_add(constant, -dse_wrap_mul(p->zero_a, sum));
        c->scales[k] = h->mul, c->scales[X_CHUNK + k] = h->add;
    }
    c->strip = (x_strip){.pitch = p->b_output_pitch, .words = p->depth >> 2, .add_offset = 4 * X_CHUNK, .runs = 1};
    c->strip.shift = p->shift, c->strip.low = p->low, c->strip.high = p->high, c->strip.blocks = c->outputs >> 2;
    if (tail) c->strip.tail_back = tail - 4, c->strip.tail_mask = dse_x_tail_mask(tail);
}

/* What the sums of row m start from. */
static void x_chunk_start(const dse_matmul_args *p, const matmul_head *h, const x_chunk *c, int32_t m,
                          int32_t start[X_CHUNK]) {
    const int32_t sum = p->zero_b ? x_sum_codes(h->a + m * p->a_row_pitch, p->depth, p->a_signed) : 0;
    const int32_t taken = dse_wrap_mul(p->zero_b, sum);
    for (int32_t k = 0; k < c->outputs; k++) start[k] = dse_wrap_add(c->base[k], -taken);
    if (p->first) return;
    const int32_t *acc = h->acc + m * p->acc_row_pitch + c->n;
    for (int32_t k = 0; k < c->outputs; k++) start[k] = dse_wrap_add(start[k], acc[k]);
}

/* Rows m and m1 (m1 == m: the same twice). */
static void x_chunk_rows(const dse_matmul_args *p, const matmul_head *h, x_chunk *c, int32_t m, int32_t m1) {
    int32_t start[2][X_CHUNK];
    x_strip *const s = &c->strip;
    if (c->starts) {
        x_chunk_start(p, h, c, m, start[0]);
        x_chunk_start(p, h, c, m1, start[1]);
        s->sum0 = start[0], s->sum1 = start[1];
    }
    s->x0 = h->a + m * p->a_row_pitch, s->x1 = h->a + m1 * p->a_row_pitch;
    s->w = h->b + c->n * p->b_output_pitch;
    s->mul = c->scales;
    if (p->last)
        s->y0 = h->y + m * p->out_row_pitch + c->n, s->y1 = h->y + m1 * p->out_row_pitch + c->n;
    else
        s->y0 = (uint8_t *)(h->acc + m * p->acc_row_pitch + c->n), s->y1 = (uint8_t *)(h->acc + m1 * p->acc_row_pitch + c->n);
    c->loop(s);
}

/* Outputs of one head; answers with the first one that is left to do. */
static int32_t x_matmul_head(const dse_matmul_args *p, const matmul_head *h, dse_span rows, dse_span outputs) {
    x_chunk c;
    int32_t n = outputs.low;
    for (; n + 4 <= outputs.high; n += c.outputs) {
        c.n = n, c.outputs = dse_min(X_CHUNK, (outputs.high - n) & ~3);
        x_chunk_begin(p, h, &c);
        for (int32_t m = rows.low; m < rows.high; m += 2) x_chunk_rows(p, h, &c, m, dse_min(m + 1, rows.high - 1));
    }
    return n;
}

static void x_matmul_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_matmul_args *p = arg;
    const dse_span heads = dse_share(p->split == DSE_SPLIT_HEADS, p->heads, core, ncores);
    const dse_span rows = dse_share(p->split == DSE_SPLIT_PIXELS, p->rows, core, ncores);
    const dse_span outputs = dse_share(p->split == DSE_SPLIT_CHANNELS, p->outputs, core, ncores);
    dse_count_macs(core, (uint64_t)(uint32_t)(dse_length(heads) * dse_length(rows) * dse_length(outputs) * p->depth));
    for (int32_t k = heads.low; k < heads.high && dse_length(rows) > 0; k++) {
        const matmul_head h = matmul_locate(p, k);
        for (int32_t n = x_matmul_head(p, &h, rows, outputs); n < outputs.high; n++) {
            const matmul_column c = matmul_begin(p, &h, n, 1);
            for (int32_t m = rows.low; m < rows.high; m += 2) matmul_rows(p, &h, &c, m, m + 1 < rows.high);
        }
    }
}

/* Whether strips compute it. */
static bool x_matmul_fits(const dse_matmul_args *p) { return p->b_depth_pitch == 1 && p->depth >= 4 && p->out_log2 == 0; }

void dse_matmul(const dse_matmul_args *args);
void dse_matmul(const dse_matmul_args *args) {
    dse_launch(x_matmul_fits(args) ? x_matmul_task : matmul_task, args, args->split);
}
