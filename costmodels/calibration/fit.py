"""Coefficients of the portable kernels and of copy loops from measured calls.

Prices are linear in the coefficients as long as one core works, so that the price with one coefficient at 1
and all others at 0 is a column of the design matrix. Relative errors are minimised, coefficients are not
negative. Measurements on several cores are not fitted (the busiest core is a maximum): they check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from costmodels.calibration.coefficients import names_of, with_values
from costmodels.calibration.leastsquares import nonnegative
from costmodels.engines import PortableEngine, kernel_cycles
from costmodels.transfer import Link, transfer_cycles
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class KernelSample:
    """`calls` calls of a kernel on tiles of these extents, on `cores` cores, took `cycles` together.

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

    def predicted(self, engine: PortableEngine) -> float:
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


def fit_forks(engine: PortableEngine, forks: Mapping[int, float]) -> PortableEngine:
    """Cost of a fork of nothing, from its cycles by number of cores (1 and another)."""
    alone, most = forks[1], max(forks)
    each = (forks[most] - alone) / (most - 1) if most > 1 else 0.0
    return replace(engine, fork_cycles=float(alone), fork_core_cycles=max(each, 0.0), barrier_cycles=0.0)


def fit_kernels(engine: PortableEngine, samples: Sequence[KernelSample]) -> PortableEngine:
    """The engine with the coefficients of every kernel that was measured on one core; forks are known."""
    kernels = engine.kernels
    alone = [sample for sample in samples if sample.cores == 1]
    for kernel in dict.fromkeys(sample.spec.kernel for sample in alone):
        own = [sample for sample in alone if sample.spec.kernel == kernel]
        costs = getattr(kernels, kernel)
        names = names_of(costs)
        quiet = replace(engine, fork_cycles=0.0, fork_core_cycles=0.0, barrier_cycles=0.0)
        columns = []
        for unit in _units(len(names)):
            probe = replace(quiet, kernels=replace(kernels, **{kernel: with_values(costs, unit)}))
            columns.append([sample.predicted(probe) for sample in own])
        zero = replace(engine, kernels=replace(kernels, **{kernel: with_values(costs, [0.0] * len(names))}))
        found = _fit(columns, own, [sample.predicted(zero) for sample in own])
        kernels = replace(kernels, **{kernel: with_values(costs, found)})
    return replace(engine, kernels=kernels)


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
