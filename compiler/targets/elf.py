"""Reads names and sizes from a linked ELF file, 32 or 64 bit, little-endian.

Format: System V ABI, chapter 4 (object files); the section header table names a symbol table and its strings.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compiler.targets.errors import BadElf

_SYMTAB, _OBJECT, _LOCAL = 2, 1, 0


@dataclass(frozen=True)
class _Layout:
    """struct formats of one ELF class, and where the fields of a symbol stand in its format."""

    header: struct.Struct  # from e_type on
    section: struct.Struct
    symbol: struct.Struct
    symbol_size: int
    symbol_info: int


_LAYOUTS = {
    1: _Layout(struct.Struct("<HHIIIIIHHHHHH"), struct.Struct("<10I"), struct.Struct("<IIIBBH"), 2, 3),
    2: _Layout(struct.Struct("<HHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), 5, 1),
}


@dataclass(frozen=True)
class _Section:
    kind: int
    offset: int
    size: int
    link: int


def symbol_sizes(path: Path) -> dict[str, int]:
    """Bytes of every global data object in the file, by name. Raises BadElf.

    clang's address sanitizer counts guard zones into these sizes: read them from a build without sanitizers.
    """
    data = path.read_bytes()
    try:
        return dict(_global_objects(data, _layout(data)))
    except (struct.error, IndexError, ValueError) as broken:
        raise BadElf(f"{path}: truncated or damaged ELF file ({broken})") from None
    except BadElf as unknown:
        raise BadElf(f"{path}: {unknown}") from None


def _layout(data: bytes) -> _Layout:
    if data[:4] != b"\x7fELF":
        raise BadElf("not an ELF file")
    if data[4] not in _LAYOUTS or data[5] != 1:
        raise BadElf("not a little-endian 32- or 64-bit ELF file")
    return _LAYOUTS[data[4]]


def _sections(data: bytes, layout: _Layout) -> list[_Section]:
    header = layout.header.unpack_from(data, 16)
    offset, entry_bytes, count = header[5], header[10], header[11]
    rows = (layout.section.unpack_from(data, offset + i * entry_bytes) for i in range(count))
    return [_Section(kind=row[1], offset=row[4], size=row[5], link=row[6]) for row in rows]


def _global_objects(data: bytes, layout: _Layout) -> Iterator[tuple[str, int]]:
    sections = _sections(data, layout)
    for table in sections:
        if table.kind != _SYMTAB:
            continue
        strings = sections[table.link]
        for at in range(table.offset, table.offset + table.size, layout.symbol.size):
            symbol = layout.symbol.unpack_from(data, at)
            info = symbol[layout.symbol_info]
            if info & 15 == _OBJECT and info >> 4 != _LOCAL:
                yield _name(data, strings.offset + symbol[0]), symbol[layout.symbol_size]


def _name(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
