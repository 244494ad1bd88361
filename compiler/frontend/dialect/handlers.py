"""The operators of the dialect: what reads each of them, and the net of a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import onnx

from compiler.frontend import operators_layout as layout
from compiler.frontend import operators_math as maths
from compiler.frontend import operators_slice as slices
from compiler.frontend import source as files
from compiler.frontend.constants import FOLDS
from compiler.frontend.dialect.functions import FUNCTIONS
from compiler.frontend.dialect.merged import ATTRIBUTES as MERGED
from compiler.frontend.dialect.merged import taken_apart
from compiler.frontend.dialect.pointwise import add, division, function, multiply, product
from compiler.frontend.dialect.reals import CONVERSION, dequant, quant
from compiler.frontend.dialect.requantshift import plain, read_requantisation
from compiler.frontend.dialect.rows import ita_max, mean, no_norm, norm, softmax
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.dialect.weighted import conv, gemm, linear
from compiler.frontend.errors import Refused, raise_findings
from compiler.frontend.operators import fold
from compiler.frontend.source import Node
from compiler.frontend.steps import Net
from compiler.frontend.support import OPERATORS, Operators, check
from compiler.ir import IntType

_TYPES = {onnx.TensorProto.INT8: IntType.I8, onnx.TensorProto.UINT8: IntType.U8}


def read_net(model: onnx.ModelProto, name: str) -> Net:
    """The net of a model of which every input is `declared`; raises ModelError with all findings."""
    source = files.read(model, name)
    known = tuple(check(source.nodes, (port.name for port in source.inputs), ATTRIBUTES))
    quants = {port.name: plain(_TYPES[port.element]) for port in source.inputs}
    reader = DialectReader(source, quants)
    reader.read(tuple(taken_apart(source.nodes)), HANDLERS, {finding.node for finding in known})
    net = reader.net(name, source.outputs)
    raise_findings(name, (*known, *reader.findings))
    return net


def requant_shift(reader: DialectReader, node: Node) -> None:
    reader.requantised(node, read_requantisation(reader, node, reader.term(node).shape))


def matmul(reader: DialectReader, node: Node) -> None:
    matrix = reader.constant(node, 1)
    if matrix is not None:
        linear(reader, node, reader.value(node), matrix)
    else:
        product(reader, node)


def concat(reader: DialectReader, node: Node) -> None:
    """Codes side by side; of one operand, itself."""
    kind, values, shape = layout.joined(reader, node)
    quants = {value.quant for value in values}
    if len(quants) > 1:
        raise Refused("inputs", "operands of int8 and of uint8", "one type for all of them")
    if len(values) == 1:
        reader.alias(node, values[0])
    else:
        reader.step(node, kind, values, shape, quants.pop())


Handler = Callable[[DialectReader, Node], None]


def _or_fold(handler: Handler) -> Handler:
    def choose(reader: DialectReader, node: Node) -> None:
        (fold if reader.is_constant(node) else handler)(reader, node)

    return choose


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(FOLDS, fold),
        **dict.fromkeys(FUNCTIONS, function),
        "Add": _or_fold(add),
        "Concat": _or_fold(concat),
        "Constant": layout.constant,
        "Conv": conv,
        "Flatten": layout.flatten,
        "Gather": _or_fold(slices.taken),
        "Gemm": gemm,
        "Dequant": dequant,
        "Identity": layout.identity,
        "IntegerDiv": division,
        "IntegerMean": mean,
        "ITAMax": ita_max,
        "ITAPartialMax": ita_max,
        "MatMul": matmul,
        "MaxPool": maths.max_pool,
        "Mul": _or_fold(multiply),
        "Pad": layout.pad,
        "Quant": quant,
        "RequantShift": requant_shift,
        "Reshape": layout.reshape,
        "Shape": layout.shape_of,
        "Slice": _or_fold(slices.slice_),
        "Split": slices.split,
        "Squeeze": layout.squeeze,
        "Transpose": layout.transpose,
        "Unsqueeze": layout.unsqueeze,
        "iLayerNorm": norm,
        "iNoNorm": no_norm,
        "iRMSNorm": norm,
        "iSoftmax": softmax,
    }
)

ATTRIBUTES: Operators = MappingProxyType(
    {
        **{
            name: OPERATORS[name] for name, read in HANDLERS.items() if name in OPERATORS and read is not fold
        },
        **MERGED,
        "Dequant": CONVERSION,
        "IntegerDiv": dict.fromkeys(("Delta", "eps", "eta")),
        "IntegerMean": {"axes": None, "keepdims": (0, 1)},
        "ITAMax": {"n_levels": None},
        "ITAPartialMax": dict.fromkeys(("group_width", "groups", "n_levels")),
        "Quant": CONVERSION,
        "RequantShift": dict.fromkeys(("div", "n_levels", "n_levels_out", "signed")),
        "TrueIntegerDiv": dict.fromkeys(("Delta", "eps", "eta", "y")),
        "iGELU": dict.fromkeys(("b", "one")),
        "iHardswish": dict.fromkeys(("one_over_six", "six", "three")),
        "iLayerNorm": dict.fromkeys(("D", "n_levels")),
        "iNoNorm": dict.fromkeys(("D", "mul", "n_levels")),
        "iRMSNorm": dict.fromkeys(("D", "n_levels")),
        "iSoftmax": dict.fromkeys(("coeffA", "coeffB", "coeffC", "log2", "n_levels")),
    }
)
"""The operators that may have activations as inputs, and their attributes."""
