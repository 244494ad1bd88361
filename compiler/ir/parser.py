"""Parsing of modules; the grammar is in compiler.ir.text."""

from __future__ import annotations

import ast
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

from compiler.ir.graph import Graph, Module
from compiler.ir.operator import Operator
from compiler.ir.printer import DIGITS, field_names
from compiler.ir.tensor import Constant, Tensor

T = TypeVar("T")


class TextError(ValueError):
    """Text that is no module; the message begins with the line number."""


@dataclass(frozen=True)
class _Statement:
    """One parsed call: its function, arguments, and line."""

    function: str
    positional: tuple[ast.expr, ...]
    keywords: Mapping[str, ast.expr]
    line: int


@dataclass(frozen=True)
class _Reader:
    """Turns syntax into values: the classes and constants that the text may name."""

    constants: Mapping[str, Constant]
    classes: Mapping[str, type[Any]]

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as literal):
                return literal
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.Tuple(elts=items):
                return tuple(self.value(item) for item in items)
            case ast.Attribute(value=ast.Name(id=name), attr=member) if name in self.classes:
                return self._member(name, member, node.lineno)
            case ast.Call(func=ast.Name(id="Constant"), args=[ast.Constant(value=str() as digest)]):
                return self._constant(digest, node.lineno)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name in self.classes:
                inner = {str(k.arg): self.value(k.value) for k in keywords}
                return _build(self.classes[name], inner, node.lineno)
        raise TextError(f"line {node.lineno}: not a value: {ast.unparse(node)}")

    def _member(self, name: str, member: str, line: int) -> Any:
        found = getattr(self.classes[name], "__members__", {}).get(member)
        if found is None:
            raise TextError(f"line {line}: {name} has no member {member}")
        return found

    def _constant(self, digest: str, line: int) -> Constant:
        if digest not in self.constants:
            raise TextError(f"line {line}: constant {digest} has no data")
        return self.constants[digest]

    def with_classes(self, cls: type[Any]) -> _Reader:
        return replace(self, classes={**self.classes, **_nested_classes(cls)})

    def fields(self, statement: _Statement, head: tuple[str, ...] = ()) -> dict[str, Any]:
        """The arguments as values; positional ones are named by `head`."""
        if len(statement.positional) > len(head):
            raise TextError(f"line {statement.line}: too many positional arguments")
        named = dict(zip(head, statement.positional, strict=False)) | dict(statement.keywords)
        return {name: self.value(node) for name, node in named.items()}


def parse_module(
    text: str,
    operator_class: Callable[[str], type[Operator]],
    constants: Mapping[str, Constant] | None = None,
) -> Module:
    """The module of `text`, with the operators that `operator_class` knows by kind.

    `constants` (by the first 16 digits of their SHA-256) supplies those that the text only names.
    Raises TextError with the line where the text is no module.
    """
    statements = _statements(text)
    data = dict(constants or {})
    for statement in statements:
        if statement.function == "constant":
            data |= [_read_constant(_Reader({}, {}).fields(statement, ("digest",)), statement.line)]
    reader = _Reader(data, {})
    heads = [s for s in statements if s.function == "module"]
    if len(heads) != 1:
        raise TextError(f"line 1: {len(heads)} modules, expected one")
    graphs = tuple(_read_graph(rows, reader, operator_class) for rows in _graph_rows(statements))
    return _build(Module, {**reader.fields(heads[0], ("name",)), "graphs": graphs}, heads[0].line)


def _statements(text: str) -> list[_Statement]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise TextError(f"line {getattr(error, 'lineno', None) or 1}: {error}") from None
    return [_statement(node) for node in tree.body]


def _statement(node: ast.stmt) -> _Statement:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=function), args=args, keywords=keywords)):
            named = {keyword.arg: keyword.value for keyword in keywords if keyword.arg}
            if len(named) == len(keywords):
                return _Statement(function, tuple(args), named, node.lineno)
    raise TextError(f"line {node.lineno}: expected a call such as tensor(...)")


def _graph_rows(statements: list[_Statement]) -> list[list[_Statement]]:
    """The statements of each graph: its head and what follows it."""
    groups: list[list[_Statement]] = []
    for statement in statements:
        if statement.function == "graph":
            groups.append([statement])
        elif statement.function not in ("module", "constant"):
            if not groups:
                raise TextError(f"line {statement.line}: {statement.function} before any graph")
            groups[-1].append(statement)
    return groups


def _read_graph(
    rows: list[_Statement], reader: _Reader, operator_class: Callable[[str], type[Operator]]
) -> Graph:
    tensors, operators = [], []
    for row in rows[1:]:
        if row.function == "tensor":
            values = reader.with_classes(Tensor).fields(row, ("name",))
            tensors.append(_build(Tensor, values, row.line))
            continue
        try:
            cls = operator_class(row.function)
        except KeyError:
            raise TextError(f"line {row.line}: unknown operator {row.function}") from None
        operators.append(_build(cls, reader.with_classes(cls).fields(row), row.line))
    head = reader.fields(rows[0], ("name",))
    return _build(Graph, {**head, "tensors": tuple(tensors), "operators": tuple(operators)}, rows[0].line)


def _read_constant(values: Mapping[str, Any], line: int) -> tuple[str, Constant]:
    try:
        raw = base64.b64decode(values["data"], validate=True)
        array = np.frombuffer(raw, np.dtype(values["dtype"])).reshape(values["shape"])
        digest = str(values["digest"])
    except (KeyError, TypeError, ValueError) as error:
        raise TextError(f"line {line}: broken constant: {error}") from None
    constant = Constant(array)
    if not digest or not constant.digest.startswith(digest):
        raise TextError(f"line {line}: the data of constant {digest} has digest {constant.digest[:DIGITS]}")
    return digest, constant


def _build(cls: type[T], values: Mapping[str, Any], line: int) -> T:
    """An instance of a dataclass; its own complaints and unknown or missing fields become TextError."""
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise TextError(f"line {line}: {cls.__name__}: {error}") from None


def _nested_classes(cls: type[Any]) -> dict[str, type[Any]]:
    """Enumerations and dataclasses that the fields of `cls` mention, by name."""
    found: dict[str, type[Any]] = {}
    hints = get_type_hints(cls)
    pending: list[Any] = [hints[name] for name in field_names(cls)]
    while pending:
        hint = pending.pop()
        pending += get_args(hint)
        if not isinstance(hint, type) or hint is Constant or hint.__name__ in found:
            continue
        if issubclass(hint, Enum):
            found[hint.__name__] = hint
        elif is_dataclass(hint):
            found |= {hint.__name__: hint} | _nested_classes(hint)
    return found
