/* SPDX-License-Identifier: Apache-2.0
 *
 * Turning 4 x 4 codes: four words, one for each of four neighbours in memory, become four that hold one lane of all.
 * In C with single instructions, and as lines of assembler for loops.
 */
#ifndef DSE_XPULP_TURN_H
#define DSE_XPULP_TURN_H

#include "loops.h"

/* Lanes of two words beside each other: the lower two of each, the upper two, and the upper halves in a row. */
#define X_LOWER 0x05010400u
#define X_UPPER 0x07030602u
#define X_HALVES 0x07060302u

/* Four words of four channels become four words of one channel each. */
DSE_LEAF void x_turn(const dse_word in[4], dse_word out[4]) {
    const dse_word low01 = dse_x_shuffle2(in[0], in[1], X_LOWER), high01 = dse_x_shuffle2(in[0], in[1], X_UPPER);
    const dse_word low23 = dse_x_shuffle2(in[2], in[3], X_LOWER), high23 = dse_x_shuffle2(in[2], in[3], X_UPPER);
    out[0] = dse_x_pack(low23, low01), out[1] = dse_x_shuffle2(low01, low23, X_HALVES);
    out[2] = dse_x_pack(high23, high01), out[3] = dse_x_shuffle2(high01, high23, X_HALVES);
}

#if DSE_XPULP

#define C_LOAD(d, p, step) ".insn r 0x0b, 7, 0x10, %[" d "], %[" p "], %[" step "]\n"
#define C_MOVE(d, s) "mv %[" d "], %[" s "]\n"
#define C_SHUFFLE(d, a, sel) ".insn r 0x57, 1, 0x64, %[" d "], %[" a "], %[" sel "]\n"
#define C_PACK(d, a, b) ".insn r 0x57, 0, 0x68, %[" d "], %[" a "], %[" b "]\n"
/* 10: turns a, b, d, e; f and g are free. The result is in b, a, e, f. */
#define C_TURN                                                                                                   \
    C_MOVE("f", "a") C_MOVE("g", "d") C_SHUFFLE("a", "b", "lower") C_SHUFFLE("f", "b", "upper")                  \
    C_SHUFFLE("d", "e", "lower") C_SHUFFLE("g", "e", "upper") C_PACK("b", "d", "a")                              \
    C_SHUFFLE("a", "d", "halves") C_PACK("e", "g", "f") C_SHUFFLE("f", "g", "halves")

#endif

#endif
