"""C expressions of index maps and addresses."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.ir import Axis
from compiler.program import Loop, Place


def interval(loop: Loop) -> tuple[str, str]:
    """C expressions of a dimension's half-open interval; constants where there is one tile."""
    if loop.trips == 1:
        return "0", str(loop.extent)
    return f"box->{loop.dim}0", f"box->{loop.dim}1"


def _affine(axis: Axis, loops: Sequence[Loop], last: bool) -> str:
    bounds = {loop.dim: interval(loop) for loop in loops}
    terms = []
    for name, coef in axis.terms:
        value = f"({bounds[name][1]} - 1)" if last else bounds[name][0]
        if value != "0":
            terms.append(value if coef == 1 else f"{coef} * {value}")
    total = " + ".join(terms) or "0"
    return total if axis.divisor == 1 else f"({total}) / {axis.divisor}"


def range_of(axis: Axis, loops: Sequence[Loop]) -> str:
    """A `dse_range` initialiser of the part of an axis that the tile `box` touches."""
    moving = {loop.dim for loop in loops if loop.trips > 1}
    if not any(name in moving for name, _ in axis.terms):
        box = {loop.dim: (0, loop.extent) for loop in loops}
        low, high = axis.clipped(box)
        return f"(dse_range){{{low}, {high}, {axis.raw(box)[0] - low}}}"
    low_text = _affine(axis, loops, last=False) + _plus(axis.offset)
    high_text = _affine(axis, loops, last=True) + _plus(axis.offset + axis.window)
    return f"dse_clip({low_text}, {high_text}, {axis.extent})"


def _plus(value: int) -> str:
    return "" if value == 0 else f" {'+' if value > 0 else '-'} {abs(value)}"


def address(place: Place) -> str:
    """A C pointer into an arena."""
    return f"memory.{place.level} + {place.offset}u"


def slot_address(places: Sequence[Place], slot: str) -> str:
    """The address of a slot chosen by the C variable `slot`."""
    if len(places) == 1:
        return address(places[0])
    level = places[0].level
    return f"memory.{level} + ({slot} ? {places[1].offset}u : {places[0].offset}u)"


def link(source: str, target: str) -> str:
    """The HAL's name of the link between two levels."""
    short = {"blob": "L3", "wmem_sram": "WM", "wmem_mram": "WM"}
    return f"DSE_LINK_{short.get(source, source.upper())}_{short.get(target, target.upper())}"
