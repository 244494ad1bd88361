"""What copying operands whole through L2, before or after a layer, adds to the layer's prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.deployment import L2, L3
from compiler.ir.operator import align4
from costmodels.layer import Hop
from costmodels.pipeline import alone_cycles, hops_uj
from costmodels.platform import OperatingPoint, Platform
from costmodels.prefetch import LINK
from dse.solver.pareto import FloatArray, IntArray

# Columns of priced rows; then come the resident bytes in L2, weight memory and L1.
TIME, ENERGY, L1_BYTES, STAGING, RESIDENT = range(5)
INWARD, OUTWARD = f"{L3}_{L2}", f"{L2}_{L3}"


@dataclass(frozen=True, eq=False)
class Stages:
    """Copies between L3 and L2 that nothing overlaps. tensor_bytes: of the inputs, then of the output."""

    platform: Platform
    point: OperatingPoint
    tensor_bytes: tuple[int, ...]

    def around(
        self, rows: FloatArray, cover: FloatArray, whole: Sequence[int]
    ) -> tuple[FloatArray, FloatArray]:
        """Rows [n, 7] and covers [n] of a base, with these of its streams staged whole around it.

        Such parameters are resident in L2 in the base, but are only staged there now.
        """
        rows, params = rows.copy() if whole else rows, len(self.tensor_bytes) - 1
        for stream in whole:
            if stream == params:
                bytes_ = rows[:, RESIDENT].astype(np.int64)
                rows[:, RESIDENT] = 0.0
            else:
                bytes_ = np.array([self.tensor_bytes[min(stream, params)]])
            ms, uj = self._copied(OUTWARD if stream > params else INWARD, bytes_)
            rows[:, TIME] += ms
            rows[:, ENERGY] += uj
            rows[:, STAGING] += align4(bytes_)
            if stream > params and not self._shared:
                cover = np.where(cover > 0, cover + ms, 0.0)
        return rows, cover

    def _copied(self, link: str, bytes_: IntArray) -> tuple[FloatArray, FloatArray]:
        """ms and uJ of one copy of so many bytes, [n] or [1]."""
        one = np.ones_like(bytes_)
        hop = Hop(link, one, one, bytes_)
        cycle_ms = 1e3 / self.platform.reference_hz(self.point)
        ms = np.asarray(alone_cycles(self.platform, hop, self.point) * cycle_ms, np.float64)
        moved_uj = hops_uj(self.platform, (hop,), self.point)
        return ms, np.asarray(moved_uj + ms * self.platform.standing_mw(self.point))

    @property
    def _shared(self) -> bool:
        """Whether copies out of L2 use the link of prefetches."""
        links = self.platform.link_of
        return links[OUTWARD].channel == links[LINK].channel
