/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation of rows with Xpulp instructions: statistics by dot products, four codes or two of 16 bits at a time,
 * then 12 instructions an element. The integer dialect's is the portable one.
 */
#include "loops.h"

#define dse_rmsnorm dse_rmsnorm_portable
#define dse_layernorm dse_layernorm_portable
#include "../kernels/norm.c"
#undef dse_rmsnorm
#undef dse_layernorm

typedef struct {
    int32_t sum;
    uint64_t squares;
} x_moments;

/* Sums over a row of int16. */
DSE_LEAF x_moments x_moments_wide(const uint8_t *x, int32_t n) {
    uint64_t squares = 0;
    dse_word sum = 0;
    for (const uint8_t *end = x + 4 * (n >> 1); x < end; x += 4) {
        const dse_word v = dse_x_load(x);
        squares += dse_x_dot2_ss(v, v), sum = dse_x_sdot2_ss(sum, v, 0x00010001u);
    }
    if (n & 1) {
        const int32_t last = norm_code(x, 0, 0, true);
        squares += (uint32_t)(last * last), sum += (dse_word)last;
    }
    return (x_moments){(int32_t)sum, squares};
}

/* Over a row of bytes; squares modulo 2^32. */
DSE_LEAF x_moments x_moments_of(const uint8_t *x, int32_t n, bool is_signed) {
    dse_word squares = 0, sum = 0;
    for (const uint8_t *end = x + (n & ~3); x < end; x += 4) {
        const dse_word v = dse_x_load(x);
        squares = is_signed ? dse_x_sdot_ss(squares, v, v) : dse_x_sdot_uu(squares, v, v);
        sum = is_signed ? dse_x_sdot_us(sum, 0x01010101u, v) : dse_x_sdot_uu(sum, 0x01010101u, v);
    }
    for (int32_t k = 0; k < (n & 3); k++) {
        const int32_t last = dse_code(x[k], is_signed);
        squares += (dse_word)(last * last), sum += (dse_word)last;
    }
    return (x_moments){(int32_t)sum, squares};
}

/* How a row's codes become c of norm_scale: (code * factor - offset + half) >> h. */
typedef struct {
    int32_t factor, less;
    norm_scale scale;
} x_norm;

#if DSE_XPULP
#define N_I8 ".insn i 0x0b, 0, %[v], 1(%[x])\n"
#define N_U8 ".insn i 0x0b, 4, %[v], 1(%[x])\n"
#define N_I16 ".insn i 0x0b, 1, %[v], 2(%[x])\n"
#define N_MUL(by) "mul %[v], %[v], " by "\n"
#define N_ADD_SHIFT(add, shift) ".insn r 0x5b, 2, 0x20, %[v], " add ", " shift "\n"
/* Channels of a row, at least one. */
#define X_NORM_ROW(name, LOAD, read)                                                                             \
    DSE_LEAF void name(const dse_norm_args *a, const x_norm *q, const uint8_t *x, uint8_t *y) {                  \
        const int32_t *mul = a->tables, *add = a->tables + a->channels;                                          \
        int32_t v, m, d;                                                                                         \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*12") LOAD X_LOAD("m", "mul") N_MUL("%[factor]") X_LOAD("d", "add")\
                         N_ADD_SHIFT("%[less]", "%[h]") N_MUL("%[reciprocal]") N_ADD_SHIFT("%[half]", "%[s]")    \
                         N_MUL("%[m]") N_ADD_SHIFT("%[d]", "%[shift]")                                           \
                         ".insn r 0x33, 6, 0x02, %[v], %[v], %[low]\n.insn r 0x33, 4, 0x02, %[v], %[v], %[high]\n"\
                         ".insn s 0x2b, 0, %[v], 1(%[y])\n" X_END                                                \
                         : [v] "=&r"(v), [m] "=&r"(m), [d] "=&r"(d), [x] "+r"(x), [y] "+r"(y), [mul] "+r"(mul),  \
                           [add] "+r"(add)                                                                       \
                         : [n] "r"(a->channels), [factor] "r"(q->factor), [less] "r"(q->less), [h] "r"(q->scale.h),\
                           [reciprocal] "r"(q->scale.reciprocal), [half] "r"(q->scale.half_s), [s] "r"(q->scale.s),\
                           [shift] "r"(a->shift), [low] "r"(a->low), [high] "r"(a->high)                         \
                         : "memory");                                                                            \
    }
#else
#define X_NORM_ROW(name, LOAD, read)                                                                             \
    DSE_LEAF void name(const dse_norm_args *a, const x_norm *q, const uint8_t *x, uint8_t *y) {                  \
        const int32_t *const mul = a->tables, *const add = a->tables + a->channels;                              \
        for (int32_t k = 0; k < a->channels; k++) {                                                              \
            const int32_t c = (read * q->factor + q->less) >> q->scale.h;                                        \
            const int32_t u = (c * q->scale.reciprocal + q->scale.half_s) >> q->scale.s;                         \
            y[k] = (uint8_t)dse_x_requant(u, mul[k], add[k], a->shift, a->low, a->high);                         \
        }                                                                                                        \
    }
#endif

X_NORM_ROW(x_norm_i8, N_I8, dse_code(x[k], true))
X_NORM_ROW(x_norm_u8, N_U8, dse_code(x[k], false))
X_NORM_ROW(x_norm_i16, N_I16, norm_code(x, k, 0, true))

static __attribute__((noinline)) void x_norm_row(const dse_norm_args *a, const uint8_t *x, uint8_t *y, bool centred) {
    const int32_t n = a->channels, pivot = centred ? 0 : a->zero_point;
    x_moments m = a->in_wide     ? x_moments_wide(x, n)
                  : a->in_signed ? x_moments_of(x, n, true)
                                 : x_moments_of(x, n, false);
    /* Sum of (code - pivot)^2. */
    if (pivot) m.squares += (uint64_t)((int64_t)pivot * ((int64_t)n * pivot - 2 * (int64_t)m.sum));
    if (!a->in_wide) m.squares = (uint32_t)m.squares;
    const norm_scale scale = norm_scale_of(a, m.sum, m.squares, centred);
    const x_norm q = {centred ? n : 1, scale.half_h - (centred ? m.sum : pivot), scale};
    if (a->in_wide)
        x_norm_i16(a, &q, x, y);
    else if (a->in_signed)
        x_norm_i8(a, &q, x, y);
    else
        x_norm_u8(a, &q, x, y);
}

DSE_LEAF void x_norm_task(const void *arg, uint32_t core, uint32_t ncores, bool centred) {
    const dse_norm_args *a = arg;
    const dse_span rows = dse_share(a->split == DSE_SPLIT_PIXELS, a->rows, core, ncores);
    for (int32_t y = rows.low; y < rows.high; y++)
        x_norm_row(a, a->input + y * a->in_row_pitch, a->output + y * a->out_row_pitch, centred);
}

static void x_rms_task(uint32_t core, uint32_t ncores, const void *arg) { x_norm_task(arg, core, ncores, false); }
static void x_layer_task(uint32_t core, uint32_t ncores, const void *arg) { x_norm_task(arg, core, ncores, true); }

void dse_rmsnorm(const dse_norm_args *args);
void dse_layernorm(const dse_norm_args *args);
void dse_rmsnorm(const dse_norm_args *args) { dse_launch(x_rms_task, args, args->split); }
void dse_layernorm(const dse_norm_args *args) { dse_launch(x_layer_task, args, args->split); }
