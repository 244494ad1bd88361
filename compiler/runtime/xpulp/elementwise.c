/* SPDX-License-Identifier: Apache-2.0
 *
 * Sum, product and table lookup of bytes with Xpulp loops: 9 instructions an element, 11, and 3; sums and
 * requantisation with int16 codes: wide_rows.h. Other elementwise kernels are the portable ones.
 */
#include "loops.h"

#define dse_add dse_add_portable
#define dse_mul dse_mul_portable
#define dse_lut dse_lut_portable
#define dse_requantise dse_requantise_portable
#include "../kernels/elementwise.c"
#undef dse_add
#undef dse_mul
#undef dse_lut
#undef dse_requantise

#include "wide_rows.h"

/* n elements; the second operand moves by b_step. */
typedef void (*x_binary)(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n);

#if DSE_XPULP

/* d = byte at p, with its sign or without; p += 1, or p += step. */
#define E_I8 "0"
#define E_U8 "4"
#define E_STEP_I8 "0x00"
#define E_STEP_U8 "0x20"
#define E_LOADS(a_kind, b_kind)                                                                                  \
    ".insn i 0x0b, " a_kind ", %[u], 1(%[a])\n.insn r 0x0b, 7, " b_kind ", %[v], %[b], %[step]\n"
#define E_FINISH                                                                                                 \
    "sra %[t], %[t], %[shift]\n.insn r 0x33, 6, 0x02, %[t], %[t], %[low]\n"                                      \
    ".insn r 0x33, 4, 0x02, %[t], %[t], %[high]\n.insn s 0x2b, 0, %[t], 1(%[y])\n"
#define E_MAC(d, x, factor) ".insn r 0x33, 0, 0x21, %[" d "], %[" x "], %[" factor "]\n"
#define E_OPERANDS                                                                                               \
    [a] "+r"(a), [b] "+r"(b), [y] "+r"(y), [t] "=&r"(t), [u] "=&r"(u), [v] "=&r"(v)                              \
        : [n] "r"(n), [step] "r"(args->b_step), [add] "r"(args->add), [mul_a] "r"(args->mul_a),                  \
          [mul_b] "r"(args->mul_b), [shift] "r"(args->shift), [low] "r"(args->low), [high] "r"(args->high),      \
          [less_a] "r"(-args->zero_a), [less_b] "r"(-args->zero_b)                                               \
        : "memory"

#define X_ADD_LOOP(name, a_signed, b_signed, a_kind, b_kind)                                                     \
    static void name(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n) {   \
        int32_t t, u, v;                                                                                         \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*9") E_LOADS(a_kind, b_kind) "mv %[t], %[add]\n"            \
                         E_MAC("t", "u", "mul_a") E_MAC("t", "v", "mul_b") E_FINISH X_END : E_OPERANDS);         \
    }
#define X_MUL_LOOP(name, a_signed, b_signed, a_kind, b_kind)                                                     \
    static void name(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n) {   \
        int32_t t, u, v;                                                                                         \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "2*11") E_LOADS(a_kind, b_kind)                               \
                         X_ADD("u", "less_a") X_ADD("v", "less_b") "mul %[u], %[u], %[v]\nmv %[t], %[add]\n"     \
                         E_MAC("t", "u", "mul_a") E_FINISH X_END : E_OPERANDS);                                  \
    }
/* Two elements a turn: no load waits for another. */
#define X_LUT_LOOP(name, kind)                                                                                   \
    static void name(const uint8_t *table, const uint8_t *x, uint8_t *y, int32_t pairs) {                        \
        int32_t u, v;                                                                                            \
        __asm__ volatile(X_BEGIN X_LOOP("x0", "pairs", "2*6") ".insn i 0x0b, " kind ", %[u], 1(%[x])\n"          \
                         ".insn i 0x0b, " kind ", %[v], 1(%[x])\n.insn r 0x03, 7, 0x20, %[u], %[table], %[u]\n"  \
                         ".insn r 0x03, 7, 0x20, %[v], %[table], %[v]\n.insn s 0x2b, 0, %[u], 1(%[y])\n"         \
                         ".insn s 0x2b, 0, %[v], 1(%[y])\n" X_END                                                \
                         : [x] "+r"(x), [y] "+r"(y), [u] "=&r"(u), [v] "=&r"(v)                                  \
                         : [table] "r"(table), [pairs] "r"(pairs)                                                \
                         : "memory");                                                                            \
    }

#else

#define X_BINARY_LOOP(name, sum)                                                                                 \
    static void name(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, int32_t n) {   \
        for (; n > 0; n--, b += args->b_step)                                                                    \
            *y++ = (uint8_t)dse_clamp((sum) >> args->shift, args->low, args->high), a++;                         \
    }
#define X_ADD_LOOP(name, a_signed, b_signed, a_kind, b_kind)                                                     \
    X_BINARY_LOOP(name, dse_x_mac(dse_x_mac(args->add, dse_code(*a, a_signed), args->mul_a),                     \
                                  dse_code(*b, b_signed), args->mul_b))
#define X_MUL_LOOP(name, a_signed, b_signed, a_kind, b_kind)                                                     \
    X_BINARY_LOOP(name, dse_x_mac(args->add,                                                                     \
                                  (dse_code(*a, a_signed) - args->zero_a) * (dse_code(*b, b_signed) - args->zero_b), \
                                  args->mul_a))
#define E_I8 true
#define E_U8 false
#define X_LUT_LOOP(name, kind)                                                                                   \
    static void name(const uint8_t *table, const uint8_t *x, uint8_t *y, int32_t pairs) {                        \
        for (int32_t n = 2 * pairs; n > 0; n--) *y++ = table[dse_code(*x++, kind)];                              \
    }

#endif

#define X_BY_SIGN(loop, name)                                \
    loop(name##_uu, false, false, E_U8, E_STEP_U8)           \
    loop(name##_us, false, true, E_U8, E_STEP_I8)            \
    loop(name##_su, true, false, E_I8, E_STEP_U8)            \
    loop(name##_ss, true, true, E_I8, E_STEP_I8)             \
    static const x_binary name[2][2] = {{name##_uu, name##_us}, {name##_su, name##_ss}};

X_BY_SIGN(X_ADD_LOOP, x_add_loop)
X_BY_SIGN(X_MUL_LOOP, x_mul_loop)
X_LUT_LOOP(x_lut_i8, E_I8)
X_LUT_LOOP(x_lut_u8, E_U8)

static void x_add_row(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const int32_t c = channels.low, n = dse_length(channels);
    if (n > 0) x_add_loop[args->a_signed][args->b_signed](args, a + c, b + c * args->b_step, y + c, n);
}

static void x_mul_row(const dse_binary_args *args, const uint8_t *a, const uint8_t *b, uint8_t *y, dse_span channels) {
    const int32_t c = channels.low, n = dse_length(channels);
    if (n > 0) x_mul_loop[args->a_signed][args->b_signed](args, a + c, b + c * args->b_step, y + c, n);
}

static void x_add_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_binary_args *a = arg;
    binary_part(a, a->out_log2 > 1 ? add_row_wide : is_wide(a) ? x_add_row_wide : x_add_row, core, ncores);
}

static void x_mul_task(uint32_t core, uint32_t ncores, const void *arg) {
    binary_part(arg, is_wide(arg) ? mul_row_wide : x_mul_row, core, ncores);
}

/* The table seen from code 0, so that codes index it as they are. */
static void x_lut_row(const dse_lut_args *a, const uint8_t *x, uint8_t *y, dse_span channels) {
    const uint8_t *const table = a->table + (a->in_signed ? 128 : 0);
    const int32_t c = channels.low, pairs = dse_length(channels) >> 1;
    if (pairs > 0) (a->in_signed ? x_lut_i8 : x_lut_u8)(table, x + c, y + c, pairs);
    if (dse_length(channels) & 1) y[channels.high - 1] = table[dse_code(x[channels.high - 1], a->in_signed)];
}

static void x_lut_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_lut_args *a = arg;
    const element_part part = element_share(a->split, a->rows, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(part.elements, a->channels); dse_rows_valid(&r); dse_rows_next(&r, a->channels))
        x_lut_row(a, a->input + r.y * a->in_row_pitch, a->output + r.y * a->out_row_pitch, element_columns(&part, &r));
}

static void x_requantise_task(uint32_t core, uint32_t ncores, const void *arg) {
    const dse_requantise_args *a = arg;
    if (a->out_log2 > 1) {
        requantise_task(core, ncores, arg);
        return;
    }
    const element_part part = element_share(a->split, a->rows, a->channels, core, ncores);
    for (dse_rows r = dse_rows_begin(part.elements, a->channels); dse_rows_valid(&r); dse_rows_next(&r, a->channels))
        x_requantise_row(a, a->input + r.y * a->in_row_pitch, a->output + r.y * a->out_row_pitch, element_columns(&part, &r));
}

void dse_requantise(const dse_requantise_args *args);
void dse_requantise(const dse_requantise_args *args) { dse_launch(x_requantise_task, args, args->split); }

void dse_add(const dse_binary_args *args);
void dse_mul(const dse_binary_args *args);
void dse_lut(const dse_lut_args *args);
void dse_add(const dse_binary_args *args) { dse_launch(x_add_task, args, args->split); }
void dse_mul(const dse_binary_args *args) { dse_launch(x_mul_task, args, args->split); }
void dse_lut(const dse_lut_args *args) { dse_launch(x_lut_task, args, args->split); }
