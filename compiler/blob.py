"""The constants of programs, as they are emitted: a blob that grows while programs are lowered."""

from __future__ import annotations

from dataclasses import dataclass, field

ALIGNMENT_BYTES = 16


@dataclass
class Blob:
    """Constants behind each other. shares: equal ones lie once, as those of two programs of one project."""

    shares: bool = False
    _data: bytearray = field(default_factory=bytearray)
    _starts: dict[bytes, int] = field(default_factory=dict)

    def append(self, data: bytes) -> int:
        """Append `data`, aligned, or find it; returns the offset."""
        if self.shares and data in self._starts:
            return self._starts[data]
        self._data += bytes(-len(self._data) % ALIGNMENT_BYTES)
        start = self._starts[data] = len(self._data)
        self._data += data
        return start

    @property
    def data(self) -> bytes:
        """All of it."""
        return bytes(self._data)
