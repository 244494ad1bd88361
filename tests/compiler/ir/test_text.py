"""Printing and parsing are inverse, for every operator; broken text is refused with its line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ir import Graph, Module, Tensor
from compiler.ir.text import TextError, constants_of, parse_module, print_graph, print_module
from compiler.ops import OPERATORS, operator_class, unique
from tests.compiler.ops.alone import graph_of_one
from tests.compiler.ops.cases import CASES


def module_of(kind: str, seed: int = 0, notes: tuple[str, ...] = ()) -> Module:
    case = CASES[kind](np.random.default_rng(seed))
    graph = graph_of_one(case.op, case.tensors.values())
    return Module("net", "0123abcd", (graph,), notes)


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_round_trip(kind: str, seed: int) -> None:
    module = module_of(kind, seed)
    text = print_module(module)
    assert parse_module(text, operator_class) == module
    assert print_module(parse_module(text, operator_class)) == text


@given(st.text())
def test_any_name_survives(name: str) -> None:
    tensor = Tensor(name, (1, 2), module_of("add").main.tensors[0].dtype, 1e-7, -3)
    module = Module(name, "", (Graph("main", (tensor,), (), (name,), (name,)),), (name, "x"))
    assert parse_module(print_module(module), operator_class) == module


def test_without_data_the_constants_come_from_elsewhere() -> None:
    module = module_of("dense")
    text = print_module(module, with_data=False)
    assert "constant(" not in text
    known = {c.digest[:16]: c for c in constants_of(module.main.operators[0])}
    assert parse_module(text, operator_class, known) == module
    with pytest.raises(TextError, match=r"line \d+: constant [0-9a-f]{16} has no data"):
        parse_module(text, operator_class)


def test_a_graph_reads_well() -> None:
    lines = print_graph(module_of("transpose", 3).main).splitlines()
    # Long calls are written with one argument a line.
    assert max(map(len, lines)) <= 110
    assert lines[0] == 'graph("main", inputs=("x",), outputs=("y",))'
    assert lines[1].startswith('tensor("x", shape=(')
    assert lines[3:6] == ["transpose(", '    name="transpose",', '    inputs=("x",),']


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lut(", "lutt(", r"line \d+: unknown operator lutt"),
        ("lut(", "lut((", r"line \d+: "),
        ("count=", "cuont=", r"line \d+: Lut: .*cuont"),
        ("IntType.", "IntType.X", r"line \d+: IntType has no member X"),
        ('"net"', '__import__("os")', r"line 1: not a value"),
        ('module("net"', 'modul("net"', r"line 1: 0 modules, expected one"),
        ("data=", 'data="AAAA", more=', r"line \d+: the data of constant|line \d+: broken constant"),
        ('outputs=("y",)', 'outputs=("z",)', r"line \d+: Graph: graph main: output z is never produced"),
    ],
)
def test_broken_text_is_refused_with_its_line(old: str, new: str, message: str) -> None:
    text = print_module(module_of("lut"))
    assert old in text
    with pytest.raises(TextError, match=message):
        parse_module(text.replace(old, new, 1), operator_class)


def test_registry_is_complete_and_refuses_duplicates() -> None:
    assert {operator_class(kind).kind for kind in OPERATORS} == set(OPERATORS)
    assert {CASES[kind](np.random.default_rng(0)).op.kind for kind in CASES} == set(OPERATORS)
    with pytest.raises(ValueError, match="registered twice"):
        unique((("a", "m:A"), ("a", "m:B")))
