"""Deeploy's merged operators taken apart: what each of them is in operators of the dialect.

The merged ones (`RequantizedConv` and others) exist inside Deeploy, behind its optimiser, and in models that
it dumps. Where a merge puts div/2 into `add`, the RequantShift that comes out is `rounded`: it adds none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from compiler.frontend.source import Node
from compiler.frontend.support import OPERATORS, Operators

ROUNDED = "rounded"
"""Attribute of a RequantShift whose `add` holds div/2 already."""
_SHIFT_ATTRIBUTES = dict.fromkeys(("div", "n_levels", "n_levels_out", "signed", "shift"))
_TABLES = dict.fromkeys(("mul", "add", *_SHIFT_ATTRIBUTES))


def taken_apart(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes, with the parts of every merged one in its place and under its name.

    Parts that a merged node does not have the inputs for are refused where they are read.
    """
    for node in nodes:
        yield from _PARTS[node.operator](node) if node.operator in _PARTS else (node,)


def _input(node: Node, index: int) -> str:
    return node.inputs[index] if node.has_input(index) else ""


def _inner(node: Node, what: str = "sums") -> str:
    """A name for a tensor that the merge has taken away."""
    return f"{node.outputs[0]}:{what}" if node.outputs else ""


def _of(node: Node, names: Iterable[str], prefix: str = "") -> dict[str, Any]:
    """Those of the node's attributes, without the prefix that they have there."""
    return {name: node.attributes[prefix + name] for name in names if prefix + name in node.attributes}


def _part(node: Node, operator: str, inputs: Iterable[str], attributes: Mapping[str, Any]) -> Node:
    """A part that makes what the merge has taken away."""
    return Node(node.name, operator, node.domain, tuple(inputs), (_inner(node),), attributes)


def _shift(node: Node, tables: tuple[int, int, int], *, rounded: bool) -> Node:
    """The RequantShift at the end; tables: the merged node's inputs mul, add and shift (may be absent)."""
    mul, add, shift = (_input(node, index) for index in tables)
    inputs = (_inner(node), mul, add, *filter(None, (shift,)))
    attributes = {**_of(node, _SHIFT_ATTRIBUTES), ROUNDED: int(rounded)}
    return Node(node.name, "RequantShift", node.domain, inputs, node.outputs, attributes)


def _conv(node: Node) -> Iterator[Node]:
    """(x, w, mul, add), `add` rounded: the form of the PULP, NE16 and Neureka targets."""
    yield _part(node, "Conv", node.inputs[:2], _of(node, OPERATORS["Conv"]))
    yield _shift(node, (2, 3, 4), rounded=True)


def _gemm(node: Node) -> Iterator[Node]:
    """(A, B, add, mul): `add` is the bias times mul, and rounded."""
    turned = _of(node, ("transA", "transB"))
    if any(turned.values()):
        yield _part(node, "Gemm", node.inputs[:2], turned)
    else:
        yield _part(node, "MatMul", node.inputs[:2], {})
    yield _shift(node, (3, 2, 4), rounded=True)


def _sum(node: Node) -> Iterator[Node]:
    """Each operand with a shift of its own (rqs1_, rqs2_), one behind the sum (rqsOut_); all rounded."""
    operands = []
    for index, prefix in enumerate(("rqs1_", "rqs2_")):
        operands.append(_input(node, index))
        if _changes(node, prefix):
            shift = Node(
                node.name,
                "RequantShift",
                node.domain,
                (operands[index],),
                (_inner(node, prefix),),
                {**_of(node, _TABLES, prefix), ROUNDED: 1},
            )
            operands[index] = shift.outputs[0]
            yield shift
    yield _part(node, "Add", operands, {})
    attributes = {**_of(node, _TABLES, "rqsOut_"), ROUNDED: 1}
    yield Node(node.name, "RequantShift", node.domain, (_inner(node),), node.outputs, attributes)


def _changes(node: Node, prefix: str) -> bool:
    """Whether an operand has a shift: where it had none, Deeploy writes 1, 0 and 1, and guesses the type."""
    plain = {"mul": 1, "add": 0, "div": 1}
    return any(node.attributes.get(prefix + name) != value for name, value in plain.items())


def _gelu(node: Node) -> Iterator[Node]:
    """(x, mul, add, shift)."""
    yield _part(node, "iGELU", node.inputs[:1], _of(node, ("b", "one")))
    yield _shift(node, (1, 2, 3), rounded=False)


def _hard_swish(node: Node) -> Iterator[Node]:
    """(x), with mul, add and shift as attributes."""
    yield _part(node, "iHardswish", node.inputs[:1], _of(node, ("one_over_six", "six", "three")))
    attributes = _of(node, _TABLES)
    yield Node(node.name, "RequantShift", node.domain, (_inner(node),), node.outputs, attributes)


def _division(node: Node) -> Iterator[Node]:
    """(x, y, mul, add, shift)."""
    yield _part(node, "IntegerDiv", node.inputs[:2], _of(node, ("Delta", "eps", "eta")))
    yield _shift(node, (2, 3, 4), rounded=False)


_PARTS: Mapping[str, Callable[[Node], Iterator[Node]]] = MappingProxyType(
    {
        "RQIntegerDiv": _division,
        "RequantizedAdd": _sum,
        "RequantizedConv": _conv,
        "RequantizedGemm": _gemm,
        "RequantizediGELU": _gelu,
        "RequantizediHardswish": _hard_swish,
    }
)

ATTRIBUTES: Operators = MappingProxyType(
    {
        "RQIntegerDiv": {**dict.fromkeys(("Delta", "eps", "eta")), **_SHIFT_ATTRIBUTES},
        "RequantizedAdd": {
            prefix + name: None for prefix in ("rqs1_", "rqs2_", "rqsOut_") for name in _TABLES
        },
        "RequantizedConv": {**OPERATORS["Conv"], **_SHIFT_ATTRIBUTES},
        "RequantizedGemm": {**OPERATORS["Gemm"], "alpha": (1,), "beta": (1,), **_SHIFT_ATTRIBUTES},
        "RequantizediGELU": {**dict.fromkeys(("b", "one")), **_SHIFT_ATTRIBUTES},
        "RequantizediHardswish": dict.fromkeys(("one_over_six", "six", "three", *_TABLES)),
    }
)
"""Attributes of the merged operators."""
