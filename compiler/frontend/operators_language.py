"""Handlers of operators that language models begin with: rows of tables, choices by constant masks."""

from __future__ import annotations

import numpy as np

from compiler.frontend import operators_slice as slices
from compiler.frontend.errors import Refused
from compiler.frontend.operators_math import affine, hiding
from compiler.frontend.reader import Reader, axis_of, integer
from compiler.frontend.source import Node
from compiler.frontend.steps import Embed


def gather(reader: Reader, node: Node) -> None:
    """Rows of a constant matrix: an embedding of tokens. Constant indices choose parts of an activation."""
    if reader.constant(node, 0) is None:
        slices.taken(reader, node)
        return
    table = reader.required(node, 0, "data")
    tokens = reader.value(node, 1)
    axis = axis_of(integer(node.attributes, "axis", 0), len(table.shape))
    if len(table.shape) != 2 or axis:
        raise Refused("data", f"axis {axis} of {table.shape}", "the rows of a constant matrix")
    if not np.isfinite(table.real).all():
        raise Refused("data", "values that are not finite", "finite constants")
    reader.step(node, Embed(table.real), (tokens,), (*tokens.shape, table.shape[1]))


def where(reader: Reader, node: Node) -> None:
    """A choice between an activation and a constant by a constant mask: x * factor + offset."""
    mask = reader.required(node, 0, "condition").array.astype(bool)
    first = reader.constant(node, 1)
    const = first if first is not None else reader.required(node, 2, "one of the choices")
    x = reader.value(node, 2 if first is not None else 1)
    keep = ~mask if first is not None else mask
    if np.broadcast_shapes(mask.shape, const.shape, x.shape) != x.shape:
        raise Refused(
            "condition", f"{mask.shape} and {const.shape} enlarge {x.shape}", "masks that broadcast"
        )
    fill = hiding(const.real)
    if not np.isfinite(fill).all():
        raise Refused("inputs", "a fill that is not finite", "a finite constant, or minus infinity")
    factor, offset = np.broadcast_arrays(keep.astype(np.float64), np.where(keep, 0.0, fill))
    lead = (1,) * (len(x.shape) - factor.ndim)
    affine(reader, node, x, factor.reshape(lead + factor.shape), offset.reshape(lead + offset.shape))
