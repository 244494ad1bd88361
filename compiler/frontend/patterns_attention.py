"""What exporters write as many nodes around attention: rotary embedding, causal masks before Softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from compiler.frontend import rewrite
from compiler.frontend.constants import FloatArray
from compiler.frontend.steps import (
    FREE,
    Affine,
    Concat,
    Function,
    Kind,
    Net,
    Pad,
    Product,
    Rope,
    Softmax,
    Step,
    Sum,
    Unary,
)

HIDDEN = -1e3
"""What is added to a score to hide it is at most this: exp of it is 0 in every format that has codes."""

NEGATION = (Function("affine", (-1.0, 0.0)),)


def rope(net: Net, index: int) -> Net | None:
    """x * cos + (halves of x exchanged, the first negated) * sin is one step."""
    step = net.steps[index]
    if not isinstance(step.kind, Sum) or step.kind.bounds != FREE:
        return None
    left, right = (_made(net, name, Product) for name in step.inputs)
    if left is None or right is None or len(net.values[step.output].shape) != 4:
        return None
    for plain, turned in ((left, right), (right, left)):
        x, cos = plain.inputs
        rotated, sin = turned.inputs
        if _rotated(net, rotated) == x and _are_tables(net, x, cos, sin):
            fused = replace(step, kind=Rope(), inputs=(x, cos, sin))
            return rewrite.without_dead(rewrite.with_steps(net, {index: fused}))
    return None


def _rotated(net: Net, name: str) -> str | None:
    """The value whose halves `name` has exchanged, the first half of the result negated."""
    joined = _made(net, name, Concat)
    rank = len(net.values[name].shape)
    if joined is None or len(joined.inputs) != 2 or joined.kind != Concat(rank - 1):
        return None
    negated, first = _made(net, joined.inputs[0], Unary), _made(net, joined.inputs[1], Pad)
    second = None if negated is None else _made(net, negated.inputs[0], Pad)
    if negated is None or first is None or second is None or negated.kind != Unary(NEGATION):
        return None
    half = net.values[name].shape[-1] // 2
    none = (0,) * (rank - 1)
    halves = (Pad((*none, 0), (*none, -half), 0.0), Pad((*none, -half), (*none, 0), 0.0))
    same = first.inputs == second.inputs and 2 * half == net.values[first.inputs[0]].shape[-1]
    return first.inputs[0] if same and (first.kind, second.kind) == halves else None


def _are_tables(net: Net, x: str, *tables: str) -> bool:
    """Whether the tables hold one number for each row and element of the depth, shared by the heads."""
    _, _, rows, depth = net.values[x].shape
    return all(net.values[table].shape == (1, 1, rows, depth) for table in tables)


def causal_softmax(net: Net, index: int) -> Net | None:
    """A constant mask that hides what comes later belongs to the Softmax behind it."""
    step = net.steps[index]
    if not isinstance(step.kind, Softmax) or step.kind.causal is not None:
        return None
    masked = _made(net, step.inputs[0], Affine)
    shape = net.values[step.output].shape
    if masked is None or step.kind.axis != len(shape) - 1:
        return None
    assert isinstance(masked.kind, Affine)
    if masked.kind.bounds != FREE or net.consumers()[masked.output] != (index,):
        return None
    causal = causal_of(masked.kind.factor, masked.kind.offset, shape)
    if causal is None:
        return None
    fused = replace(step, kind=replace(step.kind, causal=causal), inputs=masked.inputs)
    return rewrite.without_dead(rewrite.with_steps(net, {index: fused}))


def causal_of(factor: FloatArray, offset: FloatArray, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """(period, offset) of a mask x * factor + offset on `shape`, as `Softmax` has it, or None."""
    kept = np.broadcast_to((factor == 1.0) & (offset == 0.0), shape).reshape(-1, shape[-1])
    hidden = np.broadcast_to(offset <= HIDDEN, shape).reshape(-1, shape[-1])
    if not (kept | hidden).all():
        return None
    seen = kept.sum(axis=-1)
    if (kept != (np.arange(shape[-1]) < seen[:, None])).any() or not seen[0]:
        return None
    period = next((int(k) for k in np.flatnonzero(seen == seen[0])[1:2]), math.prod(shape[:-1]))
    first = int(seen[0]) - 1
    wanted = np.minimum(np.arange(len(seen)) % period + 1 + first, shape[-1])
    return (period, first) if np.array_equal(seen, wanted) else None


def _made(net: Net, name: str, kind: type[Kind]) -> Step | None:
    """The step that makes the value, if it is of this kind and nothing rounds the value."""
    maker = net.producers().get(name)
    if maker is None or net.values[name].quant is not None or not isinstance(net.steps[maker].kind, kind):
        return None
    return net.steps[maker]


PATTERNS: tuple[Callable[[Net, int], Net | None], ...] = (rope, causal_softmax)
