/* SPDX-License-Identifier: Apache-2.0
 *
 * From an NPU's packed weight words to int8 weights [tap][channel].
 *
 * The words hold bit planes of unsigned codes (layouts: compiler/ops/npu_weights.py). 32 codes at a time are
 * decoded as a transposition of 8 planes x 32 bits in registers, some 5 instructions a weight.
 * -DDSE_NE16=1 selects the layout of NE16, the NPU of GAP9; the default is N-EUREKA. A chip has one of them.
 */
#ifndef DSE_KERNEL_NPU_WEIGHTS_H
#define DSE_KERNEL_NPU_WEIGHTS_H

#include "kernel.h"

#ifndef DSE_NE16
#define DSE_NE16 0
#endif

/* Input channels of a weight word: the k_in tile. */
#define DSE_NPU_CHANNELS_3X3 (DSE_NE16 ? 16 : (int32_t)DSE_NPU_KI_3X3)
#define DSE_NPU_CHANNELS_1X1 (DSE_NE16 ? 16 : (int32_t)DSE_NPU_KI_1X1)
/* Room for one decoded filter: 9 taps of one tile of channels, or one tap of several. */
#define DSE_NPU_FILTER_BYTES 256

/* Adds `offset` to the four bytes of x, each modulo 256. */
DSE_LEAF uint32_t npu_add_bytes(uint32_t x, uint32_t offset) {
    const uint32_t low = 0x7f7f7f7fu;
    return ((x & low) + (offset & low)) ^ ((x ^ offset) & ~low);
}

/* Exchanges the bits `mask << d` of a with the bits `mask` of b. */
#define DSE_EXCHANGE(a, b, d, mask)                   \
    do {                                              \
        const uint32_t t_ = (((a) >> (d)) ^ (b)) & (mask); \
        (b) ^= t_, (a) ^= t_ << (d);                  \
    } while (0)

/* One step of the transposition of an 8 x 8 matrix of fields: fields of `width` bits, rows `step` apart. */
DSE_LEAF void npu_exchange_rows(uint32_t p[8], int32_t step, int32_t shift, uint32_t mask) {
    for (int32_t k = 0; k < 8; k++)
        if ((k & step) == 0) DSE_EXCHANGE(p[k], p[k + step], shift, mask);
}

/* 32 weights: bit n of p[b] is bit b of the code of weight n. */
static void npu_decode_planes(uint32_t p[8], uint32_t offset, int8_t out[32]) {
    npu_exchange_rows(p, 1, 1, 0x55555555u);
    npu_exchange_rows(p, 2, 2, 0x33333333u);
    npu_exchange_rows(p, 4, 4, 0x0f0f0f0fu);
    for (int32_t k = 0; k < 8; k++) {
        const uint32_t four = npu_add_bytes(p[k], offset);
        out[k] = (int8_t)(uint8_t)four;
        out[k + 8] = (int8_t)(uint8_t)(four >> 8);
        out[k + 16] = (int8_t)(uint8_t)(four >> 16);
        out[k + 24] = (int8_t)(uint8_t)(four >> 24);
    }
}

/* Little-endian words from weights that are 4-byte (16-bit words: 2-byte) aligned. */
DSE_LEAF uint32_t npu_load32(const uint8_t *p) {
    uint32_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(p, 4), 4);
    return word;
}

DSE_LEAF uint32_t npu_load16(const uint8_t *p) {
    uint16_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(p, 2), 2);
    return word;
}

/* Bytes of one filter on one tile of channels. */
DSE_LEAF int32_t npu_filter_bytes(int32_t taps, int32_t bits) {
    if (DSE_NE16) return bits * taps * 2;
    return taps == 1 ? (int32_t)DSE_NPU_WORD_BYTES : bits * (int32_t)DSE_NPU_WORD_BYTES;
}

/* N-EUREKA, 3x3 and depthwise: plane b is a word of 32 bytes with bit tap*28 + channel. */
static void neureka_decode_3x3(const uint8_t *words, int32_t bits, uint32_t offset, int8_t *out) {
    for (int32_t column = 0; column < (int32_t)DSE_NPU_WORD_BYTES; column += 4) {
        uint32_t p[8] = {0};
        for (int32_t b = 0; b < bits; b++) p[b] = npu_load32(words + b * (int32_t)DSE_NPU_WORD_BYTES + column);
        npu_decode_planes(p, offset, out + 8 * column);
    }
}

/* N-EUREKA, 1x1: 32 channels in one word, bit (k/4)*32 + b*4 + k%4, whatever the width. As a matrix of nibbles the
 * planes are its transpose. */
static void neureka_decode_1x1(const uint8_t *word, int32_t bits, uint32_t offset, int8_t *out) {
    uint32_t p[8];
    for (int32_t k = 0; k < 8; k++) p[k] = npu_load32(word + 4 * k);
    npu_exchange_rows(p, 1, 4, 0x0f0f0f0fu);
    npu_exchange_rows(p, 2, 8, 0x00ff00ffu);
    npu_exchange_rows(p, 4, 16, 0x0000ffffu);
    for (int32_t b = bits; b < 8; b++) p[b] = 0;
    npu_decode_planes(p, offset, out);
}

/* NE16: [plane][tap] words of 16 bits, one a channel; two taps at a time. */
static void ne16_decode(const uint8_t *words, int32_t taps, int32_t bits, uint32_t offset, int8_t *out) {
    for (int32_t tap = 0; tap < taps; tap += 2) {
        const bool two = tap + 1 < taps;
        uint32_t p[8] = {0};
        for (int32_t b = 0; b < bits; b++) {
            const uint8_t *word = words + 2 * (b * taps + tap);
            p[b] = npu_load16(word) | (two ? npu_load16(word + 2) << 16 : 0u);
        }
        npu_decode_planes(p, offset, out + 16 * tap);
    }
}

/* One filter on one tile of channels, to [tap][channel of the tile]; up to 32 bytes more are written. */
static inline void npu_decode(const uint8_t *words, int32_t taps, int32_t bits, int32_t weight_offset, int8_t *out) {
    const uint32_t offset = ((uint32_t)weight_offset & 0xffu) * 0x01010101u;
    if (DSE_NE16)
        ne16_decode(words, taps, bits, offset, out);
    else if (taps == 1)
        neureka_decode_1x1(words, bits, offset, out);
    else
        neureka_decode_3x3(words, bits, offset, out);
}

#endif
