"""The argument structs of dse_kernels.h and dse_npu.h for ctypes, in the order of STRUCTS in hal_stub.c."""

from __future__ import annotations

import ctypes
from typing import Any

I32, U32, U16, U8, I16, BOOL = (
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.c_uint16,
    ctypes.c_uint8,
    ctypes.c_int16,
    ctypes.c_bool,
)
POINTER = ctypes.c_void_p
SPLIT = ctypes.c_int
LAYOUT = ctypes.c_int

LAYOUTS = {"plain": 0, "neureka": 0, "ne16": 1}
SPLITS = {"none": 0, "pixels": 1, "channels": 2, "elements": 3, "heads": 4}

Fields = list[tuple[str, Any]]


def fields(text: str, **types: Any) -> Fields:
    """Fields in order: `text` has "type: name name ..." separated by semicolons."""
    known: dict[str, Any] = {
        "ptr": POINTER,
        "i32": I32,
        "u32": U32,
        "u16": U16,
        "u8": U8,
        "i16": I16,
        "bool": BOOL,
        "split": SPLIT,
        "layout": LAYOUT,
        **types,
    }
    result: Fields = []
    for group in text.split(";"):
        kind, _, names = group.partition(":")
        result += [(name, known[kind.strip()]) for name in names.split()]
    return result


class Window(ctypes.Structure):
    _fields_ = fields(
        "i32: in_row_pitch in_pixel_pitch out_row_pitch out_pixel_pitch in_rows in_cols out_rows out_cols"
        " taps_y taps_x stride_y stride_x dilation_y dilation_x shift_y shift_x"
    )


class Conv2dArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output weights tables accumulator; window: window; i32: groups outputs inputs pad_value"
        " shift low high out_log2; bool: in_signed first last weights_in_wm prefetch; layout: npu_layout;"
        " split: split",
        window=Window,
    )


class MatmulArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: a b output tables accumulator; i32: heads rows outputs depth ratio phase a_head_pitch"
        " a_row_pitch b_head_pitch b_output_pitch b_depth_pitch out_head_pitch out_row_pitch acc_head_pitch"
        " acc_row_pitch zero_a zero_b shift low high out_log2; bool: a_signed b_signed first last;"
        " split: split"
    )


class BinaryArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: a b output; i32: rows channels a_row_pitch b_row_pitch out_row_pitch b_step mul_a mul_b zero_a"
        " zero_b add shift low high a_log2 b_log2 out_log2; bool: a_signed b_signed; split: split"
    )


class RequantiseArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; i32: rows channels in_row_pitch out_row_pitch mul add shift low high in_log2"
        " out_log2; bool: in_signed; split: split"
    )


class LutArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output table; i32: rows channels in_row_pitch out_row_pitch; bool: in_signed;"
        " split: split"
    )


class MaxpoolArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; window: window; i32: channels; bool: in_signed; split: split", window=Window
    )


class AvgpoolArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output tables; window: window; i32: channels pad_value shift low high;"
        " bool: in_signed count_pad; split: split",
        window=Window,
    )


class SoftmaxArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output table; i32: rows channels in_row_pitch out_row_pitch sum_shift zero_point high;"
        " u32: multiplier; i32: period first offset heads; ptr: position; bool: in_signed; split: split"
    )


class ISoftmaxArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output table; i32: rows channels in_row_pitch out_row_pitch levels offset;"
        " bool: in_signed; split: split"
    )


class ITAMaxArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; i32: rows channels in_row_pitch out_row_pitch part first_maximum most;"
        " split: split"
    )


class INormArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output tables; i32: rows channels in_row_pitch out_row_pitch shift low high;"
        " bool: in_signed centred biased; split: split"
    )


class NormArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output tables; i32: rows channels in_row_pitch out_row_pitch zero_point spread shift low"
        " high; u32: epsilon_low epsilon_high; bool: in_signed in_wide; split: split"
    )


class ConcatPart(ctypes.Structure):
    _fields_ = fields("ptr: input; i32: width row_pitch mul add shift; bool: in_signed")


class ConcatArgs(ctypes.Structure):
    _fields_ = fields("ptr: parts; i32: count; ptr: output; i32: rows out_row_pitch low high; split: split")


class TransposeArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; five: extent in_pitch out_pitch; i32: log2; split: split", five=I32 * 5
    )


class RopeArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input cos sin output; i32: rows heads depth in_row_pitch in_head_pitch cos_row_pitch"
        " sin_row_pitch out_row_pitch out_head_pitch zero_point mul add shift low high;"
        " bool: in_signed interleaved; split: split"
    )


class EmbedArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: tokens table output; i32: rows channels entries table_row_pitch out_row_pitch log2;"
        " bool: in_order;"
        " split: split"
    )


class PadArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; i32: in_rows in_cols in_channels out_rows out_cols out_channels in_row_pitch"
        " in_pixel_pitch out_row_pitch out_pixel_pitch shift_y shift_x shift_c value; split: split"
    )


class ResizeArgs(ctypes.Structure):
    _fields_ = fields(
        "ptr: input output; i32: out_rows out_cols channels in_row_pitch in_pixel_pitch out_row_pitch"
        " out_pixel_pitch up_y up_x down_y down_x offset_y offset_x out_y out_x in_y in_x; split: split"
    )


class NpuJob(ctypes.Structure):
    _fields_ = fields(
        "ptr: weights input output scale bias; u32: in_pixel_stride in_row_stride out_pixel_stride"
        " out_row_stride; u16: h_out w_out k_in k_out; u8: layout mode stride weight_bits scale_bits out_bits"
        " shift; bool: relu in_signed out_signed weights_in_wm prefetch;"
        " u8: pad_top pad_right pad_bottom pad_left; i16: pad_value; i32: weight_offset"
    )


STRUCTS: tuple[type[ctypes.Structure], ...] = (
    Window,
    Conv2dArgs,
    MatmulArgs,
    BinaryArgs,
    LutArgs,
    MaxpoolArgs,
    AvgpoolArgs,
    SoftmaxArgs,
    ConcatPart,
    ConcatArgs,
    TransposeArgs,
    PadArgs,
    ResizeArgs,
    ISoftmaxArgs,
    ITAMaxArgs,
    INormArgs,
    NormArgs,
    RequantiseArgs,
    RopeArgs,
    EmbedArgs,
    NpuJob,
)
