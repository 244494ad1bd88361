"""What the operators on whole rows share: their space."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.ir.access import Access, Axis, Dim, Space
from compiler.ir.tensor import IntType, Tensor
from compiler.ops.base import access
from costmodels.work import KernelSpec


def row_space(
    kernel: str,
    tensors: Mapping[str, Tensor],
    names: tuple[str, str],
    types: tuple[IntType, IntType],
    extents: tuple[int, int],
    more: tuple[Access, ...] = (),
    mask: tuple[int, int] = (0, 0),
) -> Space:
    """The space of a kernel from (rows, channels) to the same; only rows are tiled and divided over cores.

    names, types: of input and output; extents: (rows, channels); more: what else it reads;
    mask: see `KernelSpec`.
    Raises OperatorError where a tensor has another type or number of elements.
    """
    rows, channels = extents
    axes = (Axis(rows, (("y", 1),)), Axis(channels))
    spec = KernelSpec(
        kernel=kernel,
        dims=(("y", rows), ("c", channels)),
        input_bytes=types[0].bytes,
        output_bytes=types[1].bytes,
        splits=(("y",),),
        mask=mask,
    )
    return Space(
        spec=spec,
        dims=(Dim("y", rows), Dim("c", channels, tileable=False)),
        inputs=(access(tensors, names[0], axes, types[0]), *more),
        output=access(tensors, names[1], axes, types[1]),
        orders=(("y",),),
    )
