/* SPDX-License-Identifier: Apache-2.0
 *
 * The strips of strip.h in assembler. Registers are named here, because a block needs all of them: eight sums, six
 * pointers, six words; what is left holds counts, the pitch, and in one shape the scales.
 */
#ifndef DSE_XPULP_STRIP_RV_H
#define DSE_XPULP_STRIP_RV_H

_Static_assert(sizeof(x_strip) == 120, "the assembler below has the offsets of this struct");
#define AT_X0 0
#define AT_X1 4
#define AT_W 8
#define AT_PITCH 12
#define AT_WORDS 16
#define AT_Y0 20
#define AT_Y1 24
#define AT_MUL 28
#define AT_OFFSET 32
#define AT_SHIFT 36
#define AT_LOW 40
#define AT_HIGH 44
#define AT_BLOCKS 48
#define AT_RUNS 52
#define AT_X_SKIP 56
#define AT_W_SKIP 60
#define AT_GAP 64
#define AT_MASK 68
#define AT_SUM0 72
#define AT_SUM1 76
#define AT_PAIRS 80
#define AT_X_STEP 84
#define AT_Y_STEP 88
#define AT_S_STEP 92
#define AT_START0 96
#define AT_START1 100
#define AT_STARTS 104
#define AT_SCALE 108
#define AT_ADDEND 112
#define AT_BACK 116

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
#define SR_PITCH "s0"
#define SR_MUL "ra"
/* One run: */
#define SR_OFFSET "s10"
#define SR_SHIFT "s11"
/* One run and a tail: */
#define SR_BACK "s10"
#define SR_MASK "s11"
/* Several runs: */
#define SR_BLOCKS "ra"
#define SR_X_SKIP "s10"
#define SR_W_SKIP "s11"

#define A_TEXT(x) #x
#define A_FIELD(d, offset) A_FIELD_(d, offset)
#define A_FIELD_(d, offset) "lw " d ", " A_TEXT(offset) "(a0)\n"
#define A_SAVE(s, offset) A_SAVE_(s, offset)
#define A_SAVE_(s, offset) "sw " s ", " A_TEXT(offset) "(a0)\n"
#define A_ADD(d, a, b) "add " d ", " a ", " b "\n"
#define A_SUB(d, a, b) "sub " d ", " a ", " b "\n"
#define A_AND(d, b) "and " d ", " d ", " b "\n"
#define A_MOVE(d, s) "mv " d ", " s "\n"
#define A_ZERO(d) A_MOVE(d, "x0")
#define A_NEXT(d, p) ".insn i 0x0b, 2, " d ", 4(" p ")\n"
#define A_INDEXED(d, p, by) ".insn r 0x03, 7, 0x10, " d ", " p ", " by "\n"
#define A_PUT(s, p) ".insn s 0x2b, 2, " s ", 4(" p ")\n"
#define A_LOOP(loop, count, instructions) ".insn i 0x7b, 4, " loop ", " count ", 2*(" #instructions ")\n"
/* Dot products, adding to what the register holds, or not (0). */
#define A_SS(s, x, w) ".insn r 0x57, 1, 0x5c, " s ", " x ", " w "\n"
#define A_US(s, x, w) ".insn r 0x57, 1, 0x54, " s ", " x ", " w "\n"
#define A_SU(s, x, w) ".insn r 0x57, 1, 0x54, " s ", " w ", " x "\n"
#define A_UU(s, x, w) ".insn r 0x57, 1, 0x50, " s ", " x ", " w "\n"
#define A_SS0(s, x, w) ".insn r 0x57, 1, 0x4c, " s ", " x ", " w "\n"
#define A_US0(s, x, w) ".insn r 0x57, 1, 0x44, " s ", " x ", " w "\n"
#define A_SU0(s, x, w) ".insn r 0x57, 1, 0x44, " s ", " w ", " x "\n"
#define A_UU0(s, x, w) ".insn r 0x57, 1, 0x40, " s ", " x ", " w "\n"
#define A_TIMES(d, b) "mul " d ", " d ", " b "\n"
#define A_ADD_SHIFT(d, add, shift) ".insn r 0x5b, 2, 0x20, " d ", " add ", " shift "\n" /* p.addN: (d + add) >> shift */
#define A_MAX(d, b) ".insn r 0x33, 6, 0x02, " d ", " d ", " b "\n"
#define A_MIN(d, b) ".insn r 0x33, 4, 0x02, " d ", " d ", " b "\n"
#define A_PACK_LOW(d, high, low) ".insn r 0x57, 1, 0x70, " d ", " high ", " low "\n"
#define A_PACK_HIGH(d, high, low) ".insn r 0x57, 1, 0x6c, " d ", " high ", " low "\n"
/* Clamps of a pair of numbers: to all of int8, to all of uint8 (the register number is the immediate), or to [t1, t2]. */
#define A_CLIP_I8(a, b) ".insn r 0x33, 1, 0x0a, " a ", " a ", x8\n.insn r 0x33, 1, 0x0a, " b ", " b ", x8\n"
#define A_CLIP_U8(a, b) ".insn r 0x33, 2, 0x0a, " a ", " a ", x9\n.insn r 0x33, 2, 0x0a, " b ", " b ", x9\n"
#define A_CLAMP(a, b) A_MAX(a, "t1") A_MAX(b, "t1") A_MIN(a, "t2") A_MIN(b, "t2")

/* ---- Pieces of a block; the numbers are instructions ----------------------------------------------------------- */

/* 7: back to the pair's first words; the filters behind those of the block before. */
#define A_FILTERS                                                                                                \
    A_FIELD(SR_F0, AT_GAP) A_FIELD(SR_X0, AT_X0) A_FIELD(SR_X1, AT_X1) A_ADD(SR_W0, SR_W3, SR_F0)                \
    A_ADD(SR_W1, SR_W0, SR_PITCH) A_ADD(SR_W2, SR_W1, SR_PITCH) A_ADD(SR_W3, SR_W2, SR_PITCH)
/* 9: the same, all from memory. */
#define A_FILTERS_RUNS                                                                                           \
    A_FIELD(SR_W0, AT_W) A_FIELD(SR_V0, AT_PITCH) A_FIELD(SR_X0, AT_X0) A_FIELD(SR_X1, AT_X1)                    \
    A_ADD(SR_W1, SR_W0, SR_V0) A_ADD(SR_W2, SR_W1, SR_V0) A_ADD(SR_W3, SR_W2, SR_V0) A_ADD(SR_V0, SR_W3, SR_V0)  \
    A_SAVE(SR_V0, AT_W)
/* 8: sums start at zero, */
#define A_CLEAR A_ZERO(SR_0) A_ZERO(SR_1) A_ZERO(SR_2) A_ZERO(SR_3) A_ZERO(SR_4) A_ZERO(SR_5) A_ZERO(SR_6) A_ZERO(SR_7)
/* 12: at sums in memory, */
#define A_RESUME                                                                                                 \
    A_FIELD(SR_V0, AT_SUM0) A_FIELD(SR_V1, AT_SUM1) A_NEXT(SR_0, SR_V0) A_NEXT(SR_2, SR_V0) A_NEXT(SR_4, SR_V0)  \
    A_NEXT(SR_6, SR_V0) A_NEXT(SR_1, SR_V1) A_NEXT(SR_3, SR_V1) A_NEXT(SR_5, SR_V1) A_NEXT(SR_7, SR_V1)          \
    A_SAVE(SR_V0, AT_SUM0) A_SAVE(SR_V1, AT_SUM1)
/* 16: or at a number for each filter and one for each pixel. */
#define A_OFFSETS                                                                                                \
    A_FIELD(SR_V0, AT_SUM0) A_FIELD(SR_F0, AT_START0) A_FIELD(SR_F1, AT_START1) A_NEXT(SR_0, SR_V0)              \
    A_NEXT(SR_2, SR_V0) A_NEXT(SR_4, SR_V0) A_NEXT(SR_6, SR_V0) A_SAVE(SR_V0, AT_SUM0) A_ADD(SR_1, SR_0, SR_F1)  \
    A_ADD(SR_3, SR_2, SR_F1) A_ADD(SR_5, SR_4, SR_F1) A_ADD(SR_7, SR_6, SR_F1) A_ADD(SR_0, SR_0, SR_F0)          \
    A_ADD(SR_2, SR_2, SR_F0) A_ADD(SR_4, SR_4, SR_F0) A_ADD(SR_6, SR_6, SR_F0)
/* 6 and 8 */
#define A_WORDS                                                                                                  \
    A_NEXT(SR_F0, SR_W0) A_NEXT(SR_F1, SR_W1) A_NEXT(SR_F2, SR_W2) A_NEXT(SR_F3, SR_W3) A_NEXT(SR_V0, SR_X0)     \
    A_NEXT(SR_V1, SR_X1)
#define A_PRODUCTS(DOT)                                                                                          \
    DOT(SR_0, SR_V0, SR_F0) DOT(SR_2, SR_V0, SR_F1) DOT(SR_4, SR_V0, SR_F2) DOT(SR_6, SR_V0, SR_F3)              \
    DOT(SR_1, SR_V1, SR_F0) DOT(SR_3, SR_V1, SR_F1) DOT(SR_5, SR_V1, SR_F2) DOT(SR_7, SR_V1, SR_F3)
/* 15 */
#define A_RUN(DOT) A_LOOP("x0", SR_WORDS, 14) A_WORDS A_PRODUCTS(DOT)
/* 16: the word that ends with the run. */
#define A_LAST_WORD(DOT)                                                                                         \
    A_INDEXED(SR_V0, SR_X0, SR_BACK) A_INDEXED(SR_V1, SR_X1, SR_BACK) A_INDEXED(SR_F0, SR_W0, SR_BACK)           \
    A_INDEXED(SR_F1, SR_W1, SR_BACK) A_INDEXED(SR_F2, SR_W2, SR_BACK) A_INDEXED(SR_F3, SR_W3, SR_BACK)           \
    A_AND(SR_V0, SR_MASK) A_AND(SR_V1, SR_MASK) A_PRODUCTS(DOT)
/* 6 */
#define A_SKIP                                                                                                   \
    A_ADD(SR_X0, SR_X0, SR_X_SKIP) A_ADD(SR_X1, SR_X1, SR_X_SKIP) A_ADD(SR_W0, SR_W0, SR_W_SKIP)                 \
    A_ADD(SR_W1, SR_W1, SR_W_SKIP) A_ADD(SR_W2, SR_W2, SR_W_SKIP) A_ADD(SR_W3, SR_W3, SR_W_SKIP)

/* ---- Ends of a block ------------------------------------------------------------------------------------------- */

/* 16, and 4 or 8 to clamp: two filters on both pixels, each with its scales. */
#define A_SCALE_2(s0, s1, s2, s3, mul, offset, shift, CLAMP)                                                     \
    A_INDEXED("t4", mul, offset) A_NEXT("t5", mul) A_INDEXED("a3", mul, offset) A_NEXT("a4", mul)                \
    A_TIMES(s0, "t5") A_TIMES(s1, "t5") A_ADD_SHIFT(s0, "t4", shift) A_ADD_SHIFT(s1, "t4", shift)                \
    A_TIMES(s2, "a4") A_TIMES(s3, "a4") A_ADD_SHIFT(s2, "a3", shift) A_ADD_SHIFT(s3, "a3", shift)                \
    CLAMP(s0, s1) CLAMP(s2, s3)
/* 4, and 2 or 4: one filter, scales as all. */
#define A_SCALE_1(s0, s1, mul, add, shift, CLAMP)                                                                \
    A_TIMES(s0, mul) A_TIMES(s1, mul) A_ADD_SHIFT(s0, add, shift) A_ADD_SHIFT(s1, add, shift) CLAMP(s0, s1)
/* 6: four codes of each pixel. */
#define A_CODES                                                                                                  \
    A_PACK_LOW("t4", SR_2, SR_0) A_PACK_LOW("t5", SR_3, SR_1) A_PACK_HIGH("t4", SR_6, SR_4)                      \
    A_PACK_HIGH("t5", SR_7, SR_5) A_PUT("t4", SR_Y0) A_PUT("t5", SR_Y1)
/* 38 (46); 30 (38) with the same scales for all filters. */
#define A_EACH(mul, offset, shift, CLAMP)                                                                        \
    A_SCALE_2(SR_0, SR_1, SR_2, SR_3, mul, offset, shift, CLAMP)                                                 \
    A_SCALE_2(SR_4, SR_5, SR_6, SR_7, mul, offset, shift, CLAMP) A_CODES
#define A_ALL(mul, add, shift, CLAMP)                                                                            \
    A_SCALE_1(SR_0, SR_1, mul, add, shift, CLAMP) A_SCALE_1(SR_2, SR_3, mul, add, shift, CLAMP)                  \
    A_SCALE_1(SR_4, SR_5, mul, add, shift, CLAMP) A_SCALE_1(SR_6, SR_7, mul, add, shift, CLAMP) A_CODES
/* 2 */
#define A_BOUNDS A_FIELD("t1", AT_LOW) A_FIELD("t2", AT_HIGH)
/* 8: raw sums. */
#define A_SUMS                                                                                                   \
    A_PUT(SR_0, SR_Y0) A_PUT(SR_2, SR_Y0) A_PUT(SR_4, SR_Y0) A_PUT(SR_6, SR_Y0) A_PUT(SR_1, SR_Y1)               \
    A_PUT(SR_3, SR_Y1) A_PUT(SR_5, SR_Y1) A_PUT(SR_7, SR_Y1)

/* ---- From pair to pair ------------------------------------------------------------------------------------------ */

/* 14, taken or not. */
#define A_NEXT_PAIR                                                                                              \
    A_FIELD("t0", AT_X0) A_FIELD("t1", AT_X1) A_FIELD("t2", AT_X_STEP) A_FIELD("t3", AT_Y_STEP)                  \
    A_FIELD("t4", AT_PAIRS) A_ADD("t0", "t0", "t2") A_ADD("t1", "t1", "t2") A_SAVE("t0", AT_X0)                  \
    A_SAVE("t1", AT_X1) A_ADD(SR_Y0, SR_Y0, "t3") A_ADD(SR_Y1, SR_Y1, "t3") "addi t4, t4, -1\n"                  \
    A_SAVE("t4", AT_PAIRS) "bnez t4, 1b\n"
/* 7: sums in memory, and 10: offsets of pixels. */
#define A_NEXT_SUMS                                                                                              \
    A_FIELD("t0", AT_SUM0) A_FIELD("t1", AT_SUM1) A_FIELD("t2", AT_S_STEP) A_ADD("t0", "t0", "t2")               \
    A_ADD("t1", "t1", "t2") A_SAVE("t0", AT_SUM0) A_SAVE("t1", AT_SUM1)
#define A_NEXT_OFFSETS                                                                                           \
    A_FIELD("t0", AT_SUM0) A_FIELD("t2", AT_S_STEP) A_ADD("t0", "t0", "t2") A_SAVE("t0", AT_SUM0)
#define A_FIRST_OFFSETS                                                                                          \
    A_FIELD("t0", AT_STARTS) A_NEXT("t1", "t0") A_NEXT("t2", "t0") A_SAVE("t0", AT_STARTS)                       \
    A_SAVE("t1", AT_START0) A_SAVE("t2", AT_START1)

#define A_CLOBBERED                                                                                              \
    "memory", "ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s0",    \
        "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"
#define A_FUNCTION(name, text)                                                                                   \
    static __attribute__((noinline, unused)) void name(x_strip *strip) {                                         \
        register x_strip *a __asm__("a0") = strip;                                                               \
        __asm__ volatile(".option push\n.option norvc\n" A_FIELD(SR_WORDS, AT_WORDS) A_FIELD(SR_Y0, AT_Y0)       \
                         A_FIELD(SR_Y1, AT_Y1) A_FIELD(SR_PITCH, AT_PITCH) text ".option pop\n"                  \
                         : "+r"(a)::A_CLOBBERED);                                                                \
    }

/* For every pair: where the filter before the first would end, how many blocks. */
#define A_FIRST_BLOCK(at_mul)                                                                                    \
    A_FIELD(SR_W3, AT_W) A_FIELD("t1", AT_GAP) A_FIELD(SR_MUL, at_mul) A_FIELD("t0", AT_BLOCKS)                  \
    A_SUB(SR_W3, SR_W3, "t1")
/* One run of words: BEGIN takes the first `skipped` of them and the loop over the others. `instructions` are those of
 * BEGIN and END together, with one turn of the loop. FIRST and LAST are done for every pair. */
#define A_ONE(name, skipped, FIRST, BEGIN, END, LAST, at_mul, at_offset, instructions)                           \
    A_FUNCTION(name, A_FIELD(SR_OFFSET, at_offset) A_FIELD(SR_SHIFT, AT_SHIFT) "addi a7, a7, -" #skipped "\n1:\n" \
                         FIRST A_FIRST_BLOCK(at_mul) A_LOOP("x1", "t0", 7 + instructions) A_FILTERS BEGIN END    \
                         LAST A_NEXT_PAIR)
/* One run of words and a tail: BEGIN takes both. */
#define A_TAIL(name, FIRST, BEGIN, END, LAST, at_mul, instructions)                                              \
    A_FUNCTION(name, A_FIELD(SR_BACK, AT_BACK) A_FIELD(SR_MASK, AT_MASK) "1:\n" FIRST A_FIRST_BLOCK(at_mul)      \
                         A_LOOP("x1", "t0", 7 + instructions) A_FILTERS BEGIN END LAST A_NEXT_PAIR)
/* Runs are the outer hardware loop; one pair. */
#define A_RUNS(name, BEGIN, DOT, END)                                                                            \
    A_FUNCTION(name, A_FIELD(SR_BLOCKS, AT_BLOCKS) A_FIELD(SR_X_SKIP, AT_X_SKIP) A_FIELD(SR_W_SKIP, AT_W_SKIP)   \
                     "1:\n" A_FILTERS_RUNS BEGIN A_FIELD(SR_F0, AT_RUNS) A_LOOP("x1", SR_F0, 21) A_RUN(DOT)      \
                         A_SKIP END "addi " SR_BLOCKS ", " SR_BLOCKS ", -1\nbnez " SR_BLOCKS ", 1b\n")

#endif
