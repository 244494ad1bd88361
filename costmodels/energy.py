"""Energy of engines, of moved bytes and of time. Picojoules in the models, microjoules in results.

Form: E = sum over engines (busy cycles * active_pj_per_cycle + MACs * pj_per_mac) + sum over moved bytes
(read side + write side) + time * idle power. Operands that an engine reads from its own L1 (or an NPU from
its weight memory) while it computes are part of pj_per_mac, because every published pJ/MAC includes them.
Dynamic on-chip energy scales with an operating point's `dynamic_scale`, off-chip memory does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from costmodels.arrays import floats
from costmodels.work import FloatArray

UJ_PER_PJ = 1e-6


@dataclass(frozen=True)
class EnginePower:
    """Dynamic energy of a busy engine at the platform's reference voltage, idle power excluded."""

    active_pj_per_cycle: float
    pj_per_mac: float


def engine_pj(
    power: EnginePower, busy_cycles: npt.ArrayLike, macs: npt.ArrayLike, dynamic_scale: float = 1.0
) -> FloatArray:
    """Picojoules of an engine that is busy for these cycles (of its own clock) and does these MACs."""
    active = floats(busy_cycles) * power.active_pj_per_cycle
    return (active + floats(macs) * power.pj_per_mac) * dynamic_scale


def moved_pj(bytes_: npt.ArrayLike, read_pj_per_byte: float, write_pj_per_byte: float) -> FloatArray:
    """Picojoules of bytes that are read on one side of a link and written on the other."""
    return floats(bytes_) * (read_pj_per_byte + write_pj_per_byte)


def idle_uj(time_ms: npt.ArrayLike, idle_mw: float) -> FloatArray:
    """Microjoules of idle and leakage power over a time: mW * ms = uJ."""
    return floats(time_ms) * idle_mw
