"""Handlers of products of two activations."""

from __future__ import annotations

import math

import numpy as np

from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, integer, number
from compiler.frontend.source import Node
from compiler.frontend.steps import MatMul


def matmul(reader: Reader, node: Node) -> None:
    """MatMul of two activations of any rank, as numpy has it."""
    a, b = reader.value(node, 0), reader.value(node, 1)
    if not a.shape or not b.shape:
        raise Refused("inputs", f"{a.shape} times {b.shape}", "vectors and matrices")
    left = a if len(a.shape) > 1 else reader.reshape(node, a, (1, *a.shape), inner=":row")
    right = b if len(b.shape) > 1 else reader.reshape(node, b, (*b.shape, 1), inner=":column")
    shape = product_shape(left.shape, right.shape)
    final = (*shape[:-2], *shape[-2:][len(a.shape) == 1 :])
    final = final if len(b.shape) > 1 else final[:-1]
    if final == shape:
        reader.step(node, MatMul(), (left, right), shape)
        return
    product = reader.step(node, MatMul(), (left, right), shape, inner=":product")
    reader.reshape(node, product, final)


def product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a @ b, both of rank 2 and more; raises Refused where no kernel reads their batches.

    The batch of b is a prefix of that of a (several heads share one of its matrices), or a has none.
    """
    if a[-1] != b[-2]:
        raise Refused("B", f"{a} times {b}", "inner extents that agree")
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise Refused("inputs", f"{a} times {b}", "batches that broadcast") from None
    first, second = ((1,) * (len(batch) - len(s) + 2) + s[:-2] for s in (a, b))
    prefix = next((k for k in range(len(batch), -1, -1) if second[k - 1 : k] != (1,)), 0)
    if math.prod(first) != 1 and (first != batch or second[:prefix] != batch[:prefix]):
        raise Refused(
            "inputs",
            f"batches {first} and {second}, of which neither is a part of the other",
            "one batch for both, one that leading axes of the first share, or none",
        )
    return (*batch, a[-2], b[-1])


def gemm(reader: Reader, node: Node) -> None:
    """alpha * A @ B with both operands activations, either of them transposed; without C."""
    if node.has_input(2):
        raise Refused("C", "is added to a product of activations", "an Add behind the Gemm")
    operands = [reader.value(node, 0), reader.value(node, 1)]
    if any(len(x.shape) != 2 for x in operands):
        raise Refused("inputs", f"shapes {[x.shape for x in operands]}", "matrices")
    for k, name in enumerate(("transA", "transB")):
        if integer(node.attributes, name, 0):
            operands[k] = reader.transpose(node, operands[k], (1, 0), inner=f":{name}")
    a, b = operands
    alpha = number(node.attributes, "alpha", 1.0)
    if alpha == 0:
        raise Refused("alpha", "value 0", "a factor other than 0")
    reader.step(node, MatMul(factor=alpha), (a, b), product_shape(a.shape, b.shape))
