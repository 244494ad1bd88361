"""Integer operators, one file each. The table below is the registry: kind -> "module:class"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from compiler.ir.operator import Operator


def unique(rows: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The rows as a read-only table; raises ValueError where a name occurs twice."""
    table: dict[str, str] = {}
    for name, target in rows:
        if name in table:
            raise ValueError(f"operator {name} is registered twice")
        table[name] = target
    return MappingProxyType(table)


OPERATORS = unique(
    (
        ("add", "compiler.ops.add:Add"),
        ("avgpool", "compiler.ops.avgpool:AvgPool"),
        ("concat", "compiler.ops.concat:Concat"),
        ("conv2d", "compiler.ops.conv2d:Conv2d"),
        ("embed", "compiler.ops.embed:Embed"),
        ("idiv", "compiler.ops.integer_div:IntegerDiv"),
        ("inorm", "compiler.ops.inorm:INorm"),
        ("isoftmax", "compiler.ops.isoftmax:ISoftmax"),
        ("itamax", "compiler.ops.itamax:ITAMax"),
        ("lut", "compiler.ops.lut:Lut"),
        ("matmul", "compiler.ops.matmul:MatMul"),
        ("maxpool", "compiler.ops.maxpool:MaxPool"),
        ("mul", "compiler.ops.mul:Mul"),
        ("norm", "compiler.ops.norm:Norm"),
        ("pad", "compiler.ops.pad:Pad"),
        ("requantise", "compiler.ops.requantise:Requantise"),
        ("resize", "compiler.ops.resize:Resize"),
        ("rope", "compiler.ops.rope:Rope"),
        ("softmax", "compiler.ops.softmax:Softmax"),
        ("transpose", "compiler.ops.transpose:Transpose"),
        ("update", "compiler.ops.update:Update"),
    )
)


def operator_class(kind: str) -> type[Operator]:
    """The class of operator `kind`, imported on demand; raises KeyError for an unknown kind."""
    module, _, name = OPERATORS[kind].partition(":")
    found: type[Operator] = getattr(import_module(module), name)
    return found
