/* SPDX-License-Identifier: Apache-2.0
 *
 * Strips: blocks of four filters (or outputs) on a pair of pixels (or rows), one block after another, one pair after
 * another: dot products, then requantisation or the store of raw sums, without leaving registers. In assembler
 * (strip_rv.h), because no stock compiler can keep this in registers nor make hardware loops; and in C, with the same
 * result.
 *
 * Instructions a block, beside 14 for every 4 codes of the depth: 8 with one run of words (the first words begin the
 * sums; 7 where they are all), 24 with a tail, 18 + 7 a run with several runs; 12 to load sums (16: offsets); 38 or 46 to requantise (8 less
 * with the same scales for all filters, 2 or 4 more where they do not stay in registers), 8 to store sums. A pair: 19.
 */
#ifndef DSE_XPULP_STRIP_H
#define DSE_XPULP_STRIP_H

#include "../kernels/kernel.h"
#include "loops.h"

/* The assembler knows these offsets: pointers and numbers are words of 4 bytes, in this order. */
typedef struct {
    const uint8_t *x0, *x1; /* the two pixels; move on */
    const uint8_t *w;       /* the first filter */
    int32_t pitch;          /* from filter to filter */
    int32_t words;          /* of a run, at least 1; at least 2 where sums start with one run */
    uint8_t *y0, *y1;       /* outputs, or int32 sums */
    const int32_t *mul;     /* one a filter */
    int32_t add_offset;     /* bytes from a multiplier to its addend */
    int32_t shift, low, high;
    int32_t blocks; /* at least 1 */
    int32_t runs;   /* at least 1; behind each the pointers move by the skips */
    int32_t x_skip, w_skip;
    int32_t gap;                /* bytes from behind a filter's last whole word to the next filter */
    dse_word tail_mask;         /* which bytes of the word that ends with the run are behind the last whole one */
    const int32_t *sum0, *sum1; /* X_SUMS: what the sums start from; X_OFFSETS: sum0 has one number a filter; move on */
    int32_t pairs;              /* at least 1, with several runs 1 */
    int32_t x_step;             /* from pair to pair */
    int32_t y_step, s_step;     /* bytes from behind a pair's last block to the next pair's first; s: sum0 and sum1 */
    int32_t start0, start1;     /* X_OFFSETS: the current pair's, out of */
    const int32_t *starts;      /* two numbers a pair; moves on */
    int32_t scale, addend;      /* those of all filters, for products */
    int32_t back;               /* from a run's first byte to the word that ends with it */
} x_strip;

typedef void (*x_strip_loop)(x_strip *);

/* What sums start from: zero; sums in memory; a number for each filter and one for each pixel. */
typedef enum { X_ZERO, X_SUMS, X_OFFSETS } x_start;
/* How they end: stored, or requantised and clamped to [low, high], to all of int8, to all of uint8. */
typedef enum { X_RAW, X_CLAMP, X_I8, X_U8, X_ENDS } x_end;

/* The shape of filters of `words` words and `tail` codes, `pitch` bytes apart. */
DSE_LEAF void x_strip_shape(x_strip *s, int32_t pitch, int32_t words, int32_t tail) {
    s->pitch = pitch, s->words = words, s->gap = pitch - 4 * words, s->back = 4 * words + tail - 4;
    s->tail_mask = tail ? dse_x_tail_mask(tail) : 0;
    s->runs = s->pairs = 1, s->x_skip = s->w_skip = 0;
    s->x_step = s->y_step = s->s_step = 0;
}

DSE_LEAF x_end x_end_of(bool last, int32_t low, int32_t high) {
    if (!last) return X_RAW;
    return low == -128 && high == 127 ? X_I8 : low == 0 && high == 255 ? X_U8 : X_CLAMP;
}

#if DSE_XPULP
#include "strip_rv.h"

/* Four ways to start and end, of one run, of one with a tail, of several; those with all of the type's range apart. */
#define X_ONE_ZERO(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                            \
    A_ONE(name##_##suffix, 1, , A_WORDS A_PRODUCTS(DOT##0) A_RUN(DOT), END, , at_mul, at_offset, 14 + 15 + count)
#define X_ONE_SUMS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                            \
    A_ONE(name##_##suffix, 0, , A_RESUME A_RUN(DOT), END, A_NEXT_SUMS, at_mul, at_offset, 12 + 15 + count)
#define X_ONE_OFFSETS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                         \
    A_ONE(name##_##suffix, 0, A_FIRST_OFFSETS, A_OFFSETS A_RUN(DOT), END, A_NEXT_OFFSETS, at_mul, at_offset, 16 + 15 + count)
#define X_WORD_ZERO(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                           \
    A_ONE(name##_##suffix, 0, , A_WORDS A_PRODUCTS(DOT##0), END, , at_mul, at_offset, 14 + count)
#define X_TAIL_ZERO(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                           \
    A_TAIL(name##_##suffix, , A_LAST_WORD(DOT##0) A_RUN(DOT), END, , at_mul, 16 + 15 + count)
#define X_TAIL_SUMS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                           \
    A_TAIL(name##_##suffix, , A_RESUME A_LAST_WORD(DOT) A_RUN(DOT), END, A_NEXT_SUMS, at_mul, 12 + 16 + 15 + count)
#define X_TAIL_OFFSETS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count)                        \
    A_TAIL(name##_##suffix, A_FIRST_OFFSETS, A_OFFSETS A_LAST_WORD(DOT) A_RUN(DOT), END, A_NEXT_OFFSETS, at_mul, \
           16 + 16 + 15 + count)
#define X_RUNS_ZERO(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count) \
    A_RUNS(name##_##suffix, A_CLEAR, DOT, END)
#define X_RUNS_SUMS(name, signs, DOT, suffix, end, END, at_mul, at_offset, all, count) \
    A_RUNS(name##_##suffix, A_RESUME, DOT, END)
#else
#include "strip_c.h"
#endif

/* Ends, with the places of the scales in each shape. */
#define X_EACH_ONE(CLAMP) A_EACH(SR_MUL, SR_OFFSET, SR_SHIFT, CLAMP)
#define X_EACH_TAIL(CLAMP) A_FIELD("t3", AT_OFFSET) A_FIELD("t0", AT_SHIFT) A_EACH(SR_MUL, "t3", "t0", CLAMP)
#define X_EACH_RUNS(CLAMP)                                                                                       \
    A_FIELD("a5", AT_MUL) A_FIELD("t3", AT_OFFSET) A_FIELD("t0", AT_SHIFT) A_BOUNDS A_EACH("a5", "t3", "t0", CLAMP) \
        A_SAVE("a5", AT_MUL)
#define X_ALL_ONE(CLAMP) A_ALL(SR_MUL, SR_OFFSET, SR_SHIFT, CLAMP)
#define X_ALL_TAIL(CLAMP) A_FIELD("t3", AT_ADDEND) A_FIELD("t0", AT_SHIFT) A_ALL(SR_MUL, "t3", "t0", CLAMP)

#define X_EACH_ENDS(START, name, signs, DOT, n, FINISH, more)                                                    \
    START(name, signs, DOT, n##_raw, X_RAW, A_SUMS, AT_MUL, AT_OFFSET, false, 8)                                 \
    START(name, signs, DOT, n##_clamp, X_CLAMP, A_BOUNDS FINISH(A_CLAMP), AT_MUL, AT_OFFSET, false, 48 + more)
#define X_EACH_FULL(START, name, signs, DOT, n, FINISH, more)                                                    \
    START(name, signs, DOT, n##_i8, X_I8, FINISH(A_CLIP_I8), AT_MUL, AT_OFFSET, false, 38 + more)                \
    START(name, signs, DOT, n##_u8, X_U8, FINISH(A_CLIP_U8), AT_MUL, AT_OFFSET, false, 38 + more)
#define X_ALL_ENDS(START, name, signs, DOT, n, FINISH, more)                                                     \
    START(name, signs, DOT, n##_raw, X_RAW, A_SUMS, AT_SCALE, AT_ADDEND, true, 8)                                \
    START(name, signs, DOT, n##_clamp, X_CLAMP, A_BOUNDS FINISH(A_CLAMP), AT_SCALE, AT_ADDEND, true, 40 + more)
#define X_ALL_FULL(START, name, signs, DOT, n, FINISH, more) \
    START(name, signs, DOT, n##_i8, X_I8, FINISH(A_CLIP_I8), AT_SCALE, AT_ADDEND, true, 30 + more)

#define X_FULL_ROW(name, n) {name##_##n##_raw, name##_##n##_clamp, name##_##n##_i8, name##_##n##_u8}
#define X_SIGNED_ROW(name, n) {name##_##n##_raw, name##_##n##_clamp, name##_##n##_i8, name##_##n##_clamp}
#define X_CLAMP_ROW(name, n) {name##_##n##_raw, name##_##n##_clamp, name##_##n##_clamp, name##_##n##_clamp}

/* name[start][end] of filters with a scale each. */
#define X_STRIPS_ONE(name, signs, DOT)                                                                           \
    X_EACH_ENDS(X_ONE_ZERO, name, signs, DOT, whole, X_EACH_ONE, 0)                                              \
    X_EACH_FULL(X_ONE_ZERO, name, signs, DOT, whole, X_EACH_ONE, 0)                                              \
    X_EACH_ENDS(X_ONE_SUMS, name, signs, DOT, more, X_EACH_ONE, 0)                                               \
    static const x_strip_loop name[2][X_ENDS] = {X_FULL_ROW(name, whole), X_CLAMP_ROW(name, more)};
#define X_STRIPS_TAIL(name, signs, DOT)                                                                          \
    X_EACH_ENDS(X_TAIL_ZERO, name, signs, DOT, whole, X_EACH_TAIL, 2)                                            \
    X_EACH_FULL(X_TAIL_ZERO, name, signs, DOT, whole, X_EACH_TAIL, 2)                                            \
    X_EACH_ENDS(X_TAIL_SUMS, name, signs, DOT, more, X_EACH_TAIL, 2)                                             \
    static const x_strip_loop name[2][X_ENDS] = {X_FULL_ROW(name, whole), X_CLAMP_ROW(name, more)};
#define X_STRIPS_RUNS(name, signs, DOT)                                                                          \
    X_EACH_ENDS(X_RUNS_ZERO, name, signs, DOT, whole, X_EACH_RUNS, 6)                                            \
    X_EACH_ENDS(X_RUNS_SUMS, name, signs, DOT, more, X_EACH_RUNS, 6)                                             \
    static const x_strip_loop name[2][X_ENDS] = {X_CLAMP_ROW(name, whole), X_CLAMP_ROW(name, more)};

/* Those of products. */
#define X_PRODUCTS(ZERO, SUMS, OFFSETS, name, signs, DOT, FINISH, extra)                                         \
    X_ALL_ENDS(ZERO, name, signs, DOT, whole, FINISH, extra)                                                      \
    X_ALL_FULL(ZERO, name, signs, DOT, whole, FINISH, extra)                                                      \
    X_ALL_ENDS(SUMS, name, signs, DOT, more, FINISH, extra)                                                       \
    X_ALL_ENDS(OFFSETS, name, signs, DOT, offset, FINISH, extra)                                                  \
    X_ALL_FULL(OFFSETS, name, signs, DOT, offset, FINISH, extra)                                                  \
    static const x_strip_loop name[3][X_ENDS] = {X_SIGNED_ROW(name, whole), X_CLAMP_ROW(name, more),             \
                                                 X_SIGNED_ROW(name, offset)};
#define X_PRODUCTS_ONE(name, signs, DOT) \
    X_PRODUCTS(X_ONE_ZERO, X_ONE_SUMS, X_ONE_OFFSETS, name, signs, DOT, X_ALL_ONE, 0)
/* Those of a depth of one word, whose sums start at zero: name[end]. */
#define X_PRODUCTS_WORD(name, signs, DOT)                                                                        \
    X_ALL_ENDS(X_WORD_ZERO, name, signs, DOT, whole, X_ALL_ONE, 0)                                               \
    X_ALL_FULL(X_WORD_ZERO, name, signs, DOT, whole, X_ALL_ONE, 0)                                               \
    static const x_strip_loop name[X_ENDS] = X_SIGNED_ROW(name, whole);
#define X_PRODUCTS_TAIL(name, signs, DOT) \
    X_PRODUCTS(X_TAIL_ZERO, X_TAIL_SUMS, X_TAIL_OFFSETS, name, signs, DOT, X_ALL_TAIL, 2)

#endif
