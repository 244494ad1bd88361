/* SPDX-License-Identifier: Apache-2.0
 *
 * XpulpV2: the operations that our kernels use, one inline function each.
 *
 * With -DDSE_XPULP=1 a function is one instruction, written as `.insn`, because stock GCC and clang do not know the
 * extension. Without, it is portable C with the same result, bit for bit: the kernels built from these functions run
 * and are tested everywhere. Loops that the compiler cannot make (hardware loops, post-increment) are in
 * runtime/xpulp/loops.h. Encodings: RI5CY user manual; those used here ran on GVSoC (docs/siracusa-kernels.md).
 */
#ifndef DSE_XPULP_H
#define DSE_XPULP_H

#include <stdint.h>

#ifndef DSE_XPULP
#define DSE_XPULP 0
#endif

/* Four codes of 8 bits, or two of 16; the first in memory in the lowest bits. */
typedef uint32_t dse_word;

#define DSE_X_INLINE static inline __attribute__((always_inline))

#if DSE_XPULP
#define DSE_X_TWO(name, opcode, funct3, funct7)                                                                   \
    DSE_X_INLINE dse_word name(dse_word a, dse_word b) {                                                          \
        dse_word y;                                                                                               \
        __asm__(".insn r " #opcode ", " #funct3 ", " #funct7 ", %0, %1, %2" : "=r"(y) : "r"(a), "r"(b));          \
        return y;                                                                                                 \
    }
#define DSE_X_THREE(name, opcode, funct3, funct7)                                                                 \
    DSE_X_INLINE dse_word name(dse_word y, dse_word a, dse_word b) {                                              \
        __asm__(".insn r " #opcode ", " #funct3 ", " #funct7 ", %0, %1, %2" : "+r"(y) : "r"(a), "r"(b));          \
        return y;                                                                                                 \
    }

/* A word at any address. The core splits what is not aligned. */
DSE_X_INLINE dse_word dse_x_load(const void *p) {
    dse_word y;
    __asm__ volatile("lw %0, 0(%1)" : "=r"(y) : "r"(p) : "memory");
    return y;
}
DSE_X_INLINE void dse_x_store(void *p, dse_word y) { __asm__ volatile("sw %0, 0(%1)" ::"r"(y), "r"(p) : "memory"); }
#else
DSE_X_INLINE int32_t dse_x_i8(dse_word x, int32_t k) { return (int8_t)(uint8_t)(x >> (8 * k)); }
DSE_X_INLINE int32_t dse_x_u8(dse_word x, int32_t k) { return (uint8_t)(x >> (8 * k)); }

#define DSE_X_TWO(name, opcode, funct3, funct7) DSE_X_INLINE dse_word name(dse_word a, dse_word b);
#define DSE_X_THREE(name, opcode, funct3, funct7) DSE_X_INLINE dse_word name(dse_word y, dse_word a, dse_word b);

DSE_X_INLINE dse_word dse_x_load(const void *p) {
    dse_word y;
    __builtin_memcpy(&y, p, sizeof y);
    return y;
}
DSE_X_INLINE void dse_x_store(void *p, dse_word y) { __builtin_memcpy(p, &y, sizeof y); }
#endif

/* y + sum over the four lanes of a*b, modulo 2^32: signed, unsigned, or a unsigned and b signed. */
DSE_X_THREE(dse_x_sdot_ss, 0x57, 1, 0x5c) /* pv.sdotsp.b */
DSE_X_THREE(dse_x_sdot_uu, 0x57, 1, 0x50) /* pv.sdotup.b */
DSE_X_THREE(dse_x_sdot_us, 0x57, 1, 0x54) /* pv.sdotusp.b */

/* The same over two lanes of 16 bits, signed; and without y. */
DSE_X_THREE(dse_x_sdot2_ss, 0x57, 0, 0x5c) /* pv.sdotsp.h */
DSE_X_TWO(dse_x_dot2_ss, 0x57, 0, 0x4c)    /* pv.dotsp.h */

/* y + a*b modulo 2^32. */
DSE_X_THREE(dse_x_mac_word, 0x33, 0, 0x21) /* p.mac */

/* Larger and smaller signed number. */
DSE_X_TWO(dse_x_max_word, 0x33, 6, 0x02) /* p.max */
DSE_X_TWO(dse_x_min_word, 0x33, 4, 0x02) /* p.min */

/* Larger lanes of four, signed and unsigned. */
DSE_X_TWO(dse_x_max4_s, 0x57, 1, 0x18) /* pv.max.b */
DSE_X_TWO(dse_x_max4_u, 0x57, 1, 0x1c) /* pv.maxu.b */

/* Lane k of the result is lane sel[k]%4 of y where sel[k] < 4, else of a. */
DSE_X_THREE(dse_x_shuffle2, 0x57, 1, 0x64) /* pv.shuffle2.b */

/* The low half of b, and above it the low half of a. */
DSE_X_TWO(dse_x_pack, 0x57, 0, 0x68) /* pv.pack.h */

#if !DSE_XPULP
DSE_X_INLINE dse_word dse_x_sdot_ss(dse_word y, dse_word a, dse_word b) {
    for (int32_t k = 0; k < 4; k++) y += (dse_word)(dse_x_i8(a, k) * dse_x_i8(b, k));
    return y;
}
DSE_X_INLINE dse_word dse_x_sdot_uu(dse_word y, dse_word a, dse_word b) {
    for (int32_t k = 0; k < 4; k++) y += (dse_word)(dse_x_u8(a, k) * dse_x_u8(b, k));
    return y;
}
DSE_X_INLINE dse_word dse_x_sdot_us(dse_word y, dse_word a, dse_word b) {
    for (int32_t k = 0; k < 4; k++) y += (dse_word)(dse_x_u8(a, k) * dse_x_i8(b, k));
    return y;
}
DSE_X_INLINE dse_word dse_x_dot2_ss(dse_word a, dse_word b) {
    return (dse_word)((int16_t)a * (int16_t)b) + (dse_word)((int16_t)(a >> 16) * (int16_t)(b >> 16));
}
DSE_X_INLINE dse_word dse_x_sdot2_ss(dse_word y, dse_word a, dse_word b) { return y + dse_x_dot2_ss(a, b); }
DSE_X_INLINE dse_word dse_x_mac_word(dse_word y, dse_word a, dse_word b) { return y + a * b; }
DSE_X_INLINE dse_word dse_x_max_word(dse_word a, dse_word b) { return (int32_t)a > (int32_t)b ? a : b; }
DSE_X_INLINE dse_word dse_x_min_word(dse_word a, dse_word b) { return (int32_t)a < (int32_t)b ? a : b; }
DSE_X_INLINE dse_word dse_x_max4_s(dse_word a, dse_word b) {
    dse_word y = 0;
    for (int32_t k = 0; k < 4; k++) y |= (dse_word)(dse_x_i8(a, k) > dse_x_i8(b, k) ? dse_x_u8(a, k) : dse_x_u8(b, k)) << 8 * k;
    return y;
}
DSE_X_INLINE dse_word dse_x_max4_u(dse_word a, dse_word b) {
    dse_word y = 0;
    for (int32_t k = 0; k < 4; k++) y |= (dse_word)(dse_x_u8(a, k) > dse_x_u8(b, k) ? dse_x_u8(a, k) : dse_x_u8(b, k)) << 8 * k;
    return y;
}
DSE_X_INLINE dse_word dse_x_shuffle2(dse_word y, dse_word a, dse_word sel) {
    dse_word lanes = 0;
    for (int32_t k = 0; k < 4; k++) {
        const int32_t from = dse_x_u8(sel, k);
        lanes |= (dse_word)dse_x_u8(from & 4 ? a : y, from & 3) << 8 * k;
    }
    return lanes;
}
DSE_X_INLINE dse_word dse_x_pack(dse_word a, dse_word b) { return a << 16 | (b & 0xffffu); }
#endif

DSE_X_INLINE int32_t dse_x_mac(int32_t y, int32_t a, int32_t b) {
    return (int32_t)dse_x_mac_word((dse_word)y, (dse_word)a, (dse_word)b);
}
DSE_X_INLINE int32_t dse_x_max(int32_t a, int32_t b) { return (int32_t)dse_x_max_word((dse_word)a, (dse_word)b); }
DSE_X_INLINE int32_t dse_x_min(int32_t a, int32_t b) { return (int32_t)dse_x_min_word((dse_word)a, (dse_word)b); }

/* The requantisation of kernel.h: clamp((acc * mul + add) >> shift), as four instructions. */
DSE_X_INLINE int32_t dse_x_requant(int32_t acc, int32_t mul, int32_t add, int32_t shift, int32_t low, int32_t high) {
    return dse_x_min(dse_x_max(dse_x_mac(add, acc, mul) >> shift, low), high);
}

#endif
