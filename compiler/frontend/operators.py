"""The handler of every operator, and what happens where all inputs are constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from compiler.frontend import operators_language as language
from compiler.frontend import operators_layout as layout
from compiler.frontend import operators_math as maths
from compiler.frontend import operators_norm as norms
from compiler.frontend import operators_repeat as repeats
from compiler.frontend import operators_slice as slices
from compiler.frontend.constants import FOLDS, Const
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader
from compiler.frontend.source import Node

Handler = Callable[[Reader, Node], None]


def fold(reader: Reader, node: Node) -> None:
    """Compute a node whose inputs are all constant."""
    arrays = [reader.required(node, index, f"input {index}").array for index in range(len(node.inputs))]
    with np.errstate(all="ignore"):
        reader.define(node, Const(np.asarray(FOLDS[node.operator](arrays, node.attributes))))


def _or_fold(handler: Handler) -> Handler:
    def choose(reader: Reader, node: Node) -> None:
        (fold if reader.is_constant(node) else handler)(reader, node)

    return choose


def _only_constant(reader: Reader, node: Node) -> None:
    if not reader.is_constant(node):
        raise Refused("", "on activations", "this operator on constants only")
    fold(reader, node)


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        **dict.fromkeys(FOLDS, _only_constant),
        "Abs": _or_fold(maths.unary),
        "Add": _or_fold(maths.arithmetic),
        "AveragePool": maths.average_pool,
        "BatchNormalization": maths.batch_normalization,
        "Cast": _or_fold(repeats.cast),
        "Celu": maths.unary,
        "Clip": maths.unary,
        "Concat": _or_fold(layout.concat),
        "Constant": layout.constant,
        "Conv": maths.conv,
        "DequantizeLinear": layout.dequantize_linear,
        "Div": _or_fold(maths.arithmetic),
        "Dropout": layout.identity,
        "Elu": maths.unary,
        "Erf": maths.unary,
        "Exp": _or_fold(maths.unary),
        "Expand": _or_fold(repeats.expand),
        "Flatten": layout.flatten,
        "Gather": _or_fold(language.gather),
        "Gelu": maths.unary,
        "Gemm": maths.gemm,
        "GlobalAveragePool": maths.reduce_mean,
        "HardSigmoid": maths.unary,
        "HardSwish": maths.unary,
        "Identity": layout.identity,
        "LayerNormalization": norms.normalization,
        "LeakyRelu": maths.unary,
        "Log": _or_fold(maths.unary),
        "MatMul": maths.matmul,
        "Max": maths.limit,
        "MaxPool": maths.max_pool,
        "Min": maths.limit,
        "Mish": maths.unary,
        "Mul": _or_fold(maths.arithmetic),
        "Neg": _or_fold(maths.unary),
        "Pad": layout.pad,
        "Pow": _or_fold(maths.unary),
        "QuantizeLinear": layout.quantize_linear,
        "RMSNormalization": norms.normalization,
        "Reciprocal": _or_fold(maths.unary),
        "ReduceMean": maths.reduce_mean,
        "ReduceSum": maths.reduce_mean,
        "Relu": maths.unary,
        "Reshape": layout.reshape,
        "Resize": layout.resize,
        "Selu": maths.unary,
        "Shape": layout.shape_of,
        "Sigmoid": maths.unary,
        "Slice": _or_fold(slices.slice_),
        "Softmax": maths.softmax,
        "Softplus": maths.unary,
        "Split": slices.split,
        "Sqrt": _or_fold(maths.unary),
        "Squeeze": layout.squeeze,
        "Sub": _or_fold(maths.arithmetic),
        "Swish": maths.unary,
        "Tanh": maths.unary,
        "Tile": _or_fold(repeats.tile),
        "Transpose": layout.transpose,
        "Unsqueeze": layout.unsqueeze,
        "Where": _or_fold(language.where),
    }
)
