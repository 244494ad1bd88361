/* SPDX-License-Identifier: Apache-2.0
 *
 * A job in N-EUREKA's 24 job registers (at NPU base + 0x20, in this order). Register order and strides are
 * those of shared/bringup/t_neureka.c, which ran on GVSoC; the padding word and the flag bits that program
 * does not use (signed input, 32-bit scales, bias) are those of pulp-nnx' register definitions.
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

static inline uint32_t dse_npu_ceil_div(uint32_t a, uint32_t b) { return (a + b - 1u) / b; }
/* Size of the last tile, never 0. */
static inline uint32_t dse_npu_last(uint32_t a, uint32_t tile) { return (a - 1u) % tile + 1u; }
static inline uint32_t dse_npu_pair(uint32_t high, uint32_t low) { return high << 16 | low; }

/* What the registers cannot say is not to be packed: jobs for NE16, any stride but 1, and signs of their own for
 * outputs. The engine's output is signed exactly where ReLU is off, so an unsigned one needs relu and a signed one
 * excludes it. */
static inline bool dse_npu_expressible(const dse_npu_job *job) {
    if (job->layout != DSE_NPU_NEUREKA || job->stride != 1u) return false;
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

/* The job must be expressible. weights_address: in L1 the bus address, in the weight memory the offset from its start. */
static inline void dse_npu_pack(const dse_npu_job *job, uint32_t weights_address, uint32_t reg[DSE_NPU_REGS]) {
    const bool dense3 = job->mode == DSE_NPU_3X3, one = job->mode == DSE_NPU_1X1;
    const uint32_t halo = one ? 0u : 2u;
    const uint32_t tile_ki = one ? DSE_NPU_KI_1X1 : DSE_NPU_KI_3X3;
    const uint32_t tile_ko = job->mode == DSE_NPU_DW3X3 ? DSE_NPU_KI_3X3 : DSE_NPU_KO;
    const uint32_t n_ki = dse_npu_ceil_div(job->k_in, tile_ki);
    const uint32_t h_last = dse_npu_last(job->h_out, DSE_NPU_TILE), w_last = dse_npu_last(job->w_out, DSE_NPU_TILE);
    reg[0] = weights_address;
    reg[1] = (uint32_t)(uintptr_t)job->input - job->pad_top * job->in_row_stride - job->pad_left * job->in_pixel_stride;
    reg[2] = (uint32_t)(uintptr_t)job->output;
    reg[3] = (uint32_t)(uintptr_t)job->scale;
    reg[4] = 0u; /* per-channel shifts: not used, one shift a layer */
    reg[5] = (uint32_t)(uintptr_t)job->bias;
    reg[6] = job->in_pixel_stride;
    reg[7] = job->in_row_stride;
    reg[8] = 0u;
    reg[9] = 32u; /* bytes of one beat of output channels */
    reg[10] = job->out_pixel_stride;
    reg[11] = job->out_row_stride;
    reg[12] = DSE_NPU_WORD_BYTES;
    reg[13] = one ? DSE_NPU_WORD_BYTES * n_ki : dense3 ? DSE_NPU_WORD_BYTES * job->weight_bits * n_ki : 0u;
    reg[14] = 0u;
    reg[15] = dse_npu_pair(dse_npu_last(job->k_out, tile_ko), dse_npu_last(job->k_in, tile_ki));
    reg[16] = dse_npu_pair(h_last, w_last);
    reg[17] = dse_npu_pair(h_last + halo - job->pad_bottom, w_last + halo - job->pad_right);
    reg[18] = dse_npu_pair(dse_npu_ceil_div(job->k_out, tile_ko), n_ki);
    reg[19] = dse_npu_pair(dse_npu_ceil_div(job->h_out, DSE_NPU_TILE), dse_npu_ceil_div(job->w_out, DSE_NPU_TILE));
    reg[20] = (uint32_t)job->pad_top << 28 | (uint32_t)job->pad_right << 24 | (uint32_t)job->pad_bottom << 20 |
              (uint32_t)job->pad_left << 16 | ((uint32_t)job->pad_value & 0xffu);
    reg[21] = (uint32_t)job->weight_offset;
    reg[22] = 0u; /* filter mask: all taps */
    reg[23] = dse_npu_conf(job);
}

#endif
