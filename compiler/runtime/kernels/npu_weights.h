/* SPDX-License-Identifier: Apache-2.0
 *
 * From an NPU's packed weight words to int8 weights [tap][channel].
 *
 * The words hold bit planes of unsigned codes (layouts: compiler/ops/npu_weights.py). 32 codes at a time are
 * decoded as a transposition of 8 planes x 32 bits in registers, some 5 instructions a weight.
 */
#ifndef DSE_KERNEL_NPU_WEIGHTS_H
#define DSE_KERNEL_NPU_WEIGHTS_H

#include "kernel.h"

/* How a job's filters are packed. */
typedef struct {
    dse_npu_layout layout;
    int32_t taps, bits, weight_offset;
    int32_t tile;  /* input channels of a weight word */
    int32_t bytes; /* of one filter on one tile of channels */
} npu_filter;

/* Room for one decoded filter: 9 taps of one tile of channels, or one tap of several. */
#define DSE_NPU_FILTER_BYTES 256

/* Written out, so that every compiler keeps p[8] in registers. */
#define NPU_EIGHT(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)

/* Exchanges the bits `mask << d` of a with the bits `mask` of b. */
#define NPU_EXCHANGE(a, b, d, mask)                        \
    do {                                                   \
        const uint32_t t_ = (((a) >> (d)) ^ (b)) & (mask); \
        (b) ^= t_, (a) ^= t_ << (d);                       \
    } while (0)

/* The transposition of an 8 x 8 matrix of fields, a row in each p[k]; mask1, 2, 4: the fields whose column has bit
 * 1, 2, 4 clear. Fields have `width` bits. */
DSE_LEAF void npu_transpose(uint32_t p[8], int32_t width, uint32_t mask1, uint32_t mask2, uint32_t mask4) {
    NPU_EXCHANGE(p[0], p[1], width, mask1);
    NPU_EXCHANGE(p[2], p[3], width, mask1);
    NPU_EXCHANGE(p[4], p[5], width, mask1);
    NPU_EXCHANGE(p[6], p[7], width, mask1);
    NPU_EXCHANGE(p[0], p[2], 2 * width, mask2);
    NPU_EXCHANGE(p[1], p[3], 2 * width, mask2);
    NPU_EXCHANGE(p[4], p[6], 2 * width, mask2);
    NPU_EXCHANGE(p[5], p[7], 2 * width, mask2);
    NPU_EXCHANGE(p[0], p[4], 4 * width, mask4);
    NPU_EXCHANGE(p[1], p[5], 4 * width, mask4);
    NPU_EXCHANGE(p[2], p[6], 4 * width, mask4);
    NPU_EXCHANGE(p[3], p[7], 4 * width, mask4);
}

/* Adds `offset` to the four bytes of x, each modulo 256. */
DSE_LEAF uint32_t npu_add_bytes(uint32_t x, uint32_t offset) {
    const uint32_t low = 0x7f7f7f7fu;
    return ((x & low) + (offset & low)) ^ ((x ^ offset) & ~low);
}

/* 32 weights: bit n of p[b] is bit b of the code of weight n. With all 8 bits and an offset of -128, the usual ones,
 * a code becomes two's complement by turning its top bit over. */
DSE_LEAF void npu_decode_planes(uint32_t p[8], int32_t bits, int32_t weight_offset, int8_t out[32]) {
    const bool symmetric = bits == 8 && weight_offset == -128;
    const uint32_t offset = ((uint32_t)weight_offset & 0xffu) * 0x01010101u;
    if (symmetric) p[7] = ~p[7];
    npu_transpose(p, 1, 0x55555555u, 0x33333333u, 0x0f0f0f0fu);
#define NPU_ADD(k) p[k] = npu_add_bytes(p[k], offset);
    if (!symmetric) {
        NPU_EIGHT(NPU_ADD)
    }
#undef NPU_ADD
#define NPU_STORE(k)                                                              \
    out[k] = (int8_t)(uint8_t)p[k], out[(k) + 8] = (int8_t)(uint8_t)(p[k] >> 8); \
    out[(k) + 16] = (int8_t)(uint8_t)(p[k] >> 16), out[(k) + 24] = (int8_t)(uint8_t)(p[k] >> 24);
    NPU_EIGHT(NPU_STORE)
#undef NPU_STORE
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

static inline npu_filter npu_filter_of(const dse_npu_job *job) {
    const bool ne16 = job->layout == DSE_NPU_NE16, one = job->mode == DSE_NPU_1X1;
    npu_filter f = {ne16 ? DSE_NPU_NE16 : DSE_NPU_NEUREKA, one ? 1 : 9, job->weight_bits, job->weight_offset, 0, 0};
    f.tile = (int32_t)(ne16 ? DSE_NE16_KI : one ? DSE_NPU_KI_1X1 : DSE_NPU_KI_3X3);
    if (ne16)
        f.bytes = f.bits * f.taps * (int32_t)DSE_NE16_KI / 8;
    else
        f.bytes = (one ? 1 : f.bits) * (int32_t)DSE_NPU_WORD_BYTES;
    return f;
}

/* N-EUREKA, 3x3 and depthwise: plane b is a word of 32 bytes with bit tap*28 + channel. */
static void neureka_decode_3x3(const uint8_t *words, int32_t bits, int32_t weight_offset, int8_t *out) {
    for (int32_t column = 0; column < (int32_t)DSE_NPU_WORD_BYTES; column += 4) {
        uint32_t p[8];
        const uint8_t *plane = words + column;
#define NPU_LOAD(b) p[b] = (b) < bits ? npu_load32(plane + (b) * (int32_t)DSE_NPU_WORD_BYTES) : 0u;
        NPU_EIGHT(NPU_LOAD)
#undef NPU_LOAD
        npu_decode_planes(p, bits, weight_offset, out + 8 * column);
    }
}

/* N-EUREKA, 1x1: 32 channels in one word, bit (k/4)*32 + b*4 + k%4, whatever the width. As a matrix of nibbles the
 * planes are its transpose. */
static void neureka_decode_1x1(const uint8_t *word, int32_t bits, int32_t weight_offset, int8_t *out) {
    uint32_t p[8];
#define NPU_LOAD(k) p[k] = npu_load32(word + 4 * (k));
    NPU_EIGHT(NPU_LOAD)
#undef NPU_LOAD
    npu_transpose(p, 4, 0x0f0f0f0fu, 0x00ff00ffu, 0x0000ffffu);
#define NPU_CUT(b) p[b] = (b) < bits ? p[b] : 0u;
    NPU_EIGHT(NPU_CUT)
#undef NPU_CUT
    npu_decode_planes(p, bits, weight_offset, out);
}

/* One word of 16 bits, or two. */
DSE_LEAF uint32_t ne16_load(const uint8_t *word, bool two) {
    return npu_load16(word) | (two ? npu_load16(word + 2) << 16 : 0u);
}

/* NE16: [plane][tap] words of 16 bits, one a channel; two taps at a time. */
static void ne16_decode(const uint8_t *words, int32_t taps, int32_t bits, int32_t weight_offset, int8_t *out) {
    for (int32_t tap = 0; tap < taps; tap += 2) {
        const bool two = tap + 1 < taps;
        uint32_t p[8];
#define NPU_LOAD(b) p[b] = (b) < bits ? ne16_load(words + 2 * ((b) * taps + tap), two) : 0u;
        NPU_EIGHT(NPU_LOAD)
#undef NPU_LOAD
        npu_decode_planes(p, bits, weight_offset, out + 16 * tap);
    }
}

/* One filter on one tile of channels, to [tap][channel of the tile]; up to 32 bytes more are written. */
static inline void npu_decode(const npu_filter *f, const uint8_t *words, int8_t *out) {
    if (f->layout == DSE_NPU_NE16)
        ne16_decode(words, f->taps, f->bits, f->weight_offset, out);
    else if (f->taps == 1)
        neureka_decode_1x1(words, f->bits, f->weight_offset, out);
    else
        neureka_decode_3x3(words, f->bits, f->weight_offset, out);
}

#endif
