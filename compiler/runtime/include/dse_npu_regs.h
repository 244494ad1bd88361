/* SPDX-License-Identifier: Apache-2.0
 *
 * A job in N-EUREKA's 24 job registers (at NPU base + 0x20, in this order). Register order and strides are
 * those of shared/bringup/t_neureka.c, which ran on GVSoC; the padding word and the flag bits that program
 * does not use (signed input, 32-bit scales, bias) are those of pulp-nnx' register definitions; what padding does is
 * read from the engine's RTL (pulp-platform/neureka, rtl/ctrl/neureka_ctrl.sv).
 */
#ifndef DSE_NPU_REGS_H
#define DSE_NPU_REGS_H

#include "dse_npu.h"

#define DSE_NPU_REGS 24u

enum {
    DSE_NPU_CONF_QUANT = 1 << 4,
    DSE_NPU_CONF_MODE = 5, /* first bit of a field */
    DSE_NPU_CONF_WM = 1 << 9,
    DSE_NPU_CONF_PREFETCH = 1 << 10,
    DSE_NPU_CONF_SCALE32 = 2 << 12,
    DSE_NPU_CONF_WEIGHT_OFFSET = 1 << 15,
    DSE_NPU_CONF_SHIFT = 16, /* first bit of a field */
    DSE_NPU_CONF_OUT32 = 2 << 21,
    DSE_NPU_CONF_NO_RELU = 1 << 23,
    DSE_NPU_CONF_BIAS = 1 << 25,
    DSE_NPU_CONF_IN_SIGNED = 1 << 26
};

/* Tiles along a dimension: how many, and how large the last one is (never 0). */
typedef struct {
    uint32_t count, last;
} dse_npu_tiles;

/* Inlined with constant tiles: a division costs a core 30 cycles, a multiplication a few. */
static inline dse_npu_tiles dse_npu_split(uint32_t extent, uint32_t tile) {
    const uint32_t before = (extent - 1u) / tile;
    return (dse_npu_tiles){before + 1u, extent - before * tile};
}

static inline uint32_t dse_npu_pair(uint32_t high, uint32_t low) { return high << 16 | low; }

/* The engine pads at the end of its patch buffer of 8 x 8 pixels, and takes what lies behind a tile's patch as 0. So
 * the patch is said to be whole, and padding to reach from the end of the input to the end of the buffer. */
static inline uint32_t dse_npu_far_padding(uint32_t padding, uint32_t last) {
    return padding ? padding + DSE_NPU_TILE - last : 0u;
}

/* What the registers cannot say is not to be packed: jobs for NE16, any stride but 1, signs of their own for outputs,
 * and padding that begins before the last tile. The engine's output is signed exactly where ReLU is off, so an
 * unsigned one needs relu and a signed one excludes it; only the last tile of a direction is padded behind. */
static inline bool dse_npu_expressible(const dse_npu_job *job) {
    if (job->layout != DSE_NPU_NEUREKA || job->stride != 1u) return false;
    const dse_npu_tiles rows = dse_npu_split(job->h_out, DSE_NPU_TILE), cols = dse_npu_split(job->w_out, DSE_NPU_TILE);
    if (rows.count > 1u && job->pad_bottom > rows.last) return false;
    if (cols.count > 1u && job->pad_right > cols.last) return false;
    return job->out_bits == 32u || job->relu != job->out_signed;
}

static inline uint32_t dse_npu_conf(const dse_npu_job *job) {
    uint32_t conf = (job->weight_bits - 1u) | (uint32_t)job->mode << DSE_NPU_CONF_MODE | DSE_NPU_CONF_WEIGHT_OFFSET;
    if (job->weights_in_wm) conf |= DSE_NPU_CONF_WM;
    if (job->prefetch) conf |= DSE_NPU_CONF_PREFETCH;
    if (job->out_bits == 32u) conf |= DSE_NPU_CONF_OUT32;
    if (!job->relu) conf |= DSE_NPU_CONF_NO_RELU;
    if (job->in_signed) conf |= DSE_NPU_CONF_IN_SIGNED;
    if (job->scale) {
        conf |= DSE_NPU_CONF_QUANT | (uint32_t)job->shift << DSE_NPU_CONF_SHIFT;
        if (job->scale_bits == 32u) conf |= DSE_NPU_CONF_SCALE32;
        if (job->bias) conf |= DSE_NPU_CONF_BIAS;
    }
    return conf;
}

/* Where a word goes; inlined with a constant, so that words need no array between job and registers. */
typedef void (*dse_npu_put)(uint32_t index, uint32_t word);

/* Puts the 24 words of a job, which must be expressible, in order. weights_address: in L1 the bus address, in the weight
 * memory the offset from its start. */
static inline void dse_npu_pack(const dse_npu_job *job, uint32_t weights_address, dse_npu_put put) {
    const bool dense3 = job->mode == DSE_NPU_3X3, one = job->mode == DSE_NPU_1X1;
    const uint32_t halo = one ? 0u : 2u;
    const dse_npu_tiles ki = one ? dse_npu_split(job->k_in, DSE_NPU_KI_1X1) : dse_npu_split(job->k_in, DSE_NPU_KI_3X3);
    const dse_npu_tiles ko = job->mode == DSE_NPU_DW3X3 ? ki : dse_npu_split(job->k_out, DSE_NPU_KO);
    const dse_npu_tiles rows = dse_npu_split(job->h_out, DSE_NPU_TILE), cols = dse_npu_split(job->w_out, DSE_NPU_TILE);
    const uint32_t filter_bytes = one ? DSE_NPU_WORD_BYTES : dense3 ? DSE_NPU_WORD_BYTES * job->weight_bits : 0u;
    put(0u, weights_address);
    put(1u, (uint32_t)(uintptr_t)job->input - job->pad_top * job->in_row_stride - job->pad_left * job->in_pixel_stride);
    put(2u, (uint32_t)(uintptr_t)job->output);
    put(3u, (uint32_t)(uintptr_t)job->scale);
    put(4u, 0u); /* per-channel shifts: not used, one shift a layer */
    put(5u, (uint32_t)(uintptr_t)job->bias);
    put(6u, job->in_pixel_stride);
    put(7u, job->in_row_stride);
    put(8u, 0u);
    put(9u, 32u); /* bytes of one beat of output channels */
    put(10u, job->out_pixel_stride);
    put(11u, job->out_row_stride);
    put(12u, DSE_NPU_WORD_BYTES);
    put(13u, filter_bytes * ki.count);
    put(14u, 0u);
    put(15u, dse_npu_pair(ko.last, ki.last));
    put(16u, dse_npu_pair(rows.last, cols.last));
    put(17u, dse_npu_pair(rows.last + halo, cols.last + halo));
    put(18u, dse_npu_pair(ko.count, ki.count));
    put(19u, dse_npu_pair(rows.count, cols.count));
    put(20u, (uint32_t)job->pad_top << 28 | dse_npu_far_padding(job->pad_right, cols.last) << 24 |
             dse_npu_far_padding(job->pad_bottom, rows.last) << 20 | (uint32_t)job->pad_left << 16 |
             ((uint32_t)job->pad_value & 0xffu));
    put(21u, (uint32_t)job->weight_offset);
    put(22u, 0u); /* filter mask: all taps */
    put(23u, dse_npu_conf(job));
}

#endif
