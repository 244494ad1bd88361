"""C expressions of index maps and addresses.

A dimension that is tiled has its interval in the C variables `<dim>_low` and `<dim>_high`; one that is
not enters as constants.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir import Axis
from compiler.program import Loop, Place


def bounds(loop: Loop, position: int) -> str:
    """C declaration of a tiled dimension's interval at index `at[position]`."""
    low, high = f"{loop.dim}_low", f"{loop.dim}_high"
    end = f"{low} + {loop.tile}"
    if loop.extent % loop.tile:
        end = f"dse_min({end}, {loop.extent})"
    start = f"(int32_t)at[{position}]" + (f" * {loop.tile}" if loop.tile > 1 else "")
    return f"const int32_t {low} = {start}, {high} = {end};"


def _affine(axis: Axis, loops: Sequence[Loop], end: str, constant: int) -> str:
    """`constant` plus the axis' terms at one end of all intervals."""
    tiled = {loop.dim for loop in loops if loop.trips > 1}
    whole = {loop.dim: 0 if end == "low" else loop.extent for loop in loops}
    texts = []
    for name, coef in axis.terms:
        if name in tiled:
            texts.append(f"{name}_{end}" if coef == 1 else f"{coef} * {name}_{end}")
        else:
            constant += coef * whole[name]
    return _plus(" + ".join(texts), constant)


def _plus(text: str, value: int) -> str:
    return text if value == 0 else f"{text} {'+' if value > 0 else '-'} {abs(value)}"


def _ends(axis: Axis, loops: Sequence[Loop]) -> tuple[str, str]:
    """C expressions of the unclipped interval, see `Axis.raw`."""
    step = sum(coef for _, coef in axis.terms)
    if axis.divisor == 1:
        low = _affine(axis, loops, "low", axis.offset)
        return low, _affine(axis, loops, "high", axis.offset + axis.window - step)
    first, last = _affine(axis, loops, "low", 0), _affine(axis, loops, "high", -step)
    return (
        _plus(f"({first}) / {axis.divisor}", axis.offset),
        _plus(f"({last}) / {axis.divisor}", axis.offset + axis.window),
    )


def _never_clipped(axis: Axis, loops: Sequence[Loop]) -> bool:
    low, high = axis.raw({loop.dim: (0, loop.extent) for loop in loops})
    return low >= 0 and high <= axis.extent


def tiled_dims(axis: Axis, loops: Sequence[Loop]) -> frozenset[str]:
    """The dimensions with which the touched part of an axis moves."""
    return frozenset(name for name, _ in axis.terms) & {loop.dim for loop in loops if loop.trips > 1}


def range_of(axis: Axis, loops: Sequence[Loop]) -> str:
    """A `dse_range` of the part of an axis that a tile touches."""
    if not tiled_dims(axis, loops):
        box = {loop.dim: (0, loop.extent) for loop in loops}
        low, high = axis.clipped(box)
        return f"(dse_range){{{low}, {high}, {axis.raw(box)[0] - low}}}"
    low_text, high_text = _ends(axis, loops)
    if _never_clipped(axis, loops):
        return f"(dse_range){{{low_text}, {high_text}, 0}}"
    return f"dse_clip({low_text}, {high_text}, {axis.extent})"


def address(place: Place) -> str:
    """A C pointer into an arena."""
    return f"memory.{place.level} + {place.offset}u"


def slot_address(places: Sequence[Place], slot: str) -> str:
    """The address of a slot chosen by the C expression `slot`."""
    if len(places) == 1:
        return address(places[0])
    level = places[0].level
    return f"memory.{level} + ({slot} ? {places[1].offset}u : {places[0].offset}u)"


def link(source: str, target: str) -> str:
    """The HAL's name of the link between two levels."""
    return f"DSE_LINK_{source}_{target}".upper().replace("BLOB", "L3")


def comment_text(text: str) -> str:
    """A user's text inside a C comment: it can neither end the comment, begin one, nor hide characters."""
    printable = "".join(c if c.isprintable() else "_" for c in text)
    return printable.replace("*/", "* /").replace("/*", "/ *")
