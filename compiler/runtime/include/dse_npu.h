/* SPDX-License-Identifier: Apache-2.0
 *
 * One job of the NPU: a convolution tile with everything in reach of the engine (activations, scales, biases
 * in L1; weights in L1 or in the weight memory). The descriptor speaks of N-EUREKA and of NE16 in units a
 * compiler has; dse_npu_regs.h packs what N-EUREKA can do into its 24 job registers. Limits are the engines':
 * 1x1, 3x3 and depthwise 3x3, stride 1 (NE16: or 2, both ways), dilation 1, padding at most 2 a side, NHWC.
 *
 *   acc[ho][wo][ko] = sum over taps and k_in of input * (code + weight_offset)
 *                     input = pad_value outside the tile on the sides with padding
 *   scale == NULL:    output (32 bit) = acc
 *   scale != NULL:    output = saturate((sat32(low32(acc * scale[ko]) + bias[ko])) >> shift)
 *                     low32 wraps, >> is arithmetic and does not round, bias NULL is 0; saturate clips to
 *                     the output type, with relu to [0, 255] (8 bit) or [0, 2^31) (32 bit)
 */
#ifndef DSE_NPU_H
#define DSE_NPU_H

#include <stdbool.h>
#include <stdint.h>

#define DSE_NPU_QUEUE_DEPTH 2u
#define DSE_NPU_KO 32u /* output channels at once of both engines (depthwise: as input channels) */

/* N-EUREKA: */
#define DSE_NPU_TILE 6u /* pixels of the output tile the engine computes at once, each way */
#define DSE_NPU_KI_3X3 28u
#define DSE_NPU_KI_1X1 32u
#define DSE_NPU_WORD_BYTES 32u /* one beat of weights */

/* NE16: */
#define DSE_NE16_KI 16u

/* Which engine a job is for: how its weights are packed, and which strides there are. */
typedef enum { DSE_NPU_NEUREKA = 0, DSE_NPU_NE16 = 1 } dse_npu_layout;

/* The value is N-EUREKA's filter mode field. */
typedef enum { DSE_NPU_3X3 = 0, DSE_NPU_DW3X3 = 1, DSE_NPU_1X1 = 2 } dse_npu_mode;

typedef struct {
    const void *weights; /* packed as `layout` says, codes of weight_bits bits */
    const void *input;   /* the first existing pixel (padding is in front of it); there are
                            (h_out - 1)*stride + taps - pad_top - pad_bottom rows, columns likewise */
    void *output;
    const void *scale;   /* k_out unsigned values of scale_bits; NULL: raw 32-bit accumulators */
    const int32_t *bias; /* k_out values, or NULL */

    uint32_t in_pixel_stride; /* bytes from one pixel to the next; channels are dense */
    uint32_t in_row_stride;   /* bytes from one row to the next */
    uint32_t out_pixel_stride;
    uint32_t out_row_stride;

    uint16_t h_out, w_out; /* output pixels of the job, any number: the engine loops over its tiles */
    uint16_t k_in, k_out;  /* channels; equal in depthwise mode */

    uint8_t layout;      /* dse_npu_layout */
    uint8_t mode;        /* dse_npu_mode */
    uint8_t stride;      /* of the window, both ways: 1, or 2 on NE16 */
    uint8_t weight_bits; /* 2..8 */
    uint8_t scale_bits;  /* 8 or 32 */
    uint8_t out_bits;    /* 8 or 32 */
    uint8_t shift;       /* 0..31 */
    bool relu;           /* clip below at 0 */
    bool in_signed;      /* i8 activations instead of u8 */
    bool out_signed;     /* i8 output instead of u8; 32-bit outputs are signed */
    bool weights_in_wm;  /* weights in the weight memory instead of L1 */
    bool prefetch;       /* load the next tile's input behind the current one; no effect on values */

    uint8_t pad_top, pad_right, pad_bottom, pad_left; /* 0..2; 1x1: 0 */
    int16_t pad_value;     /* the input's zero point, in the input type's range */
    int32_t weight_offset; /* added to every unsigned weight code: -2^(weight_bits-1) for symmetric codes */
} dse_npu_job;

/* Names the completion of a job; DSE_NPU_DONE is always complete. */
typedef uint32_t dse_npu_ticket;
#define DSE_NPU_DONE ((dse_npu_ticket)0)

/* Copies the descriptor and queues the job; blocks while DSE_NPU_QUEUE_DEPTH jobs are in flight. Buffers
 * belong to the job until it was waited for. Jobs run and complete in order. */
dse_npu_ticket dse_npu_submit(const dse_npu_job *job);

/* Returns when the job, and every earlier one, is complete. */
void dse_npu_wait(dse_npu_ticket ticket);

/* The bit-exact functional model (runtime/kernels/npu.c), run by the HAL of targets that have no NPU. */
void dse_npu_execute(const dse_npu_job *job);

/* Multiply-accumulates of a job: what the layer asks for, not what the engine's array is busy with. */
static inline uint64_t dse_npu_macs(const dse_npu_job *job) {
    uint64_t per_output = job->mode == DSE_NPU_1X1 ? job->k_in : job->mode == DSE_NPU_DW3X3 ? 9u : 9u * (uint64_t)job->k_in;
    return (uint64_t)job->h_out * job->w_out * job->k_out * per_output;
}

#endif
