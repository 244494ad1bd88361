"""The tiles that are timed: as a call in C, and as the cost model sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from costmodels.work import KernelSpec

Fields = Mapping[str, int | str]
PIXELS, CHANNELS, ELEMENTS = "DSE_SPLIT_PIXELS", "DSE_SPLIT_CHANNELS", "DSE_SPLIT_ELEMENTS"
RANGE: Fields = {"shift": 14, "low": -128, "high": 127}


@dataclass(frozen=True)
class Row:
    """One tile. work: multiply-accumulates, or elements (pools: taps) where there are none."""

    title: str
    entry: str
    struct: str
    fields: Fields
    spec: KernelSpec
    work: int

    def c(self, number: int) -> str:
        """The lines that run it."""
        body = ", ".join(f".{key} = {value}" for key, value in self.fields.items())
        return f"{{ const {self.struct} args = {{{body}}}; ROW({number}, {self.entry}, args); }}\n"


def _window(
    rows: int, cols: int, channels: int, pitch: int, taps: int, stride: int
) -> tuple[Fields, int, int]:
    """A square window with padding that keeps the size; (fields, output rows, output columns)."""
    pad = taps // 2 if taps % 2 else 0
    out_rows, out_cols = ((n + 2 * pad - taps) // stride + 1 for n in (rows, cols))
    values = (cols * pitch, pitch, out_cols * channels, channels, rows, cols, out_rows, out_cols)
    window = ", ".join(map(str, (*values, taps, taps, stride, stride, 1, 1, -pad, -pad)))
    return {"window": f"{{{window}}}"}, out_rows, out_cols


def conv(
    size: int,
    inputs: int,
    outputs: int,
    *,
    taps: int = 1,
    stride: int = 1,
    spare: int = 0,
    sums: bool = False,
    wide: bool = False,
) -> Row:
    """A square tile of a dense convolution, divided by pixels (a single pixel: by outputs); wide: int16."""
    window, rows, cols = _window(size, size, outputs << wide, inputs + spare, taps, stride)
    split, over = (PIXELS, ("y", "x")) if rows * cols > 1 else (CHANNELS, ("o",))
    fields: Fields = {
        "input": "in", "output": "out", "weights": "weights", "tables": "tables",
        "accumulator": "(int32_t *)(void *)out", **window, "groups": 1, "outputs": outputs, "inputs": inputs,
        "pad_value": -128, **RANGE, "in_signed": "true", "first": "true", "last": str(not sums).lower(),
        "out_log2": int(wide), "split": split,
    }  # fmt: skip
    spec = KernelSpec(
        "conv2d",
        (("y", rows), ("x", cols), ("g", 1), ("o", outputs), ("i", inputs)),
        window=(taps, taps),
        stride=(stride, stride),
        output_bytes=4 if sums else 2 if wide else 1,
        splits=(over,),
    )
    extra = (f", pitch +{spare}" if spare else "") + (", raw sums" if sums else "")
    extra += ", int16" if wide else ""
    title = f"{taps}x{taps}/{stride} {rows}x{cols}, {inputs} to {outputs}{extra}"
    return Row(title, "dse_conv2d", "dse_conv2d_args", fields, spec, spec.all_macs)


def depthwise(size: int, channels: int, stride: int, by_rows: bool = False) -> Row:
    """A square tile of a depthwise 3x3 convolution."""
    base = conv(size, channels, channels, taps=3, stride=stride)
    rows, cols = (extent for name, extent in base.spec.dims if name in "yx")
    over = ("y", "x") if by_rows else ("g",)
    change: Fields = {
        "groups": channels, "outputs": 1, "inputs": 1, "split": PIXELS if by_rows else CHANNELS
    }  # fmt: skip
    spec = replace(
        base.spec, kernel="depthwise2d", dims=(("y", rows), ("x", cols), ("g", channels)), splits=(over,)
    )
    title = f"depthwise 3x3/{stride} {rows}x{cols}x{channels}, split by {'pixels' if by_rows else 'channels'}"
    return replace(
        base,
        title=title,
        entry="dse_depthwise2d",
        fields={**base.fields, **change},
        spec=spec,
        work=spec.all_macs,
    )


def matmul(
    rows: int, outputs: int, depth: int, *, zero: int = 0, sums: bool = False, turned: bool = False
) -> Row:
    """A product of two activations, divided by rows; zero: both zero points; turned: the second one's
    outputs are contiguous, not its depth."""
    pitches = (1, outputs) if turned else (depth, 1)
    fields: Fields = {
        "a": "in", "b": "weights", "output": "out", "tables": "tables",
        "accumulator": "(int32_t *)(void *)out", "heads": 1, "rows": rows, "outputs": outputs,
        "depth": depth, "ratio": 1, "a_row_pitch": depth, "b_output_pitch": pitches[0],
        "b_depth_pitch": pitches[1], "out_row_pitch": outputs, "acc_row_pitch": outputs, "zero_a": zero,
        "zero_b": zero, **RANGE, "a_signed": "true", "b_signed": "true", "first": "true",
        "last": str(not sums).lower(), "split": PIXELS,
    }  # fmt: skip
    spec = KernelSpec(
        "matmul",
        (("h", 1), ("y", rows), ("o", outputs), ("i", depth)),
        output_bytes=4 if sums else 1,
        splits=(("y",),),
        offsets=(zero != 0, zero != 0),
    )
    marks = (
        (", turned" if turned else "") + (", zero points" if zero else "") + (", raw sums" if sums else "")
    )
    title = f"product {rows}x{outputs}x{depth}{marks}"
    return Row(title, "dse_matmul", "dse_matmul_args", fields, spec, spec.all_macs)


def elementwise(kind: str, rows: int, channels: int, wide: bool = False) -> Row:
    """add, mul, lut or requantise of contiguous rows, divided by elements: to the price one flat dimension.

    wide: int16 are the first operand and a sum.
    """
    common: Fields = {"output": "out", "rows": rows, "channels": channels}
    scale: Fields = {"add": 900, "shift": 5, "low": -128, "high": 127}
    two: Fields = {
        "a": "in", "b": "in + 32768", "a_row_pitch": channels << wide, "b_row_pitch": channels, "b_step": 1,
        "mul_a": 31, "mul_b": 17, **scale, "a_signed": "true", "b_signed": "true", "a_log2": int(wide),
        "out_log2": int(wide),
    }  # fmt: skip
    one: Fields = {"input": "in", "in_row_pitch": channels << wide, "in_signed": "true"}
    more: Mapping[str, Fields] = {
        "lut": {**one, "table": "weights"},
        "requantise": {**one, **scale, "mul": 31, "in_log2": int(wide)},
    }
    made_wide = wide and kind == "add"
    spec = KernelSpec(
        kind,
        (("n", rows * channels),),
        fan_in=1 if kind in more else 2,
        input_bytes=1 + wide,
        output_bytes=1 + made_wide,
        splits=(("n",),),
    )
    fields = {**common, **more.get(kind, two), "out_row_pitch": channels << made_wide, "split": ELEMENTS}
    struct = f"dse_{kind}_args" if kind in more else "dse_binary_args"
    title = f"{kind} {rows}x{channels}{', int16' if wide else ''}"
    return Row(title, f"dse_{kind}", struct, fields, spec, rows * channels)


def rmsnorm(rows: int, channels: int) -> Row:
    """RMS normalisation of int16 rows."""
    fields: Fields = {
        "input": "in", "output": "out", "tables": "tables", "rows": rows, "channels": channels,
        "in_row_pitch": 2 * channels, "out_row_pitch": channels, "epsilon_low": 4096, **RANGE,
        "in_wide": "true", "split": PIXELS,
    }  # fmt: skip
    spec = KernelSpec("rmsnorm", (("y", rows), ("c", channels)), input_bytes=2, splits=(("y",),))
    return Row(f"rmsnorm {rows}x{channels}", "dse_rmsnorm", "dse_norm_args", fields, spec, rows * channels)


def rope(rows: int, heads: int, depth: int) -> Row:
    """Rotary embedding of pairs half a head apart."""
    table = "(const uint8_t *)tables"
    fields: Fields = {
        "input": "in", "cos": table, "sin": table, "output": "out", "rows": rows, "heads": heads,
        "depth": depth, "in_row_pitch": heads * depth, "in_head_pitch": depth, "out_row_pitch": heads * depth,
        "out_head_pitch": depth, "mul": 3, **RANGE, "in_signed": "true", "split": PIXELS,
    }  # fmt: skip
    spec = KernelSpec("rope", (("y", rows), ("h", heads), ("c", depth)), splits=(("y", "h"),))
    title = f"rope {rows}x{heads}x{depth}"
    return Row(title, "dse_rope", "dse_rope_args", fields, spec, rows * heads * depth)


def pool(kind: str, size: int, channels: int, taps: int) -> Row:
    """maxpool or avgpool without padding; windows do not overlap."""
    window, rows, cols = _window(size, size, channels, channels, taps, taps)
    split, over = (PIXELS, ("y", "x")) if rows * cols > 1 else (CHANNELS, ("c",))
    fields: Fields = {
        "input": "in", "output": "out", **window, "channels": channels, "in_signed": "true", "split": split,
        **({"tables": "tables", **RANGE} if kind == "avgpool" else {}),
    }  # fmt: skip
    dims = (("y", rows), ("x", cols), ("c", channels))
    spec = KernelSpec(kind, dims, window=(taps, taps), stride=(taps, taps), splits=(over,))
    title = f"{kind} {taps}x{taps} {rows}x{cols}x{channels}"
    return Row(title, f"dse_{kind}", f"dse_{kind}_args", fields, spec, rows * cols * channels * taps * taps)


def softmax(rows: int, channels: int, *, causal: bool = False) -> Row:
    """Rows of a softmax; causal: row i sees i % channels + 1 columns. work: elements, seen or not."""
    fields: Fields = {
        "input": "in", "output": "out", "table": "(const uint32_t *)(const void *)tables", "rows": rows,
        "channels": channels, "in_row_pitch": channels, "out_row_pitch": channels, "sum_shift": 8,
        "zero_point": -128, "high": 127, "multiplier": "65536u", "in_signed": "true",
        "heads": 1, **({"period": channels} if causal else {}), "split": PIXELS,
    }  # fmt: skip
    spec = KernelSpec("softmax", (("y", rows), ("c", channels)), splits=(("y",),))
    title = f"softmax {rows}x{channels}{', causal' if causal else ''}"
    return Row(title, "dse_softmax", "dse_softmax_args", fields, spec, rows * channels)


ROWS = (
    conv(8, 64, 64, sums=True), conv(8, 64, 64), conv(8, 64, 64, wide=True),
    conv(8, 64, 64, spare=4), conv(8, 256, 64),
    conv(8, 256, 64, spare=4), conv(16, 32, 64), conv(16, 64, 128), conv(16, 128, 128), conv(8, 512, 48),
    conv(24, 16, 32), conv(24, 8, 16), conv(12, 30, 32), conv(1, 256, 64),
    conv(16, 16, 16, taps=3), conv(16, 32, 32, taps=3), conv(16, 16, 32, taps=3, stride=2),
    conv(32, 3, 16, taps=3),
    depthwise(16, 32, 1), depthwise(16, 64, 1), depthwise(32, 32, 1, by_rows=True), depthwise(32, 32, 2),
    matmul(64, 64, 64, sums=True), matmul(64, 64, 64), matmul(64, 64, 64, zero=3), matmul(64, 64, 256),
    matmul(64, 64, 30), matmul(256, 64, 4), matmul(64, 64, 64, turned=True),
    matmul(64, 64, 64, turned=True, zero=3), matmul(512, 4, 64, turned=True, zero=3),
    elementwise("add", 64, 256), elementwise("mul", 64, 256), elementwise("lut", 64, 256),
    elementwise("add", 64, 64, wide=True), elementwise("requantise", 64, 64, wide=True),
    rmsnorm(64, 64), rope(64, 16, 4), rope(64, 8, 8),
    softmax(64, 64), softmax(64, 64, causal=True), softmax(8, 255),
    pool("maxpool", 16, 64, 2), pool("avgpool", 16, 64, 2), pool("avgpool", 8, 64, 8),
)  # fmt: skip
