"""The intermediate representation: integer tensors, constants, operators, graphs, modules."""

from compiler.ir.access import Access, Axis, Dim, Region, Space, TileCall
from compiler.ir.graph import Graph, GraphError, Module
from compiler.ir.operator import Operator
from compiler.ir.tensor import Constant, IntType, Tensor

__all__ = [
    "Access",
    "Axis",
    "Constant",
    "Dim",
    "Graph",
    "GraphError",
    "IntType",
    "Module",
    "Operator",
    "Region",
    "Space",
    "Tensor",
    "TileCall",
]
