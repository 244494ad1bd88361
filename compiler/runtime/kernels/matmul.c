/* SPDX-License-Identifier: Apache-2.0
 *
 * Batched product of two activations.
 *
 * Heads outermost, then blocks of four outputs, then pairs of rows: blocks of 2 rows x 4 outputs load 6 values for 8
 * MACs. A row that is left over goes alone, an output that is left over on two rows (or twice on the same one).
 * a is read along the depth. b too where its depth is contiguous ("dot"), else four neighbouring outputs at each
 * step ("rows"). Inner loops multiply raw codes; the share of the zero points is taken back by sums of codes: those
 * of b once for four outputs, those of a for each block.
 */
#include "kernel.h"
#include "pin.h"

/* Operands of one block: the first codes, bytes between neighbours of b (outputs in "dot", else steps along the
 * depth), and the depth. */
typedef struct {
    const uint8_t *a0, *a1, *b;
    int32_t pitch, depth;
} matmul_block;

/* acc[2*o + r] += row r * output o. */
typedef void (*matmul_products)(const matmul_block *q, int32_t *acc);

#define STEP_4X2(k, f0, f1, f2, f3)                                       \
    do {                                                                  \
        const int32_t x0 = dse_code(a0[k], sa), x1 = dse_code(a1[k], sa); \
        const int32_t w0 = dse_code(f0, sb), w1 = dse_code(f1, sb);       \
        const int32_t w2 = dse_code(f2, sb), w3 = dse_code(f3, sb);       \
        s00 += w0 * x0, s01 += w0 * x1, s10 += w1 * x0, s11 += w1 * x1;   \
        s20 += w2 * x0, s21 += w2 * x1, s30 += w3 * x0, s31 += w3 * x1;   \
        DSE_PIN_4(s00, s01, s10, s11);                                    \
        DSE_PIN_4(s20, s21, s30, s31);                                    \
    } while (0)

#define STEP_4X1(k, f0, f1, f2, f3)                                         \
    do {                                                                    \
        const int32_t x0 = dse_code(a0[k], sa);                             \
        s0 += dse_code(f0, sb) * x0, s1 += dse_code(f1, sb) * x0;           \
        s2 += dse_code(f2, sb) * x0, s3 += dse_code(f3, sb) * x0;           \
        DSE_PIN_4(s0, s1, s2, s3);                                          \
    } while (0)

DSE_LEAF void dot_4x2(const matmul_block *q, bool sa, bool sb, int32_t *acc) {
    const uint8_t *a0 = q->a0, *a1 = q->a1, *b0 = q->b, *b1 = b0 + q->pitch, *b2 = b1 + q->pitch, *b3 = b2 + q->pitch;
    int32_t s00 = acc[0], s01 = acc[1], s10 = acc[2], s11 = acc[3];
    int32_t s20 = acc[4], s21 = acc[5], s30 = acc[6], s31 = acc[7], n = q->depth;
    for (; n >= 4; n -= 4) {
        STEP_4X2(0, b0[0], b1[0], b2[0], b3[0]);
        STEP_4X2(1, b0[1], b1[1], b2[1], b3[1]);
        STEP_4X2(2, b0[2], b1[2], b2[2], b3[2]);
        STEP_4X2(3, b0[3], b1[3], b2[3], b3[3]);
        a0 += 4, a1 += 4, b0 += 4, b1 += 4, b2 += 4, b3 += 4;
        DSE_PIN_2(a0, a1);
        DSE_PIN_4(b0, b1, b2, b3);
    }
    for (; n > 0; n--) {
        STEP_4X2(0, *b0, *b1, *b2, *b3);
        a0++, a1++, b0++, b1++, b2++, b3++;
        DSE_PIN_2(a0, a1);
        DSE_PIN_4(b0, b1, b2, b3);
    }
    acc[0] = s00, acc[1] = s01, acc[2] = s10, acc[3] = s11;
    acc[4] = s20, acc[5] = s21, acc[6] = s30, acc[7] = s31;
}

DSE_LEAF void dot_4x1(const matmul_block *q, bool sa, bool sb, int32_t *acc) {
    const uint8_t *a0 = q->a0, *b0 = q->b, *b1 = b0 + q->pitch, *b2 = b1 + q->pitch, *b3 = b2 + q->pitch;
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3], n = q->depth;
    for (; n >= 4; n -= 4) {
        STEP_4X1(0, b0[0], b1[0], b2[0], b3[0]);
        STEP_4X1(1, b0[1], b1[1], b2[1], b3[1]);
        STEP_4X1(2, b0[2], b1[2], b2[2], b3[2]);
        STEP_4X1(3, b0[3], b1[3], b2[3], b3[3]);
        a0 += 4, b0 += 4, b1 += 4, b2 += 4, b3 += 4;
        DSE_PIN_4(b0, b1, b2, b3);
    }
    for (; n > 0; n--) {
        STEP_4X1(0, *b0, *b1, *b2, *b3);
        a0++, b0++, b1++, b2++, b3++;
        DSE_PIN_4(b0, b1, b2, b3);
    }
    acc[0] = s0, acc[1] = s1, acc[2] = s2, acc[3] = s3;
}

DSE_LEAF void rows_4x2(const matmul_block *q, bool sa, bool sb, int32_t *acc) {
    const uint8_t *a0 = q->a0, *a1 = q->a1, *b = q->b;
    const int32_t pitch = q->pitch;
    int32_t s00 = acc[0], s01 = acc[1], s10 = acc[2], s11 = acc[3];
    int32_t s20 = acc[4], s21 = acc[5], s30 = acc[6], s31 = acc[7], n = q->depth;
    for (; n >= 4; n -= 4) {
        STEP_4X2(0, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X2(1, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X2(2, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X2(3, b[0], b[1], b[2], b[3]);
        b += pitch, a0 += 4, a1 += 4;
        DSE_PIN_2(a0, a1);
    }
    for (; n > 0; n--) {
        STEP_4X2(0, b[0], b[1], b[2], b[3]);
        b += pitch, a0++, a1++;
        DSE_PIN_2(a0, a1);
    }
    acc[0] = s00, acc[1] = s01, acc[2] = s10, acc[3] = s11;
    acc[4] = s20, acc[5] = s21, acc[6] = s30, acc[7] = s31;
}

DSE_LEAF void rows_4x1(const matmul_block *q, bool sa, bool sb, int32_t *acc) {
    const uint8_t *a0 = q->a0, *b = q->b;
    const int32_t pitch = q->pitch;
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3], n = q->depth;
    for (; n >= 4; n -= 4) {
        STEP_4X1(0, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X1(1, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X1(2, b[0], b[1], b[2], b[3]);
        b += pitch;
        STEP_4X1(3, b[0], b[1], b[2], b[3]);
        b += pitch, a0 += 4;
        DSE_PIN_2(a0, b);
    }
    for (; n > 0; n--) {
        STEP_4X1(0, b[0], b[1], b[2], b[3]);
        b += pitch, a0++;
        DSE_PIN_2(a0, b);
    }
    acc[0] = s0, acc[1] = s1, acc[2] = s2, acc[3] = s3;
}

#define STEP_1X2(k)                                                           \
    do {                                                                      \
        const int32_t w = dse_code(*b, sb);                                   \
        s0 += w * dse_code(a0[k], sa), s1 += w * dse_code(a1[k], sa);         \
        b += pitch;                                                           \
        DSE_PIN_2(s0, s1);                                                    \
    } while (0)

/* One output on two rows; pitch: between the steps of b along the depth. */
DSE_LEAF void line_1x2(const matmul_block *q, bool sa, bool sb, int32_t *acc) {
    const uint8_t *a0 = q->a0, *a1 = q->a1, *b = q->b;
    const int32_t pitch = q->pitch;
    int32_t s0 = acc[0], s1 = acc[1], n = q->depth;
    for (; n >= 4; n -= 4) {
        STEP_1X2(0);
        STEP_1X2(1);
        STEP_1X2(2);
        STEP_1X2(3);
        a0 += 4, a1 += 4;
        DSE_PIN_2(a0, a1);
    }
    for (; n > 0; n--) {
        STEP_1X2(0);
        a0++, a1++;
        DSE_PIN_2(a0, a1);
    }
    acc[0] = s0, acc[1] = s1;
}

/* The loops for each combination of signs: name_of[a_signed][b_signed]. */
#define BY_SIGN(name)                                                                        \
    static void name##_uu(const matmul_block *q, int32_t *acc) { name(q, false, false, acc); } \
    static void name##_us(const matmul_block *q, int32_t *acc) { name(q, false, true, acc); }  \
    static void name##_su(const matmul_block *q, int32_t *acc) { name(q, true, false, acc); }  \
    static void name##_ss(const matmul_block *q, int32_t *acc) { name(q, true, true, acc); }   \
    static const matmul_products name##_of[2][2] = {{name##_uu, name##_us}, {name##_su, name##_ss}};

BY_SIGN(dot_4x2)
BY_SIGN(dot_4x1)
BY_SIGN(rows_4x2)
BY_SIGN(rows_4x1)
BY_SIGN(line_1x2)

/* Sum of n codes `pitch` bytes apart. */
static int32_t sum_codes(const uint8_t *x, int32_t pitch, int32_t n, bool is_signed) {
    const uint32_t flip = dse_flip(is_signed);
    int32_t sum = 0;
    for (; n > 0; n--, x += pitch) sum += dse_decode(*x, flip);
    return sum;
}

/* One head of a core's share. */
typedef struct {
    const uint8_t *a, *b;
    uint8_t *y;
    int32_t *acc; /* unless the whole reduction is this call */
    int32_t mul, add;
    matmul_products four_by_two, four_by_one, one_by_two;
    bool contiguous; /* b along the depth */
} matmul_head;

/* Outputs [n, n + count) of some rows, count 4 or 1; start: what the sums of each output start from. */
typedef struct {
    int32_t n, count;
    int32_t start[4];
} matmul_column;

/* Finishes sums of count outputs on one row, which lie `step` apart. */
DSE_LEAF void matmul_store(const dse_matmul_args *p, const matmul_head *h, int32_t m, const matmul_column *c,
                           int32_t count, const int32_t *sum, int32_t step) {
    if (p->last) {
        const int32_t mul = h->mul, add = h->add, shift = p->shift, low = p->low, high = p->high;
        if (p->out_log2) {
            uint8_t *const wide = h->y + m * p->out_row_pitch;
            for (int32_t k = 0; k < count; k++)
                dse_put(wide, c->n + k, p->out_log2, dse_requant_wide(sum[k * step], mul, add, shift, low, high));
            return;
        }
        uint8_t *const y = h->y + m * p->out_row_pitch + c->n;
        for (int32_t k = 0; k < count; k++) y[k] = dse_requant(sum[k * step], mul, add, shift, low, high);
        return;
    }
    int32_t *const acc = h->acc + m * p->acc_row_pitch + c->n;
    for (int32_t k = 0; k < count; k++) acc[k] = sum[k * step];
}

/* What the sums start from: the zero points' share, and what earlier calls accumulated. */
DSE_LEAF void matmul_start(const dse_matmul_args *p, const matmul_head *h, const uint8_t *row, int32_t m,
                           const matmul_column *c, int32_t count, int32_t *sum, int32_t step) {
    const int32_t taken = p->zero_b ? dse_wrap_mul(p->zero_b, sum_codes(row, 1, p->depth, p->a_signed)) : 0;
    for (int32_t k = 0; k < count; k++) sum[k * step] = dse_wrap_add(c->start[k], -taken);
    if (p->first) return;
    const int32_t *const acc = h->acc + m * p->acc_row_pitch + c->n;
    for (int32_t k = 0; k < count; k++) sum[k * step] = dse_wrap_add(sum[k * step], acc[k]);
}

/* Rows m and m + 1, or m alone. */
static inline void matmul_rows(const dse_matmul_args *p, const matmul_head *h, const matmul_column *c, int32_t m,
                               bool pair) {
    const uint8_t *const a0 = h->a + m * p->a_row_pitch, *const a1 = pair ? a0 + p->a_row_pitch : a0;
    const uint8_t *const b = h->b + c->n * p->b_output_pitch;
    const int32_t pitch = c->count == 4 && h->contiguous ? p->b_output_pitch : p->b_depth_pitch;
    const matmul_block q = {a0, a1, b, pitch, p->depth};
    int32_t sum[8];
    if (c->count == 4 && pair) {
        matmul_start(p, h, a0, m, c, 4, sum, 2);
        matmul_start(p, h, a1, m + 1, c, 4, sum + 1, 2);
        h->four_by_two(&q, sum);
        matmul_store(p, h, m, c, 4, sum, 2);
        matmul_store(p, h, m + 1, c, 4, sum + 1, 2);
    } else if (c->count == 4) {
        matmul_start(p, h, a0, m, c, 4, sum, 1);
        h->four_by_one(&q, sum);
        matmul_store(p, h, m, c, 4, sum, 1);
    } else {
        matmul_start(p, h, a0, m, c, 1, sum, 2);
        matmul_start(p, h, a1, m + pair, c, 1, sum + 1, 2);
        h->one_by_two(&q, sum);
        matmul_store(p, h, m, c, 1, sum, 2);
        if (pair) matmul_store(p, h, m + 1, c, 1, sum + 1, 2);
    }
}

static inline matmul_column matmul_begin(const dse_matmul_args *p, const matmul_head *h, int32_t n, int32_t count) {
    matmul_column c = {n, count, {0}};
    if (p->zero_a == 0) return c;
    const int32_t constant = p->depth * p->zero_a * p->zero_b;
    const uint8_t *b = h->b + n * p->b_output_pitch;
    for (int32_t k = 0; k < count; k++, b += p->b_output_pitch) {
        const int32_t sum = sum_codes(b, p->b_depth_pitch, p->depth, p->b_signed);
        c.start[k] = dse_wrap_add(constant, -dse_wrap_mul(p->zero_a, sum));
    }
    return c;
}

static inline matmul_head matmul_locate(const dse_matmul_args *p, int32_t h) {
    const int32_t shared = (h + p->phase) / p->ratio;
    const bool contiguous = p->b_depth_pitch == 1;
    matmul_head head = {
        .a = p->a + h * p->a_head_pitch,
        .b = p->b + shared * p->b_head_pitch,
        .four_by_two = (contiguous ? dot_4x2_of : rows_4x2_of)[p->a_signed][p->b_signed],
        .four_by_one = (contiguous ? dot_4x1_of : rows_4x1_of)[p->a_signed][p->b_signed],
        .one_by_two = line_1x2_of[p->a_signed][p->b_signed],
        .contiguous = contiguous,
    };
    if (p->last) head.y = p->output + h * p->out_head_pitch, head.mul = p->tables[h], head.add = p->tables[p->heads + h];
    if (!(p->first && p->last)) head.acc = p->accumulator + h * p->acc_head_pitch;
    return head;
}

static void matmul_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_matmul_args *p = arg;
    const dse_span heads = dse_share(p->split == DSE_SPLIT_HEADS, p->heads, core, ncores);
    const dse_span rows = dse_share(p->split == DSE_SPLIT_PIXELS, p->rows, core, ncores);
    const dse_span outputs = dse_share(p->split == DSE_SPLIT_CHANNELS, p->outputs, core, ncores);
    const int32_t sums = dse_length(heads) * dse_length(rows) * dse_length(outputs);
    dse_count_macs(core, (uint64_t)(uint32_t)(sums * p->depth));
    for (int32_t h = heads.low; h < heads.high; h++) {
        const matmul_head head = matmul_locate(p, h);
        for (int32_t n = outputs.low; n < outputs.high;) {
            const matmul_column c = matmul_begin(p, &head, n, n + 4 <= outputs.high ? 4 : 1);
            int32_t m = rows.low;
            for (; m + 2 <= rows.high; m += 2) matmul_rows(p, &head, &c, m, true);
            if (m < rows.high) matmul_rows(p, &head, &c, m, false);
            n += c.count;
        }
    }
}

void dse_matmul(const dse_matmul_args *args) { dse_launch(matmul_task, args, args->split); }
