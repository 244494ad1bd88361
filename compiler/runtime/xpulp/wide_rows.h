/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and requantisation where a code is int16, for elementwise.c: 8 and 6 instructions an element, in a loop for each
 * combination of types.
 */
#ifndef DSE_XPULP_WIDE_ROWS_H
#define DSE_XPULP_WIDE_ROWS_H

/* Types of an operand, and of the result. */
typedef enum { X_CODE_U8, X_CODE_I8, X_CODE_I16, X_CODES } x_code;

DSE_LEAF x_code x_code_of(int32_t log2, bool is_signed) { return log2 ? X_CODE_I16 : is_signed ? X_CODE_I8 : X_CODE_U8; }

typedef void (*x_wide_add)(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n);
typedef void (*x_wide_requantise)(const dse_requantise_args *args, const uint8_t *x, uint8_t *y, int32_t n);

#if DSE_XPULP
/* d = code at p, and p behind it; or p += step. */
#define W_U8(d, p) ".insn i 0x0b, 4, %[" d "], 1(%[" p "])\n"
#define W_I8(d, p) ".insn i 0x0b, 0, %[" d "], 1(%[" p "])\n"
#define W_I16(d, p) ".insn i 0x0b, 1, %[" d "], 2(%[" p "])\n"
#define W_STEP_U8(d, p) ".insn r 0x0b, 7, 0x20, %[" d "], %[" p "], %[step]\n"
#define W_STEP_I8(d, p) ".insn r 0x0b, 7, 0x00, %[" d "], %[" p "], %[step]\n"
#define W_STEP_I16(d, p) ".insn r 0x0b, 7, 0x08, %[" d "], %[" p "], %[step]\n"
#define W_PUT_0 ".insn s 0x2b, 0, %[u], 1(%[y])\n"
#define W_PUT_1 ".insn s 0x2b, 1, %[u], 2(%[y])\n"
#define W_FINISH(PUT)                                                                                            \
    ".insn r 0x5b, 2, 0x20, %[u], %[add], %[shift]\n.insn r 0x33, 6, 0x02, %[u], %[u], %[low]\n"                 \
    ".insn r 0x33, 4, 0x02, %[u], %[u], %[high]\n" PUT
#define W_SCALES [shift] "r"(args->shift), [add] "r"(args->add), [low] "r"(args->low), [high] "r"(args->high)

#define X_WIDE_ADD(name, A, STEP_B, PUT, a_type, b_type, log2)                                                   \
    static void name(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n) {   \
        int32_t u, v;                                                                                            \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*8") A("u", "a") STEP_B("v", "b") "mul %[u], %[u], %[mul_a]\n"\
                         ".insn r 0x33, 0, 0x21, %[u], %[v], %[mul_b]\n" W_FINISH(PUT) X_END                     \
                         : [a] "+r"(a), [b] "+r"(b), [y] "+r"(y), [u] "=&r"(u), [v] "=&r"(v)                     \
                         : [n] "r"(n), [step] "r"(args->b_step << args->b_log2), [mul_a] "r"(args->mul_a),       \
                           [mul_b] "r"(args->mul_b), W_SCALES                                                    \
                         : "memory");                                                                            \
    }
#define X_WIDE_REQUANTISE(name, A, PUT, type, log2)                                                              \
    static void name(const dse_requantise_args *args, const uint8_t *x, uint8_t *y, int32_t n) {                 \
        int32_t u;                                                                                               \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*6") A("u", "x") "mul %[u], %[u], %[mul]\n" W_FINISH(PUT) X_END\
                         : [x] "+r"(x), [y] "+r"(y), [u] "=&r"(u)                                                \
                         : [n] "r"(n), [mul] "r"(args->mul), W_SCALES                                            \
                         : "memory");                                                                            \
    }
#else
DSE_LEAF int32_t x_wide_code(const uint8_t *x, int32_t k, x_code type) {
    return type == X_CODE_I16 ? dse_get(x, k, 1, 0) : dse_code(x[k], type == X_CODE_I8);
}
#define X_WIDE_ADD(name, A, STEP_B, PUT, a_type, b_type, log2)                                                   \
    static void name(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n) {   \
        for (int32_t k = 0; k < n; k++) {                                                                        \
            const int32_t u = x_wide_code(a, k, a_type), v = x_wide_code(b, k * args->b_step, b_type);           \
            const int32_t offset = dse_x_mac(args->add, v, args->mul_b);                                         \
            dse_put(y, k, log2, dse_x_requant(u, args->mul_a, offset, args->shift, args->low, args->high));      \
        }                                                                                                        \
    }
#define X_WIDE_REQUANTISE(name, A, PUT, type, log2)                                                              \
    static void name(const dse_requantise_args *args, const uint8_t *x, uint8_t *y, int32_t n) {                 \
        for (int32_t k = 0; k < n; k++)                                                                          \
            dse_put(y, k, log2,                                                                                  \
                    dse_x_requant(x_wide_code(x, k, type), args->mul, args->add, args->shift, args->low, args->high));\
    }
#endif

#define X_WIDE_ADDS(out, PUT, log2)                                                                              \
    X_WIDE_ADD(x_wide_add_uu_##out, W_U8, W_STEP_U8, PUT, X_CODE_U8, X_CODE_U8, log2)                            \
    X_WIDE_ADD(x_wide_add_ui_##out, W_U8, W_STEP_I8, PUT, X_CODE_U8, X_CODE_I8, log2)                            \
    X_WIDE_ADD(x_wide_add_uw_##out, W_U8, W_STEP_I16, PUT, X_CODE_U8, X_CODE_I16, log2)                          \
    X_WIDE_ADD(x_wide_add_iu_##out, W_I8, W_STEP_U8, PUT, X_CODE_I8, X_CODE_U8, log2)                            \
    X_WIDE_ADD(x_wide_add_ii_##out, W_I8, W_STEP_I8, PUT, X_CODE_I8, X_CODE_I8, log2)                            \
    X_WIDE_ADD(x_wide_add_iw_##out, W_I8, W_STEP_I16, PUT, X_CODE_I8, X_CODE_I16, log2)                          \
    X_WIDE_ADD(x_wide_add_wu_##out, W_I16, W_STEP_U8, PUT, X_CODE_I16, X_CODE_U8, log2)                          \
    X_WIDE_ADD(x_wide_add_wi_##out, W_I16, W_STEP_I8, PUT, X_CODE_I16, X_CODE_I8, log2)                          \
    X_WIDE_ADD(x_wide_add_ww_##out, W_I16, W_STEP_I16, PUT, X_CODE_I16, X_CODE_I16, log2)                        \
    static const x_wide_add x_wide_adds_##out[X_CODES][X_CODES] = {                                              \
        {x_wide_add_uu_##out, x_wide_add_ui_##out, x_wide_add_uw_##out},                                         \
        {x_wide_add_iu_##out, x_wide_add_ii_##out, x_wide_add_iw_##out},                                         \
        {x_wide_add_wu_##out, x_wide_add_wi_##out, x_wide_add_ww_##out}};
#define X_WIDE_REQUANTISES(out, PUT, log2)                                                                       \
    X_WIDE_REQUANTISE(x_wide_requantise_u_##out, W_U8, PUT, X_CODE_U8, log2)                                     \
    X_WIDE_REQUANTISE(x_wide_requantise_i_##out, W_I8, PUT, X_CODE_I8, log2)                                     \
    X_WIDE_REQUANTISE(x_wide_requantise_w_##out, W_I16, PUT, X_CODE_I16, log2)                                   \
    static const x_wide_requantise x_wide_requantises_##out[X_CODES] = {                                         \
        x_wide_requantise_u_##out, x_wide_requantise_i_##out, x_wide_requantise_w_##out};

X_WIDE_ADDS(byte, W_PUT_0, 0)
X_WIDE_ADDS(half, W_PUT_1, 1)
X_WIDE_REQUANTISES(byte, W_PUT_0, 0)
X_WIDE_REQUANTISES(half, W_PUT_1, 1)

static void x_add_row_wide(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const x_code left = x_code_of(args->a_log2, args->a_signed), right = x_code_of(args->b_log2, args->b_signed);
    const x_wide_add loop = (args->out_log2 ? x_wide_adds_half : x_wide_adds_byte)[left][right];
    const int32_t c = channels.low, n = dse_length(channels);
    if (n > 0) loop(args, a + (c << args->a_log2), b + (c * args->b_step << args->b_log2), y + (c << args->out_log2), n);
}

static void x_requantise_row(const dse_requantise_args *a, const uint8_t *x, uint8_t *y, dse_span channels) {
    const x_wide_requantise *const loops = a->out_log2 ? x_wide_requantises_half : x_wide_requantises_byte;
    const int32_t c = channels.low, n = dse_length(channels);
    if (n > 0) loops[x_code_of(a->in_log2, a->in_signed)](a, x + (c << a->in_log2), y + (c << a->out_log2), n);
}

#endif
