"""What the elementwise operators with two operands share: their broadcast forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from compiler.ir.access import Axis, Dim, Space
from compiler.ir.tensor import IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec

Broadcast = Literal["none", "channel", "scalar"]


def check_broadcast(name: str, count: int, channels: int, broadcast: str) -> None:
    """Raise OperatorError unless the broadcast form is consistent."""
    require(broadcast in ("none", "channel", "scalar"), f"{name}: unknown broadcast {broadcast}")
    if broadcast == "channel":
        good = channels > 0 and count % channels == 0
        require(good, f"{name}: {channels} channels do not divide {count} elements")
    else:
        require(channels == 0, f"{name}: channels are for broadcast=channel only")


def check_narrow(name: str, types: tuple[IntType, ...]) -> None:
    """Raise OperatorError unless all codes have 8 or 16 bits."""
    require(all(dtype.bytes <= 2 for dtype in types), f"{name}: takes and gives codes of 8 or 16 bits")


def broadcast_space(
    kernel: str,
    tensors: Mapping[str, Tensor],
    names: tuple[str, str, str],
    types: tuple[IntType, IntType, IntType],
    form: tuple[Broadcast, int, int],
) -> Space:
    """The space of an elementwise kernel on (a, b, y); form is (broadcast, count, channels).

    One dimension n, or rows y and channels c where b is repeated on every row.
    """
    broadcast, count, channels = form
    if broadcast == "channel":
        dims: tuple[Dim, ...] = (Dim("y", count // channels), Dim("c", channels))
        orders: tuple[tuple[str, ...], ...] = (("y", "c"), ("c", "y"))
    else:
        dims, orders = (Dim("n", count),), (("n",),)
    full = tuple(Axis(dim.extent, ((dim.name, 1),)) for dim in dims)
    second = {"none": full, "channel": full[1:], "scalar": (Axis(1),)}[broadcast]
    spec = KernelSpec(
        kernel=kernel,
        dims=tuple((dim.name, dim.extent) for dim in dims),
        fan_in=2,
        input_bytes=max(types[0].bytes, types[1].bytes),
        output_bytes=types[2].bytes,
        splits=tuple((dim.name,) for dim in dims),
    )
    return Space(
        spec=spec,
        dims=dims,
        inputs=(access(tensors, names[0], full, types[0]), access(tensors, names[1], second, types[1])),
        output=access(tensors, names[2], full, types[2]),
        orders=orders,
    )
