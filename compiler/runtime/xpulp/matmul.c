/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of two activations with Xpulp instructions. The work is a list of units, head by head: pairs of rows times
 * blocks of four outputs; every core takes as many, whatever the split. Where both operands are contiguous along the
 * depth, strips (strip.h) compute them; the zero points' share is a number for each output and one for each row, found
 * once for many. Where the second is contiguous along the outputs, turned.h. Other pitches, depths below four and wide
 * outputs run the portable loops.
 */
#include "strip.h"
#include "walk.h"

#define dse_matmul dse_matmul_portable
#include "../kernels/matmul.c"
#undef dse_matmul

X_PRODUCTS_TAIL(matmul_ss, DSE_X_SS, A_SS)
X_PRODUCTS_TAIL(matmul_us, DSE_X_US, A_US)
X_PRODUCTS_TAIL(matmul_su, DSE_X_SU, A_SU)
X_PRODUCTS_TAIL(matmul_uu, DSE_X_UU, A_UU)
X_PRODUCTS_ONE(matmul_whole_ss, DSE_X_SS, A_SS)
X_PRODUCTS_ONE(matmul_whole_us, DSE_X_US, A_US)
X_PRODUCTS_ONE(matmul_whole_su, DSE_X_SU, A_SU)
X_PRODUCTS_ONE(matmul_whole_uu, DSE_X_UU, A_UU)
X_PRODUCTS_WORD(matmul_word_ss, DSE_X_SS, A_SS)

/* Outputs and pairs of rows whose zero points are found at once. */
enum { X_OUTPUTS = 64, X_PAIRS = 8 };

typedef struct {
    const dse_matmul_args *p;
    x_strip_loop loop;
    bool zeros;                  /* there is a zero point */
    matmul_head head;            /* the current one */
    int32_t base[X_OUTPUTS];     /* the share of a's zero point in an output, and what both give together */
    int32_t taken[2 * X_PAIRS];  /* that of b's in a row */
    x_strip strip;
} x_matmul;

/* Sum of n codes. */
static int32_t x_sum_codes(const uint8_t *x, int32_t n, bool is_signed) {
    dse_word sum = 0;
    for (; n >= 4; n -= 4, x += 4)
        sum = is_signed ? dse_x_sdot_us(sum, 0x01010101u, dse_x_load(x)) : dse_x_sdot_uu(sum, 0x01010101u, dse_x_load(x));
    for (; n > 0; n--, x++) sum += (dse_word)dse_code(*x, is_signed);
    return (int32_t)sum;
}

#include "turned.h"

/* A depth of one word has a loop of its own in the commonest case; else those with a tail take it, whose last word is
 * masked to nothing. */
static x_strip_loop x_matmul_loop(const dse_matmul_args *p, x_start start) {
    const x_end end = x_end_of(p->last, p->low, p->high);
    if (p->depth == 4 && start == X_ZERO && p->a_signed && p->b_signed) return matmul_word_ss[end];
    if ((p->depth & 3) || p->depth == 4)
        return (p->a_signed ? p->b_signed ? matmul_ss : matmul_su : p->b_signed ? matmul_us : matmul_uu)[start][end];
    return (p->a_signed   ? p->b_signed ? matmul_whole_ss : matmul_whole_su
            : p->b_signed ? matmul_whole_us
                          : matmul_whole_uu)[start][end];
}

static void x_matmul_begin(const dse_matmul_args *p, x_matmul *c) {
    c->p = p, c->zeros = p->zero_a != 0 || p->zero_b != 0;
    c->loop = x_matmul_loop(p, !p->first ? X_SUMS : c->zeros ? X_OFFSETS : X_ZERO);
    x_strip_shape(&c->strip, p->b_output_pitch, p->depth >> 2, p->depth & 3);
    c->strip.shift = p->shift, c->strip.low = p->low, c->strip.high = p->high;
    c->strip.x_step = 2 * p->a_row_pitch;
}

static void x_matmul_base(x_matmul *c, dse_span outputs) {
    const dse_matmul_args *p = c->p;
    const int32_t constant = dse_wrap_mul(p->depth, dse_wrap_mul(p->zero_a, p->zero_b));
    const uint8_t *b = c->head.b + outputs.low * p->b_output_pitch;
    for (int32_t k = 0; k < dse_length(outputs); k++, b += p->b_output_pitch) {
        const int32_t sum = p->zero_a ? x_sum_codes(b, p->depth, p->b_signed) : 0;
        c->base[k] = dse_wrap_add(constant, -dse_wrap_mul(p->zero_a, sum));
    }
}

static void x_matmul_taken(x_matmul *c, dse_span pairs) {
    const dse_matmul_args *p = c->p;
    for (int32_t k = 0; k < 2 * dse_length(pairs); k++) {
        const int32_t m = dse_min(2 * pairs.low + k, p->rows - 1);
        const int32_t sum = p->zero_b ? x_sum_codes(c->head.a + m * p->a_row_pitch, p->depth, p->a_signed) : 0;
        c->taken[k] = dse_wrap_mul(-p->zero_b, sum);
    }
}

/* Adds the zero points' share to the sums of earlier calls. */
static void x_matmul_add(const x_matmul *c, dse_span pairs, dse_span outputs) {
    const dse_matmul_args *p = c->p;
    for (int32_t m = 2 * pairs.low; m < dse_min(2 * pairs.high, p->rows); m++) {
        int32_t *const acc = c->head.acc + m * p->acc_row_pitch;
        for (int32_t n = outputs.low; n < outputs.high; n++)
            acc[n] = dse_wrap_add(acc[n], dse_wrap_add(c->base[n - outputs.low], c->taken[m - 2 * pairs.low]));
    }
}

/* `blocks` blocks from output n on, of which base[k] is the first; of rows 2*pair on. */
static void x_matmul_strip(x_matmul *c, int32_t pair, int32_t pairs, int32_t n, int32_t k, int32_t blocks) {
    const dse_matmul_args *p = c->p;
    const matmul_head *h = &c->head;
    x_strip *const s = &c->strip;
    const int32_t m = 2 * pair, m1 = dse_min(m + 1, p->rows - 1);
    s->x0 = h->a + m * p->a_row_pitch, s->x1 = h->a + m1 * p->a_row_pitch, s->w = h->b + n * p->b_output_pitch;
    s->blocks = blocks, s->pairs = pairs, s->scale = h->mul, s->addend = h->add;
    if (!p->first) {
        s->sum0 = h->acc + m * p->acc_row_pitch + n, s->sum1 = h->acc + m1 * p->acc_row_pitch + n;
        s->s_step = 8 * p->acc_row_pitch - 16 * blocks;
    } else {
        s->sum0 = c->base + k, s->starts = c->taken, s->s_step = -16 * blocks;
    }
    if (p->last) {
        s->y0 = h->y + m * p->out_row_pitch + n, s->y1 = h->y + m1 * p->out_row_pitch + n;
        s->y_step = 2 * p->out_row_pitch - 4 * blocks;
    } else {
        s->y0 = (uint8_t *)(h->acc + m * p->acc_row_pitch + n), s->y1 = (uint8_t *)(h->acc + m1 * p->acc_row_pitch + n);
        s->y_step = 8 * p->acc_row_pitch - 16 * blocks;
    }
    c->loop(s);
}

/* Outputs of some pairs; the last row of an odd number goes alone. */
static void x_matmul_rows(x_matmul *c, dse_span pairs, dse_span outputs) {
    const int32_t rest = dse_length(outputs) & 3, blocks = dse_length(outputs) >> 2;
    if (c->zeros) x_matmul_taken(c, pairs);
    if (c->zeros && !c->p->first) x_matmul_add(c, pairs, outputs);
    if (blocks) x_matmul_strip(c, pairs.low, dse_length(pairs), outputs.low, 0, blocks);
    if (rest) x_matmul_strip(c, pairs.low, dse_length(pairs), outputs.high - 4, dse_length(outputs) - 4, 1);
}

/* Units of the current head: `pairs` times `blocks`, as much at a time as the zero points' share has room for. */
static void x_matmul_units(x_matmul *c, dse_span pairs, dse_span blocks) {
    const dse_matmul_args *p = c->p;
    const int32_t end = dse_min(4 * blocks.high, p->outputs), whole = p->rows >> 1;
    const int32_t most = c->zeros ? X_OUTPUTS : INT32_MAX, rows = c->zeros ? X_PAIRS : INT32_MAX;
    int32_t low = 4 * blocks.low;
    while (low < end) {
        /* What is left over is computed by a block that ends with the outputs: not alone, so that base[] has its four. */
        const int32_t now = end - low > most ? most - 4 : end - low;
        const dse_span outputs = {now < 4 ? end - 4 : low, low + now};
        if (c->zeros) x_matmul_base(c, outputs);
        for (int32_t pair = pairs.low; pair < pairs.high;) {
            const int32_t limit = pair < whole ? dse_min(pairs.high, whole) : pairs.high;
            const int32_t next = limit - pair > rows ? pair + rows : limit;
            x_matmul_rows(c, (dse_span){pair, next}, outputs);
            pair = next;
        }
        low = outputs.high;
    }
}

static void x_matmul_count(const dse_matmul_args *p, uint32_t core, dse_span pairs, dse_span blocks) {
    const int32_t rows = dse_min(2 * pairs.high, p->rows) - 2 * pairs.low;
    const int32_t outputs = dse_min(4 * blocks.high, p->outputs) - 4 * blocks.low;
    dse_count_macs(core, (uint64_t)(uint32_t)(rows * outputs * p->depth));
}

/* Heads outermost, then pairs. */
static void x_matmul_task(uint32_t core, uint32_t ncores, const void *arg) {
    x_matmul c;
    const dse_matmul_args *p = arg;
    x_matmul_begin(p, &c);
    const int32_t blocks = (p->outputs + 3) >> 2, in_pair = blocks, in_head = ((p->rows + 1) >> 1) * in_pair;
    const dse_span units = dse_chunk(p->heads * in_head, core, ncores);
    for (int32_t at = units.low; at < units.high;) {
        const int32_t head = at / in_head, pair = (at - head * in_head) / in_pair;
        const int32_t block = at - head * in_head - pair * in_pair;
        const int32_t left = dse_min(units.high, (head + 1) * in_head) - at;
        const bool whole = block == 0 && left >= in_pair;
        const dse_span pairs = {pair, pair + (whole ? left / in_pair : 1)};
        const dse_span part = {block, whole ? blocks : dse_min(blocks, block + left)};
        c.head = matmul_locate(p, head);
        if (p->b_depth_pitch == 1)
            x_matmul_units(&c, pairs, part);
        else
            x_turned_units(p, &c.head, pairs, part);
        x_matmul_count(p, core, pairs, part);
        at += dse_length(pairs) * dse_length(part);
    }
}

/* Whether strips compute it. Outputs behind the last block: see conv2d.c. */
static bool x_matmul_fits(const dse_matmul_args *p) {
    return p->b_depth_pitch == 1 && p->depth >= 4 && p->out_log2 == 0 && p->outputs >= 4 &&
           ((p->outputs & 3) == 0 || p->first);
}

void dse_matmul(const dse_matmul_args *args);
void dse_matmul(const dse_matmul_args *args) {
    dse_launch(x_matmul_fits(args) || x_turned_fits(args) ? x_matmul_task : matmul_task, args, args->split);
}
