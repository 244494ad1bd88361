"""Modules and graphs as text: `print_module` and `parse_module` are each other's inverse.

The text is a list of calls, one for each noun, in Python's expression grammar (read as a syntax tree,
never evaluated):

    module("net", sha256="...", notes=("...",))
    graph("main", inputs=("x",), outputs=("y",))
    tensor("x", shape=(1, 8, 8, 3), dtype=IntType.I8, scale=0.1, zero_point=-3)
    conv2d(name="c1", inputs=("x",), output="y", ..., weights=Constant("5f0c..."), requant=Requant(...))
    constant("5f0c...", dtype="int8", shape=(16, 3, 3, 3), data="base64")

Operators print and parse through their dataclass fields: a new operator needs nothing here. Constants
are named by the first digits of their SHA-256 and listed at the end, once each.
"""

from compiler.ir.parser import TextError, parse_module
from compiler.ir.printer import constants_of, print_graph, print_module

__all__ = ["TextError", "constants_of", "parse_module", "print_graph", "print_module"]
