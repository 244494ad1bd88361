"""Which operators and attributes are read: one table. All that a model has outside it is reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from compiler.frontend.constants import FOLDS
from compiler.frontend.errors import Finding
from compiler.frontend.source import Node

Allowed = tuple[Any, ...] | None
"""The values that an attribute may have; None: any (the reader looks at it together with the shapes)."""
Operators = Mapping[str, Mapping[str, Allowed]]
"""Attributes by operator."""

_POOL: Mapping[str, Allowed] = {
    "auto_pad": None,
    "ceil_mode": (0, 1),
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}
_QUANTISE: Mapping[str, Allowed] = {
    "axis": None,
    "block_size": (0,),
    "output_dtype": None,
    "saturate": (0, 1),
    "precision": None,
}

OPERATORS: Operators = MappingProxyType(
    {
        "Abs": {},
        "Add": {},
        "AveragePool": {**_POOL, "count_include_pad": (0, 1), "dilations": None},
        "BatchNormalization": {"epsilon": None, "momentum": None, "spatial": (1,), "training_mode": (0,)},
        "Cast": {"round_mode": None, "saturate": (0, 1), "to": None},
        "Celu": {"alpha": None},
        "Clip": {"min": None, "max": None},
        "Concat": {"axis": None},
        "Constant": dict.fromkeys(("value", "value_float", "value_int", "value_floats", "value_ints")),
        "Conv": {
            "auto_pad": None,
            "dilations": None,
            "group": None,
            "kernel_shape": None,
            "pads": None,
            "strides": None,
        },
        "DequantizeLinear": _QUANTISE,
        "Div": {},
        "Dropout": {"ratio": None, "seed": None},
        "Elu": {"alpha": None},
        "Erf": {},
        "Exp": {},
        "Expand": {},
        "Flatten": {"axis": None},
        "Gather": {"axis": None},
        "Gelu": {"approximate": ("none", "tanh")},
        "Gemm": {"alpha": None, "beta": None, "transA": (0, 1), "transB": (0, 1)},
        "GlobalAveragePool": {},
        "HardSigmoid": {"alpha": None, "beta": None},
        "HardSwish": {},
        "Identity": {},
        "LayerNormalization": {"axis": None, "epsilon": None, "stash_type": None},
        "LeakyRelu": {"alpha": None},
        "Log": {},
        "MatMul": {},
        "Max": {},
        "MaxPool": {**_POOL, "dilations": None, "storage_order": (0, 1)},
        "Min": {},
        "Mish": {},
        "Mul": {},
        "Neg": {},
        "Pad": {"mode": ("constant",), "pads": None, "value": None},
        "Pow": {},
        "QuantizeLinear": _QUANTISE,
        "RMSNormalization": {"axis": None, "epsilon": None, "stash_type": None},
        "Reciprocal": {},
        "ReduceMean": {"axes": None, "keepdims": (0, 1), "noop_with_empty_axes": (0, 1)},
        "ReduceSum": {"axes": None, "keepdims": (0, 1), "noop_with_empty_axes": (0, 1)},
        "Relu": {},
        "Reshape": {"allowzero": (0, 1)},
        "Resize": {
            "antialias": (0,),
            "axes": None,
            "coordinate_transformation_mode": (
                "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric",
            ),
            "cubic_coeff_a": None,
            "exclude_outside": (0,),
            "extrapolation_value": None,
            "keep_aspect_ratio_policy": ("stretch",),
            "mode": ("nearest",),
            "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
        },
        "Selu": {"alpha": None, "gamma": None},
        "Shape": {"start": None, "end": None},
        "Sigmoid": {},
        "Slice": {"axes": None, "ends": None, "starts": None},
        "Softmax": {"axis": None},
        "Softplus": {},
        "Split": {"axis": None, "num_outputs": None, "split": None},
        "Sqrt": {},
        "Squeeze": {"axes": None},
        "Sub": {},
        "Swish": {"alpha": None},
        "Tanh": {},
        "Tile": {},
        "Transpose": {"perm": None},
        "Unsqueeze": {"axes": None},
        "Where": {},
    }
)  # fmt: skip
"""Operators that may have activations as inputs, and their attributes; those of FOLDS only on constants."""

DOMAINS = ("", "ai.onnx")
QUANTISERS = ("QuantizeLinear", "DequantizeLinear")


def check(
    nodes: tuple[Node, ...], inputs: Iterable[str] = (), operators: Operators = OPERATORS
) -> Iterator[Finding]:
    """A finding for every node whose operator, domain or attribute is not supported.

    inputs: names of the graph's inputs. operators: the table; those that ONNX does not have come from any
    domain. An operator of FOLDS that reads what is computed from them is a
    finding, also behind a node that has one.
    """
    activations = set(inputs)
    for node in nodes:
        on_activations = not activations.isdisjoint(filter(None, node.inputs))
        if on_activations and node.operator != "Shape":
            activations.update(filter(None, node.outputs))
        if not _known_domain(node, operators):
            yield Finding(
                node.name, node.operator, "", f"operator of domain {node.domain!r}", "standard ONNX"
            )
        elif node.operator in operators:
            yield from _check_attributes(node, operators[node.operator])
        elif node.operator not in FOLDS:
            supported = ", ".join(sorted(operators))
            yield Finding(node.name, node.operator, "", "unsupported operator", supported)
        elif on_activations:
            yield Finding(node.name, node.operator, "", "on activations", "this operator on constants only")


def _known_domain(node: Node, operators: Operators) -> bool:
    if node.domain in DOMAINS or (node.domain == "com.microsoft" and node.operator in QUANTISERS):
        return True
    return node.operator in operators and node.operator not in OPERATORS


def _check_attributes(node: Node, table: Mapping[str, Allowed]) -> Iterator[Finding]:
    for name, value in node.attributes.items():
        if name not in table:
            known = ", ".join(table) or "no attributes"
            yield Finding(node.name, node.operator, name, "unknown attribute", known)
        elif (allowed := table[name]) is not None and not _allowed(value, allowed):
            known = ", ".join(str(v) for v in allowed)
            yield Finding(node.name, node.operator, name, f"value {value!r}", known)


def _allowed(value: Any, allowed: tuple[Any, ...]) -> bool:
    return isinstance(value, int | float | str) and value in allowed
