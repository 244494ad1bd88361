"""Where parameter blocks start, as C: constants, a formula, or a table, whatever is least."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property

LINE = 108


@dataclass(frozen=True)
class Blocks:
    """Block k of a region is [starts[k], starts[k + 1]). table: name of the C array, should there be one."""

    table: str
    starts: tuple[int, ...]

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(b - a for a, b in zip(self.starts, self.starts[1:], strict=False))

    @property
    def several(self) -> bool:
        return len(self._sizes) > 1

    @property
    def _equal(self) -> bool:
        """Whether all blocks but the last have one size."""
        return len(set(self._sizes[:-1])) <= 1

    @property
    def start(self) -> str:
        """C expression of the start of block `number`."""
        if not self.several:
            return "0u"
        return f"number * {self._sizes[0]}u" if self._equal else f"{self.table}[number]"

    @property
    def size(self) -> str:
        """C expression of the bytes of block `number`."""
        first, last = self._sizes[0], self._sizes[-1]
        if not self._equal:
            return f"{self.table}[number + 1u] - {self.table}[number]"
        return f"{first}u" if first == last else f"number == {len(self._sizes) - 1}u ? {last}u : {first}u"

    @property
    def one_size(self) -> bool:
        return "number" not in self.size

    @property
    def definition(self) -> str:
        """C definition of the table, empty where none is needed."""
        if self._equal:
            return ""
        text = ", ".join(f"{start}u" for start in self.starts)
        body = textwrap.fill(text, LINE, initial_indent="    ", subsequent_indent="    ")
        return f"static const uint32_t {self.table}[{len(self.starts)}] = {{\n{body},\n}};"

    def within(self, region: str) -> str:
        """C expression of the address of block `number` in a region."""
        return region if self.start == "0u" else f"{region} + {self.start}"


@dataclass(frozen=True, kw_only=True)
class ParamBlocksC:
    """C fragments of a layer's parameter blocks.

    weights: address of the weights part in a weight memory, or empty. joint: whether blocks have both
    parts; then `weights` is where the block starts and `tables` an expression of it.
    """

    what: str
    blocks: Blocks
    weights: str
    weight_blocks: Blocks
    tables: str
    joint: bool

    @property
    def call_needs_bytes(self) -> bool:
        return self.joint and not self.blocks.one_size

    @property
    def definitions(self) -> tuple[str, ...]:
        """Definitions of tables of block starts."""
        return tuple(text for text in (self.blocks.definition, self.weight_blocks.definition) if text)
