"""How C writes the fields of an argument struct."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.ir.tensor import IntType
from compiler.program import FusedLayer, LayerProgram

Fields = Mapping[str, str | int | bool]
Layer = LayerProgram | FusedLayer

_SPLITS = {
    "y": "DSE_SPLIT_PIXELS",
    "x": "DSE_SPLIT_PIXELS",
    "o": "DSE_SPLIT_CHANNELS",
    "g": "DSE_SPLIT_CHANNELS",
    "h": "DSE_SPLIT_HEADS",
    "c": "DSE_SPLIT_CHANNELS",
    "n": "DSE_SPLIT_ELEMENTS",
}


def split_of(layer: Layer) -> str:
    """The runtime's name of a layer's split over the cores."""
    if not layer.split:
        return "DSE_SPLIT_NONE"
    if layer.operator.kind == "transpose":
        return "DSE_SPLIT_PIXELS"
    if "y" in layer.split and "c" in layer.split:
        return "DSE_SPLIT_ELEMENTS"
    return _SPLITS[layer.split[0]]


def literal(value: str | int | bool) -> str:
    """A value as C writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) or value != -(2**31) else "INT32_MIN"


def initialiser(struct: str, fields: Fields, name: str = "args") -> list[str]:
    """Lines that define a constant struct."""
    body = [f"    .{key} = {literal(value)}," for key, value in fields.items()]
    return [f"const {struct} {name} = {{", *body, "};"]


def extent(stream: str, axis: int) -> str:
    """Elements of a tile along an axis of an operand."""
    return f"(int32_t)dse_extent(r_{stream}[{axis}])"


def pitch(stream: str, axis: int) -> str:
    """Bytes between neighbours along an axis of an operand."""
    return f"(int32_t){stream}.pitch[{axis}]"


def widths(**types: IntType) -> Fields:
    """Fields for the binary logarithms of sizes of codes, those of one byte left out (their field is 0)."""
    return {name: dtype.log2 for name, dtype in types.items() if dtype.log2}
