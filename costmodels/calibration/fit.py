"""Coefficients of the portable kernels and of copy loops from measured calls.

Prices are linear in the coefficients as long as one core works, so that the price with one coefficient at 1
and all others at 0 is a column of the design matrix. Relative errors are minimised, coefficients are not
negative. Measurements on several cores are not fitted (the busiest core is a maximum): they check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from costmodels.calibration.coefficients import names_of, with_values
from costmodels.calibration.leastsquares import nonnegative
from costmodels.engines import PortableEngine, XpulpEngine, kernel_cycles
from costmodels.engines.portable.costs import PortableCosts
from costmodels.engines.xpulp.costs import XpulpCosts
from costmodels.transfer import Link, transfer_cycles
from costmodels.work import KernelSpec

Own = TypeVar("Own", bound=PortableEngine | XpulpEngine)
"""Cores whose kernels are counted piece by piece."""
Table = PortableCosts | XpulpCosts


@dataclass(frozen=True)
class KernelSample:
    """`calls` calls of a kernel on tiles of these extents, on `cores` cores, took `cycles` together.

    cold: what a call with cold instruction caches took more.
    partial: share of the calls that do not finish their reduction. family: whose errors it counts to.
    """

    family: str
    spec: KernelSpec
    split: tuple[str, ...]
    extents: tuple[tuple[str, int], ...]
    partial: float
    calls: int
    cores: int
    cycles: float
    cold: float = 0.0

    def predicted(self, engine: Own) -> float:
        """Cycles on as many cores, from the fork to the join."""
        same = replace(engine, cores=self.cores)
        kernel = kernel_cycles(same, self.spec, dict(self.extents), self.split, self.partial)
        return self.calls * (float(kernel) + (same.forked_cycles if self.split else 0.0))


@dataclass(frozen=True)
class MoveSample:
    """One fetch of some transfers and lines; grain and cut as `transfer_cycles` takes them."""

    transfers: int
    lines: int
    bytes: int
    grain: int
    cut: bool
    cycles: float

    def predicted(self, link: Link) -> float:
        """Cycles of the link's clock."""
        return float(transfer_cycles(link, self.transfers, self.lines, self.bytes, 1, self.grain, self.cut))


@dataclass(frozen=True)
class Errors:
    """Relative errors of some samples of a family: their number, mean and greatest absolute value."""

    family: str
    cores: int
    count: int
    mean: float
    worst: float


def fit_forks(engine: Own, forks: Mapping[int, float]) -> Own:
    """Cost of a fork of nothing, from its cycles by number of cores (1 and another)."""
    alone, most = forks[1], max(forks)
    each = (forks[most] - alone) / (most - 1) if most > 1 else 0.0
    return replace(engine, fork_cycles=float(alone), fork_core_cycles=max(each, 0.0), barrier_cycles=0.0)


def fit_kernels(engine: Own, samples: Sequence[KernelSample]) -> Own:
    """The engine with the coefficients of every kernel that was measured on one core; forks are known."""
    kernels: Table = engine.kernels
    alone = [sample for sample in samples if sample.cores == 1]
    for kernel in dict.fromkeys(sample.spec.kernel for sample in alone):
        own = [sample for sample in alone if sample.spec.kernel == kernel]
        costs = getattr(kernels, kernel)
        names = names_of(costs)
        quiet = replace(engine, fork_cycles=0.0, fork_core_cycles=0.0, barrier_cycles=0.0)
        columns = []
        for unit in _units(len(names)):
            probe = _with_kernels(quiet, replace(kernels, **{kernel: with_values(costs, unit)}))
            columns.append([sample.predicted(probe) for sample in own])
        zero = _with_kernels(engine, replace(kernels, **{kernel: with_values(costs, [0.0] * len(names))}))
        found = _fit(columns, own, [sample.predicted(zero) for sample in own])
        kernels = replace(kernels, **{kernel: with_values(costs, found)})
    return _with_kernels(engine, kernels)


def _with_kernels(engine: Own, kernels: Table) -> Own:
    changes: Mapping[str, Any] = {"kernels": kernels}
    return replace(engine, **changes)


def fit_contention(engine: XpulpEngine, samples: Sequence[KernelSample]) -> XpulpEngine:
    """The engine with the factor that several cores of it cost each other, by least relative squares."""
    quiet = replace(engine, contention=1.0)
    several = [sample for sample in samples if sample.cores > 1 and sample.split]
    cycles = np.array([sample.cycles for sample in several])
    forked = replace(quiet, cores=several[0].cores).forked_cycles
    forks = np.array([sample.calls * forked for sample in several])
    kernels = np.array([sample.predicted(quiet) for sample in several]) - forks
    share = kernels / cycles
    return replace(engine, contention=max(1.0, float(share @ (1.0 - forks / cycles) / (share @ share))))


def fit_cold(engine: XpulpEngine, samples: Sequence[KernelSample]) -> XpulpEngine:
    """The engine with what cold kernels cost: the median over the samples of each on all cores."""
    several = [sample for sample in samples if sample.cores > 1]
    found = {kernel: [s.cold for s in several if s.spec.kernel == kernel] for kernel in names_of(engine.cold)}
    medians = {kernel: float(np.median(cold)) for kernel, cold in found.items() if cold}
    return replace(engine, cold=replace(engine.cold, **medians))


def fit_copies(link: Link, samples: Sequence[MoveSample]) -> Link:
    """The link with the costs of its transfers, lines, cut tiles and copy loop. It must have a copy loop."""
    assert link.copy is not None
    count = len(names_of(link.copy))
    probes = [_with_costs(link, unit) for unit in _units(3 + count)]
    columns = [[sample.predicted(probe) for sample in samples] for probe in probes]
    return _with_costs(link, _fit(columns, samples, [0.0] * len(samples)))


def _with_costs(link: Link, values: Sequence[float]) -> Link:
    """driver_cycles, line_cycles, tile_cycles, then those of the copy loop."""
    driver, line, tile, *rest = values
    return replace(
        link,
        latency_cycles=0.0,
        driver_cycles=driver,
        line_cycles=line,
        tile_cycles=tile,
        copy=with_values(link.copy, rest),
    )


def _units(count: int) -> list[list[float]]:
    return [[float(k == n) for k in range(count)] for n in range(count)]


def _fit(
    columns: Sequence[Sequence[float]],
    samples: Sequence[KernelSample] | Sequence[MoveSample],
    known: Sequence[float],
) -> list[float]:
    """Coefficients that minimise relative errors, beside what is known already."""
    cycles = np.array([sample.cycles for sample in samples])
    target = (cycles - np.array(known)) / cycles
    return [float(value) for value in nonnegative(np.array(columns).T / cycles[:, None], target)]


def errors_of(family: str, cores: int, predicted: Sequence[float], measured: Sequence[float]) -> Errors:
    """Mean and worst of |predicted / measured - 1|."""
    errors = np.abs(np.array(predicted) / np.array(measured) - 1.0)
    return Errors(family, cores, len(errors), float(errors.mean()), float(errors.max()))
