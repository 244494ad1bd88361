/* SPDX-License-Identifier: Apache-2.0
 *
 * Portable integer kernels. One struct of arguments and one entry for each; a call computes one *tile*.
 * Entries are called by the controller (dse_hal.h); they count one call, fork over the cores themselves, and
 * count the MACs that every core did. Arguments need to live until the entry returns (an NPU entry: no longer).
 *
 * Activations are 8-bit codes, signed or not by a flag; channels of a pixel are contiguous, pixels and rows lie
 * at pitches (bytes), so that an operand is a dense tile or a part of a larger tensor. Constants are the parts
 * of the tile's parameter block: `weights` and `tables`, the latter 4-byte aligned.
 * Arithmetic is int32; the compiler proves that no sum or product leaves it. Requantisation, on all engines:
 *
 *     y = clamp((acc * mul + add) >> shift, low, high)         >> arithmetic, no rounding of its own
 *
 * The reference semantics of every kernel is compute() of the operator of the same name in compiler/ops.
 */
#ifndef DSE_KERNELS_H
#define DSE_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "dse_npu.h"

/* Which loop is divided over the cores. Core c of n takes [c*ceil(P/n), (c+1)*ceil(P/n)) of its P iterations. A set of
 * kernels may divide finer: Xpulp's convolutions and products divide what they compute at once (xpulp/conv2d.c). */
typedef enum {
    DSE_SPLIT_NONE,     /* core 0 does everything */
    DSE_SPLIT_PIXELS,   /* rows and columns of the output, flattened (row-major); rows, where there are only rows */
    DSE_SPLIT_CHANNELS, /* convolution: groups, or the outputs of a single group; others: channels */
    DSE_SPLIT_ELEMENTS, /* elementwise: rows and channels, flattened (row-major) */
    DSE_SPLIT_HEADS     /* batched products: entries of the batch */
} dse_split;

/* A window sliding over a tile. Tap (ky, kx) of output pixel (y, x) is the stored input pixel
 *   (y*stride_y + ky*dilation_y + shift_y, x*stride_x + kx*dilation_x + shift_x),
 * and padding where that lies outside [0, in_rows) x [0, in_cols). Extents count pixels and are at least 1. */
typedef struct {
    int32_t in_row_pitch, in_pixel_pitch, out_row_pitch, out_pixel_pitch; /* bytes */
    int32_t in_rows, in_cols, out_rows, out_cols;
    int32_t taps_y, taps_x, stride_y, stride_x, dilation_y, dilation_x;
    int32_t shift_y, shift_x;
} dse_window;

/* ---- Convolution (conv2d.c, depthwise2d.c; npu_jobs.c) ------------------------------------------------------
 * y[p][g][o] = requant(sum over taps and i of x[p + tap][g][i] * w[g][o][ky][kx][i]); padding reads pad_value.
 * dense: groups == 1. A reduction over several calls (dense only) passes `accumulator`, int32 [pixel][outputs],
 * which the first call sets, the others add to, and the last requantises; with first && last it is not used.
 * dse_conv2d:      weights int8 [groups][outputs][taps_y][taps_x][inputs], tables int32 mul[g*o], add[g*o] (read
 *                  only if last), splits PIXELS and CHANNELS.
 *                  An output code has 1 << out_log2 bytes (0, 1, 2).
 * dse_depthwise2d: outputs == inputs == 1; output codes are bytes; weights int8 [taps_y][taps_x][groups], tables mul[groups], add[groups].
 * The NPU entries read weights packed as npu_layout says, 4-byte aligned, and tables uint32 scale[], int32 bias[].
 * They ignore split, need first && last, a stride that the engine has (else dse_fatal), dilation 1, groups == 1
 * (dense) and the bounds of the output type, and return when the job is queued. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const void *weights;
    const int32_t *tables;
    int32_t *accumulator;
    dse_window window;
    int32_t groups, outputs, inputs; /* of the tile; outputs and inputs are those of one group */
    int32_t pad_value;               /* in the input type's range */
    int32_t shift, low, high;
    int32_t out_log2;
    bool in_signed, first, last;
    bool weights_in_wm, prefetch; /* NPU only, see dse_npu_job */
    dse_npu_layout npu_layout;    /* NPU only */
    dse_split split;
} dse_conv2d_args;

void dse_conv2d(const dse_conv2d_args *args);
void dse_depthwise2d(const dse_conv2d_args *args);
dse_npu_ticket dse_conv2d_npu(const dse_conv2d_args *args);
dse_npu_ticket dse_depthwise2d_npu(const dse_conv2d_args *args);

/* ---- Product of two activations (matmul.c) ------------------------------------------------------------------
 * y[h][m][n] = requant(sum over k of (a[h][m][k] - zero_a) * (b[(h + phase) / ratio][n][k] - zero_b)).
 * The depth of a and the outputs of y are contiguous, of b the depth or the outputs (b_depth_pitch or
 * b_output_pitch is 1). Tables int32 mul[heads], add[heads] (read only if last). A reduction over several calls passes
 * `accumulator`, int32 [heads][rows][outputs] at pitches, outputs contiguous; with first && last it is not used.
 * An output code has 1 << out_log2 bytes (0, 1, 2). Splits HEADS, PIXELS (rows) and CHANNELS (outputs). */
typedef struct {
    const uint8_t *a, *b;
    uint8_t *output;
    const int32_t *tables;
    int32_t *accumulator;
    int32_t heads, rows, outputs, depth; /* of the tile */
    int32_t ratio, phase;                /* 0 <= phase < ratio */
    int32_t a_head_pitch, a_row_pitch, b_head_pitch, b_output_pitch, b_depth_pitch; /* bytes */
    int32_t out_head_pitch, out_row_pitch;                                          /* bytes */
    int32_t acc_head_pitch, acc_row_pitch;                                          /* sums */
    int32_t zero_a, zero_b, shift, low, high;
    int32_t out_log2;
    bool a_signed, b_signed, first, last;
    dse_split split;
} dse_matmul_args;

void dse_matmul(const dse_matmul_args *args);

/* ---- Elementwise (elementwise.c) ---------------------------------------------------------------------------
 * On `rows` x `channels` elements; a tile of one dimension is one row. Splits PIXELS (rows), CHANNELS, ELEMENTS.
 * The second operand has elements like the first ("none"), one row for all rows ("channel": b_row_pitch == 0), or
 * one element (b_row_pitch == 0 and b_step == 0). Codes have 1 << log2 bytes (0 or 1), those of 2 are signed. */
typedef struct {
    const uint8_t *a, *b;
    uint8_t *output;
    int32_t rows, channels;
    int32_t a_row_pitch, b_row_pitch, out_row_pitch; /* bytes */
    int32_t b_step;                                  /* 1, or 0 for one element */
    int32_t mul_a, mul_b;                            /* dse_mul: mul_a is its factor, mul_b is not read */
    int32_t zero_a, zero_b;                          /* dse_mul and dse_idiv only */
    int32_t add, shift, low, high;
    int32_t a_log2, b_log2, out_log2;
    bool a_signed, b_signed;
    dse_split split;
} dse_binary_args;

void dse_add(const dse_binary_args *args); /* (a*mul_a + b*mul_b + add) >> shift */
void dse_mul(const dse_binary_args *args); /* ((a - zero_a)*(b - zero_b)*mul_a + add) >> shift */
void dse_idiv(const dse_binary_args *args); /* (floor(a*mul_a / (b*mul_b + zero_b) + 1/2)*zero_a + add) >> shift */

/* y = (x*mul + add) >> shift, between codes of 1 << log2 bytes (0 or 1) */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    int32_t mul, add, shift, low, high;
    int32_t in_log2, out_log2;
    bool in_signed;
    dse_split split;
} dse_requantise_args;

void dse_requantise(const dse_requantise_args *args);

/* y = table[x - lowest code of x's type] */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const uint8_t *table; /* 256 bytes */
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    bool in_signed;
    dse_split split;
} dse_lut_args;

void dse_lut(const dse_lut_args *args);

/* ---- Pooling (pool.c): splits PIXELS, CHANNELS ------------------------------------------------------------ */

/* Maximum over the taps inside the stored input; the type's lowest code where there is none. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    dse_window window;
    int32_t channels;
    bool in_signed;
    dse_split split;
} dse_maxpool_args;

void dse_maxpool(const dse_maxpool_args *args);

/* y = requant(sum of the n valid taps, tables[n], tables[taps + 1 + n]); tables int32 mul[taps+1], add[taps+1].
 * With count_pad a tap in the padding contributes pad_value, and n is the number of all taps. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const int32_t *tables;
    dse_window window;
    int32_t channels;
    int32_t pad_value, shift, low, high;
    bool in_signed, count_pad;
    dse_split split;
} dse_avgpool_args;

void dse_avgpool(const dse_avgpool_args *args);

/* ---- Softmax (softmax.c): split PIXELS (rows) --------------------------------------------------------------- */

/* With a mask, row k of the tile is row first + k of the tensor, which sees (first + k) / heads % period + 1 +
 * offset + *position columns; the others become zero_point. position is clamped to 0 .. channels. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const uint32_t *table; /* 256 fixed-point values of exp, indexed by row maximum - code */
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    int32_t sum_shift, zero_point, high;
    uint32_t multiplier;
    int32_t period, first, offset, heads; /* of a mask; period 0: none */
    const int32_t *position;       /* added to the offset; or NULL */
    bool in_signed;
    dse_split split;
} dse_softmax_args;

void dse_softmax(const dse_softmax_args *args);

/* y = e * (levels - 1) / sum of the row's e + offset, truncated; e = table[row maximum - code]. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const uint32_t *table;
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    int32_t levels, offset;
    bool in_signed;
    dse_split split;
} dse_isoftmax_args;

void dse_isoftmax(const dse_isoftmax_args *args);

/* y = (most * 256 / s) >> h(m - x) on int8 codes, s the sum of 256 >> h(m - x), h(d) = (d + 16) >> 5. The sum is formed
 * in parts of `part` codes; where one has a larger maximum, it is shifted by h of the difference first. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    int32_t part, first_maximum, most;
    dse_split split;
} dse_itamax_args;

void dse_itamax(const dse_itamax_args *args);

/* ---- Normalisation of rows (norm.c): split PIXELS (rows) ---------------------------------------------------- */

/* y = clamp((d * weight / root + bias) >> shift), root = isqrt(mean of d*d + 1), d = x, or x less its row's mean if
 * centred; divisions truncate. tables: int32 weight[channels], and bias[channels] if biased. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const int32_t *tables;
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch;
    int32_t shift, low, high;
    bool in_signed, centred, biased;
    dse_split split;
} dse_inorm_args;

void dse_inorm(const dse_inorm_args *args);

/* y = clamp((u * mul + add) >> shift): u is c / sqrt(v + epsilon) with 15 - spread fraction bits. RMS: c = x -
 * zero_point, v = sum of c*c. Layer: c = channels * x - sum of x, v = channels * sum of x*x - (sum of x)^2. epsilon is
 * in units of v * 2^-12; tables: int32 mul[channels], add[channels]. in_wide: the input is int16, pitches even. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    const int32_t *tables;
    int32_t rows, channels;
    int32_t in_row_pitch, out_row_pitch; /* bytes */
    int32_t zero_point, spread, shift, low, high;
    uint32_t epsilon_low, epsilon_high;
    bool in_signed, in_wide;
    dse_split split;
} dse_norm_args;

void dse_rmsnorm(const dse_norm_args *args);
void dse_layernorm(const dse_norm_args *args);

/* ---- Rotary position embedding (rope.c): split PIXELS (rows and heads, flattened) --------------------------- */

/* y = (((x - zero_point)*cos + turned*sin)*mul + add) >> shift: `turned` is (-second, first) of a pair of channels, which
 * are depth/2 apart, or neighbours if interleaved. cos, sin: int16 [rows][depth], pitches even. */
typedef struct {
    const uint8_t *input, *cos, *sin;
    uint8_t *output;
    int32_t rows, heads, depth;
    int32_t in_row_pitch, in_head_pitch, cos_row_pitch, sin_row_pitch, out_row_pitch, out_head_pitch; /* bytes */
    int32_t zero_point, mul, add, shift, low, high;
    bool in_signed, interleaved;
    dse_split split;
} dse_rope_args;

void dse_rope(const dse_rope_args *args);

/* ---- Data movement (layout.c) ------------------------------------------------------------------------------- */

/* Row t is row tokens[t] of a table of `entries` rows, or the nearest that there is. in_order: only these rows
 * are there, in order. Codes have 1 << log2 bytes. Split PIXELS (rows). */
typedef struct {
    const uint8_t *tokens; /* int32, aligned */
    const uint8_t *table;
    uint8_t *output;
    int32_t rows, channels, entries;
    int32_t table_row_pitch, out_row_pitch; /* bytes */
    int32_t log2;
    bool in_order;
    dse_split split;
} dse_embed_args;

void dse_embed(const dse_embed_args *args);

/* One input of a concatenation, requantised by its own scalars; mul 1, add 0, shift 0 is a copy. */
typedef struct {
    const uint8_t *input;
    int32_t width, row_pitch;
    int32_t mul, add, shift;
    bool in_signed;
} dse_concat_part;

/* The parts side by side on every row. Split PIXELS (rows). */
typedef struct {
    const dse_concat_part *parts;
    int32_t count;
    uint8_t *output;
    int32_t rows, out_row_pitch;
    int32_t low, high;
    dse_split split;
} dse_concat_args;

void dse_concat(const dse_concat_args *args);

/* output[a0][a1][a2][a3][a4] at offset sum a_k*out_pitch[k] = input at sum a_k*in_pitch[k]: the axes are the output's,
 * in_pitch those of the input axes they come from. Leading axes of extent 1 fill up to rank 5.
 * Elements have 1 << log2 bytes. Split PIXELS: a0 to a3 flattened. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    int32_t extent[5], in_pitch[5], out_pitch[5];
    int32_t log2;
    dse_split split;
} dse_transpose_args;

void dse_transpose(const dse_transpose_args *args);

/* output[y][x][c] = input[y + shift_y][x + shift_x][c + shift_c], `value` outside the stored input.
 * Split PIXELS. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    int32_t in_rows, in_cols, in_channels, out_rows, out_cols, out_channels;
    int32_t in_row_pitch, in_pixel_pitch, out_row_pitch, out_pixel_pitch;
    int32_t shift_y, shift_x, shift_c;
    int32_t value;
    dse_split split;
} dse_pad_args;

void dse_pad(const dse_pad_args *args);

/* output[y][x] = input[((y + out_y)*down_y)/up_y + offset_y - in_y][same in x]: out_y, out_x and in_y, in_x are
 * where the tile and its stored input begin in their tensors. Split PIXELS. */
typedef struct {
    const uint8_t *input;
    uint8_t *output;
    int32_t out_rows, out_cols, channels;
    int32_t in_row_pitch, in_pixel_pitch, out_row_pitch, out_pixel_pitch;
    int32_t up_y, up_x, down_y, down_x, offset_y, offset_x;
    int32_t out_y, out_x, in_y, in_x;
    dse_split split;
} dse_resize_args;

void dse_resize(const dse_resize_args *args);

#endif
