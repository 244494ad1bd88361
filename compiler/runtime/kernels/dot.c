/* SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of dense convolution, specialised by the input's sign. They are functions of their own, not
 * inlined, because they want all registers for themselves: blocks of 4 filters x 2 patches load 6 values for 8 MACs
 * and keep 8 sums, 6 pointers, 6 values and a count in 21 of RV32's registers.
 */
#include "dot.h"

#include "pin.h"

#define DSE_STEP_4X2(k)                                                           \
    do {                                                                          \
        const int32_t a = dse_code(x0[k], sgn), b = dse_code(x1[k], sgn);         \
        const int32_t f0 = w0[k], f1 = w1[k], f2 = w2[k], f3 = w3[k];             \
        s00 += f0 * a, s01 += f0 * b, s10 += f1 * a, s11 += f1 * b;               \
        s20 += f2 * a, s21 += f2 * b, s30 += f3 * a, s31 += f3 * b;               \
        DSE_PIN_4(s00, s01, s10, s11);                                            \
        DSE_PIN_4(s20, s21, s30, s31);                                            \
    } while (0)

DSE_LEAF void dot_4x2(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t pitch,
                          bool sgn, int32_t acc[8]) {
    const int8_t *w0 = w, *w1 = w + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;
    int32_t s00 = acc[0], s01 = acc[1], s10 = acc[2], s11 = acc[3];
    int32_t s20 = acc[4], s21 = acc[5], s30 = acc[6], s31 = acc[7];
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--) {
            int32_t n = q->run;
            for (; n >= 4; n -= 4) {
                DSE_STEP_4X2(0);
                DSE_STEP_4X2(1);
                DSE_STEP_4X2(2);
                DSE_STEP_4X2(3);
                x0 += 4, x1 += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4;
                DSE_PIN_2(x0, x1);
                DSE_PIN_4(w0, w1, w2, w3);
            }
            for (; n > 0; n--) {
                DSE_STEP_4X2(0);
                x0++, x1++, w0++, w1++, w2++, w3++;
                DSE_PIN_2(x0, x1);
                DSE_PIN_4(w0, w1, w2, w3);
            }
            x0 += q->x_col_skip, x1 += q->x_col_skip;
            w0 += q->w_col_skip, w1 += q->w_col_skip, w2 += q->w_col_skip, w3 += q->w_col_skip;
        }
        x0 += q->x_row_skip, x1 += q->x_row_skip;
        w0 += q->w_row_skip, w1 += q->w_row_skip, w2 += q->w_row_skip, w3 += q->w_row_skip;
    }
    acc[0] = s00, acc[1] = s01, acc[2] = s10, acc[3] = s11;
    acc[4] = s20, acc[5] = s21, acc[6] = s30, acc[7] = s31;
}

#define DSE_STEP_4X1(k)                                                   \
    do {                                                                  \
        const int32_t a = dse_code(x[k], sgn);                            \
        s0 += w0[k] * a, s1 += w1[k] * a, s2 += w2[k] * a, s3 += w3[k] * a; \
        DSE_PIN_4(s0, s1, s2, s3);                                                 \
    } while (0)

DSE_LEAF void dot_4x1(const dse_patch *q, const uint8_t *x, const int8_t *w, int32_t pitch, bool sgn,
                          int32_t acc[4]) {
    const int8_t *w0 = w, *w1 = w + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;
    int32_t s0 = acc[0], s1 = acc[1], s2 = acc[2], s3 = acc[3];
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--) {
            int32_t n = q->run;
            for (; n >= 4; n -= 4) {
                DSE_STEP_4X1(0);
                DSE_STEP_4X1(1);
                DSE_STEP_4X1(2);
                DSE_STEP_4X1(3);
                x += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4;
                DSE_PIN_4(w0, w1, w2, w3);
            }
            for (; n > 0; n--) {
                DSE_STEP_4X1(0);
                x++, w0++, w1++, w2++, w3++;
                DSE_PIN_4(w0, w1, w2, w3);
            }
            x += q->x_col_skip;
            w0 += q->w_col_skip, w1 += q->w_col_skip, w2 += q->w_col_skip, w3 += q->w_col_skip;
        }
        x += q->x_row_skip;
        w0 += q->w_row_skip, w1 += q->w_row_skip, w2 += q->w_row_skip, w3 += q->w_row_skip;
    }
    acc[0] = s0, acc[1] = s1, acc[2] = s2, acc[3] = s3;
}

#define DSE_STEP_1X2(k)                                                       \
    do {                                                                      \
        const int32_t f = w[k];                                               \
        s0 += f * dse_code(x0[k], sgn), s1 += f * dse_code(x1[k], sgn);       \
        DSE_PIN_2(s0, s1);                                                    \
    } while (0)

DSE_LEAF void dot_1x2(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, bool sgn,
                          int32_t acc[2]) {
    int32_t s0 = acc[0], s1 = acc[1];
    for (int32_t r = q->rows; r > 0; r--) {
        for (int32_t c = q->cols; c > 0; c--) {
            int32_t n = q->run;
            for (; n >= 4; n -= 4) {
                DSE_STEP_1X2(0);
                DSE_STEP_1X2(1);
                DSE_STEP_1X2(2);
                DSE_STEP_1X2(3);
                x0 += 4, x1 += 4, w += 4;
            }
            for (; n > 0; n--) {
                DSE_STEP_1X2(0);
                x0++, x1++, w++;
            }
            x0 += q->x_col_skip, x1 += q->x_col_skip, w += q->w_col_skip;
        }
        x0 += q->x_row_skip, x1 += q->x_row_skip, w += q->w_row_skip;
    }
    acc[0] = s0, acc[1] = s1;
}

void dse_dot_4x2_i8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t pitch,
                             int32_t acc[8]) {
    dot_4x2(q, x0, x1, w, pitch, true, acc);
}
void dse_dot_4x2_u8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t pitch,
                             int32_t acc[8]) {
    dot_4x2(q, x0, x1, w, pitch, false, acc);
}
void dse_dot_4x1_i8(const dse_patch *q, const uint8_t *x, const int8_t *w, int32_t pitch, int32_t acc[4]) {
    dot_4x1(q, x, w, pitch, true, acc);
}
void dse_dot_4x1_u8(const dse_patch *q, const uint8_t *x, const int8_t *w, int32_t pitch, int32_t acc[4]) {
    dot_4x1(q, x, w, pitch, false, acc);
}
void dse_dot_1x2_i8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t acc[2]) {
    dot_1x2(q, x0, x1, w, true, acc);
}
void dse_dot_1x2_u8(const dse_patch *q, const uint8_t *x0, const uint8_t *x1, const int8_t *w, int32_t acc[2]) {
    dot_1x2(q, x0, x1, w, false, acc);
}
