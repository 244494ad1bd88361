"""Calls of the kernels that walk rows of elements; see `compiler.codegen.calls`."""

from __future__ import annotations

from compiler.codegen.call_fields import Fields, Layer, extent, initialiser, pitch, split_of, widths
from compiler.ops.add import Add
from compiler.ops.embed import Embed
from compiler.ops.inorm import INorm
from compiler.ops.integer_div import IntegerDiv
from compiler.ops.isoftmax import ISoftmax
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import Lut
from compiler.ops.mul import Mul
from compiler.ops.norm import Norm
from compiler.ops.requantise import Requantise
from compiler.ops.rope import Rope
from compiler.ops.softmax import Softmax
from compiler.ops.update import Update


def _rows(stream: str, layer: Layer) -> tuple[str | int, str, str | int]:
    """(rows, channels, row pitch) of an elementwise operand of rank 1 or 2."""
    if len(layer.output.access.axes) == 1:
        return 1, extent("out", 0), 0
    return extent("out", 0), extent("out", 1), pitch(stream, 0)


def binary_call(op: Add | Mul | IntegerDiv, layer: Layer, extra: Fields) -> list[str]:
    """See `kernel_call`."""
    rows, channels, out_pitch = _rows("out", layer)
    whole = op.broadcast == "none"
    fields: dict[str, str | int | bool] = {
        "a": "in0.data",
        "b": "in1.data",
        "output": "out.data",
        "rows": rows,
        "channels": channels,
        "a_row_pitch": _rows("in0", layer)[2],
        "b_row_pitch": _rows("in1", layer)[2] if whole else 0,
        "out_row_pitch": out_pitch,
        "b_step": int(op.broadcast != "scalar"),
        **extra,
        **widths(a_log2=op.type_a, b_log2=op.type_b, out_log2=op.output_type),
        "add": op.add,
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        "a_signed": op.type_a.signed,
        "b_signed": op.type_b.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_binary_args", fields), f"dse_{op.kind}(&args);"]


def lut_call(op: Lut, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    rows, channels, out_pitch = _rows("out", layer)
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "table": "tables",
        "rows": rows,
        "channels": channels,
        "in_row_pitch": _rows("in0", layer)[2],
        "out_row_pitch": out_pitch,
        "in_signed": op.input_type.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_lut_args", fields), "dse_lut(&args);"]


def requantise_call(op: Requantise, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    rows, channels, out_pitch = _rows("out", layer)
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "rows": rows,
        "channels": channels,
        "in_row_pitch": _rows("in0", layer)[2],
        "out_row_pitch": out_pitch,
        "mul": op.mul,
        "add": op.add,
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        **widths(in_log2=op.input_type, out_log2=op.output_type),
        "in_signed": op.input_type.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_requantise_args", fields), "dse_requantise(&args);"]


def _mask(op: Softmax) -> Fields:
    if not op.causal_period:
        return {}
    position = {"position": "(const int32_t *)(const void *)in1.data"} if len(op.inputs) > 1 else {}
    own: Fields = {"period": op.causal_period, "first": "r_out[0].low", "offset": op.causal_offset}
    return {**own, "heads": op.causal_heads, **position}


def softmax_call(op: Softmax, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        "table": "(const uint32_t *)(const void *)tables",
        "rows": extent("out", 0),
        "channels": extent("out", 1),
        "in_row_pitch": pitch("in0", 0),
        "out_row_pitch": pitch("out", 0),
        "sum_shift": op.sum_shift,
        "zero_point": op.zero_point,
        "high": op.high,
        "multiplier": f"{op.multiplier}u",
        **_mask(op),
        "in_signed": op.input_type.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_softmax_args", fields), "dse_softmax(&args);"]


def _row_operands(tables: str) -> Fields:
    """Operands and extents of a kernel that works on whole rows; tables: its field and their type."""
    field, kind = tables.split()
    pointer = f"(const {kind} *)(const void *)tables"
    return {"input": "in0.data", "output": "out.data", field: pointer, **_rows_of()}


def _rows_of() -> Fields:
    return {
        "rows": extent("out", 0),
        "channels": extent("out", 1),
        "in_row_pitch": pitch("in0", 0),
        "out_row_pitch": pitch("out", 0),
    }


def isoftmax_call(op: ISoftmax, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        **_row_operands("table uint32_t"),
        "levels": op.levels,
        "offset": op.offset,
        "in_signed": op.input_type.signed,
        "split": split_of(layer),
    }
    return [*initialiser("dse_isoftmax_args", fields), "dse_isoftmax(&args);"]


def itamax_call(op: ITAMax, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        "input": "in0.data",
        "output": "out.data",
        **_rows_of(),
        "part": op.part,
        "first_maximum": op.first_maximum,
        "most": op.most,
        "split": split_of(layer),
    }
    return [*initialiser("dse_itamax_args", fields), "dse_itamax(&args);"]


def inorm_call(op: INorm, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        **_row_operands("tables int32_t"),
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        "in_signed": op.input_type.signed,
        "centred": op.centred,
        "biased": op.bias.array.size > 0,
        "split": split_of(layer),
    }
    return [*initialiser("dse_inorm_args", fields), "dse_inorm(&args);"]


def norm_call(op: Norm, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        **_row_operands("tables int32_t"),
        "zero_point": op.zero_point,
        "spread": op.spread,
        "shift": op.requant.shift,
        "low": op.requant.low,
        "high": op.requant.high,
        "epsilon_low": f"{op.epsilon & 0xFFFFFFFF}u",
        "epsilon_high": f"{op.epsilon >> 32}u",
        "in_signed": op.input_type.signed,
        "in_wide": op.input_type.bytes == 2,
        "split": split_of(layer),
    }
    return [*initialiser("dse_norm_args", fields), f"dse_{op.kernel}(&args);"]


def rope_call(op: Rope, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fields: Fields = {
        "input": "in0.data",
        "cos": "in1.data",
        "sin": "in2.data",
        "output": "out.data",
        "rows": extent("out", 0),
        "heads": extent("out", 1),
        "depth": op.depth,
        "in_row_pitch": pitch("in0", 0),
        "in_head_pitch": pitch("in0", 1),
        "cos_row_pitch": pitch("in1", 0),
        "sin_row_pitch": pitch("in2", 0),
        "out_row_pitch": pitch("out", 0),
        "out_head_pitch": pitch("out", 1),
        "zero_point": op.zero_point,
        "mul": op.mul,
        "add": op.add,
        "shift": op.shift,
        "low": op.low,
        "high": op.high,
        "in_signed": op.input_type.signed,
        "interleaved": op.interleaved,
        "split": split_of(layer),
    }
    return [*initialiser("dse_rope_args", fields), "dse_rope(&args);"]


def update_call(op: Update, layer: Layer) -> list[str]:
    """See `kernel_call`. Rows are copied as those of a table, in the order in which they lie."""
    fields: Fields = {
        "table": "in0.data",
        "output": "out.data",
        "rows": extent("out", 0),
        "channels": extent("out", 1),
        "table_row_pitch": pitch("in0", 0),
        "out_row_pitch": pitch("out", 0),
        **widths(log2=op.data_type),
        "in_order": True,
        "split": split_of(layer),
    }
    used = "(void)in1; /* where the rows go matters when they leave */"
    return [used, *initialiser("dse_embed_args", fields), "dse_embed(&args);"]


def embed_call(op: Embed, layer: Layer) -> list[str]:
    """See `kernel_call`."""
    fetched = layer.params is not None and layer.params.fetches_rows
    fields: Fields = {
        "tokens": "in0.data + 4 * r_out[0].low",
        "table": "tables",
        "output": "out.data",
        "rows": extent("out", 0),
        "channels": extent("out", 1),
        "entries": op.vocabulary,
        "table_row_pitch": op.channels * op.output_type.bytes,
        "out_row_pitch": pitch("out", 0),
        **widths(log2=op.output_type),
        "in_order": fetched,
        "split": split_of(layer),
    }
    return [*initialiser("dse_embed_args", fields), "dse_embed(&args);"]
