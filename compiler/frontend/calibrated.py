"""Quantisation of a float net by its values on samples: int8, and int16 where 8 bits destroy a model.

All codes are symmetric (zero point 0). Wide are the residual stream, that is what normalisations read and the
sums and products that make it, and products that leave the graph, such as logits. Scales of int8 values make
the mean square error on the samples least; int16 values span their range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx

from compiler.frontend.calibration import Samples
from compiler.frontend.observe import Floats, observed, spread
from compiler.frontend.source import Port
from compiler.frontend.steps import (
    LAYOUT_KINDS,
    Concat,
    Embed,
    Linear,
    Net,
    Norm,
    Pad,
    Quant,
    Repeat,
    Rope,
    Softmax,
    Step,
    Sum,
    Value,
)
from compiler.ir import IntType

TURN = Quant(2.0**-14, 0, IntType.I16)
"""Codes of the tables of a rotary embedding: 1 is 2^14."""

INDEX = Quant(1.0, 0, IntType.I32)
"""Codes of tokens: the numbers themselves."""

PROBABILITY = Quant(1 / 256, -128, IntType.I8)
"""Codes of what a softmax makes."""

CLIPS = np.linspace(0.3, 1.0, 36)
"""Shares of the largest magnitude that are tried as the end of an int8 range."""


def reads_tokens(net: Net) -> bool:
    """Whether the net begins with an embedding: such a float net is quantised here."""
    return any(isinstance(step.kind, Embed) for step in net.steps)


def vocabulary(net: Net) -> Mapping[str, int]:
    """By input that an embedding reads: the rows of its table."""
    embeddings = ((step.inputs[0], step.kind) for step in net.steps if isinstance(step.kind, Embed))
    return {name: len(kind.table) for name, kind in embeddings if isinstance(kind, Embed)}


def calibrated(net: Net, model: onnx.ModelProto, ports: tuple[Port, ...], samples: Samples) -> Net:
    """`net`, simplified, with a quantisation for every value that the model has; those that are given stay.

    Raises ModelError where the model cannot be run.
    """
    fixed, wide = _fixed(net), wide_values(net)
    groups = {group: _given(net, group, fixed) for group in _groups(net)}
    origins = {
        name: net.values[name].origin for group, quant in groups.items() if not quant for name in group
    }
    asked = sorted({*origins.values()} - {""})
    runs = observed(model, ports, samples, asked, net.name) if asked else {}
    values: dict[str, Value] = {}
    for group, given in groups.items():
        seen = [spread(each) for name in group if origins.get(name) for each in _seen(net, name, runs)]
        quant = given
        if quant is None and seen:
            data = np.concatenate(seen)
            quant = _spanning(data) if wide & set(group) else least_square(data)
        values |= {name: replace(net.values[name], quant=quant) for name in group}
    return replace(net, values={name: values[name] for name in net.values})


def _given(net: Net, group: Sequence[str], fixed: Mapping[str, Quant]) -> Quant | None:
    """The quantisation that is known of a group."""
    known = (fixed.get(name, net.values[name].quant) for name in group)
    return next((quant for quant in known if quant is not None), None)


def least_square(data: Floats) -> Quant:
    """The symmetric int8 quantisation of `data` with the least mean square error."""
    largest = float(np.abs(data).max(initial=0.0)) or 1.0
    quants = [Quant(largest * float(clip) / 127, 0, IntType.I8) for clip in CLIPS]
    real = data.astype(np.float64)
    errors = [float(np.mean((quant.decode(quant.encode(real)) - real) ** 2)) for quant in quants]
    return quants[int(np.argmin(errors))]


def _spanning(data: Floats) -> Quant:
    """The symmetric int16 quantisation that holds all of `data`."""
    largest = float(np.abs(data).max(initial=0.0)) or 1.0
    return Quant(largest / IntType.I16.high, 0, IntType.I16)


def _fixed(net: Net) -> Mapping[str, Quant]:
    """Quantisations that no sample decides."""
    found: dict[str, Quant] = {}
    for step in net.steps:
        if isinstance(step.kind, Embed):
            found[step.inputs[0]] = INDEX
        elif isinstance(step.kind, Rope):
            found |= dict.fromkeys(step.inputs[1:], TURN)
        elif isinstance(step.kind, Softmax):
            found[step.output] = PROBABILITY
    return found


def wide_values(net: Net) -> frozenset[str]:
    """The values that need int16: the residual stream and products that leave the graph."""
    producers, wide = net.producers(), set[str]()
    waiting = [step.inputs[0] for step in net.steps if isinstance(step.kind, Norm)]
    waiting += [name for name in net.outputs if isinstance(_kind(net, name), Linear)]
    while waiting:
        name = waiting.pop()
        kind = _kind(net, name)
        if name in wide or not isinstance(kind, (Sum, Linear, Embed, *LAYOUT_KINDS)):
            continue
        wide.add(name)
        if isinstance(kind, (Sum, *LAYOUT_KINDS)):
            waiting += net.steps[producers[name]].inputs
    return frozenset(wide)


def _kind(net: Net, name: str) -> object:
    maker = net.producers().get(name)
    return None if maker is None else net.steps[maker].kind


def _groups(net: Net) -> Sequence[tuple[str, ...]]:
    """Values that share one quantisation, because steps between them only move values."""
    parent = {name: name for name in net.values}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for step in net.steps:
        if isinstance(step.kind, (Concat, Pad, Repeat, *LAYOUT_KINDS)):
            for name in step.inputs:
                parent[root(name)] = root(step.output)
    groups: dict[str, list[str]] = {}
    for name in net.values:
        groups.setdefault(root(name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _seen(net: Net, name: str, runs: Mapping[str, tuple[Floats, ...]]) -> tuple[Floats, ...]:
    """What a value was on the samples; of scores only those that a causal mask does not hide."""
    arrays = runs[net.values[name].origin]
    readers = net.consumers()[name]
    masks = {_causal(net.steps[reader]) for reader in readers}
    if len(masks) != 1 or (causal := masks.pop()) is None:
        return arrays
    period, offset = causal
    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    shown = np.arange(rows[0].shape[1]) <= (np.arange(len(rows[0])) % period + offset)[:, None]
    return tuple(array[shown] for array in rows)


def _causal(step: Step) -> tuple[int, int] | None:
    return step.kind.causal if isinstance(step.kind, Softmax) else None
