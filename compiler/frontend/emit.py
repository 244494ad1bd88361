"""Steps to integer operators: the table of handlers, layout steps, and the choice of input layouts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from compiler.frontend import emit_language as language
from compiler.frontend import emit_matmul as products
from compiler.frontend import emit_pointwise as pointwise
from compiler.frontend import emit_spatial as spatial
from compiler.frontend import emit_weighted as weighted
from compiler.frontend import steps
from compiler.frontend.dialect import emit as dialect
from compiler.frontend.dialect import kinds
from compiler.frontend.emit_base import source_of
from compiler.frontend.emitter import Emitter
from compiler.frontend.errors import Finding, Refused
from compiler.frontend.layout import Layout, channels_last, row_major, state_layout
from compiler.frontend.steps import Net, Step
from compiler.ops.base import OperatorError

MAX_LAYOUT_TRIALS = 16


def emit(net: Net) -> tuple[Emitter, tuple[Finding, ...]]:
    """The operators of `net` in its order, with the input layouts that move the fewest bytes.

    Inputs are stored as the model has them, or channels-last where that saves transposes.
    """
    best: tuple[Emitter, tuple[Finding, ...]] | None = None
    for layouts in itertools.islice(_input_layouts(net), MAX_LAYOUT_TRIALS):
        trial = _emit(net, layouts)
        if best is None or trial[0].moved_bytes < best[0].moved_bytes:
            best = trial
        if best[0].moved_bytes == 0:
            break
    assert best is not None
    return best


def _input_layouts(net: Net) -> Iterator[Mapping[str, Layout]]:
    choices: list[tuple[Layout, ...]] = []
    states = {step.inputs[0] for step in net.steps if isinstance(step.kind, steps.Update)}
    for name in net.inputs:
        shape = net.values[name].shape
        if name in states:
            choices.append((state_layout(shape),))
            continue
        choices.append(tuple(dict.fromkeys((row_major(shape), channels_last(shape)))))
    for layouts in itertools.product(*choices):
        yield dict(zip(net.inputs, layouts, strict=True))


def _emit(net: Net, layouts: Mapping[str, Layout]) -> tuple[Emitter, tuple[Finding, ...]]:
    emitter = Emitter(net, layouts)
    findings: list[Finding] = []
    for step in net.steps:
        try:
            HANDLERS[type(step.kind)](emitter, step, step.kind)
        except (OperatorError, Refused) as error:
            attribute = error.attribute if isinstance(error, Refused) else ""
            advice = error.supported if isinstance(error, Refused) else ""
            findings.append(Finding(step.node, step.operator, attribute, str(error), advice))
            emitter.output(step, row_major(net.values[step.output].shape))
    return emitter, tuple(findings)


def reshape(emitter: Emitter, step: Step, kind: steps.Reshape) -> None:
    """No data move unless a new axis cuts across the memory order of an old one."""
    x = source_of(emitter, step)
    shape = emitter.value(step.output).shape
    seen = emitter.layout(x).reshaped(shape)
    source = emitter.tensor(x) if seen is not None else emitter.arranged(x, row_major(x.shape))
    emitter.requantised(step, source, seen if seen is not None else row_major(shape))


def transpose(emitter: Emitter, step: Step, kind: steps.Transpose) -> None:
    x = source_of(emitter, step)
    emitter.requantised(step, emitter.tensor(x), emitter.layout(x).transposed(kind.perm))


HANDLERS: Mapping[type[steps.Kind], Callable[[Emitter, Step, Any], None]] = MappingProxyType(
    {
        kinds.ChannelShift: dialect.channel_shift,
        kinds.HeadProduct: dialect.head_product,
        kinds.IntegerMean: dialect.integer_mean,
        kinds.IntegerNorm: dialect.integer_norm,
        kinds.IntegerSoftmax: dialect.integer_softmax,
        kinds.ItaSoftmax: dialect.ita_softmax,
        kinds.RowLinear: dialect.row_linear,
        kinds.ShiftedProduct: dialect.shifted_product,
        kinds.ShiftedRatio: dialect.shifted_ratio,
        kinds.ShiftedSum: dialect.shifted_sum,
        kinds.Table: dialect.table,
        steps.Affine: weighted.affine,
        steps.AvgPool: spatial.average_pool,
        steps.Concat: pointwise.concat,
        steps.Conv: weighted.conv,
        steps.Difference: pointwise.total,
        steps.Embed: language.embed,
        steps.Linear: weighted.linear,
        steps.MatMul: products.matmul,
        steps.MaxPool: spatial.max_pool,
        steps.Mean: spatial.mean,
        steps.Norm: pointwise.norm,
        steps.Pad: spatial.pad,
        steps.Product: pointwise.product,
        steps.Quotient: pointwise.quotient,
        steps.Repeat: pointwise.repeat,
        steps.Reshape: reshape,
        steps.Resize: spatial.resize,
        steps.Rope: language.rope,
        steps.Softmax: pointwise.softmax,
        steps.Sum: pointwise.total,
        steps.Transpose: transpose,
        steps.Unary: pointwise.unary,
        steps.Update: language.update,
    }
)
