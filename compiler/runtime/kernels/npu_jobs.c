/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution tiles as NPU jobs. The engine's requantisation is the cores' one: tables hold unsigned scales and
 * biases, where acc * scale + bias is proven to fit 32 bits, so that neither its cut nor its saturation shows.
 */
#include "kernel.h"

/* Rows or columns of padding behind the stored ones, for n outputs of a window of `taps`. */
static int32_t padding_behind(int32_t n, int32_t stride, int32_t taps, int32_t shift, int32_t stored) {
    return dse_max(0, (n - 1) * stride + taps + shift - stored);
}

/* The stride of a job, which the descriptor has once for both directions. */
static uint8_t stride_of(const dse_conv2d_args *a) {
    const dse_window *w = &a->window;
    const int32_t most = a->npu_layout == DSE_NPU_NE16 ? 2 : 1;
    if (w->stride_y != w->stride_x || w->stride_x > most) dse_fatal("NPU job with a stride the engine has not");
    return (uint8_t)w->stride_x;
}

static dse_npu_job job_of(const dse_conv2d_args *a, dse_npu_mode mode, int32_t k_in, int32_t k_out) {
    const dse_window *w = &a->window;
    return (dse_npu_job){
        .weights = a->weights,
        .input = a->input,
        .output = a->output,
        .scale = a->tables,
        .bias = a->tables + k_out,
        .in_pixel_stride = (uint32_t)w->in_pixel_pitch,
        .in_row_stride = (uint32_t)w->in_row_pitch,
        .out_pixel_stride = (uint32_t)w->out_pixel_pitch,
        .out_row_stride = (uint32_t)w->out_row_pitch,
        .h_out = (uint16_t)w->out_rows,
        .w_out = (uint16_t)w->out_cols,
        .k_in = (uint16_t)k_in,
        .k_out = (uint16_t)k_out,
        .layout = (uint8_t)a->npu_layout,
        .mode = (uint8_t)mode,
        .stride = stride_of(a),
        .weight_bits = 8,
        .scale_bits = 32,
        .out_bits = 8,
        .shift = (uint8_t)a->shift,
        .relu = a->low == 0,
        .in_signed = a->in_signed,
        .out_signed = a->low < 0,
        .weights_in_wm = a->weights_in_wm,
        .prefetch = a->prefetch,
        .pad_top = (uint8_t)dse_max(0, -w->shift_y),
        .pad_left = (uint8_t)dse_max(0, -w->shift_x),
        .pad_bottom = (uint8_t)padding_behind(w->out_rows, w->stride_y, w->taps_y, w->shift_y, w->in_rows),
        .pad_right = (uint8_t)padding_behind(w->out_cols, w->stride_x, w->taps_x, w->shift_x, w->in_cols),
        .pad_value = (int16_t)a->pad_value,
        .weight_offset = -128,
    };
}

dse_npu_ticket dse_conv2d_npu(const dse_conv2d_args *args) {
    const dse_npu_mode mode = args->window.taps_y == 1 ? DSE_NPU_1X1 : DSE_NPU_3X3;
    const dse_npu_job job = job_of(args, mode, args->inputs, args->outputs);
    return dse_npu_submit(&job);
}

/* A single channel without window is as well a dense layer, and the engine knows it only as such. */
dse_npu_ticket dse_depthwise2d_npu(const dse_conv2d_args *args) {
    const dse_npu_mode mode = args->window.taps_y == 1 ? DSE_NPU_1X1 : DSE_NPU_DW3X3;
    const dse_npu_job job = job_of(args, mode, args->groups, args->groups);
    return dse_npu_submit(&job);
}
