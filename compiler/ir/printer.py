"""Printing of modules and graphs; the grammar is in compiler.ir.text."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from compiler.ir.graph import Graph, Module
from compiler.ir.tensor import Constant, Tensor

DIGITS = 16
WIDTH = 110


def print_module(module: Module, with_data: bool = True) -> str:
    """The module as text; without data its constants are only named."""
    lines = [_call("module", _quoted(module.name), sha256=module.sha256, notes=module.notes)]
    for graph in module.graphs:
        lines += ["", *_graph_lines(graph)]
    if with_data:
        used = {c.digest: c for graph in module.graphs for op in graph for c in constants_of(op)}
        lines += ["", *(_constant_line(used[digest]) for digest in sorted(used))]
    return "\n".join(lines).rstrip() + "\n"


def print_graph(graph: Graph) -> str:
    """One graph as text, its constants only named: for reading and for tests of passes."""
    return "\n".join(_graph_lines(graph)) + "\n"


def constants_of(value: object) -> Iterator[Constant]:
    """Every Constant in the fields of a dataclass, tuples and nested dataclasses included."""
    if isinstance(value, Constant):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from constants_of(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for name in field_names(type(value)):
            yield from constants_of(getattr(value, name))


def field_names(cls: type[Any]) -> list[str]:
    return [field.name for field in fields(cls) if field.init]


def _graph_lines(graph: Graph) -> list[str]:
    states = {"states": graph.states} if graph.states else {}
    head = _call("graph", _quoted(graph.name), inputs=graph.inputs, outputs=graph.outputs, **states)
    rows = [head]
    for tensor in graph.tensors:
        rest = {name: getattr(tensor, name) for name in field_names(Tensor)[1:]}
        rows.append(_call("tensor", _quoted(tensor.name), **rest))
    for op in graph:
        rows.append(_call(op.kind, **{name: getattr(op, name) for name in field_names(type(op))}))
    return rows


def _constant_line(constant: Constant) -> str:
    array = constant.array
    data = base64.b64encode(array.tobytes()).decode()
    return _call(
        "constant", _quoted(constant.digest[:DIGITS]), dtype=array.dtype.name, shape=array.shape, data=data
    )


def _call(function: str, *positional: str, **keywords: object) -> str:
    """One call on one line, or one argument a line where that is too long."""
    arguments = [*positional, *(f"{name}={_render(value)}" for name, value in keywords.items())]
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join((f"{function}(", *(f"    {argument}," for argument in arguments), ")"))


def _render(value: object) -> str:
    if isinstance(value, Constant):
        return f"Constant({_quoted(value.digest[:DIGITS])})"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool | int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return repr(float(value))
    if isinstance(value, tuple):
        return f"({', '.join(map(_render, value))}{',' if len(value) == 1 else ''})"
    if is_dataclass(value) and not isinstance(value, type):
        inner = {name: getattr(value, name) for name in field_names(type(value))}
        arguments = ", ".join(f"{name}={_render(field)}" for name, field in inner.items())
        return f"{type(value).__name__}({arguments})"
    raise TypeError(f"the IR's text has no form for {value!r}")


def _quoted(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
