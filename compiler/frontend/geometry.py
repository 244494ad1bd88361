"""Window geometry of convolutions and pools, as ONNX's operator documentation defines it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.frontend.errors import Refused

LIMIT = 1 << 16
"""Largest kernel, stride, dilation or pad; beyond it a file is broken."""


@dataclass(frozen=True)
class Windows:
    """Windows over n spatial axes: pads are (before..., after...); `out` are the numbers of windows."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[int, ...]
    out: tuple[int, ...]

    def lifted(self) -> Windows:
        """Windows over one axis as windows over two, the second of extent 1."""
        if len(self.kernel) == 2:
            return self
        before, after = self.pads
        return Windows(
            (*self.kernel, 1), (*self.stride, 1), (*self.dilation, 1), (before, 0, after, 0), (*self.out, 1)
        )


def windows(attributes: Mapping[str, Any], extents: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows over spatial `extents`; raises Refused for contradictory attributes."""
    rank = len(extents)
    stride = _ints(attributes, "strides", (1,) * rank, rank, 1)
    dilation = _ints(attributes, "dilations", (1,) * rank, rank, 1)
    size = _ints({"kernel_shape": tuple(kernel)}, "kernel_shape", (), rank, 1)
    spans = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    pads = _pads(attributes, extents, spans, stride)
    ceil = bool(attributes.get("ceil_mode", 0))
    out = tuple(_count(extents[a], spans[a], stride[a], pads[a], pads[a + rank], ceil) for a in range(rank))
    if min(out) < 1:
        raise Refused("kernel_shape", f"window {spans} is larger than the padded input {tuple(extents)}")
    return Windows(size, stride, dilation, pads, out)


def _count(extent: int, span: int, stride: int, before: int, after: int, ceil: bool) -> int:
    room = extent + before + after - span
    if not ceil:
        return room // stride + 1
    count = math.ceil(room / stride) + 1
    # A window that would start in the padding at the end is dropped.
    return count - 1 if (count - 1) * stride >= extent + before else count


def _pads(
    attributes: Mapping[str, Any], extents: Sequence[int], spans: Sequence[int], stride: Sequence[int]
) -> tuple[int, ...]:
    rank = len(extents)
    mode = attributes.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        return _ints(attributes, "pads", (0,) * (2 * rank), 2 * rank, 0)
    if mode == "VALID":
        return (0,) * (2 * rank)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refused("auto_pad", f"mode {mode!r}", "NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    totals = [
        max((math.ceil(n / s) - 1) * s + span - n, 0)
        for n, s, span in zip(extents, stride, spans, strict=True)
    ]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return tuple(small + large if mode == "SAME_UPPER" else large + small)


def _ints(
    attributes: Mapping[str, Any], name: str, default: tuple[int, ...], count: int, low: int
) -> tuple[int, ...]:
    values = attributes.get(name, default)
    if not isinstance(values, tuple) or len(values) != count:
        raise Refused(name, f"{values!r} for {count} numbers", "one or two spatial axes")
    if not all(isinstance(v, int) and low <= v <= LIMIT for v in values):
        raise Refused(name, f"values {values}", f"{low} to {LIMIT}")
    return values
