"""Decode graphs: the scales of the prefill graph of the same model, and caches that grow by the row.

An exporter's decode graph joins a past of fixed length to the new row of each cache and returns the whole.
Here the whole is a state of the graph, which stays in its memory from run to run; the new row is written
behind those that exist, and `position`, an input, says how many these are. Attention sees these and the new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from compiler.frontend import rewrite
from compiler.frontend.calibrated import INDEX
from compiler.frontend.errors import ModelError
from compiler.frontend.steps import (
    LAYOUT_KINDS,
    Concat,
    Embed,
    Linear,
    MatMul,
    Net,
    Norm,
    Quant,
    Softmax,
    Step,
    Update,
    Value,
)

POSITION = "position"
"""The input that says how many rows of the caches exist: int32 [1]."""


def growing(net: Net) -> Net:
    """`net`, simplified, with caches that grow by the row. Raises ModelError where it has none, or a mask."""
    caches = [k for k, step in enumerate(net.steps) if _is_cache(net, step)]
    if not caches or POSITION in net.values:
        raise ModelError(f"{net.name}: no cache: no Concat of an input, the past, with a row behind it")
    changes: dict[int, Step | None] = {}
    for k in caches:
        changes[k] = replace(net.steps[k], kind=Update(), inputs=(*net.steps[k].inputs, POSITION))
    for k, step in enumerate(net.steps):
        if isinstance(step.kind, Softmax) and _reads_cache(net, step):
            if step.kind.causal is not None:
                raise ModelError(f"{net.name}: {step.node}: a mask, which a growing cache has itself")
            changes[k] = replace(
                step, kind=replace(step.kind, causal=(1, 0)), inputs=(*step.inputs, POSITION)
            )
    grown = rewrite.with_steps(net, changes)
    grown = rewrite.with_value(grown, Value(POSITION, (1,), INDEX, POSITION))
    for k in caches:
        before, whole = net.values[net.steps[k].inputs[0]], net.values[net.steps[k].output]
        grown = rewrite.with_value(grown, replace(before, shape=whole.shape))
    return replace(grown, inputs=(*net.inputs, POSITION))


def _is_cache(net: Net, step: Step) -> bool:
    """Whether a step joins one row to an input that nothing else reads, along the last axis but one."""
    if not isinstance(step.kind, Concat) or len(step.inputs) != 2 or step.output not in net.outputs:
        return False
    past, row = (net.values[name] for name in step.inputs)
    alone = past.name in net.inputs and len(net.consumers()[past.name]) == 1
    return alone and len(past.shape) == 4 and step.kind.axis == 2 and row.shape[2] == 1


def _reads_cache(net: Net, step: Step) -> bool:
    """Whether a softmax is over the rows of a cache: over a product with one, seen through transposes."""
    product = _maker(net, step.inputs[0])
    if product is None or not isinstance(product.kind, MatMul):
        return False
    second = _maker(net, product.inputs[1])
    while second is not None and isinstance(second.kind, LAYOUT_KINDS):
        second = _maker(net, second.inputs[0])
    return second is not None and _is_cache(net, second)


def _maker(net: Net, name: str) -> Step | None:
    maker = net.producers().get(name)
    return None if maker is None else net.steps[maker]


def with_scales_of(net: Net, prefill: Net) -> Net:
    """`net`, simplified, quantised as the calibrated `prefill`: the same steps but for the caches.

    Raises ModelError where the two are not the same model.
    """
    quants: dict[str, Quant | None] = {}
    for mine, theirs in _side_by_side(net, prefill):
        names = zip((*mine.inputs, mine.output), (*theirs.inputs, theirs.output), strict=True)
        quants |= {name: prefill.values[theirs].quant for name, theirs in names}
    for step in (step for step in net.steps if _is_cache(net, step)):
        quants |= dict.fromkeys((*step.inputs, step.output), quants[step.inputs[1]])
    return replace(net, values=_quantised(net.values, quants))


def has_caches(net: Net) -> bool:
    """Whether `net`, simplified, joins a past to a row."""
    return any(_is_cache(net, step) for step in net.steps)


def handed_over(net: Net, prefill: Net) -> tuple[tuple[str, str], ...]:
    """ONNX names of every cache of a decode `net`, both simplified: the rows that `prefill` returns and the
    past of `net`.

    Raises ModelError where `prefill` does not return the rows, or computes something else.
    """
    rows = {mine.output: theirs.output for mine, theirs in _side_by_side(net, prefill)}
    found = []
    for step in (step for step in net.steps if _is_cache(net, step)):
        past, row = step.inputs
        if rows.get(row) not in prefill.outputs:
            raise _different(
                net, prefill, f"{past} begins with {rows.get(row, row)}, which is no output there"
            )
        given = prefill.output_names[prefill.outputs.index(rows[row])]
        found.append((given, past))
    return tuple(found)


def _side_by_side(net: Net, prefill: Net) -> list[tuple[Step, Step]]:
    """The steps of both that compute the same; those of `net` that join caches are left out.

    Raises ModelError where the two are not the same model.
    """
    ours = [step for step in net.steps if not _is_cache(net, step)]
    if len(ours) != len(prefill.steps):
        raise _different(net, prefill, f"{len(ours)} steps and {len(prefill.steps)}")
    pairs = list(zip(ours, prefill.steps, strict=True))
    for mine, theirs in pairs:
        if not _alike(mine, theirs):
            raise _different(net, prefill, f"{mine.node} and {theirs.node} are not the same")
    return pairs


def _quantised(values: Mapping[str, Value], quants: Mapping[str, Quant | None]) -> Mapping[str, Value]:
    return {name: replace(value, quant=quants.get(name, value.quant)) for name, value in values.items()}


def _alike(mine: Step, theirs: Step) -> bool:
    """Whether two steps compute the same, whatever the number of rows."""
    if type(mine.kind) is not type(theirs.kind) or len(mine.inputs) != len(theirs.inputs):
        return False
    a, b = mine.kind, theirs.kind
    if isinstance(a, Linear) and isinstance(b, Linear):
        return np.array_equal(a.codes, b.codes) and np.array_equal(a.scale, b.scale)
    if isinstance(a, Norm) and isinstance(b, Norm):
        return np.array_equal(a.gamma, b.gamma) and a.epsilon == b.epsilon
    if isinstance(a, Embed) and isinstance(b, Embed):
        return np.array_equal(a.table, b.table)
    return True


def _different(net: Net, prefill: Net, why: str) -> ModelError:
    return ModelError(f"{net.name} is no decode graph of {prefill.name}: {why}")
