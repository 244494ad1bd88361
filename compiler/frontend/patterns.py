"""What exporters write as many nodes and is one operator here: activations and normalisations.

Like the rules of compiler.frontend.simplify, a rule looks at one step and returns the rewritten net, or
None. Everything that elementwise steps compute from one value alone is one scalar function of it, roundings
on the way included, so that SiLU, GELU and their like need no names. Normalisations are recognised where
nothing rounds inside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from compiler.frontend import functions, rewrite
from compiler.frontend.steps import (
    FREE,
    Bounded,
    Difference,
    Function,
    Kind,
    Mean,
    Net,
    Norm,
    Product,
    Quotient,
    Step,
    Sum,
    Unary,
    Value,
)

COMBINED: Mapping[type[Kind], str] = MappingProxyType(
    {Sum: "sum", Product: "product", Difference: "difference", Quotient: "quotient"}
)
"""Steps on two values, and the function that they are of one."""

SQUARES = (Function("product", (), ((), ())), Function("pow", (2.0,)))


def same_source(net: Net, index: int) -> Net | None:
    """A step on two values that are both functions of one value is a function of that value."""
    step = net.steps[index]
    name = COMBINED.get(type(step.kind))
    if name is None or not isinstance(step.kind, Bounded):
        return None
    left, right = (_ancestors(net, value) for value in step.inputs)
    common = (value for value in left if value in right)
    source = next((v for v in common if not _has_codes_beside(net.values[v], left[v], right[v])), None)
    if source is None or any(net.values[v].shape != net.values[step.output].shape for v in step.inputs):
        return None
    combined: tuple[Function, ...] = (Function(name, (), (left[source], right[source])),)
    bounds = step.kind.bounds
    if bounds != FREE:
        combined = (*combined, functions.clip(bounds.low, bounds.high))
    fused = replace(step, kind=Unary(combined), inputs=(source,))
    return rewrite.without_dead(rewrite.with_steps(net, {index: fused}))


def _has_codes_beside(value: Value, *chains: tuple[Function, ...]) -> bool:
    """Whether a value is read without its quantisation where another reader has one for it."""
    return value.quant is None and any(chain and chain[0].name == "quantise" for chain in chains)


def _ancestors(net: Net, name: str) -> dict[str, tuple[Function, ...]]:
    """The values of which `name` is a function, nearest first, with the function."""
    producers = net.producers()
    found: dict[str, tuple[Function, ...]] = {name: ()}
    chain: tuple[Function, ...] = ()
    while (maker := producers.get(name)) is not None:
        step = net.steps[maker]
        if not isinstance(step.kind, Unary):
            break
        chain = (*step.kind.functions, *_rounding(net.values[name]), *chain)
        name = step.inputs[0]
        found[name] = chain
    return found


def _rounding(value: Value) -> tuple[Function, ...]:
    quant = value.quant
    return () if quant is None else (functions.quantise(quant),)


def rms_norm(net: Net, index: int) -> Net | None:
    """x / sqrt(mean(x * x) + epsilon), or times the reciprocal, is one step."""
    step = net.steps[index]
    if not isinstance(step.kind, Quotient | Product) or step.kind.bounds != FREE:
        return None
    pairs = [step.inputs] if isinstance(step.kind, Quotient) else [step.inputs, step.inputs[::-1]]
    reciprocal = isinstance(step.kind, Product)
    roots = ((x, _root(net, x, scale, reciprocal)) for x, scale in pairs)
    found = next(((x, epsilon) for x, epsilon in roots if epsilon is not None), None)
    if found is None:
        return None
    x, epsilon = found
    channels = net.values[x].shape[-1]
    kind = Norm(gamma=np.ones(channels), beta=np.zeros(channels), epsilon=epsilon, centred=False)
    return _replaced(net, index, replace(step, kind=kind, inputs=(x,)))


def _root(net: Net, x: str, scale: str, reciprocal: bool) -> float | None:
    """The epsilon where `scale` is the root of the mean square of x (or its reciprocal); else None."""
    rooted = _ancestors(net, scale)
    middle = next(reversed(rooted))
    mean = _made(net, middle, Mean)
    shape = net.values[x].shape
    if mean is None or not _of_rows(net, mean, shape) or net.values[scale].shape != (*shape[:-1], 1):
        return None
    squared = _ancestors(net, mean.inputs[0]).get(x, ())
    rounded = net.values[scale].quant is not None or net.values[mean.inputs[0]].quant is not None
    if rounded or squared not in [(square,) for square in SQUARES]:
        return None
    return _epsilon(rooted[middle], reciprocal)


def _of_rows(net: Net, mean: Step, shape: tuple[int, ...]) -> bool:
    """Whether a Mean is over the last axis of `shape` and keeps it with extent 1."""
    assert isinstance(mean.kind, Mean)
    kept = net.values[mean.output].shape == (*shape[:-1], 1)
    return kept and mean.kind.axes == (len(shape) - 1,) and mean.kind.bounds == FREE


def _epsilon(chain: tuple[Function, ...], reciprocal: bool) -> float | None:
    """The epsilon of a chain that adds it and takes the root (or the reciprocal root)."""
    epsilon = 0.0
    if chain and chain[0].name == "affine" and chain[0].parameters[0] == 1.0:
        epsilon, chain = chain[0].parameters[1], chain[1:]
    root, inverse = (Function("sqrt"), Function("pow", (0.5,))), Function("reciprocal")
    roots = [(each, inverse) for each in root] + [(Function("pow", (-0.5,)),), (inverse, Function("sqrt"))]
    expected = roots if reciprocal else [(each,) for each in root]
    return epsilon if chain in expected and epsilon >= 0 else None


def layer_norm(net: Net, index: int) -> Net | None:
    """The RMS normalisation of x less its mean over the last axis is the layer normalisation of x."""
    step = net.steps[index]
    if not isinstance(step.kind, Norm) or step.kind.centred:
        return None
    centred = _made(net, step.inputs[0], Difference)
    mean = None if centred is None else _made(net, centred.inputs[1], Mean)
    if centred is None or mean is None or mean.inputs[0] != centred.inputs[0]:
        return None
    assert isinstance(centred.kind, Difference)
    x = net.values[centred.inputs[0]]
    if not _of_rows(net, mean, x.shape) or centred.kind.bounds != FREE:
        return None
    return _replaced(net, index, replace(step, kind=replace(step.kind, centred=True), inputs=(x.name,)))


def _made(net: Net, name: str, kind: type[Kind]) -> Step | None:
    """The step that makes the value, if it is of this kind and nothing rounds the value."""
    maker = net.producers().get(name)
    if maker is None or net.values[name].quant is not None or not isinstance(net.steps[maker].kind, kind):
        return None
    return net.steps[maker]


def _replaced(net: Net, index: int, step: Step) -> Net:
    return rewrite.without_dead(rewrite.with_steps(net, {index: step}))


PATTERNS: tuple[Callable[[Net, int], Net | None], ...] = (same_source, rms_norm, layer_norm)
