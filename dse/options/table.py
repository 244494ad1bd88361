"""Option tables: the Pareto front of one layer for every choice of homes, with the way back to plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from compiler.deployment import L3, LayerPlan
from compiler.ir import Operator, Space
from compiler.ops.engines import npu_blockers
from compiler.schedule.footprint import Footprint
from costmodels.engines.npu import NpuEngine
from costmodels.pipeline import KernelTime, kernel_time, price_layer, stream_time
from costmodels.platform import OperatingPoint, Platform
from costmodels.work import IntArray
from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.homes import NONE, HomeChoice, Mode, StreamCache, modes, resident_bytes, streams
from dse.options.pins import LayerPins, PinError
from dse.solver.pareto import FloatArray, nondominated


@dataclass(frozen=True)
class OptionsRequest:
    """What options are wanted: the platform at a point, L1 bytes at most, homes that activations and
    parameters may have, engines to use, effort."""

    platform: Platform
    point: OperatingPoint
    l1_bytes: int
    homes: tuple[str, ...]
    param_homes: tuple[str, ...]
    engines: tuple[str, ...]
    effort: Effort


@dataclass(frozen=True, eq=False)
class Option:
    """The front of one choice of homes.

    rows [n, 4]: time in ms, energy in uJ, L1 tile bytes, L2 staging bytes. picks [n, 4]: candidate set,
    tiling, mode, split of every row. resident [n, 3]: bytes of parameters in L2, weight memory, L1.
    """

    choice: HomeChoice
    rows: FloatArray
    picks: IntArray
    resident: IntArray


@dataclass(frozen=True, eq=False)
class LayerOptions:
    """Everything a layer can do. `reasons`: why an engine of the platform may not run it."""

    operator: Operator
    space: Space
    sets: tuple[Candidates, ...]
    modes: tuple[Mode, ...]
    options: tuple[Option, ...]
    reasons: tuple[tuple[str, str], ...]

    def plan(self, option: int, row: int, name: str) -> LayerPlan:
        """The layer plan that a row stands for, for the operator called `name`."""
        number, tiling, mode, split = (int(v) for v in self.options[option].picks[row])
        c = self.sets[number]
        tile = tuple(
            (dim.name, int(size)) for dim, size in zip(c.space.dims, c.grid.tiles[tiling], strict=True)
        )
        return LayerPlan(
            operator=name,
            engine=c.engine,
            layout=c.layout,
            tile=tile,
            order=c.order,
            split=c.space.spec.splits[split],
            buffering=self.modes[mode].buffering,
            staging=self.modes[mode].staging,
        )

    def footprint(self, option: int, row: int) -> Footprint:
        """Bytes that a row needs, as `compiler.schedule.footprint` would find them."""
        number, tiling, _, _ = (int(v) for v in self.options[option].picks[row])
        c = self.sets[number]

        def up4(array: IntArray) -> int:
            return -(-int(array[tiling]) // 4) * 4

        depths = (*(stream.depth[tiling] > 0 for stream in c.inputs), c.params.depth[tiling] > 0)
        return Footprint(
            input_tiles=tuple(up4(stream.tile_bytes) for stream in c.inputs),
            output_tile=up4(c.output.tile_bytes),
            params_tile=up4(c.params.tile_bytes),
            tables_tile=up4(c.tables.tile_bytes),
            accumulator=up4(c.accumulator_bytes),
            several=(*(bool(d) for d in depths), bool(c.output.fetches[tiling] > 1)),
            region=int(c.params.region_bytes[tiling]),
            tables_region=int(c.tables.region_bytes[tiling]),
            weights_region=int(c.weights.region_bytes[tiling]),
        )


Sets = tuple[tuple[Candidates, ...], tuple[tuple[str, str], ...]]


def layer_options(
    op: Operator,
    space: Space,
    tensor_bytes: tuple[int, ...],
    request: OptionsRequest,
    pins: LayerPins,
    tiled: Sets,
) -> LayerOptions:
    """The options of a layer, of the tilings of `layer_sets`. tensor_bytes: sizes of its inputs, then of its
    output."""
    sets, reasons = tiled
    known: dict[Mode, int] = {}
    priced = [_priced_set(c, request, pins) for c in sets]

    def price(choices: Iterable[HomeChoice], offset: int) -> list[Option]:
        found = (_option(priced, choice, tensor_bytes, request, pins, known, offset) for choice in choices)
        return [option for option in found if option is not None]

    near, far = _by_distance(_choices(op, sets, request, pins))
    options = price(near, 0)
    if far and options:
        useful = _useful(sets, options)
        priced = [_priced_set(c, request, pins) for c in useful]
        options += price(far, len(sets))
        sets = (*sets, *useful)
    elif far:
        options = price(far, 0)
    return LayerOptions(op, space, sets, tuple(known), tuple(options), reasons)


def _by_distance(choices: Iterable[HomeChoice]) -> tuple[list[HomeChoice], list[HomeChoice]]:
    """Choices with all activations on chip, and those with one in L3."""
    near: list[HomeChoice] = []
    far: list[HomeChoice] = []
    for choice in choices:
        (far if L3 in (*choice.inputs, choice.output) else near).append(choice)
    return near, far


def _useful(sets: Sequence[Candidates], options: Sequence[Option]) -> tuple[Candidates, ...]:
    """The sets without tilings that are on no front of an on-chip choice.

    Choices with activations in L3 multiply, and so look at these tilings only: part of what the space is.
    """
    picks = np.concatenate([option.picks[:, :2] for option in options])
    used = [np.unique(picks[picks[:, 0] == number, 1]) for number in range(len(sets))]
    return tuple(c.subset(rows) for c, rows in zip(sets, used, strict=True) if len(rows))


@dataclass(frozen=True, eq=False)
class _PricedSet:
    """A candidate set with what all its homes and modes share: kernel times and priced streams."""

    candidates: Candidates
    kernel: KernelTime
    cache: StreamCache


def _priced_set(c: Candidates, request: OptionsRequest, pins: LayerPins) -> _PricedSet:
    platform, point = request.platform, request.point
    splits = (pins.split,) if pins.split else c.space.spec.splits
    kernel = kernel_time(platform.engine_of[c.engine], c.space.spec, c.classes, splits)
    return _PricedSet(c, kernel, StreamCache(lambda stream: stream_time(platform, stream, point)))


def layer_sets(op: Operator, space: Space, request: OptionsRequest, pins: LayerPins) -> Sets:
    """Tilings of a layer on every engine that may run it, and why the others may not.

    The same at every operating point. Raises PinError where a pinned engine cannot run the layer.
    """
    sets: list[Candidates] = []
    reasons: list[tuple[str, str]] = []
    for engine in request.platform.engines:
        blockers = npu_blockers(op, engine.constraints) if isinstance(engine, NpuEngine) else ()
        reasons += [(engine.name, reason) for reason in blockers]
        if pins.engine == engine.name and blockers:
            raise PinError(f"pin {op.name}.engine={engine.name}: {'; '.join(blockers)}")
        wanted = pins.engine in (None, engine.name) and engine.name in (*request.engines, pins.engine)
        if wanted and not blockers:
            effort = replace(request.effort, pinned=pins.tile)
            sets += layer_candidates(op, space, engine, request.l1_bytes, effort)
    return tuple(c for c in sets if pins.order in (None, c.order)), tuple(reasons)


def _choices(
    op: Operator, sets: tuple[Candidates, ...], request: OptionsRequest, pins: LayerPins
) -> Iterator[HomeChoice]:
    has_params = any(int(c.params.region_bytes.max(initial=0)) > 0 for c in sets)
    params = request.param_homes if has_params else (NONE,)
    for homes in product(request.homes, repeat=len(op.inputs) + 1):
        for home in params:
            choice = HomeChoice(homes[:-1], homes[-1], home)
            if pins.allows(choice) and _consistent(op, choice):
                yield choice


def _consistent(op: Operator, choice: HomeChoice) -> bool:
    """One tensor has one home, also where it is read twice."""
    seen: dict[str, str] = {}
    return all(seen.setdefault(n, home) == home for n, home in zip(op.inputs, choice.inputs, strict=True))


def _option(
    sets: Sequence[_PricedSet],
    choice: HomeChoice,
    tensor_bytes: tuple[int, ...],
    request: OptionsRequest,
    pins: LayerPins,
    known: dict[Mode, int],
    offset: int,
) -> Option | None:
    """The front of a choice of homes; candidate set `number` of the picks counts from `offset`."""
    rows, picks, resident = [], [], []
    for number, priced in enumerate(sets, start=offset):
        c = priced.candidates
        weights_only = choice.params.startswith("wmem")
        if weights_only and (c.layout == "plain" or not c.operator.has_weights):
            continue
        for mode in modes(choice):
            if pins.buffering not in (None, mode.buffering):
                continue
            found = _rows(priced, choice, mode, tensor_bytes, request, pins)
            if found is None:
                continue
            values, tiling, split = found
            index = known.setdefault(mode, len(known))
            count = len(tiling)
            rows.append(values)
            picks.append(np.stack([np.full(count, number), tiling, np.full(count, index), split], axis=1))
            resident.append(np.stack([column[tiling] for column in resident_bytes(c, choice)], axis=1))
    if not rows:
        return None
    table = np.concatenate(rows)
    keep = nondominated(table)
    return Option(choice, table[keep], np.concatenate(picks)[keep], np.concatenate(resident)[keep])


def _rows(
    priced_set: _PricedSet,
    choice: HomeChoice,
    mode: Mode,
    tensor_bytes: tuple[int, ...],
    request: OptionsRequest,
    pins: LayerPins,
) -> tuple[FloatArray, IntArray, IntArray] | None:
    """Front (time, energy, L1, staging) of one candidate set in one mode, tiling and split of every row."""
    c = priced_set.candidates
    stream = streams(c, choice, mode, tensor_bytes, priced_set.cache)
    fits = np.flatnonzero(stream.l1_bytes <= request.l1_bytes)
    if len(fits) == 0:
        return None
    work = replace(stream.work, kernel=priced_set.kernel)
    priced = price_layer(request.platform, work, request.point)
    columns = (priced.time_ms, priced.energy_uj, stream.l1_bytes, stream.staging_bytes)
    rows = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)[fits]
    keep = nondominated(rows)
    split = np.broadcast_to(priced.split, stream.l1_bytes.shape)[fits][keep]
    if pins.split:
        split = np.full_like(split, c.space.spec.splits.index(pins.split))
    return rows[keep], fits[keep], split
