"""Option tables: the Pareto front of one layer for every choice of homes, with the way back to plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from compiler.deployment import L2, L3, WEIGHT_MEMORIES, WHOLE, LayerPlan
from compiler.ir import Operator, Space
from compiler.schedule.footprint import Footprint
from costmodels.platform import OperatingPoint, Platform
from costmodels.work import IntArray
from dse.options.blocks import Base, base_of
from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.homes import BUFFERINGS, NONE, HomeChoice, Mode, modes
from dse.options.pins import OFF, LayerPins, engine_blockers
from dse.options.prices import ENERGY, RESIDENT, PricedRows, Pricer
from dse.options.stages import Stages
from dse.solver.pareto import FloatArray, nondominated


@dataclass(frozen=True)
class OptionsRequest:
    """What options are wanted: the platform at a point, L1 bytes at most, homes that activations and
    parameters may have, effort."""

    platform: Platform
    point: OperatingPoint
    l1_bytes: int
    homes: tuple[str, ...]
    param_homes: tuple[str, ...]
    effort: Effort


@dataclass(frozen=True, eq=False)
class Option:
    """The rows of one choice of homes that keep the same parameter bytes on chip.

    resident: of them in L2, in weight memory, in L1. rows [n, 4]: time in ms, energy in uJ, L1 tile bytes,
    L2 staging bytes. picks [n, 4]: candidate set, tiling, mode, split of every row. cover [n]: ms of its time
    that a copy for the next layer can run under.
    """

    choice: HomeChoice
    resident: tuple[int, int, int]
    rows: FloatArray
    picks: IntArray
    cover: FloatArray


Sets = tuple[Candidates, ...]


@dataclass(frozen=True, eq=False)
class LayerOptions:
    """Everything a layer can do. `useful`: of the given tilings, those in some option."""

    operator: Operator
    space: Space
    sets: tuple[Candidates, ...]
    modes: tuple[Mode, ...]
    options: tuple[Option, ...]
    useful: Sets
    _planned: dict[tuple[int, int, str, bool], tuple[LayerPlan, Footprint]] = field(
        default_factory=dict, repr=False
    )

    def planned(
        self, option: int, row: int, name: str, prefetched: bool = False
    ) -> tuple[LayerPlan, Footprint]:
        """`plan` and `footprint` of a row, made once: deployments share most of them."""
        key = (option, row, name, prefetched)
        if key not in self._planned:
            self._planned[key] = self.plan(option, row, name, prefetched), self.footprint(option, row)
        return self._planned[key]

    def plan(self, option: int, row: int, name: str, prefetched: bool = False) -> LayerPlan:
        """The layer plan that a row stands for, for the operator called `name`.

        prefetched: its parameters are not at home in L2, as in the option, but come from L3 ahead of it.
        """
        number, tiling, mode, split = (int(v) for v in self.options[option].picks[row])
        c = self.sets[number]
        tile = tuple(
            (dim.name, int(size)) for dim, size in zip(c.space.dims, c.grid.tiles[tiling], strict=True)
        )
        staging = self.modes[mode].staging
        if prefetched:
            staging = (*staging[:-2], WHOLE, staging[-1])
        return LayerPlan(
            operator=name,
            engine=c.engine,
            layout=c.layout,
            tile=tile,
            order=c.order,
            split=c.space.spec.splits[split],
            buffering=self.modes[mode].buffering,
            staging=staging,
            prefetch=int(prefetched),
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


def layer_options(
    op: Operator,
    space: Space,
    tensor_bytes: tuple[int, ...],
    request: OptionsRequest,
    pins: LayerPins,
    sets: Sets,
) -> LayerOptions:
    """The options of a layer, of the tilings of `layer_sets`. tensor_bytes: sizes of its inputs, then of its
    output.

    Choices of homes with an activation in L3 multiply, and so look only at tilings that are on the front of
    an on-chip choice (where there is one): part of what the explored space is.
    """
    choices = tuple(_choices(op, sets, request, pins))
    known = tuple(dict.fromkeys(mode for choice in choices for mode in modes(choice)))
    table = _Table(request, pins, tensor_bytes, {mode: number for number, mode in enumerate(known)})
    near = [choice for choice in choices if not choice.off_chip]
    fronts = table.fronts(near, sets, 0, {})
    options = list(table.options(near, fronts))
    far = [choice for choice in choices if choice.off_chip]
    if not options:
        options += table.options(far, table.fronts(far, sets, 0, {}))
        return LayerOptions(op, space, sets, known, tuple(options), _useful(sets, options))
    used = _used(sets, options)
    fronts = {base: front.confined(used) for base, front in fronts.items()}
    useful = tuple(c.subset(rows) for c, rows in zip(sets, used, strict=True) if len(rows))
    options += table.options(far, table.fronts(far, useful, len(sets), fronts))
    return LayerOptions(op, space, (*sets, *useful), known, tuple(options), useful)


def _used(sets: Sequence[Candidates], options: Sequence[Option]) -> list[IntArray]:
    """The tilings of each set that are in some option."""
    picks = np.concatenate([option.picks[:, :2] for option in options])
    return [np.unique(picks[picks[:, 0] == number, 1]) for number in range(len(sets))]


def _useful(sets: Sequence[Candidates], options: Sequence[Option]) -> tuple[Candidates, ...]:
    """The sets without tilings that are in no option."""
    if not options:
        return ()
    used = _used(sets, options)
    return tuple(c.subset(rows) for c, rows in zip(sets, used, strict=True) if len(rows))


def layer_sets(op: Operator, space: Space, request: OptionsRequest, pins: LayerPins) -> Sets:
    """Tilings of a layer on every engine that may run it, in every order that pins allow.

    The same at every operating point.
    """
    sets: list[Candidates] = []
    for engine in request.platform.engines:
        if pins.engine in (None, engine.name) and not engine_blockers(op, engine):
            effort = replace(request.effort, pinned=pins.tile)
            sets += layer_candidates(op, space, engine, request.l1_bytes, effort, pins.split)
    return tuple(c for c in sets if pins.order in (None, c.order))


def _choices(op: Operator, sets: Sets, request: OptionsRequest, pins: LayerPins) -> Iterator[HomeChoice]:
    has_params = any(int(c.measured.params.region_bytes.max(initial=0)) > 0 for c in sets)
    params = request.param_homes if has_params else (NONE,)
    if pins.params_home == L3 and pins.prefetch != OFF:
        pins = replace(pins, params_home=None)  # what is prefetched runs as from L2
        params = tuple(home for home in params if home in (L2, L3))
    for homes in product(request.homes, repeat=len(op.inputs) + 1):
        for home in params:
            choice = HomeChoice(homes[:-1], homes[-1], home)
            if pins.allows(choice) and _consistent(op, choice):
                yield choice


def _consistent(op: Operator, choice: HomeChoice) -> bool:
    """One tensor has one home, also where it is read twice."""
    seen: dict[str, str] = {}
    return all(seen.setdefault(n, home) == home for n, home in zip(op.inputs, choice.inputs, strict=True))


def _reads(c: Candidates, base: Base) -> bool:
    """Whether parameters can be at home there: only an NPU reads weights in a weight memory."""
    return base[-2][0] not in WEIGHT_MEMORIES or (c.layout != "plain" and c.operator.has_weights)


@dataclass(frozen=True, eq=False)
class _Front:
    """The rows [n, 7] of one base that none dominates, over all sets, orders and bufferings.

    picks [n, 4]: candidate set, tiling, buffering, split of every row; cover [n] as in `Option`.
    """

    rows: FloatArray
    picks: IntArray
    cover: FloatArray

    @classmethod
    def of(cls, parts: Sequence[_Front]) -> _Front:
        """The front of some rows; of those that are equal the first."""
        rows = np.concatenate([part.rows for part in parts])
        keep = nondominated(_levelled(rows))
        picks, cover = (np.concatenate(of) for of in zip(*((p.picks, p.cover) for p in parts), strict=True))
        return cls(rows[keep], picks[keep], cover[keep])

    def confined(self, used: Sequence[IntArray]) -> _Front:
        """To these tilings of each set."""
        allowed = [np.isin(self.picks[:, 1], rows) for rows in used]
        keep = np.any([own & (self.picks[:, 0] == n) for n, own in enumerate(allowed)], axis=0)
        return _Front(self.rows[keep], self.picks[keep], self.cover[keep])


_Fronts = Mapping[Base, _Front]


def _levelled(rows: FloatArray) -> FloatArray:
    """Times and energies without their last 12 bits (2e-13 of them), which hang on the order of sums only."""
    levelled = rows.copy()
    levelled[:, : ENERGY + 1] = (rows[:, : ENERGY + 1].view(np.int64) >> 12 << 12).view(np.float64)
    return levelled


def _families(sets: Sequence[Candidates], offset: int) -> Iterator[tuple[int, tuple[Candidates, ...]]]:
    """Sets of the same tilings in several loop orders, with the number of the first."""
    start = 0
    for end in range(1, len(sets) + 1):
        if end == len(sets) or not sets[end].same_tilings(sets[start]):
            yield offset + start, tuple(sets[start:end])
            start = end


@dataclass(frozen=True, eq=False)
class _Table:
    """Builds the options of one layer. modes: the number of each."""

    request: OptionsRequest
    pins: LayerPins
    tensor_bytes: tuple[int, ...]
    modes: dict[Mode, int]

    def fronts(
        self, choices: Sequence[HomeChoice], sets: Sequence[Candidates], offset: int, known: _Fronts
    ) -> _Fronts:
        """The front of every base of these choices, of what is not known; sets count from `offset`."""
        found = {base: list[_Front]() for c in choices for base, _, _ in self._bases(c) if base not in known}
        for number, family in _families(sets, offset):
            bases = [base for base in found if _reads(family[0], base)]
            for place, priced in self._pricer(family).price(bases, self._bufferings) if bases else ():
                found[bases[place]].append(_front(number, priced))
        return dict(known) | {base: _Front.of(parts) for base, parts in found.items() if parts}

    def options(self, choices: Sequence[HomeChoice], fronts: Mapping[Base, _Front]) -> Iterator[Option]:
        """Options of these choices in order."""
        for choice in choices:
            parts = [
                self._staged(fronts[base], staging, whole)
                for base, staging, whole in self._bases(choice)
                if base in fronts
            ]
            if parts:
                yield from _split_by_resident(choice, _Front.of(parts) if len(parts) > 1 else parts[0])

    def _bases(self, choice: HomeChoice) -> Iterator[tuple[Base, tuple[str, ...], tuple[int, ...]]]:
        """What it does within the layer, for every staging, with the streams that are staged whole; those
        with most of them first: a prefetch can run under what is not staged tile by tile."""
        stagings = dict.fromkeys(mode.staging for mode in modes(choice))
        for staging in reversed(stagings):
            base, whole = base_of(choice, staging)
            yield base, staging, whole

    @property
    def _bufferings(self) -> tuple[int, ...]:
        return tuple(b for b in BUFFERINGS if self.pins.buffering in (None, b))

    def _pricer(self, family: tuple[Candidates, ...]) -> Pricer:
        request = self.request
        return Pricer(family, request.platform, request.point, request.l1_bytes, self.tensor_bytes)

    def _staged(self, front: _Front, staging: tuple[str, ...], whole: tuple[int, ...]) -> _Front:
        """A base's front with these streams staged whole around it; modes in place of bufferings."""
        stages = Stages(self.request.platform, self.request.point, self.tensor_bytes)
        rows, cover = stages.around(front.rows, front.cover, whole)
        numbers = np.array([0, *(self.modes[Mode(buffering, staging)] for buffering in BUFFERINGS)])
        picks = front.picks.copy()
        picks[:, 2] = numbers[picks[:, 2]]
        return _Front(rows, picks, cover)


def _front(number: int, priced: PricedRows) -> _Front:
    """Rows of the sets from `number` on, with what they stand for."""
    buffering = np.full_like(priced.order, priced.buffering)
    picks = np.stack([number + priced.order, priced.tiling, buffering, priced.split], axis=1)
    return _Front(priced.rows, picks, priced.cover)


def _split_by_resident(choice: HomeChoice, front: _Front) -> Iterator[Option]:
    """A front over time, energy, L1, staging and resident bytes: an option for each of the latter."""
    resident, group = np.unique(front.rows[:, RESIDENT:], axis=0, return_inverse=True)
    for number, (l2, memory, l1) in enumerate(resident.astype(np.int64).tolist()):
        rows = np.flatnonzero(group.reshape(-1) == number)
        table, picks = front.rows[rows, :RESIDENT], front.picks[rows]
        yield Option(choice, (l2, memory, l1), table, picks, front.cover[rows])
