"""Transfers of a DMA that are issued together and awaited together."""

from __future__ import annotations

from dataclasses import dataclass

from costmodels.transfer import transfer_cycles
from costmodels.validation.tables import Row
from costmodels.variants import load_variant


@dataclass(frozen=True)
class Fetch(Row):
    """Transfers over one link; back_bytes, if any, go as one transfer over `back_link` at the same time."""

    variant: str
    link: str
    transfers: int
    lines: int
    bytes: int
    back_link: str
    back_bytes: int

    def predicted(self) -> float:
        """Cycles of the link's clock from the first issue to the end."""
        links = load_variant(self.variant).link_of
        there = links[self.link]
        cycles = float(transfer_cycles(there, self.transfers, self.lines, self.bytes, fetches=1))
        if not self.back_bytes:
            return cycles
        back = float(transfer_cycles(links[self.back_link], 1, 1, self.back_bytes))
        same = links[self.back_link].channel == there.channel
        return cycles + back if same else max(cycles, back)
