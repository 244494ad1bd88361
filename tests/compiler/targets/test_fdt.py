"""The device tree writer against the layout that the specification draws."""

from __future__ import annotations

import struct

from compiler.targets.fdt import Node, device_tree_blob
from compiler.targets.spike import machine_tree

_MAGIC = 0xD00DFEED


def test_blob_of_a_tiny_tree() -> None:
    root = Node("", {"model": "abc"}, (Node("x@1", {"reg": (1,), "flag": b""}),))
    blob = device_tree_blob(root)
    header = struct.unpack(">10I", blob[:40])
    structure, strings = header[2], header[3]
    assert header[0] == _MAGIC
    assert header[1] == len(blob)
    assert blob[strings:] == b"model\0reg\0flag\0"
    words = struct.unpack(f">{header[9] // 4}I", blob[structure : structure + header[9]])
    text = int.from_bytes(b"abc\0", "big"), int.from_bytes(b"x@1\0", "big")
    assert words == (1, 0, 3, 4, 0, text[0], 1, text[1], 3, 4, 6, 1, 3, 0, 10, 2, 2, 9)


def test_every_hart_has_its_software_interrupt() -> None:
    soc = machine_tree(8).children[2]
    assert soc.children[0].properties["interrupts-extended"] == tuple(
        cell for hart in range(1, 9) for cell in (hart, 3, hart, 7)
    )
