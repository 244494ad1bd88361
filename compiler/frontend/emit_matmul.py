"""Products of two activations: which axes become heads, rows, outputs and depth, as memory holds them.

Every operand is read as groups of factors (`Layout`): heads, rows or outputs, depth. Where memory holds whole
groups behind each other, in an order that the kernel knows, nothing moves; else the operand is turned first.
Leading factors of the rows may count as heads, too: grouped-query attention folds several heads into rows,
and a split of heads leaves other axes between them. The output takes the order that its reader wants, else
that of the first operand: where queries lead in memory, rows of scores do, and segments can cut them.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from compiler.frontend import steps
from compiler.frontend.dialect import kinds
from compiler.frontend.emit_base import bounds_of, in_order, is_by_query, note_coarse
from compiler.frontend.emitter import Emitter
from compiler.frontend.layout import Layout, channels_last, grouped_by, row_major
from compiler.frontend.steps import Net, Step
from compiler.ir import Constant, Tensor
from compiler.ops.matmul import LAYOUTS, Layouts, matmul_affine, matmul_from_scales
from compiler.ops.requant import Requant

Shape = tuple[int, ...]


@dataclass(frozen=True)
class First:
    """The first operand [batch..., M, K] in a memory order, its leading axes seen as (heads, rows)."""

    layout: Layout
    heads: int

    @property
    def extents(self) -> Shape:
        """Heads, rows and depth."""
        *leading, depth = self.layout.shape
        return self.heads, math.prod(leading) // self.heads, depth

    @cached_property
    def order(self) -> str:
        """How memory holds heads, rows and depth; empty where the kernel cannot read it."""
        seen = self.layout.reshaped(self.extents)
        if seen is None:
            return ""
        order = _order(seen, "".join("hmk"[k] for k in seen.owners), LAYOUTS[0])
        return "mhk" if order and self.heads == 1 else order or ""


def first_operand(layout: Layout, shared: int, wanted: Iterable[int] = ()) -> tuple[First, ...]:
    """The first operand as it lies, else row-major, with the numbers of heads that the kernel can read so.

    Multiples of `shared`, the fewest first: where factors end, and the `wanted` ones.
    """
    leading = math.prod(layout.shape[:-1])
    for trial in (layout, row_major(layout.shape)):
        ends = itertools.accumulate((n for axis in trial.factors[:-1] for n in axis), operator.mul, initial=1)
        possible = (heads for heads in {*ends, *wanted} if heads % shared == 0 and leading % heads == 0)
        if found := tuple(each for heads in sorted(possible) if (each := First(trial, heads)).order):
            return found
    raise AssertionError(f"row-major {layout.shape} has no {shared} heads")


def second_order(layout: Layout, across: bool) -> str | None:
    """How memory holds heads, outputs and depth of [batch..., K, N]; None where the kernel cannot read it.

    across: the batch counts as outputs, because the first operand has none.
    """
    *batch, depth, outputs = map(len, layout.factors)
    letters = ("n" if across else "h") * sum(batch) + "k" * depth + "n" * outputs
    return _order(layout, letters, LAYOUTS[1])


def _order(layout: Layout, letters: str, known: Sequence[str]) -> str | None:
    """The first known order that a memory of factors with these letters has, each group in logical order."""
    groups = [letter for letter, _ in itertools.groupby(letters[index] for index in layout.order)]
    if len(groups) != len(set(groups)):
        return None
    for group in groups:
        own = [index for index in layout.order if letters[index] == group]
        if own != sorted(own):
            return None
    return next((each for each in known if [letter for letter in each if letter in groups] == groups), None)


@dataclass(frozen=True)
class Stored:
    """Both operands as they lie, how they and the result lie (`layouts`), and the result's layout.

    extents: (heads, rows, outputs, depth). ratio: heads that share one of the second operand.
    """

    a: Tensor
    b: Tensor
    layouts: Layouts
    output: Layout
    extents: tuple[int, int, int, int]
    ratio: int


def stored(emitter: Emitter, step: Step) -> Stored:
    """The operands of a product (..., M, K) @ (..., K, N), as `steps.MatMul` has it."""
    a, b = (emitter.value(name) for name in step.inputs)
    shape = emitter.value(step.output).shape
    shared, across = _batch(a.shape, b.shape)
    second = emitter.layout(b)
    if second_order(second, across) is None:
        rank = len(b.shape)
        second = in_order(b.shape, (*range(rank - 2), rank - 1, rank - 2))
    batch = b.shape[:-2] if across else ()
    ends = itertools.accumulate(_seen_as(emitter.net, step.output)[:-1], operator.mul, initial=1)
    first, order, layout = min(
        (
            (first, *place)
            for first in first_operand(emitter.layout(a), shared, ends)[: 1 if across else None]
            for place in _output_layouts(first, batch, shape)
        ),
        key=lambda each: (_misplaced(emitter.net, step.output, each[2]), each[0].order[:2] != each[1][:2]),
    )
    heads, rows, depth = first.extents
    return Stored(
        a=emitter.arranged(a, first.layout),
        b=emitter.arranged(b, second),
        layouts=(first.order, second_order(second, across) or "", order),
        output=layout,
        extents=(heads, rows, shape[-1] * math.prod(batch), depth),
        ratio=heads // shared,
    )


def matmul(emitter: Emitter, step: Step, kind: steps.MatMul) -> None:
    it = stored(emitter, step)
    name, target = emitter.output(step, it.output)
    heads, _, _, depth = it.extents
    bounds = bounds_of(emitter, step, kind)
    product = matmul_from_scales(
        name,
        (it.a, it.b),
        target,
        it.extents,
        ratio=it.ratio,
        layouts=it.layouts,
        factor=kind.factor,
        bounds=bounds,
    )
    real = matmul_affine((it.a, it.b), target, heads, depth, kind.factor, bounds)
    note_coarse(emitter, step, float(real.error_steps(product.requant.shift).max()))
    emitter.add(product)


def of_heads(requant: Requant, heads: int) -> Requant:
    """A requantisation whose entries each count for several of `heads` heads, behind each other."""

    def repeated(table: Constant) -> Constant:
        return Constant(np.repeat(table.array, heads // len(table.array)))

    return replace(requant, mul=repeated(requant.mul), add=repeated(requant.add))


def _batch(a: Shape, b: Shape) -> tuple[int, bool]:
    """Heads of the second operand, and whether they count as outputs because the first has none."""
    shared = math.prod(b[:-2])
    across = shared > 1 and math.prod(a[:-2]) == 1
    return 1 if across else shared, across


def _output_layouts(first: First, batch: Shape, shape: Shape) -> Iterator[tuple[str, Layout]]:
    """The orders in which the kernel can write, and where they leave an output of logical `shape`.

    Of one head they are the same; then the rows lead, so that the product can be cut into rows.

    batch: axes of the second operand that count as outputs.
    """
    heads, rows, _ = first.extents
    if batch:
        yield "mhn", _placed((math.prod(batch), rows, shape[-1]), (1, 0, 2), shape)
        return
    if heads > 1:
        yield "hmn", row_major(shape)
    yield "mhn", _placed((heads, rows, shape[-1]), (1, 0, 2), shape)


def _placed(extents: Shape, axes: Shape, shape: Shape) -> Layout:
    """The layout of `shape` whose finer axes `extents` memory holds in the order `axes`."""
    placed = in_order(extents, axes).reshaped(shape)
    assert placed is not None
    return placed


def _seen_as(net: Net, name: str) -> Shape:
    """The shape in which a value is read: that of the Reshape that alone reads it, else its own."""
    readers = net.consumers()[name]
    step = net.steps[readers[0]] if len(readers) == 1 else None
    seen = step.output if step is not None and isinstance(step.kind, steps.Reshape) else name
    return net.values[seen].shape


def _misplaced(net: Net, name: str, layout: Layout) -> bool:
    """Whether whoever reads the value would have to turn it first, seen through reshapes and transposes."""
    consumers = net.consumers()
    while len(consumers[name]) == 1:
        step = net.steps[consumers[name][0]]
        if isinstance(step.kind, steps.Transpose):
            layout = layout.transposed(step.kind.perm)
        elif isinstance(step.kind, steps.Reshape):
            seen = layout.reshaped(net.values[step.output].shape)
            if seen is None:
                return True
            layout = seen
        elif not isinstance(step.kind, steps.Unary | kinds.Table):
            return not _fits(net, step, name, layout)
        name = step.output
    return layout not in (row_major(layout.shape), channels_last(layout.shape))


def _fits(net: Net, step: Step, name: str, layout: Layout) -> bool:
    """Whether a step reads a value as it lies."""
    rank = len(layout.shape)
    if isinstance(step.kind, steps.MatMul | kinds.HeadProduct):
        a, b = (net.values[each].shape for each in step.inputs)
        shared, across = _batch(a, b)
        if step.inputs[0] == name:
            return first_operand(layout, shared)[0].layout == layout
        return second_order(layout, across) is not None
    if isinstance(step.kind, steps.Softmax) and step.kind.causal is not None:
        return layout == row_major(layout.shape) or is_by_query(layout, step.kind.causal[0])
    if isinstance(step.kind, steps.Linear | steps.Softmax | kinds.IntegerSoftmax | kinds.ItaSoftmax):
        axis = step.kind.axis if isinstance(step.kind, steps.Softmax) else rank - 1
        others = [k for k in range(rank) if k != axis]
        return grouped_by(layout, (others, (axis,))) is not None
    return layout in (row_major(layout.shape), channels_last(layout.shape))
