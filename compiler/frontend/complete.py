"""Quantisations for the values that a model left in float, each with a note."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from compiler.frontend import functions
from compiler.frontend.errors import Finding
from compiler.frontend.steps import (
    SAME_VALUES,
    Affine,
    AvgPool,
    Bounded,
    Conv,
    Difference,
    Linear,
    MatMul,
    Mean,
    Net,
    Norm,
    Pad,
    Product,
    Quant,
    Softmax,
    Step,
    Sum,
    Unary,
    Value,
    Weighted,
)
from compiler.ir import IntType

DEVIATIONS = 6.0
"""Half width, in standard deviations, of the range assumed for a weighted sum of unknown inputs."""

Range = tuple[float, float]


def complete(net: Net) -> tuple[Net, tuple[Finding, ...]]:
    """Give every value a quantisation, in order; findings name graph inputs that have none."""
    net = _backwards(net)
    findings = tuple(
        Finding(name, "input", "", "a float input that nothing quantises", "QuantizeLinear behind it")
        for name in net.inputs
        if net.values[name].quant is None
    )
    if findings:
        return net, findings
    values = dict(net.values)
    notes = list(net.notes)
    for step in net.steps:
        value = values[step.output]
        if value.quant is None:
            quant = _quant(step, [values[name] for name in step.inputs], value)
            values[step.output] = replace(value, quant=quant)
            if not isinstance(step.kind, SAME_VALUES):
                notes.append(
                    f"{step.node} ({step.operator}): the model does not quantise its output; "
                    f"scale {quant.scale:.6g}, zero point {quant.zero_point}"
                )
    return replace(net, values=values, notes=tuple(notes)), ()


def _backwards(net: Net) -> Net:
    """Inputs of steps that only pick or move values take the quantisation of what comes out."""
    values = dict(net.values)
    for step in reversed(net.steps):
        quant, source = values[step.output].quant, values[step.inputs[0]]
        if isinstance(step.kind, SAME_VALUES) and source.quant is None and quant is not None:
            values[source.name] = replace(source, quant=quant)
    return replace(net, values=values)


def _quant(step: Step, inputs: list[Value], output: Value) -> Quant:
    quants = [value.quant for value in inputs if value.quant is not None]
    first, kind = quants[0], step.kind
    if isinstance(kind, Softmax):
        return Quant(1 / 256, first.dtype.low, first.dtype)
    if isinstance(kind, Pad) and not first.low <= kind.value <= first.high:
        return from_range(min(first.low, kind.value), max(first.high, kind.value), first.dtype)
    if isinstance(kind, Mean):
        return replace(first, scale=first.scale * kind.factor)
    if isinstance(kind, (*SAME_VALUES, AvgPool)):
        return first
    low, high = _range(step, quants, inputs, output)
    if isinstance(kind, Bounded):
        low, high = (min(max(v, kind.bounds.low), kind.bounds.high) for v in (low, high))
    return from_range(low, high, first.dtype)


def from_range(low: float, high: float, dtype: IntType) -> Quant:
    """The quantisation of [low, high] that holds 0 exactly, as ONNX Runtime's quantiser derives it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 if high > low else 1.0
    return Quant(scale, int(np.clip(round(dtype.low - low / scale), dtype.low, dtype.high)), dtype)


def _range(step: Step, quants: list[Quant], inputs: list[Value], output: Value) -> Range:
    kind = step.kind
    lows, highs = [q.low for q in quants], [q.high for q in quants]
    if isinstance(kind, Unary):
        codes = np.arange(quants[0].dtype.low, quants[0].dtype.high + 1)
        return _extremes(functions.evaluate(kind.functions, quants[0].decode(codes)))
    if isinstance(kind, Affine):
        ends = [kind.factor * v + kind.offset for v in (lows[0], highs[0])]
        return _extremes(np.stack(ends))
    if isinstance(kind, Sum):
        return sum(lows), sum(highs)
    if isinstance(kind, Difference):
        return lows[0] - highs[1], highs[0] - lows[1]
    if isinstance(kind, Norm):
        # Elements of a row have deviation 1, and none is beyond the root of their number.
        reach = min(DEVIATIONS, math.sqrt(kind.gamma.size)) * np.abs(kind.gamma)
        return float((kind.beta - reach).min()), float((kind.beta + reach).max())
    if isinstance(kind, Product):
        return _extremes(np.outer([lows[0], highs[0]], [lows[1], highs[1]]))
    if isinstance(kind, MatMul):
        first, second = zip(lows, highs, strict=True)
        return _product_range(kind.factor, inputs[0].shape[-1], first, second)
    if isinstance(kind, Conv | Linear):
        return _weighted_range(kind, lows[0], highs[0])
    return min(lows), max(highs)


def _extremes(values: np.typing.NDArray[np.float64]) -> Range:
    return float(values.min()), float(values.max())


def _weighted_range(kind: Weighted, low: float, high: float) -> Range:
    """Mean and deviation of the sum if inputs were independent and uniform, within what is possible."""
    weights = kind.codes.reshape(kind.codes.shape[0], -1) * kind.scale[:, None]
    centre = weights.sum(axis=1) * (low + high) / 2 + kind.bias
    deviation = np.sqrt((weights**2).sum(axis=1) / 12) * (high - low)
    reach = np.minimum(DEVIATIONS * deviation, np.abs(weights).sum(axis=1) * (high - low) / 2)
    return float((centre - reach).min()), float((centre + reach).max())


def _product_range(factor: float, depth: int, a: Range, b: Range) -> Range:
    """The same for a sum of products of two independent, uniform values in the ranges a and b."""
    means = [(low + high) / 2 for low, high in (a, b)]
    squares = [mean**2 + (high - low) ** 2 / 12 for mean, (low, high) in zip(means, (a, b), strict=True)]
    low, high = _extremes(np.outer(a, b))
    centre = depth * means[0] * means[1]
    reach = DEVIATIONS * float(np.sqrt(depth * (squares[0] * squares[1] - (means[0] * means[1]) ** 2)))
    ends = [factor * max(centre - reach, depth * low), factor * min(centre + reach, depth * high)]
    return min(ends), max(ends)
