"""What the pooling operators share: geometry and index maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.ir.access import Axis, Dim, Region, Space
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, padded, padding_of, require, window_axis, window_span, windows
from costmodels.work import KernelSpec

Pair = tuple[int, int]


@dataclass(frozen=True)
class PoolGeometry:
    """Where the windows of a pooling lie: (H, W, C), (Ho, Wo), taps, stride, dilation, (top, left)."""

    in_shape: tuple[int, int, int]
    out_hw: Pair
    window: Pair
    stride: Pair
    dilation: Pair
    origin: Pair

    def check(self, name: str) -> None:
        """Raise OperatorError unless all extents are positive and every window starts before the end."""
        smallest = min(*self.in_shape, *self.out_hw, *self.window, *self.stride, *self.dilation)
        require(smallest >= 1 and min(self.origin) >= 0, f"{name}: impossible pooling {self}")
        starts = ((n - 1) * s - p for n, s, p in zip(self.out_hw, self.stride, self.origin, strict=True))
        inside = all(start < extent for start, extent in zip(starts, self.in_shape, strict=False))
        require(inside, f"{name}: the last window starts outside the input {self.in_shape}")

    def space(
        self,
        kernel: str,
        tensors: Mapping[str, Tensor],
        names: tuple[str, str],
        types: tuple[IntType, IntType],
    ) -> Space:
        """The space y, x, c of pooling kernel `kernel` from tensor names[0] to names[1]."""
        channels = self.in_shape[2]
        dims = (Dim("y", self.out_hw[0]), Dim("x", self.out_hw[1]), Dim("c", channels))
        inputs = tuple(
            window_axis(
                self.in_shape[k], "yx"[k], self.stride[k], self.window[k], self.dilation[k], self.origin[k]
            )
            for k in (0, 1)
        )
        outputs = tuple(Axis(dim.extent, ((dim.name, 1),)) for dim in dims)
        spec = KernelSpec(
            kernel=kernel,
            dims=tuple((dim.name, dim.extent) for dim in dims),
            window=self.window,
            stride=self.stride,
            dilation=self.dilation,
            input_bytes=types[0].bytes,
            output_bytes=types[1].bytes,
            splits=(("y", "x"), ("c",)),
            padding=(self._padding(0), self._padding(1)),
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(access(tensors, names[0], (*inputs, outputs[2]), types[0]),),
            output=access(tensors, names[1], outputs, types[1]),
            orders=(("y", "x", "c"), ("c", "y", "x")),
        )

    def _padding(self, k: int) -> Pair:
        extents = self.in_shape[k], self.out_hw[k]
        return padding_of(*extents, self.stride[k], self.window[k], self.dilation[k], self.origin[k])

    def taps(self, tile: IntArray, region: Region, out: Pair, fill: int) -> IntArray:
        """The windows [y, x, ky, kx, ...] of a tile with `out` = (rows, columns) outputs."""
        spans = [window_span(out[k], self.stride[k], self.window[k], self.dilation[k]) for k in (0, 1)]
        return windows(padded(tile, region, spans, fill), out, self.window, self.stride, self.dilation)
