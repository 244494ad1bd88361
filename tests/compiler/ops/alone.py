"""Graphs of one operator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from compiler.ir import Graph, Operator, Tensor

BEFORE = "before"
"""The state that the one operator of a graph updates."""


def graph_of_one(op: Operator, tensors: Iterable[Tensor]) -> Graph:
    """A graph of one operator; where that updates, what it updates is an input."""
    made = tuple(tensors)
    if not op.updates:
        return Graph("main", made, (op,), op.inputs, (op.output,))
    before = replace(next(t for t in made if t.name == op.output), name=BEFORE)
    return Graph("main", (*made, before), (op,), (*op.inputs, BEFORE), (op.output,), ((BEFORE, op.output),))
