/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the Xpulp kernels: assembler with hardware loops and post-increment loads, and the same loop in C.
 *
 * A dot product runs over `runs` pieces of `words` words; behind every run the pointers move on by the skips (bytes).
 * runs, words >= 1. Sums start at zero and wrap. Per word of the depth: 4 filters x 2 pixels 14 instructions for 32
 * MACs, 4 x 1 9 for 16, 1 x 2 5 for 8. Loads come two instructions before their use: no stall.
 */
#ifndef DSE_XPULP_LOOPS_H
#define DSE_XPULP_LOOPS_H

#include "dse_xpulp.h"

/* How the lanes of an input and of a filter (or second operand) are multiplied. */
typedef enum { DSE_X_SS, DSE_X_US, DSE_X_SU, DSE_X_UU } dse_x_signs;

DSE_X_INLINE int32_t dse_x_sdot(dse_x_signs signs, int32_t y, dse_word x, dse_word w) {
    const dse_word s = (dse_word)y;
    return (int32_t)(signs == DSE_X_SS   ? dse_x_sdot_ss(s, x, w)
                     : signs == DSE_X_US ? dse_x_sdot_us(s, x, w)
                     : signs == DSE_X_SU ? dse_x_sdot_us(s, w, x)
                                         : dse_x_sdot_uu(s, x, w));
}

#if DSE_XPULP

/* d = word at p, p += 4 */
#define X_LOAD(d, p) ".insn i 0x0b, 2, %[" d "], 4(%[" p "])\n"
#define X_CLEAR(s) "mv %[" s "], x0\n"
#define X_ADD(p, by) "add %[" p "], %[" p "], %[" by "]\n"
/* x is the input's word, w the filter's. */
#define X_MAC_SS(s, x, w) ".insn r 0x57, 1, 0x5c, %[" s "], %[" x "], %[" w "]\n"
#define X_MAC_US(s, x, w) ".insn r 0x57, 1, 0x54, %[" s "], %[" x "], %[" w "]\n"
#define X_MAC_SU(s, x, w) ".insn r 0x57, 1, 0x54, %[" s "], %[" w "], %[" x "]\n"
#define X_MAC_UU(s, x, w) ".insn r 0x57, 1, 0x50, %[" s "], %[" x "], %[" w "]\n"
/* Hardware loop `loop` of `count` turns; it ends with the instruction that begins half*2 bytes behind the setup. */
#define X_LOOP(loop, count, half) ".insn i 0x7b, 4, " loop ", %[" count "], " half "\n"
#define X_BEGIN ".option push\n.option norvc\n"
#define X_END ".option pop\n"

#define X_BODY_4X2(MAC)                                                                                          \
    X_LOAD("f0", "w0") X_LOAD("f1", "w1") X_LOAD("f2", "w2") X_LOAD("f3", "w3") X_LOAD("v0", "x0")               \
    X_LOAD("v1", "x1") MAC("s0", "v0", "f0") MAC("s2", "v0", "f1") MAC("s4", "v0", "f2") MAC("s6", "v0", "f3")   \
    MAC("s1", "v1", "f0") MAC("s3", "v1", "f1") MAC("s5", "v1", "f2") MAC("s7", "v1", "f3")
#define X_CLEAR_8 X_CLEAR("s0") X_CLEAR("s1") X_CLEAR("s2") X_CLEAR("s3") X_CLEAR("s4") X_CLEAR("s5") X_CLEAR("s6") X_CLEAR("s7")
#define X_SUMS_8 [s0] "=&r"(s[0]), [s1] "=&r"(s[1]), [s2] "=&r"(s[2]), [s3] "=&r"(s[3]), [s4] "=&r"(s[4]), \
                 [s5] "=&r"(s[5]), [s6] "=&r"(s[6]), [s7] "=&r"(s[7])
#define X_WORDS_6 [f0] "=&r"(f0), [f1] "=&r"(f1), [f2] "=&r"(f2), [f3] "=&r"(f3), [v0] "=&r"(v0), [v1] "=&r"(v1)
#define X_POINTERS_6 [x0] "+r"(x0), [x1] "+r"(x1), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3)

#define X_BODY_4X1(MAC)                                                                                          \
    X_LOAD("f0", "w0") X_LOAD("f1", "w1") X_LOAD("v0", "x0") X_LOAD("f2", "w2") X_LOAD("f3", "w3")               \
    MAC("s0", "v0", "f0") MAC("s1", "v0", "f1") MAC("s2", "v0", "f2") MAC("s3", "v0", "f3")
#define X_BODY_1X2(MAC) \
    X_LOAD("f0", "w0") X_LOAD("v0", "x0") X_LOAD("v1", "x1") MAC("s0", "v0", "f0") MAC("s1", "v1", "f0")

/* Copies n times 8 bytes; the pointers move on. */
DSE_X_INLINE void dse_x_copy_8(uint8_t **to, const uint8_t **from, int32_t n) {
    dse_word v0, v1;
    __asm__ volatile(X_BEGIN X_LOOP("x0", "n", "8") X_LOAD("v0", "from") X_LOAD("v1", "from")
                     ".insn s 0x2b, 2, %[v0], 4(%[to])\n.insn s 0x2b, 2, %[v1], 4(%[to])\n" X_END
                     : [v0] "=&r"(v0), [v1] "=&r"(v1), [to] "+r"(*to), [from] "+r"(*from)
                     : [n] "r"(n)
                     : "memory");
}

/* s[2*o + p] = filter o on pixel p. */
#define X_DOT_4X2(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *x1, const uint8_t *w0, int32_t pitch, int32_t s[8]) {                  \
        const uint8_t *w1 = w0 + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;                                      \
        dse_word f0, f1, f2, f3, v0, v1;                                                                         \
        __asm__ volatile(X_BEGIN X_CLEAR_8 X_LOOP("x1", "runs", "42") X_LOOP("x0", "words", "28")                \
                         X_BODY_4X2(MAC) X_ADD("x0", "x_skip") X_ADD("x1", "x_skip") X_ADD("w0", "w_skip")       \
                         X_ADD("w1", "w_skip") X_ADD("w2", "w_skip") X_ADD("w3", "w_skip") X_END                 \
                         : X_SUMS_8, X_WORDS_6, X_POINTERS_6                                                     \
                         : [runs] "r"(runs), [words] "r"(words), [x_skip] "r"(x_skip), [w_skip] "r"(w_skip)      \
                         : "memory");                                                                            \
    }                                                                                                            \
    DSE_X_INLINE void name##_one(int32_t words, const uint8_t *x0, const uint8_t *x1, const uint8_t *w0,         \
                                 int32_t pitch, int32_t s[8]) {                                                  \
        const uint8_t *w1 = w0 + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;                                      \
        dse_word f0, f1, f2, f3, v0, v1;                                                                         \
        __asm__ volatile(X_BEGIN X_CLEAR_8 X_LOOP("x0", "words", "28") X_BODY_4X2(MAC) X_END                     \
                         : X_SUMS_8, X_WORDS_6, X_POINTERS_6                                                     \
                         : [words] "r"(words)                                                                    \
                         : "memory");                                                                            \
    }

/* s[o] = filter o on the pixel. */
#define X_DOT_4X1(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *w0, int32_t pitch, int32_t s[4]) {                                     \
        const uint8_t *w1 = w0 + pitch, *w2 = w1 + pitch, *w3 = w2 + pitch;                                      \
        dse_word f0, f1, f2, f3, v0;                                                                             \
        __asm__ volatile(X_BEGIN X_CLEAR("s0") X_CLEAR("s1") X_CLEAR("s2") X_CLEAR("s3")                         \
                         X_LOOP("x1", "runs", "30") X_LOOP("x0", "words", "18") X_BODY_4X1(MAC)                  \
                         X_ADD("x0", "x_skip") X_ADD("w0", "w_skip") X_ADD("w1", "w_skip")                       \
                         X_ADD("w2", "w_skip") X_ADD("w3", "w_skip") X_END                                       \
                         : [s0] "=&r"(s[0]), [s1] "=&r"(s[1]), [s2] "=&r"(s[2]), [s3] "=&r"(s[3]),               \
                           [f0] "=&r"(f0), [f1] "=&r"(f1), [f2] "=&r"(f2), [f3] "=&r"(f3), [v0] "=&r"(v0),       \
                           [x0] "+r"(x0), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3)             \
                         : [runs] "r"(runs), [words] "r"(words), [x_skip] "r"(x_skip), [w_skip] "r"(w_skip)      \
                         : "memory");                                                                            \
    }

/* s[p] = the filter on pixel p. */
#define X_DOT_1X2(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *x1, const uint8_t *w0, int32_t s[2]) {                                 \
        dse_word f0, v0, v1;                                                                                     \
        __asm__ volatile(X_BEGIN X_CLEAR("s0") X_CLEAR("s1") X_LOOP("x1", "runs", "18")                          \
                         X_LOOP("x0", "words", "10") X_BODY_1X2(MAC) X_ADD("x0", "x_skip")                       \
                         X_ADD("x1", "x_skip") X_ADD("w0", "w_skip") X_END                                       \
                         : [s0] "=&r"(s[0]), [s1] "=&r"(s[1]), [f0] "=&r"(f0), [v0] "=&r"(v0), [v1] "=&r"(v1),   \
                           [x0] "+r"(x0), [x1] "+r"(x1), [w0] "+r"(w0)                                           \
                         : [runs] "r"(runs), [words] "r"(words), [x_skip] "r"(x_skip), [w_skip] "r"(w_skip)      \
                         : "memory");                                                                            \
    }

#else

DSE_X_INLINE void dse_x_copy_8(uint8_t **to, const uint8_t **from, int32_t n) {
    for (; n > 0; n--, *to += 8, *from += 8) dse_x_store(*to, dse_x_load(*from)), dse_x_store(*to + 4, dse_x_load(*from + 4));
}

#define X_DOT_4X2(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *x1, const uint8_t *w0, int32_t pitch, int32_t s[8]) {                  \
        for (int32_t k = 0; k < 8; k++) s[k] = 0;                                                                \
        for (; runs > 0; runs--, x0 += x_skip, x1 += x_skip, w0 += w_skip)                                       \
            for (int32_t n = words; n > 0; n--, x0 += 4, x1 += 4, w0 += 4) {                                     \
                const dse_word v0 = dse_x_load(x0), v1 = dse_x_load(x1);                                         \
                for (int32_t o = 0; o < 4; o++) {                                                                \
                    const dse_word f = dse_x_load(w0 + o * pitch);                                               \
                    s[2 * o] = dse_x_sdot(signs, s[2 * o], v0, f);                                               \
                    s[2 * o + 1] = dse_x_sdot(signs, s[2 * o + 1], v1, f);                                       \
                }                                                                                                \
            }                                                                                                    \
    }                                                                                                            \
    DSE_X_INLINE void name##_one(int32_t words, const uint8_t *x0, const uint8_t *x1, const uint8_t *w0,         \
                                 int32_t pitch, int32_t s[8]) {                                                  \
        name(1, words, 0, 0, x0, x1, w0, pitch, s);                                                              \
    }

#define X_DOT_4X1(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *w0, int32_t pitch, int32_t s[4]) {                                     \
        for (int32_t k = 0; k < 4; k++) s[k] = 0;                                                                \
        for (; runs > 0; runs--, x0 += x_skip, w0 += w_skip)                                                     \
            for (int32_t n = words; n > 0; n--, x0 += 4, w0 += 4)                                                \
                for (int32_t o = 0; o < 4; o++)                                                                  \
                    s[o] = dse_x_sdot(signs, s[o], dse_x_load(x0), dse_x_load(w0 + o * pitch));                  \
    }

#define X_DOT_1X2(name, signs, MAC)                                                                              \
    DSE_X_INLINE void name(int32_t runs, int32_t words, int32_t x_skip, int32_t w_skip, const uint8_t *x0,       \
                           const uint8_t *x1, const uint8_t *w0, int32_t s[2]) {                                 \
        s[0] = s[1] = 0;                                                                                         \
        for (; runs > 0; runs--, x0 += x_skip, x1 += x_skip, w0 += w_skip)                                       \
            for (int32_t n = words; n > 0; n--, x0 += 4, x1 += 4, w0 += 4) {                                     \
                const dse_word f = dse_x_load(w0);                                                               \
                s[0] = dse_x_sdot(signs, s[0], dse_x_load(x0), f);                                               \
                s[1] = dse_x_sdot(signs, s[1], dse_x_load(x1), f);                                               \
            }                                                                                                    \
    }

#endif

#define X_FOR_SIGNS(define, name)                 \
    define(name##_ss, DSE_X_SS, X_MAC_SS)         \
    define(name##_us, DSE_X_US, X_MAC_US)

X_FOR_SIGNS(X_DOT_4X2, dse_x_dot_4x2)
X_FOR_SIGNS(X_DOT_4X1, dse_x_dot_4x1)
X_FOR_SIGNS(X_DOT_1X2, dse_x_dot_1x2)

/* The bytes of a last word that belong to the run: a run of n codes ends in n%4 of them. A word that ends with the
 * run holds them on top, so nothing behind the run is read. */
DSE_X_INLINE dse_word dse_x_tail_mask(int32_t tail) { return ~0u << 8 * (4 - tail); }

#endif
