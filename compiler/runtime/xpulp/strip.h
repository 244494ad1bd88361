/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of four filters (or outputs) on two pixels (or rows), one block after another: dot products, then
 * requantisation or the store of raw sums, without leaving registers. In assembler, because no stock compiler can
 * keep this in registers nor make hardware loops; and in C, with the same result.
 *
 * Instructions a block, beside 14 for every 4 codes of the depth: 9 to begin, 8 to clear the sums (12 to load them),
 * 1 or 2 + 7 a run for the hardware loops, 22 for a tail, 54 or 58 to requantise (8 to store sums).
 */
#ifndef DSE_XPULP_STRIP_H
#define DSE_XPULP_STRIP_H

#include "../kernels/kernel.h"
#include "loops.h"

/* The assembler knows these offsets: pointers and numbers are words of 4 bytes, in this order. */
typedef struct {
    const uint8_t *x0, *x1; /* the two pixels */
    const uint8_t *w;       /* the first filter; moves on */
    int32_t pitch;          /* from filter to filter */
    int32_t words;          /* of a run, at least 1 */
    uint8_t *y0, *y1;       /* outputs, or int32 sums (last == false) */
    const int32_t *mul;     /* one a filter */
    int32_t add_offset;     /* bytes from a multiplier to its addend */
    int32_t shift, low, high;
    int32_t blocks; /* at least 1 */
    int32_t runs;   /* at least 1; behind each the pointers move by the skips */
    int32_t x_skip, w_skip;
    int32_t tail_back;   /* 0, or tail - 4 where runs == 1 and `tail` codes follow the words */
    dse_word tail_mask;  /* which bytes of a word that ends with the run are the tail */
    const int32_t *sum0, *sum1; /* what the sums start from, if `first` is false; move on */
} x_strip;

/* Signs of inputs and filters, whether there are several runs, whether sums start at zero, whether they end here. */
typedef void (*x_strip_loop)(x_strip *);

#if DSE_XPULP

_Static_assert(sizeof(x_strip) == 80, "the assembler below has the offsets of this struct");

#define SR_0 "s1"
#define SR_1 "s2"
#define SR_2 "s3"
#define SR_3 "s4"
#define SR_4 "s5"
#define SR_5 "s6"
#define SR_6 "s7"
#define SR_7 "s8"
#define SR_F0 "t0"
#define SR_F1 "t1"
#define SR_F2 "t2"
#define SR_F3 "t3"
#define SR_V0 "t4"
#define SR_V1 "t5"
#define SR_X0 "a1"
#define SR_X1 "a2"
#define SR_W0 "a3"
#define SR_W1 "a4"
#define SR_W2 "a5"
#define SR_W3 "a6"
#define SR_WORDS "a7"
#define SR_Y0 "t6"
#define SR_Y1 "s9"
#define SR_X_SKIP "s10"
#define SR_W_SKIP "s11"
#define SR_BLOCKS "ra"
/* One run: skips are not needed, nor is the count of blocks behind the setup of their loop. */
#define SR_MUL "ra"
#define SR_OFFSET "s10"
#define SR_SHIFT "s11"
/* One run and a tail: */
#define SR_BACK "s10"
#define SR_MASK "s11"

#define A_FIELD(d, offset) "lw " d ", " #offset "(a0)\n"
#define A_SAVE(s, offset) "sw " s ", " #offset "(a0)\n"
#define A_ADD(d, a, b) "add " d ", " a ", " b "\n"
#define A_AND(d, b) "and " d ", " d ", " b "\n"
#define A_ZERO(d) "mv " d ", x0\n"
#define A_NEXT(d, p) ".insn i 0x0b, 2, " d ", 4(" p ")\n"
#define A_PUT(s, p) ".insn s 0x2b, 2, " s ", 4(" p ")\n"
#define A_PUT_BYTE(s, p) ".insn s 0x2b, 0, " s ", 1(" p ")\n"
#define A_LOOP(loop, count, instructions) ".insn i 0x7b, 4, " loop ", " count ", 2*(" #instructions ")\n"
#define A_SS(s, x, w) ".insn r 0x57, 1, 0x5c, " s ", " x ", " w "\n"
#define A_US(s, x, w) ".insn r 0x57, 1, 0x54, " s ", " x ", " w "\n"
#define A_SU(s, x, w) ".insn r 0x57, 1, 0x54, " s ", " w ", " x "\n"
#define A_UU(s, x, w) ".insn r 0x57, 1, 0x50, " s ", " x ", " w "\n"
#define A_MAC(d, a, b) ".insn r 0x33, 0, 0x21, " d ", " a ", " b "\n"
#define A_MAX(d, b) ".insn r 0x33, 6, 0x02, " d ", " d ", " b "\n"
#define A_MIN(d, b) ".insn r 0x33, 4, 0x02, " d ", " d ", " b "\n"

/* 9: pointers; the next block's filters begin where these end. */
#define A_BEGIN                                                                                                  \
    A_FIELD(SR_W0, 8) A_FIELD(SR_V0, 12) A_FIELD(SR_X0, 0) A_FIELD(SR_X1, 4) A_ADD(SR_W1, SR_W0, SR_V0)          \
    A_ADD(SR_W2, SR_W1, SR_V0) A_ADD(SR_W3, SR_W2, SR_V0) A_ADD(SR_V0, SR_W3, SR_V0) A_SAVE(SR_V0, 8)
/* 8: sums start at zero. */
#define A_CLEAR A_ZERO(SR_0) A_ZERO(SR_1) A_ZERO(SR_2) A_ZERO(SR_3) A_ZERO(SR_4) A_ZERO(SR_5) A_ZERO(SR_6) A_ZERO(SR_7)
/* 12: or from sums in memory. */
#define A_RESUME                                                                                                 \
    A_FIELD(SR_V0, 72) A_FIELD(SR_V1, 76) A_NEXT(SR_0, SR_V0) A_NEXT(SR_2, SR_V0) A_NEXT(SR_4, SR_V0)            \
    A_NEXT(SR_6, SR_V0) A_NEXT(SR_1, SR_V1) A_NEXT(SR_3, SR_V1) A_NEXT(SR_5, SR_V1) A_NEXT(SR_7, SR_V1)          \
    A_SAVE(SR_V0, 72) A_SAVE(SR_V1, 76)
/* 6 and 8 */
#define A_WORDS                                                                                                  \
    A_NEXT(SR_F0, SR_W0) A_NEXT(SR_F1, SR_W1) A_NEXT(SR_F2, SR_W2) A_NEXT(SR_F3, SR_W3) A_NEXT(SR_V0, SR_X0)     \
    A_NEXT(SR_V1, SR_X1)
#define A_PRODUCTS(DOT)                                                                                          \
    DOT(SR_0, SR_V0, SR_F0) DOT(SR_2, SR_V0, SR_F1) DOT(SR_4, SR_V0, SR_F2) DOT(SR_6, SR_V0, SR_F3)              \
    DOT(SR_1, SR_V1, SR_F0) DOT(SR_3, SR_V1, SR_F1) DOT(SR_5, SR_V1, SR_F2) DOT(SR_7, SR_V1, SR_F3)
/* 15 */
#define A_RUN(DOT) A_LOOP("x0", SR_WORDS, 14) A_WORDS A_PRODUCTS(DOT)
/* 22: the word that ends with the run. */
#define A_TAIL(DOT)                                                                                              \
    A_ADD(SR_W0, SR_W0, SR_BACK) A_ADD(SR_W1, SR_W1, SR_BACK)                           \
    A_ADD(SR_W2, SR_W2, SR_BACK) A_ADD(SR_W3, SR_W3, SR_BACK) A_ADD(SR_X0, SR_X0, SR_BACK)                       \
    A_ADD(SR_X1, SR_X1, SR_BACK) A_WORDS A_AND(SR_V0, SR_MASK) A_AND(SR_V1, SR_MASK) A_PRODUCTS(DOT)
/* 6 */
#define A_SKIP                                                                                                   \
    A_ADD(SR_X0, SR_X0, SR_X_SKIP) A_ADD(SR_X1, SR_X1, SR_X_SKIP) A_ADD(SR_W0, SR_W0, SR_W_SKIP)                 \
    A_ADD(SR_W1, SR_W1, SR_W_SKIP) A_ADD(SR_W2, SR_W2, SR_W_SKIP) A_ADD(SR_W3, SR_W3, SR_W_SKIP)
/* 13: one filter on both pixels; t1 low, t2 high. */
#define A_REQUANT(s0, s1, mul, offset, shift)                                                                    \
    ".insn r 0x03, 7, 0x10, t4, " mul ", " offset "\n" A_NEXT("t5", mul) "mv a1, t4\n" A_MAC("t4", s0, "t5")     \
    A_MAC("a1", s1, "t5") "sra t4, t4, " shift "\nsra a1, a1, " shift "\n" A_MAX("t4", "t1") A_MAX("a1", "t1")   \
    A_MIN("t4", "t2") A_MIN("a1", "t2") A_PUT_BYTE("t4", SR_Y0) A_PUT_BYTE("a1", SR_Y1)
#define A_REQUANT_4(mul, offset, shift)                                                                          \
    A_REQUANT(SR_0, SR_1, mul, offset, shift) A_REQUANT(SR_2, SR_3, mul, offset, shift)                          \
    A_REQUANT(SR_4, SR_5, mul, offset, shift) A_REQUANT(SR_6, SR_7, mul, offset, shift)
/* 58: with everything from memory, */
#define A_FINISH                                                                                                 \
    A_FIELD("a4", 28) A_FIELD("t3", 32) A_FIELD("t0", 36) A_FIELD("t1", 40) A_FIELD("t2", 44)                    \
    A_REQUANT_4("a4", "t3", "t0") A_SAVE("a4", 28)
/* 54: or with what fits in registers. */
#define A_FINISH_ONE A_FIELD("t1", 40) A_FIELD("t2", 44) A_REQUANT_4(SR_MUL, SR_OFFSET, SR_SHIFT)
/* 8: raw sums. */
#define A_SUMS                                                                                                   \
    A_PUT(SR_0, SR_Y0) A_PUT(SR_2, SR_Y0) A_PUT(SR_4, SR_Y0) A_PUT(SR_6, SR_Y0) A_PUT(SR_1, SR_Y1)               \
    A_PUT(SR_3, SR_Y1) A_PUT(SR_5, SR_Y1) A_PUT(SR_7, SR_Y1)

#define A_CLOBBERED                                                                                              \
    "memory", "ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s1",    \
        "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"
#define A_FUNCTION(name, text)                                                                                   \
    static __attribute__((noinline, unused)) void name(x_strip *strip) {                                         \
        register x_strip *a __asm__("a0") = strip;                                                               \
        __asm__ volatile(".option push\n.option norvc\n" A_FIELD(SR_WORDS, 16) A_FIELD(SR_Y0, 20)                \
                         A_FIELD(SR_Y1, 24) text ".option pop\n"                          \
                         : "+r"(a)::A_CLOBBERED);                                                                \
    }
/* Blocks are the outer hardware loop, words the inner one ... */
#define X_STRIP_ONE(name, signs, DOT, first, BEGIN, last, END, instructions)                                     \
    A_FUNCTION(name, A_FIELD("t0", 48) A_FIELD(SR_MUL, 28) A_FIELD(SR_OFFSET, 32) A_FIELD(SR_SHIFT, 36)          \
                         A_LOOP("x1", "t0", 9 + 15 + instructions) A_BEGIN BEGIN A_RUN(DOT) END)
#define X_STRIP_TAIL(name, signs, DOT, first, BEGIN, last, END, instructions)                                    \
    A_FUNCTION(name, A_FIELD(SR_BLOCKS, 48) A_FIELD(SR_BACK, 64) A_FIELD(SR_MASK, 68) A_LOOP("x1", SR_BLOCKS, 9 + 15 + 22 + instructions) \
                         A_BEGIN BEGIN A_RUN(DOT) A_TAIL(DOT) END)
/* ... or runs are the outer one. */
#define X_STRIP_RUNS(name, signs, DOT, first, BEGIN, last, END, instructions)                                    \
    A_FUNCTION(name, A_FIELD(SR_BLOCKS, 48) A_FIELD(SR_X_SKIP, 56) A_FIELD(SR_W_SKIP, 60) "1:\n" A_BEGIN BEGIN A_FIELD(SR_F0, 52)       \
                         A_LOOP("x1", SR_F0, 21) A_RUN(DOT) A_SKIP END "addi " SR_BLOCKS ", " SR_BLOCKS ", -1\n" \
                         "bnez " SR_BLOCKS ", 1b\n")

#else

DSE_LEAF void x_strip_block(x_strip *p, dse_x_signs signs, bool first, int32_t sum[4][2]) {
    const uint8_t *x[2] = {p->x0, p->x1};
    for (int32_t o = 0; o < 4; o++, p->w += p->pitch)
        for (int32_t k = 0; k < 2; k++) {
            const uint8_t *at = x[k], *w = p->w;
            int32_t s = first ? 0 : (k ? p->sum1 : p->sum0)[o];
            for (int32_t run = p->runs; run > 0; run--, at += p->x_skip, w += p->w_skip)
                for (int32_t n = p->words; n > 0; n--, at += 4, w += 4)
                    s = dse_x_sdot(signs, s, dse_x_load(at), dse_x_load(w));
            if (p->tail_back)
                s = dse_x_sdot(signs, s, dse_x_load(at + p->tail_back) & p->tail_mask, dse_x_load(w + p->tail_back));
            sum[o][k] = s;
        }
    if (!first) p->sum0 += 4, p->sum1 += 4;
}

DSE_LEAF void x_strip_finish(x_strip *p, int32_t y0, int32_t y1) {
    int32_t add;
    __builtin_memcpy(&add, (const uint8_t *)p->mul + p->add_offset, sizeof add);
    *p->y0++ = (uint8_t)dse_x_requant(y0, *p->mul, add, p->shift, p->low, p->high);
    *p->y1++ = (uint8_t)dse_x_requant(y1, *p->mul, add, p->shift, p->low, p->high);
    p->mul++;
}

/* Outputs of the two pixels may lie over each other: both stores of a filter, then the next filter's, as above. */
DSE_LEAF void x_strip_blocks(x_strip *p, dse_x_signs signs, bool first, bool last) {
    for (int32_t block = p->blocks; block > 0; block--) {
        int32_t sum[4][2];
        x_strip_block(p, signs, first, sum);
        for (int32_t o = 0; o < 4; o++) {
            if (last) {
                x_strip_finish(p, sum[o][0], sum[o][1]);
                continue;
            }
            __builtin_memcpy(p->y0, &sum[o][0], 4);
            __builtin_memcpy(p->y1, &sum[o][1], 4);
            p->y0 += 4, p->y1 += 4;
        }
    }
}

#define X_STRIP_ONE(name, signs, DOT, first, BEGIN, last, END, instructions) \
    static __attribute__((unused)) void name(x_strip *p) { x_strip_blocks(p, signs, first, last); }
#define X_STRIP_TAIL X_STRIP_ONE
#define X_STRIP_RUNS X_STRIP_ONE

#endif

/* The four ways through a reduction, [first][last] chooses; END requantises, in `finish` instructions. */
#define X_STRIPS(shape, name, signs, DOT, END, finish)                                                           \
    shape(name##_sums, signs, DOT, true, A_CLEAR, false, A_SUMS, 8 + 8)                                          \
    shape(name##_more, signs, DOT, false, A_RESUME, false, A_SUMS, 12 + 8)                                       \
    shape(name##_last, signs, DOT, false, A_RESUME, true, END, 12 + finish)                                      \
    shape(name##_whole, signs, DOT, true, A_CLEAR, true, END, 8 + finish)                                        \
    static const x_strip_loop name[2][2] = {{name##_more, name##_last}, {name##_sums, name##_whole}};
#define X_STRIPS_ONE(name, signs, DOT) X_STRIPS(X_STRIP_ONE, name, signs, DOT, A_FINISH_ONE, 54)
#define X_STRIPS_TAIL(name, signs, DOT) X_STRIPS(X_STRIP_TAIL, name, signs, DOT, A_FINISH, 58)
#define X_STRIPS_RUNS(name, signs, DOT) X_STRIPS(X_STRIP_RUNS, name, signs, DOT, A_FINISH, 58)

#endif
