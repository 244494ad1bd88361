"""Calibration: measure the kernels of a platform, fit its coefficients, check them on what was held out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from compiler.bench import (
    FAMILIES,
    LARGE,
    Case,
    Move,
    Room,
    Runner,
    TiledNetwork,
    draw,
    draw_moves,
    draw_tiled,
    measure,
    measure_tiled,
)
from compiler.ir import Module
from costmodels.calibration.coefficients import names_of, values_of
from costmodels.calibration.fit import (
    Errors,
    KernelSample,
    MoveSample,
    errors_of,
    fit_cold,
    fit_contention,
    fit_copies,
    fit_forks,
    fit_kernels,
)
from costmodels.calibration.leastsquares import nonnegative_robust
from costmodels.engines import PortableEngine, XpulpEngine
from costmodels.errors import PlatformError
from costmodels.facts import Fact
from costmodels.platform import Platform
from costmodels.transfer import Link
from costmodels.validation.kernels import KernelRow, kernel_rows
from costmodels.validation.tables import Use
from dse.estimate import Estimator
from dse.points import OuterSetting
from dse.task import Budget, Task

Sample = TypeVar("Sample", KernelSample, MoveSample)
Sweep = tuple[Sequence[Sample], Sequence[Sample]]
"""What is fitted, and what is held out."""

MOVES, LAYERS = "copies", "tiled layers"
SMALL = Room(1 << 15, 1 << 18)
"""Operands that fit a chip's L1, all six at once."""
Own = PortableEngine | XpulpEngine
LAYER_COSTS = 5
"""Coefficients that are fitted to whole layers."""


@dataclass(frozen=True)
class Effort:
    """shapes: of every family of kernels, half of them held out. networks: in small tiles; likewise.

    kernels: the only families to be measured and fitted; everything else keeps its values. Empty: all.
    """

    shapes: int = 220
    networks: int = 16
    seed: int = 0
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """A platform with fitted coefficients, their values by dotted key, and the errors that are left.

    measured: the kernels, by cores, and which of them were fitted.
    """

    platform: Platform
    values: Mapping[str, float]
    errors: tuple[Errors, ...]
    measured: Mapping[int, Sequence[KernelSample]] = field(default_factory=dict)
    seed: int = 0

    def rows(self, variant: str, source: str) -> tuple[KernelRow, ...]:
        """The kernels as rows of a table, on one core and on all."""
        one, several = self.measured[1], self.measured[max(self.measured)]
        fitted = set(_order(len(one), self.seed)[: len(one) // 2])
        uses: list[Use] = ["fitted" if k in fitted else "held-out" for k in range(len(one))]
        return kernel_rows(variant, source, uses, one, several)

    def facts(self, source: str) -> dict[str, Fact]:
        """The values as facts of a platform file."""
        return {key: Fact(key, round(value, 2), "FIT", source) for key, value in self.values.items()}


@dataclass(frozen=True)
class Measurements:
    """Everything that was measured: kernels on one and on all cores, forks by cores, copies."""

    kernels: Mapping[int, Sequence[KernelSample]]
    forks: Mapping[int, float]
    moves: Sequence[MoveSample]


def calibrate(platform: Platform, runner: Runner, effort: Effort) -> Calibration:
    """Measure, fit, check. Raises PlatformError for a platform without portable cores, TargetError."""
    engine = counted_engine(platform)
    for name in effort.kernels:
        if name not in FAMILIES:
            raise PlatformError(platform.name, "kernels", f"{name!r} is no kernel", ", ".join(FAMILIES))
    found = measurements(runner, engine, effort)
    fitted, _ = _divide(found.kernels[1], effort.seed)
    if effort.kernels:
        return _some_kernels(platform, fit_kernels(engine, fitted), found, effort)
    moves = _divide(found.moves, effort.seed)
    engine = fit_kernels(fit_forks(engine, found.forks), fitted)
    if isinstance(engine, XpulpEngine):
        several = _divide(found.kernels[engine.cores], effort.seed)[0]
        engine = fit_cold(fit_contention(engine, several), several)
    platform = _replaced(platform, engine, moves[0])
    copies = (copy_errors(platform, moves[1]),) if moves[1] else ()
    networks = draw_tiled(effort.networks, effort.seed, off_chip=isinstance(engine, PortableEngine))
    cycles = [measure_tiled(network, runner, engine.cores) for network in networks]
    half = len(networks) // 2
    platform = fit_layers(platform, networks[:half], cycles[:half])
    errors = (
        *kernel_errors(counted_engine(platform), found.kernels, effort.seed),
        *copies,
        layer_errors(platform, networks[half:], cycles[half:]),
    )
    return Calibration(platform, dict(_values(platform)), errors, found.kernels, effort.seed)


def _some_kernels(platform: Platform, engine: Own, found: Measurements, effort: Effort) -> Calibration:
    """Only what was fitted of `engine`, whose forks cost what the platform says."""
    names = {sample.spec.kernel for sample in found.kernels[1]}
    prefixes = tuple(f"engines.{engine.name}.kernels.{name}." for name in names)
    platform = _replaced(platform, engine, ())
    values = {key: value for key, value in _values(platform) if key.startswith(prefixes)}
    return Calibration(platform, values, tuple(kernel_errors(engine, found.kernels, effort.seed)))


def counted_engine(platform: Platform) -> Own:
    """The cores that run our own kernels. Raises PlatformError if the platform has none."""
    for engine in platform.engines:
        if isinstance(engine, PortableEngine | XpulpEngine):
            return engine
    raise PlatformError(
        platform.name,
        "engines",
        "has no engine of kind portable or xpulp",
        "only our own kernels can be calibrated",
    )


def measurements(runner: Runner, engine: Own, effort: Effort) -> Measurements:
    """All kernels on one core and on all, and copies, each in one program. Raises TargetError.

    On cores with caches and a small L1 shapes are smaller, calls warm, and a DMA copies: no copy loop.
    """
    chip = isinstance(engine, XpulpEngine)
    room = SMALL if chip else LARGE
    families = effort.kernels or tuple(FAMILIES)
    cases = [case for family in families for case in draw(family, effort.shapes, effort.seed, room)]
    moves = () if effort.kernels or chip else draw_moves(effort.shapes, effort.seed)
    kernels: dict[int, Sequence[KernelSample]] = {}
    forks: dict[int, float] = {}
    moved: tuple[int, ...] = ()
    for count in dict.fromkeys((1, engine.cores)):
        found = measure(cases, moves, runner, count, room, caches=chip)
        colds = found.cold or (0,) * len(cases)
        rows = zip(cases, found.cycles, colds, strict=True)
        kernels[count] = [_kernel_sample(case, count, cycles, cold) for case, cycles, cold in rows]
        forks[count], moved = float(found.fork_cycles), found.move_cycles
    return Measurements(kernels, forks, [_move_sample(*pair) for pair in zip(moves, moved, strict=True)])


def _kernel_sample(case: Case, cores: int, cycles: int, cold: int) -> KernelSample:
    calls, partial = (2, 0.5) if case.in_two else (1, 0.0)
    extents = tuple(case.extents.items())
    return KernelSample(
        case.family, case.spec, case.split, extents, partial, calls, cores, float(cycles), float(cold)
    )


def _move_sample(move: Move, cycles: int) -> MoveSample:
    size = move.outer * move.lines * move.line_bytes
    return MoveSample(move.outer, move.contiguous_lines, size, move.grain, move.cut, float(cycles))


def _divide(samples: Sequence[Sample], seed: int) -> Sweep[Sample]:
    """Halves by chance, the same for the same seed."""
    order, middle = _order(len(samples), seed), len(samples) // 2
    return [samples[k] for k in order[:middle]], [samples[k] for k in order[middle:]]


def _order(count: int, seed: int) -> list[int]:
    return [int(k) for k in np.random.default_rng(seed).permutation(count)]


def _replaced(platform: Platform, engine: Own, moves: Sequence[MoveSample]) -> Platform:
    engines = tuple(engine if each.name == engine.name else each for each in platform.engines)
    links = tuple(link if link.copy is None or not moves else _fitted(link, moves) for link in platform.links)
    return replace(platform, engines=engines, links=links)


def _fitted(link: Link, moves: Sequence[MoveSample]) -> Link:
    """With the costs of copies; those of tiles only where a link cuts tiles out of another level."""
    fitted = fit_copies(link, moves)
    return fitted if _cuts(link) else replace(fitted, tile_cycles=link.tile_cycles)


def _cuts(link: Link) -> bool:
    return link.copy is not None and link.from_level != link.to_level


def kernel_errors(engine: Own, samples: Mapping[int, Sequence[KernelSample]], seed: int) -> Iterator[Errors]:
    """Errors by number of cores and family, on the shapes that were held out on one core."""
    for cores, measured in samples.items():
        held = _divide(measured, seed)[1]
        for family in FAMILIES:
            part = [sample for sample in held if sample.family == family]
            if not part:
                continue
            predicted = [sample.predicted(engine) for sample in part]
            yield errors_of(family, cores, predicted, [sample.cycles for sample in part])


def copy_errors(platform: Platform, moves: Sequence[MoveSample]) -> Errors:
    """Errors of copies between memory levels, on the first link that has a copy loop."""
    link = _copying(platform)[0]
    return errors_of(MOVES, 1, [m.predicted(link) for m in moves], [m.cycles for m in moves])


def _copying(platform: Platform) -> tuple[Link, ...]:
    return tuple(link for link in platform.links if link.copy is not None)


# ---- Whole layers: what a tile costs beside its kernel and its copies


def predicted_layers(platform: Platform, network: TiledNetwork) -> list[float]:
    """Cycles of each layer of a deployment."""
    task = Task(Module("bench", "0" * 64, (network.graph,)), platform, Budget(None))
    setting = OuterSetting(0, 0, platform.point().name, True, 0.0)
    point = Estimator(task).design_point(setting, network.deployment, "trial")
    return [layer.cycles for layer in point.layers]


def fit_layers(
    platform: Platform, networks: Sequence[TiledNetwork], cycles: Sequence[Sequence[int]]
) -> Platform:
    """The platform with what a call, its axes and its second buffers cost, and a cut tile beside its copy.

    The copy of a tile alone is known by then; its ranges and addresses are computed by generated code.
    """
    known = _with_layer_costs(platform, (0.0,) * LAYER_COSTS)
    probes = [_with_layer_costs(platform, unit) for unit in np.eye(LAYER_COSTS)]
    measured = np.array([value for own in cycles for value in own], np.float64)

    def predicted(chosen: Platform) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([value for network in networks for value in predicted_layers(chosen, network)])

    base = predicted(known)
    columns = np.stack([predicted(probe) - base for probe in probes], axis=1)
    found = nonnegative_robust(columns / measured[:, None], (measured - base) / measured)
    return _with_layer_costs(platform, found)


def _with_layer_costs(platform: Platform, costs: Iterable[float]) -> Platform:
    """With call_cycles, axis_cycles, double_cycles; then with more tile_cycles where copy loops cut tiles,
    or with the driver_cycles of DMAs and layer_cycles.
    """
    call, axis, double, move, layer = map(float, costs)
    own = counted_engine(platform)
    engine: Own = replace(own, call_cycles=call, axis_cycles=axis, double_cycles=double)
    if isinstance(engine, XpulpEngine):
        engine = replace(engine, layer_cycles=layer)
    engines = tuple(engine if each.name == engine.name else each for each in platform.engines)
    return replace(platform, engines=engines, links=tuple(_with_move(link, move) for link in platform.links))


def _with_move(link: Link, cycles: float) -> Link:
    if _cuts(link):
        return replace(link, tile_cycles=link.tile_cycles + cycles)
    return replace(link, driver_cycles=cycles) if _drives(link) else link


def _drives(link: Link) -> bool:
    """Whether a core issues its transfers, which a DMA moves."""
    return link.asynchronous and link.clock == "cluster"


def layer_errors(
    platform: Platform, networks: Sequence[TiledNetwork], cycles: Sequence[Sequence[int]]
) -> Errors:
    """Errors of whole layers."""
    predicted = [value for network in networks for value in predicted_layers(platform, network)]
    measured = [float(value) for own in cycles for value in own]
    return errors_of(LAYERS, counted_engine(platform).cores, predicted, measured)


def _values(platform: Platform) -> Iterator[tuple[str, float]]:
    """Everything that was fitted, by the dotted keys of the platform file."""
    engine = counted_engine(platform)
    prefix = f"engines.{engine.name}"
    for name in ("call_cycles", "axis_cycles", "double_cycles", "fork_cycles", "fork_core_cycles"):
        yield f"{prefix}.{name}", getattr(engine, name)
    if isinstance(engine, XpulpEngine):
        yield f"{prefix}.contention", engine.contention
        yield f"{prefix}.layer_cycles", engine.layer_cycles
        for name, value in zip(names_of(engine.cold), values_of(engine.cold), strict=True):
            yield f"{prefix}.cold.{name}", value
    for name, value in zip(names_of(engine.kernels), values_of(engine.kernels), strict=True):
        yield f"{prefix}.kernels.{name}", value
    for link in filter(_drives, platform.links if isinstance(engine, XpulpEngine) else ()):
        yield f"links.{link.name}.driver_cycles", link.driver_cycles
    for link in _copying(platform):
        for name in ("driver_cycles", "line_cycles", *(("tile_cycles",) if _cuts(link) else ())):
            yield f"links.{link.name}.{name}", getattr(link, name)
        assert link.copy is not None
        for name, value in zip(names_of(link.copy), values_of(link.copy), strict=True):
            yield f"links.{link.name}.copy.{name}", value
