"""The product of two activations: memory orders that its kernel reads and writes without a transpose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compiler.frontend.dialect.kinds import Table
from compiler.frontend.emit_base import in_order
from compiler.frontend.emitter import Emitter
from compiler.frontend.layout import Layout
from compiler.frontend.steps import Step, Transpose, Value
from compiler.ir import Tensor
from compiler.ops.matmul import Layouts

Orders = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Stored:
    """Both operands as they lie, how they and the result lie (`layouts`), and the result's layout.

    extents: (heads, rows, outputs, depth).
    """

    a: Tensor
    b: Tensor
    layouts: Layouts
    output: Layout
    extents: tuple[int, int, int, int]


def stored(emitter: Emitter, step: Step) -> Stored:
    """The operands of a product a (..., M, K) @ b (..., K, N) with equal leading axes."""
    a, b = (emitter.value(name) for name in step.inputs)
    heads, rank = tuple(range(len(a.shape) - 2)), len(a.shape)
    row, last = rank - 2, rank - 1
    left, form_a = _as_it_lies(emitter, a, {"hmk": (*heads, row, last), "mhk": (row, *heads, last)})
    orders = {
        "hnk": (*heads, last, row),
        "nhk": (last, *heads, row),
        "hkn": (*heads, row, last),
        "khn": (row, *heads, last),
    }
    right, form_b = _as_it_lies(emitter, b, orders)
    results = {"hmn": (*heads, row, last), "mhn": (row, *heads, last)}
    form_y = _wished(emitter, step.output, results)
    layout = in_order(emitter.value(step.output).shape, results[form_y])
    extents = (math.prod(a.shape[:row]), a.shape[row], b.shape[last], a.shape[last])
    return Stored(left, right, (form_a, form_b, form_y), layout, extents)


def _as_it_lies(emitter: Emitter, value: Value, orders: Orders) -> tuple[Tensor, str]:
    """The tensor of `value` in the order that memory has, or moved to the first one of `orders`."""
    layout = emitter.layout(value)
    forms = [form for form, axes in orders.items() if in_order(value.shape, axes) == layout]
    form = next(iter(forms or orders))
    return emitter.arranged(value, in_order(value.shape, orders[form])), form


def _wished(emitter: Emitter, name: str, orders: Orders) -> str:
    """The form that a later Transpose turns into row-major memory; the first one where there is none."""
    shape = emitter.value(name).shape
    for step in _readers(emitter, name):
        if isinstance(step.kind, Transpose):
            for form, axes in orders.items():
                if in_order(shape, axes).transposed(step.kind.perm).is_row_major:
                    return form
    return next(iter(orders))


def _readers(emitter: Emitter, name: str) -> Iterator[Step]:
    """Steps that read a value, also through tables."""
    for step in emitter.net.steps:
        if name in step.inputs:
            yield step
            if isinstance(step.kind, Table):
                yield from _readers(emitter, step.output)
