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
    Difference,
    Function,
    Kind,
    MatMul,
    Net,
    Pad,
    Product,
    Quotient,
    Repeat,
    Reshape,
    Rope,
    Softmax,
    Step,
    Sum,
    Transpose,
    Unary,
    Value,
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


def broadcast_operand(net: Net, index: int) -> Net | None:
    """An elementwise step repeats a short operand itself."""
    step = net.steps[index]
    if not isinstance(step.kind, Sum | Product | Difference | Quotient):
        return None
    a, b = step.inputs
    repeated = _moved(net, b, Repeat)
    if a == b or repeated is None or not isinstance(repeated.kind, Repeat):
        return None
    source = net.values[repeated.inputs[0]]
    if source.shape[repeated.kind.axis] != 1:
        return None
    changed = replace(step, inputs=(a, source.name))
    return rewrite.without_dead(rewrite.with_steps(net, {index: changed}))


def shared_heads(net: Net, index: int) -> Net | None:
    """Heads of keys or values repeated for the heads of queries: the product reads them again instead.

    The second operand is (1, heads, K, N), from (1, shared, 1, ...) by a Repeat of the third axis and a
    Reshape, perhaps with its matrices transposed behind that.
    """
    step = net.steps[index]
    if not isinstance(step.kind, MatMul) or len(net.values[step.output].shape) != 4:
        return None
    turned = _moved(net, step.inputs[1], Transpose)
    merged = _moved(net, step.inputs[1] if turned is None else turned.inputs[0], Reshape)
    repeated = None if merged is None else _moved(net, merged.inputs[0], Repeat)
    if merged is None or repeated is None or not _merges_heads(net, merged, repeated, turned):
        return None
    assert isinstance(repeated.kind, Repeat)
    source, name = net.values[repeated.inputs[0]], step.output
    lead = (1, source.shape[1], repeated.kind.count)
    a, y = net.values[step.inputs[0]], net.values[name]
    queries = Value(f"{name}:queries", (*lead, *a.shape[2:]), a.quant, "")
    product = Value(f"{name}:product", (*lead, *y.shape[2:]), y.quant, "")
    keys = Value(f"{name}:keys", (*source.shape[:3], *net.values[step.inputs[1]].shape[2:]), source.quant, "")
    steps = [
        replace(step, kind=Reshape(), inputs=(a.name,), output=queries.name),
        replace(step, kind=Transpose((0, 1, 2, 4, 3)), inputs=(source.name,), output=keys.name),
        replace(
            step, inputs=(queries.name, source.name if turned is None else keys.name), output=product.name
        ),
        replace(step, kind=Reshape(), inputs=(product.name,)),
    ]
    for value in (queries, product, keys):
        net = rewrite.with_value(net, value)
    return rewrite.without_dead(replace(net, steps=(*net.steps[:index], *steps, *net.steps[index + 1 :])))


def _merges_heads(net: Net, merged: Step, repeated: Step, turned: Step | None) -> bool:
    """Whether (1, shared, 1, ...) is repeated on axis 2 and merged with it, then perhaps transposed."""
    assert isinstance(repeated.kind, Repeat)
    source, whole = net.values[repeated.inputs[0]].shape, net.values[merged.output].shape
    if len(source) != 5 or source[2] != 1 or repeated.kind.axis != 2:
        return False
    fits = whole == (source[0], source[1] * repeated.kind.count, *source[3:])
    return fits and (turned is None or turned.kind == Transpose((0, 1, 3, 2)))


def _moved(net: Net, name: str, kind: type[Kind]) -> Step | None:
    """The step that makes the value, if it is of this kind and leaves codes as they are."""
    maker = net.producers().get(name)
    if maker is None or not isinstance(net.steps[maker].kind, kind):
        return None
    before = net.values[net.steps[maker].inputs[0]].quant
    return net.steps[maker] if net.values[name].quant in (None, before) else None


def _made(net: Net, name: str, kind: type[Kind]) -> Step | None:
    """The step that makes the value, if it is of this kind and nothing rounds the value."""
    maker = net.producers().get(name)
    if maker is None or net.values[name].quant is not None or not isinstance(net.steps[maker].kind, kind):
        return None
    return net.steps[maker]


PATTERNS: tuple[Callable[[Net, int], Net | None], ...] = (
    rope,
    causal_softmax,
    broadcast_operand,
    shared_heads,
)
