"""What the handlers of step kinds share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from compiler.frontend import steps
from compiler.frontend.emitter import Emitter
from compiler.frontend.layout import Layout, row_major
from compiler.frontend.steps import Step, Value
from compiler.ir import Tensor


def bounds_of(emitter: Emitter, step: Step, kind: steps.Bounded) -> tuple[int, int]:
    return kind.bounds.codes(emitter.quant(emitter.value(step.output)))


def source_of(emitter: Emitter, step: Step) -> Value:
    return emitter.value(step.inputs[0])


def image_of(value: Value) -> tuple[int, int, int]:
    """(H, W, C) of a logical (1, C, H, W)."""
    _, channels, height, width = value.shape
    return height, width, channels


def in_order(shape: Sequence[int], axes: Sequence[int]) -> Layout:
    """The layout that stores whole axes in the order `axes`."""
    stored = row_major([shape[axis] for axis in axes])
    return stored.transposed([list(axes).index(axis) for axis in range(len(shape))])


def is_by_query(layout: Layout, period: int) -> bool:
    """Whether memory holds scores [..., queries, columns] by query, and a mask repeats for every head."""
    shape = layout.shape
    rank = len(shape)
    order = (rank - 2, *range(rank - 2), rank - 1)
    return rank > 1 and period == shape[-2] and layout == in_order(shape, order)


def emit_moving(
    emitter: Emitter,
    step: Step,
    before: Layout,
    after: Layout,
    build: Callable[[str, Tensor, Tensor], Any],
) -> None:
    """An operator whose output codes are input codes, then a requantisation where the two sides differ."""
    x = source_of(emitter, step)
    source, quant = emitter.arranged(x, before), emitter.quant(x)
    if quant == emitter.quant(emitter.value(step.output)):
        name, target = emitter.output(step, after)
        emitter.add(build(name, source, target))
        return
    name, between = emitter.intermediate(step, after, quant, "codes")
    emitter.add(build(name, source, between))
    emitter.requantised(step, between, after)


def note_coarse(emitter: Emitter, step: Step, error_steps: float) -> None:
    """Say so where 1 LSB of 8 bits is not proven: wide sums leave the multipliers few of the 32 bits."""
    wide = emitter.quant(emitter.value(step.output)).dtype.bytes > 1
    if error_steps >= (256 if wide else 1):
        emitter.notes.append(
            f"{step.node} ({step.operator}): sums so wide that 32-bit requantisation may be "
            f"{math.ceil(error_steps)} steps off (1 where sums are narrower)"
        )
