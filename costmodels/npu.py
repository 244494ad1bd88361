"""What an NPU can run, as plain numbers: the platform files fill it, the compiler asks it."""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodels.facts import POSITIVE

Window = tuple[int, int]


@dataclass(frozen=True)
class NpuConstraints:
    """Limits of one NPU on convolutions with 8-bit weights, dilation 1, groups 1 or depthwise.

    layout: name of its packed weight layout ("neureka", "ne16").
    windows, depthwise_windows, strides: the (kh, kw) and (sy, sx) that it runs.
    max_padding: elements a side. scale_bits: width of the unsigned per-channel multiplier.
    max_shift: largest right shift. k_in_tile: input channels of a weight word by window, as
    ((window, channels), ...). k_out_tile: output channels of a job's inner tile; depthwise_tile: the
    channels of a depthwise one. input_types, output_types: numpy names of element types.
    """

    layout: str
    windows: tuple[Window, ...] = field(metadata=POSITIVE)
    depthwise_windows: tuple[Window, ...] = field(metadata=POSITIVE)
    strides: tuple[Window, ...] = field(metadata=POSITIVE)
    max_padding: int
    scale_bits: int = field(metadata=POSITIVE)
    max_shift: int
    k_in_tile: tuple[tuple[Window, int], ...] = field(metadata=POSITIVE)
    k_out_tile: int = field(metadata=POSITIVE)
    depthwise_tile: int = field(metadata=POSITIVE)
    input_types: tuple[str, ...] = ("uint8", "int8")
    output_types: tuple[str, ...] = ("uint8", "int8")
