"""Energy of engines, of moved bytes and of time. Picojoules in the models, microjoules in results.

Form, as in Accelergy and the power models of the PULP chips (energy per action, leakage apart from what the
clock costs):

    E = sum over engines  busy cycles * active + product cycles * product + MACs * mac   "engines"
      + sum over engines  cycles in which it waits * idle                               "waiting"
      + sum over hops     bytes * (read of one side + write of the other)               "moved", by level
      + time * idle power of everything else                                            "idle"
      + time * leakage of engines and of everything else                                "leakage"

Operands that an engine reads from its own L1 (or an NPU from its weight memory) while it computes are part of
the engine's terms, because every published pJ/MAC includes them. Dynamic on-chip energy scales with an
operating point's `dynamic_scale` (voltage squared), leakage with its `leakage_scale`, off-chip memory with
neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy.typing as npt

from costmodels.arrays import floats
from costmodels.work import FloatArray

UJ_PER_PJ = 1e-6
MW_PER_PJ_HZ = 1e-9
"""Milliwatts of one picojoule a cycle at one hertz."""
PRODUCTS = ("conv2d", "linear", "matmul")
"""Kernels that are matrix products: their inner loops leave no issue slot of a core empty."""


@dataclass(frozen=True)
class EnginePower:
    """Energy of one engine at the platform's reference voltage.

    active_pj_per_cycle: all its cores (or its array) at work. product_pj_per_cycle: more, for a cycle in a
    matrix product (`PRODUCTS`). pj_per_mac: more, for a multiply-accumulate. idle_pj_per_cycle: all of it
    waiting with its clock on: little where waiting cores are clock-gated, as much as active where they spin
    at a barrier. leakage_mw: while powered, whatever it does.
    """

    active_pj_per_cycle: float
    pj_per_mac: float
    idle_pj_per_cycle: float
    leakage_mw: float
    product_pj_per_cycle: float = 0.0

    def busy_pj_per_cycle(self, kernel: str) -> float:
        """Energy of a cycle in which all of the engine runs `kernel`, without its MACs."""
        return self.active_pj_per_cycle + (self.product_pj_per_cycle if kernel in PRODUCTS else 0.0)


def engine_uj(
    power: EnginePower, kernel: str, busy_cycles: npt.ArrayLike, macs: npt.ArrayLike, scale: float = 1.0
) -> FloatArray:
    """Microjoules of an engine at work. busy_cycles: of its own clock, times the share of it that works."""
    own = scale * UJ_PER_PJ
    active = floats(busy_cycles) * (power.busy_pj_per_cycle(kernel) * own)
    return active + floats(macs) * (power.pj_per_mac * own)


def spared_uj(power: EnginePower, busy_cycles: npt.ArrayLike, scale: float = 1.0) -> FloatArray:
    """Microjoules that an engine would draw if it waited instead of working."""
    return floats(busy_cycles) * (power.idle_pj_per_cycle * scale * UJ_PER_PJ)


def moved_pj(bytes_: npt.ArrayLike, read_pj_per_byte: float, write_pj_per_byte: float) -> FloatArray:
    """Picojoules of bytes that are read on one side of a link and written on the other."""
    return floats(bytes_) * (read_pj_per_byte + write_pj_per_byte)


def standing_uj(time_ms: npt.ArrayLike, power_mw: float) -> FloatArray:
    """Microjoules of a constant power over a time: mW * ms = uJ."""
    return floats(time_ms) * power_mw
