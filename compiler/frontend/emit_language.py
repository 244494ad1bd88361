"""Steps that only language models have: embeddings and rotations by position."""

from __future__ import annotations

import numpy as np

from compiler.frontend import steps
from compiler.frontend.emit_base import bounds_of, in_order, source_of
from compiler.frontend.emitter import Emitter
from compiler.frontend.layout import row_major, state_layout
from compiler.frontend.steps import Step
from compiler.ops.embed import embed_from_table
from compiler.ops.rope import rope_from_scales
from compiler.ops.update import update_of


def embed(emitter: Emitter, step: Step, kind: steps.Embed) -> None:
    """The table becomes codes of the output; the rows follow the tokens as they lie."""
    tokens = source_of(emitter, step)
    value = emitter.value(step.output)
    source = emitter.arranged(tokens, row_major(tokens.shape))
    name, target = emitter.output(step, row_major(value.shape))
    codes = np.asarray(emitter.quant(value).encode(kind.table))
    emitter.add(embed_from_table(name, source, target, codes))


def update(emitter: Emitter, step: Step, kind: steps.Update) -> None:
    """New rows go into the state's own memory."""
    before, rows, position = (emitter.value(name) for name in step.inputs)
    source = emitter.arranged(rows, state_layout(rows.shape))
    at = emitter.arranged(position, row_major(position.shape))
    name, after = emitter.output(step, state_layout(before.shape))
    emitter.keep(emitter.tensor(before).name, after.name)
    emitter.add(update_of(name, source, at, after, rows.shape[2]))


def rope(emitter: Emitter, step: Step, kind: steps.Rope) -> None:
    """(1, heads, rows, depth) stored as (rows, heads, depth), which is what a linear layer has left."""
    x, cos, sin = (emitter.value(name) for name in step.inputs)
    _, heads, rows, depth = x.shape
    layout = in_order(x.shape, (0, 2, 1, 3))
    source = emitter.arranged(x, layout)
    turns = [emitter.arranged(table, row_major(table.shape)) for table in (cos, sin)]
    name, target = emitter.output(step, layout)
    bounds = bounds_of(emitter, step, kind)
    emitter.add(rope_from_scales(name, source, turns[0], turns[1], target, rows, heads, depth, bounds=bounds))
