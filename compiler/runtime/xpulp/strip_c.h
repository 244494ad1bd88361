/* SPDX-License-Identifier: Apache-2.0
 *
 * The strips of strip.h in C, for proof: slow.
 */
#ifndef DSE_XPULP_STRIP_C_H
#define DSE_XPULP_STRIP_C_H

/* How a strip starts, ends, and scales. */
typedef struct {
    dse_x_signs signs;
    x_start start;
    x_end end;
    bool all; /* the same scales for all filters */
} x_twin;

/* Product of one filter and one pixel. */
DSE_LEAF int32_t x_twin_dot(const x_strip *p, dse_x_signs signs, int32_t sum, const uint8_t *x, const uint8_t *w) {
    if (p->tail_mask) sum = dse_x_sdot(signs, sum, dse_x_load(x + p->back) & p->tail_mask, dse_x_load(w + p->back));
    for (int32_t run = p->runs; run > 0; run--, x += p->x_skip, w += p->w_skip)
        for (int32_t n = p->words; n > 0; n--, x += 4, w += 4) sum = dse_x_sdot(signs, sum, dse_x_load(x), dse_x_load(w));
    return sum;
}

DSE_LEAF int32_t x_twin_start(const x_strip *p, x_start start, int32_t filter, int32_t pixel) {
    if (start == X_ZERO) return 0;
    if (start == X_SUMS) return (pixel ? p->sum1 : p->sum0)[filter];
    return dse_wrap_add(p->sum0[filter], p->starts[pixel]);
}

DSE_LEAF uint8_t x_twin_code(const x_strip *p, const x_twin *t, const int32_t *mul, int32_t sum) {
    int32_t add = p->addend;
    if (!t->all) __builtin_memcpy(&add, (const uint8_t *)mul + p->add_offset, sizeof add);
    const int32_t low = t->end == X_I8 ? -128 : t->end == X_U8 ? 0 : p->low;
    const int32_t high = t->end == X_I8 ? 127 : t->end == X_U8 ? 255 : p->high;
    return (uint8_t)dse_x_requant(sum, t->all ? p->scale : *mul, add, p->shift, low, high);
}

/* Four sums of one pixel, at y. */
DSE_LEAF uint8_t *x_twin_end(const x_strip *p, const x_twin *t, const int32_t *mul, const int32_t sum[4], uint8_t *y) {
    for (int32_t o = 0; o < 4; o++) {
        if (t->end == X_RAW)
            __builtin_memcpy(y + 4 * o, &sum[o], 4);
        else
            y[o] = x_twin_code(p, t, mul + o, sum[o]);
    }
    return y + (t->end == X_RAW ? 16 : 4);
}

DSE_LEAF void x_twin_block(x_strip *p, const x_twin *t, const uint8_t *w, const int32_t *mul) {
    int32_t sum[2][4];
    for (int32_t k = 0; k < 2; k++)
        for (int32_t o = 0; o < 4; o++)
            sum[k][o] = x_twin_dot(p, t->signs, x_twin_start(p, t->start, o, k), k ? p->x1 : p->x0, w + o * p->pitch);
    p->y0 = x_twin_end(p, t, mul, sum[0], p->y0);
    p->y1 = x_twin_end(p, t, mul, sum[1], p->y1);
    if (t->start != X_ZERO) p->sum0 += 4;
    if (t->start == X_SUMS) p->sum1 += 4;
}

/* With several runs the strip's pointers have moved on, as the assembler's have; C sets them for every strip. */
DSE_LEAF void x_twin_strip(x_strip *p, const x_twin t) {
    for (int32_t pair = p->pairs; pair > 0; pair--) {
        const uint8_t *w = p->w;
        const int32_t *mul = p->mul;
        for (int32_t block = p->blocks; block > 0; block--, w += 4 * p->pitch, mul += t.all ? 0 : 4)
            x_twin_block(p, &t, w, mul);
        p->x0 += p->x_step, p->x1 += p->x_step, p->y0 += p->y_step, p->y1 += p->y_step;
        if (t.start != X_ZERO) p->sum0 = (const int32_t *)(const void *)((const uint8_t *)p->sum0 + p->s_step);
        if (t.start == X_SUMS) p->sum1 = (const int32_t *)(const void *)((const uint8_t *)p->sum1 + p->s_step);
        if (t.start == X_OFFSETS) p->starts += 2;
    }
}

#define X_TWIN(name, signs, suffix, start, end, all)                               \
    static __attribute__((unused)) void name##_##suffix(x_strip *p) {              \
        x_twin_strip(p, (x_twin){signs, start, end, all});                         \
    }
#define X_ONE_ZERO(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count) X_TWIN(name, signs, suffix, X_ZERO, end, all)
#define X_ONE_SUMS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count) X_TWIN(name, signs, suffix, X_SUMS, end, all)
#define X_ONE_OFFSETS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count) \
    X_TWIN(name, signs, suffix, X_OFFSETS, end, all)
#define X_WORD_ZERO X_ONE_ZERO
#define X_TAIL_ZERO X_ONE_ZERO
#define X_TAIL_SUMS X_ONE_SUMS
#define X_TAIL_OFFSETS X_ONE_OFFSETS
#define X_RUNS_ZERO X_ONE_ZERO
#define X_RUNS_SUMS X_ONE_SUMS

#endif
