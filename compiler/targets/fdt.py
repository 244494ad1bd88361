"""A flattened device tree in a few lines: spike wants one, and would otherwise call the program dtc.

Format: Devicetree Specification v0.4, chapter 5 (version 17, big-endian, 4-byte aligned).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

_BEGIN_NODE, _END_NODE, _PROP, _END = 1, 2, 3, 9
_HEADER_BYTES = 40


@dataclass(frozen=True)
class Node:
    """A device tree node. A property is a string, a flag (empty bytes) or a tuple of 32-bit cells."""

    name: str
    properties: Mapping[str, str | bytes | tuple[int, ...]] = field(default_factory=dict)
    children: tuple[Node, ...] = ()


def device_tree_blob(root: Node) -> bytes:
    """The blob of `root`, without memory reservations."""
    strings: dict[str, int] = {}
    structure = _node(root, strings) + struct.pack(">I", _END)
    names = b"".join(name.encode() + b"\0" for name in strings)
    reservations = bytes(16)
    at_structure = _HEADER_BYTES + len(reservations)
    at_strings = at_structure + len(structure)
    total = at_strings + len(names)
    header = struct.pack(
        ">10I",
        0xD00DFEED,
        total,
        at_structure,
        at_strings,
        _HEADER_BYTES,
        17,
        16,
        0,
        len(names),
        len(structure),
    )
    return header + reservations + structure + names


def _node(node: Node, strings: dict[str, int]) -> bytes:
    properties = b"".join(_property(name, value, strings) for name, value in node.properties.items())
    children = b"".join(_node(child, strings) for child in node.children)
    name = _padded(node.name.encode() + b"\0")
    return struct.pack(">I", _BEGIN_NODE) + name + properties + children + struct.pack(">I", _END_NODE)


def _property(name: str, value: str | bytes | tuple[int, ...], strings: dict[str, int]) -> bytes:
    offset = strings.setdefault(name, sum(len(known) + 1 for known in strings))
    data = _encoded(value)
    return struct.pack(">III", _PROP, len(data), offset) + _padded(data)


def _encoded(value: str | bytes | tuple[int, ...]) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() + b"\0" if isinstance(value, str) else struct.pack(f">{len(value)}I", *value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
