"""Rules that fold biases, normalisations, activations, pads and requantisations into their layers.

A rule looks at one step and returns the rewritten net, or None where it does not apply. A value without
quantisation is never rounded, so folding over it changes no result; over a quantised value only what
is exact is folded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from compiler.frontend import functions, patterns, rewrite
from compiler.frontend import patterns_attention as attention
from compiler.frontend.constants import FloatArray
from compiler.frontend.steps import (
    FREE,
    LAYOUT_KINDS,
    Affine,
    AvgPool,
    Bounded,
    Conv,
    Function,
    Kind,
    Linear,
    MatMul,
    MaxPool,
    Net,
    Norm,
    Pad,
    Reshape,
    Step,
    Unary,
    Value,
    Weighted,
)


@dataclass(frozen=True)
class Site:
    """A step, the value it reads first, and who made that (None for a graph input)."""

    net: Net
    index: int

    @property
    def step(self) -> Step:
        return self.net.steps[self.index]

    @property
    def source(self) -> Value:
        return self.net.values[self.step.inputs[0]]

    @property
    def output(self) -> Value:
        return self.net.values[self.step.output]

    @property
    def maker(self) -> int | None:
        return self.net.producers().get(self.source.name)

    @property
    def alone(self) -> bool:
        """Whether this step is the only reader of its source, which is no graph output."""
        readers = self.net.consumers()[self.source.name]
        return readers == (self.index,) and self.source.name not in self.net.outputs

    def absorbed(self, kind: Kind) -> Net:
        """The maker computes `kind` straight into this step's output."""
        assert self.maker is not None
        maker = replace(self.net.steps[self.maker], kind=kind, output=self.step.output)
        net = rewrite.with_steps(self.net, {self.maker: maker, self.index: None})
        return replace(net, values={n: v for n, v in net.values.items() if n != self.source.name})


def drop_identity(site: Site) -> Net | None:
    """A requantisation to the same quantisation is nothing."""
    same = site.source.quant == site.output.quant and site.source.shape == site.output.shape
    if site.step.kind != Unary() or not same:
        return None
    net = rewrite.substitute(site.net, site.step.output, site.source.name)
    return rewrite.with_steps(net, {site.index: None})


def adopt_quantisation(site: Site) -> Net | None:
    """A value without quantisation takes that of the QuantizeLinear that reads it, for all its readers."""
    if site.step.kind != Unary() or site.source.quant is not None or site.output.quant is None:
        return None
    net, value = site.net, replace(site.source, quant=site.output.quant)
    if site.maker is not None:
        if site.alone:
            return None  # the folding rules keep the producer's output exact
        text = f"{site.source.origin}: read with and without quantisation; all readers take the codes"
        net, value = rewrite.annotated(net, text), replace(value, origin=site.output.origin)
    net = rewrite.substitute(rewrite.with_value(net, value), site.step.output, site.source.name)
    return rewrite.with_steps(net, {site.index: None})


def clip_on_input(site: Site) -> Net | None:
    """An input that only a clamp reads takes the quantisation behind it: encoding clamps as well."""
    kind, quant = site.step.kind, site.output.quant
    if not isinstance(kind, Unary) or site.maker is not None or not site.alone:
        return None
    if site.source.quant is not None or quant is None or not all(map(functions.clip_bounds, kind.functions)):
        return None
    codes = np.arange(quant.dtype.low, quant.dtype.high + 1)
    net = rewrite.with_value(site.net, replace(site.source, quant=quant))
    if (quant.encode(functions.evaluate(kind.functions, quant.decode(codes))) != codes).any():
        return net
    return rewrite.with_steps(rewrite.substitute(net, site.step.output, site.source.name), {site.index: None})


def before_layout(site: Site) -> Net | None:
    """An elementwise step behind a Reshape or Transpose moves before it, towards the layer it belongs to."""
    if site.maker is None or site.source.quant is not None or not site.alone:
        return None
    mover = site.net.steps[site.maker]
    kind = site.step.kind
    if not isinstance(mover.kind, LAYOUT_KINDS) or not isinstance(kind, Unary | Affine):
        return None
    origin = site.net.values[mover.inputs[0]]
    if isinstance(kind, Affine):
        unsqueezed = _through_reshape(kind, mover, site.source, origin)
        if unsqueezed is None:
            return None
        kind = unsqueezed
    early = Value(f"{site.step.output}:early", origin.shape, site.output.quant, "")
    net = rewrite.with_value(site.net, early)
    first = replace(site.step, kind=kind, inputs=mover.inputs, output=early.name)
    second = replace(mover, inputs=(early.name,), output=site.step.output)
    return rewrite.with_steps(net, {site.maker: first, site.index: second})


def _through_reshape(kind: Affine, mover: Step, source: Value, origin: Value) -> Affine | None:
    """The constants of `kind` before a Reshape that only adds or removes axes of extent 1."""
    if not isinstance(mover.kind, Reshape):
        return None
    inner = [n for n in origin.shape if n > 1]
    if inner != [n for n in source.shape if n > 1]:
        return None

    def move(constant: FloatArray) -> FloatArray:
        extents = iter([c for c, n in zip(constant.shape, source.shape, strict=True) if n > 1])
        return constant.reshape([next(extents) if n > 1 else 1 for n in origin.shape])

    return replace(kind, factor=move(kind.factor), offset=move(kind.offset))


def fold_unary(site: Site) -> Net | None:
    """Scalar functions join the step before: composed, or as its clamp, scale and bias."""
    kind = site.step.kind
    if site.maker is None or not site.alone or site.source.quant is not None or not isinstance(kind, Unary):
        return None
    maker = site.net.steps[site.maker].kind
    if isinstance(maker, Unary):
        return site.absorbed(Unary(maker.functions + kind.functions))
    if not kind.functions:
        return None if isinstance(maker, LAYOUT_KINDS) else site.absorbed(maker)
    if not isinstance(maker, Bounded):
        return None
    for count, function in enumerate(kind.functions):
        further = _with_function(maker, function)
        if further is None:
            return _partly(site, maker, kind.functions[count:]) if count else None
        maker = further
    return site.absorbed(maker)


def _partly(site: Site, maker: Kind, rest: tuple[Function, ...]) -> Net:
    assert site.maker is not None
    first = replace(site.net.steps[site.maker], kind=maker)
    return rewrite.with_steps(site.net, {site.maker: first, site.index: replace(site.step, kind=Unary(rest))})


def _with_function(kind: Bounded, function: Function) -> Bounded | None:
    bounds = functions.clip_bounds(function)
    if bounds is not None:
        return replace(kind, bounds=kind.bounds.then(bounds))
    if function.name != "affine":
        return None
    factor, offset = function.parameters
    if isinstance(kind, MatMul) and kind.bounds == FREE and factor and not offset:
        return replace(kind, factor=kind.factor * factor)
    if isinstance(kind, Weighted | Affine | Norm):
        return _scaled(kind, np.asarray(factor), np.asarray(offset))
    return None


Scaled = Weighted | Affine | Norm


def _scaled(kind: Scaled, factor: FloatArray, offset: FloatArray) -> Scaled | None:
    """`kind` followed by y*factor + offset, per output; None where a clamp lies between."""
    if kind.bounds != FREE or not np.all(factor):
        return None
    if isinstance(kind, Affine):
        return replace(kind, factor=kind.factor * factor, offset=kind.offset * factor + offset)
    if isinstance(kind, Norm):
        return replace(kind, gamma=kind.gamma * factor, beta=kind.beta * factor + offset)
    return replace(kind, scale=kind.scale * factor, bias=kind.bias * factor + offset)


def fold_affine(site: Site) -> Net | None:
    """A per-channel scale and offset (BatchNormalization, bias Add) joins the layer before it."""
    kind = site.step.kind
    if site.maker is None or not site.alone or site.source.quant is not None or not isinstance(kind, Affine):
        return None
    maker = site.net.steps[site.maker].kind
    if isinstance(maker, Affine):
        scaled: Scaled | None = _scaled(maker, kind.factor, kind.offset)
    elif isinstance(maker, Conv | Linear | Norm):
        axis = 1 if isinstance(maker, Conv) else len(site.source.shape) - 1
        factor, offset = (_per_output(c, axis, site.source.shape) for c in (kind.factor, kind.offset))
        if factor is None or offset is None:
            return None
        scaled = _scaled(maker, factor, offset)
    else:
        return None
    return None if scaled is None else site.absorbed(replace(scaled, bounds=kind.bounds))


def _per_output(constant: FloatArray, axis: int, shape: tuple[int, ...]) -> FloatArray | None:
    """The constant as [O], if it varies along the output axis only."""
    if any(n > 1 for a, n in enumerate(constant.shape) if a != axis):
        return None
    return np.broadcast_to(constant.reshape(-1), (shape[axis],))


def fold_rounded_unary(site: Site) -> Net | None:
    """A scalar function of a function of codes is one function of codes, the rounding between included."""
    kind, quant = site.step.kind, site.source.quant
    if site.maker is None or not site.alone or not isinstance(kind, Unary) or quant is None:
        return None
    maker = site.net.steps[site.maker].kind
    if not isinstance(maker, Unary) or site.output.quant is None:
        return None
    return site.absorbed(Unary((*maker.functions, functions.quantise(quant), *kind.functions)))


def fold_clip_on_codes(site: Site) -> Net | None:
    """A clip from a quantisation to the same one is a clamp of codes: exact in the layer before."""
    kind = site.step.kind
    if site.maker is None or not site.alone or not isinstance(kind, Unary) or len(kind.functions) != 1:
        return None
    if site.source.quant is None or site.source.quant != site.output.quant:
        return None
    maker, bounds = site.net.steps[site.maker].kind, functions.clip_bounds(kind.functions[0])
    if bounds is None or not isinstance(maker, Bounded):
        return None
    return site.absorbed(replace(maker, bounds=maker.bounds.then(bounds)))


def fold_pad(site: Site) -> Net | None:
    """A Pad of the spatial axes becomes padding of the window that reads it."""
    if site.maker is None or not site.alone:
        return None
    pad, source = site.net.steps[site.maker], site.net.values[site.net.steps[site.maker].inputs[0]]
    if not isinstance(pad.kind, Pad) or len(pad.kind.before) != 4:
        return None
    if min(*pad.kind.before, *pad.kind.after) < 0:
        return None
    if site.source.quant not in (None, source.quant) or any((*pad.kind.before[:2], *pad.kind.after[:2])):
        return None
    kind = _padded(site.step.kind, pad.kind, source)
    if kind is None:
        return None
    reader = replace(site.step, kind=kind, inputs=pad.inputs)
    net = rewrite.with_steps(site.net, {site.maker: None, site.index: reader})
    return replace(net, values={n: v for n, v in net.values.items() if n != site.source.name})


def _padded(kind: Kind, pad: Pad, source: Value) -> Kind | None:
    top, left, bottom, right = (*pad.before[2:], *pad.after[2:])
    if isinstance(kind, Conv):
        bare = not any(kind.pads)
        if not bare and pad.value != kind.pad_value:
            return None
        a, b, c, d = kind.pads
        return replace(kind, pads=(a + top, b + left, c + bottom, d + right), pad_value=pad.value)
    small = all(max(p) < n for p, n in zip(((top, bottom), (left, right)), _window(kind), strict=True))
    if isinstance(kind, AvgPool) and small and not any(kind.pads) and pad.value == 0:
        return replace(kind, pads=(top, left, bottom, right), count_include_pad=True)
    if isinstance(kind, MaxPool) and small and source.quant is not None and pad.value <= source.quant.low:
        a, b, c, d = kind.pads
        return replace(kind, pads=(a + top, b + left, c + bottom, d + right))
    return None


def _window(kind: Kind) -> tuple[int, int]:
    return kind.window if isinstance(kind, AvgPool | MaxPool) else (0, 0)


Rule = Callable[[Site], Net | None]


def _pattern(rule: Callable[[Net, int], Net | None]) -> Rule:
    return lambda site: rule(site.net, site.index)


PATTERNS: tuple[Rule, ...] = tuple(map(_pattern, (*patterns.PATTERNS, *attention.PATTERNS)))
FOLDS: tuple[Rule, ...] = (
    drop_identity,
    clip_on_input,
    before_layout,
    fold_affine,
    fold_unary,
    adopt_quantisation,
    fold_clip_on_codes,
    fold_rounded_unary,
    fold_pad,
)


def simplify(net: Net, rules: tuple[Rule, ...] = (*PATTERNS, *FOLDS)) -> Net:
    """Apply the rules until none applies; every application removes a step or moves one forward."""
    net = rewrite.without_dead(net)
    index = 0
    while index < len(net.steps):
        site = Site(net, index)
        for rule in rules:
            if (rewritten := rule(site)) is not None:
                net, index = rewritten, -1
                break
        index += 1
    return rewrite.without_dead(net)


def insides(net: Net) -> frozenset[str]:
    """ONNX names of the values of a float net that are gone because patterns became operators.

    A quantiser that rounds them takes the patterns apart.
    """
    apart, whole = (set(simplify(net, rules).values) for rules in (FOLDS, (*PATTERNS, *FOLDS)))
    inside, gone = apart - whole, net.values.keys() - whole
    # What goes without patterns, too, is inside where it lies beside a value that is.
    while True:
        beside = {s.output for s in net.steps if not inside.isdisjoint(s.inputs)}
        beside |= {name for s in net.steps if s.output in inside for name in s.inputs}
        if (beside & gone) <= inside:
            return frozenset(net.values[name].origin for name in inside) - {""}
        inside |= beside & gone
