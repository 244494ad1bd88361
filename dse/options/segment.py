"""Everything a segment can do: stripes, lines or recompute, engines, channel tiles, homes; priced and pruned.

A segment is one layer to the solver. With single buffers its price is a sum over its layers and streams, so
that every part is priced once, for all heights of stripes in one call, and a combination is a sum of parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from compiler.deployment import L1, L2, L3, WEIGHT_MEMORIES, LayerPlan, Segment
from compiler.ops.engines import npu_blockers
from compiler.schedule.footprint import Footprint, param_footprint
from compiler.schedule.segments import Striped, channel_dims, staging_of, up4
from compiler.tiling import tile_sizes
from compiler.tiling.stripes import LINE, MODES, SegmentGraph, stripes
from costmodels.energy import standing_uj
from costmodels.engines.npu import NpuEngine
from costmodels.pipeline import Hop, StreamWork, price_layer, stream_time
from costmodels.work import IntArray
from dse.options.candidates import layout_of
from dse.options.fused import ROLL, FusedChoice, FusedLayerWork
from dse.options.pins import LayerPins
from dse.options.table import OptionsRequest
from dse.solver.pareto import FloatArray, nondominated

HEIGHTS = 7
"""Most heights of stripes that are tried."""

BLOCKS = 4
"""Most caps on the size of parameter blocks that are tried."""

Tile = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Placement:
    """Engine, packing and channel tile of one layer."""

    engine: str
    layout: str
    tile: Tile


@dataclass(frozen=True)
class ParamsChoice:
    """Where the parameters of a segment's layers are at home, by layer; held: fetched once."""

    homes: tuple[str, ...]
    held: bool


@dataclass(frozen=True)
class SegmentPick:
    """What a row stands for. splits: index of each layer's split."""

    rows: int
    mode: str
    placements: tuple[Placement, ...]
    params: ParamsChoice
    splits: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class SegmentOption:
    """Rows [n, 4] (ms, uJ, L1 bytes, L2 staging bytes) for homes of inputs and output, with what they keep in
    L2, a weight memory and L1; picks: what each stands for."""

    inputs: tuple[str, ...]
    output: str
    params: str
    resident: tuple[int, int, int]
    rows: FloatArray
    picks: tuple[SegmentPick, ...]


@dataclass(frozen=True, eq=False)
class Fused:
    """The decisions of one row: of all layers of the segment."""

    segment: Segment
    plans: tuple[LayerPlan, ...]
    footprints: tuple[Footprint, ...]
    homes: Mapping[str, str]
    param_homes: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class SegmentOptions:
    """All options of a segment."""

    maker: SegmentMaker
    options: tuple[SegmentOption, ...]

    def fused(self, option: int, row: int) -> Fused:
        """The decisions that a row stands for."""
        return self.maker.fused(self.options[option], self.options[option].picks[row])


@dataclass(frozen=True, eq=False)
class _Part:
    """Time in ms and energy in uJ, each [C]."""

    ms: FloatArray
    uj: FloatArray

    def __add__(self, other: _Part) -> _Part:
        return _Part(self.ms + other.ms, self.uj + other.uj)


@dataclass(frozen=True, eq=False)
class Crossing:
    """In one mode: what tensors that enter or leave cost, by name and home; bytes of rows [C] by name."""

    parts: Mapping[tuple[str, str], _Part]
    windows: Mapping[str, IntArray]


@dataclass(frozen=True, eq=False)
class _Core:
    """A segment without its streams: layers placed, in one mode, at C heights."""

    sets: tuple[Striped, ...]
    placements: tuple[Placement, ...]
    whole: bool
    part: _Part
    splits: tuple[IntArray, ...]
    crossing: Crossing


@dataclass(frozen=True, eq=False)
class SegmentMaker:
    """Makes the options of one segment. pins: of its layers; ends: homes of tensors that have no choice.

    known, placed: sizes of parameters and channel tiles by layer, which segments share.
    """

    graph: SegmentGraph
    request: OptionsRequest
    pins: tuple[LayerPins, ...]
    ends: Mapping[str, str]
    known: dict[tuple[str, Placement], Footprint] = field(default_factory=dict, repr=False)
    placed: dict[tuple[str, str], tuple[Placement, ...]] = field(default_factory=dict, repr=False)

    # -- what there is to choose from -----------------------------------------------------------------

    @property
    def modes(self) -> tuple[str, ...]:
        """Lines need a way to move rows within L1."""
        return tuple(m for m in MODES if m != LINE or ROLL in self.request.platform.link_of)

    def heights(self) -> tuple[int, ...]:
        """Rows of a stripe worth trying: distinct ceil(rows / k), the least among them."""
        total = self.graph.rows[self.graph.output]
        sizes = sorted({-(-total // k) for k in range(2, total + 1)})
        ranks = np.unique(np.round(np.geomspace(1, len(sizes), min(HEIGHTS, len(sizes)))).astype(int) - 1)
        return tuple(sizes[rank] for rank in ranks)

    def sets(self, mode: str, heights: Sequence[int]) -> tuple[Striped, ...]:
        """The segment in stripes of these heights."""
        first, last = self.graph.first, self.graph.last
        return tuple(
            Striped(Segment(first, last, rows, mode, 1, ()), self.graph, stripes(self.graph, rows, mode))
            for rows in heights
        )

    def engines(self) -> Iterator[tuple[str, ...]]:
        """Engines of all layers: cores everywhere, and an NPU wherever it can. Pins decide first."""
        platform = self.request.platform
        cores = next(e.name for e in platform.engines if not isinstance(e, NpuEngine))
        seen: set[tuple[str, ...]] = set()
        for favourite in platform.engines:
            found = []
            for op, pinned in zip(self.graph.operators, self.pins, strict=True):
                npu = isinstance(favourite, NpuEngine) and not npu_blockers(op, favourite.constraints)
                found.append(pinned.engine or (favourite.name if npu else cores))
            if tuple(found) not in seen:
                seen.add(tuple(found))
                yield tuple(found)

    def placements(self, engines: tuple[str, ...]) -> Iterator[tuple[tuple[Placement, ...], bool]]:
        """Channel tiles of all layers, whole (True) or so that no parameter block exceeds a cap."""
        tried: set[tuple[Placement, ...]] = set()
        sizes = [self._placed(k, name) for k, name in enumerate(engines)]
        whole = tuple(row[-1] for row in sizes)
        blocks = [self._block(k, each) for k, row in enumerate(sizes) for each in row]
        high = max(self._block(k, each) for k, each in enumerate(whole))
        low = max(self._block(k, row[0]) for k, row in enumerate(sizes))
        caps = np.geomspace(max(low, 1), max(high, 1), BLOCKS)[:-1].tolist() if max(blocks) else []
        yield whole, True
        for cap in reversed(caps):
            chosen = tuple(
                next((each for each in reversed(row) if self._block(k, each) <= cap + 0.5), row[0])
                for k, row in enumerate(sizes)
            )
            if chosen != whole and chosen not in tried:
                tried.add(chosen)
                yield chosen, False

    def _placed(self, k: int, name: str) -> tuple[Placement, ...]:
        """A layer on an engine with every channel tile, the smallest first."""
        key = (self.graph.operators[k].name, name)
        if key not in self.placed:
            self.placed[key] = self._tiles(k, name)
        return self.placed[key]

    def _tiles(self, k: int, name: str) -> tuple[Placement, ...]:
        engine, space = self.request.platform.engine_of[name], self.graph.spaces[k]
        layout = layout_of(engine)
        channels = channel_dims(space)
        dims = [dim for dim in space.dims if dim.name in channels]
        if not dims:
            return (Placement(name, layout, ()),)
        limits = engine.constraints if isinstance(engine, NpuEngine) else None
        preferred = 1
        if limits:
            preferred = limits.k_out_tile if dims[0].name == "o" else limits.depthwise_tile
        sizes = tile_sizes(dims[0], 12, preferred).tolist()
        return tuple(Placement(name, layout, ((dims[0].name, int(size)),)) for size in sizes)

    def params(self) -> Iterator[ParamsChoice]:
        """Homes of parameters; in a weight memory only where the layer could use one."""
        for home in self.request.param_homes:
            for held in (True, False):
                if home != L1 or held:
                    yield ParamsChoice((home,) * len(self.graph.operators), held)

    def _resolved(self, params: ParamsChoice, placements: Sequence[Placement]) -> ParamsChoice | None:
        """Weight memories are for NPU layers with weights, the others stay in L2; None where pins object."""
        homes = []
        for k, (home, placed) in enumerate(zip(params.homes, placements, strict=True)):
            reads = placed.layout != "plain" and self.graph.operators[k].has_weights
            own = L2 if home in WEIGHT_MEMORIES and not reads else home
            pinned = self.pins[k].params_home
            if pinned not in (None, own) and self.need(k, placed).region:
                return None
            homes.append(own)
        if params.homes[0] in WEIGHT_MEMORIES and params.homes[0] not in homes:
            return None
        return ParamsChoice(tuple(homes), params.held)

    # -- memory -----------------------------------------------------------------------------------------

    def plan(self, k: int, placed: Placement, split: int = 0, staging: tuple[str, ...] = ()) -> LayerPlan:
        """The plan of a layer."""
        op, space, tile = self.graph.operators[k], self.graph.spaces[k], dict(placed.tile)
        return LayerPlan(
            operator=op.name,
            engine=placed.engine,
            layout=placed.layout,
            tile=tuple((dim.name, tile.get(dim.name, dim.extent)) for dim in space.dims),
            order=space.orders[0],
            split=space.spec.splits[split],
            buffering=1,
            staging=staging,
        )

    def need(self, k: int, placed: Placement) -> Footprint:
        """Sizes of a layer's parameters."""
        op = self.graph.operators[k]
        key = (op.name, placed)
        if key not in self.known:
            self.known[key] = param_footprint(op, self.graph.spaces[k], self.plan(k, placed))
        return self.known[key]

    def _block(self, k: int, placed: Placement) -> int:
        return self.need(k, placed).params_tile

    def param_memory(
        self, placements: Sequence[Placement], params: ParamsChoice
    ) -> tuple[int, int, tuple[int, int, int]]:
        """Bytes of parameters in L1 and staged in L2; resident ones in L2, a weight memory and L1."""
        held = block = stage = 0
        l2 = memory = l1 = 0
        for k, (home, placed) in enumerate(zip(params.homes, placements, strict=True)):
            need = self.need(k, placed)
            if not need.region:
                continue
            if home == L1:
                l1 += need.region
                continue
            in_memory = home in WEIGHT_MEMORIES
            region, tile = need.region, need.params_tile
            if in_memory:
                region, tile, memory = need.tables_region, need.tables_tile, memory + need.weights_region
            l2 += region if home != L3 else 0
            stage = max(stage, tile if home == L3 else 0)
            held, block = (held + up4(region), block) if params.held else (held, max(block, tile))
        return held + up4(block), up4(stage), (l2, memory, l1)

    def window_memory(self, sets: Sequence[Striped], homes: Mapping[str, str]) -> tuple[IntArray, IntArray]:
        """Bytes of rows [C] in L1, and on their way from and to L3 in L2."""
        return self._held(self._windows(sets), homes)

    def _windows(self, sets: Sequence[Striped]) -> dict[str, IntArray]:
        names = (*self.graph.inputs, *self.graph.inner, self.graph.output)
        return {name: np.array([of.window_bytes(name) for of in sets], np.int64) for name in names}

    def _held(self, windows: Mapping[str, IntArray], homes: Mapping[str, str]) -> tuple[IntArray, IntArray]:
        none = np.zeros_like(windows[self.graph.output])
        l1 = sum((window for name, window in windows.items() if homes.get(name) != L1), none)
        return l1, sum((windows[name] for name, home in homes.items() if home == L3), none)

    def least(self) -> tuple[tuple[int, int, int], ...]:
        """(L1, staging, resident bytes) of the leanest ways with all tensors in L2."""
        mode = self.modes[-1]
        sets = self.sets(mode, self.heights()[:1] if mode == LINE else self.heights())
        homes = dict.fromkeys((*self.graph.inputs, self.graph.output), L2)
        rows = int(self.window_memory(sets, homes)[0].min())
        found: set[tuple[int, int, int]] = set()
        for engines in self.engines():
            tiles = [self._placed(k, name) for k, name in enumerate(engines)]
            for wanted in self.params():
                placements = tuple(row[-1 if wanted.held else 0] for row in tiles)
                params = self._resolved(wanted, placements)
                if params is not None:
                    l1, staging, resident = self.param_memory(placements, params)
                    found.add((rows + l1, staging, sum(resident)))
        table = np.array(sorted(found), np.float64).reshape(-1, 3)
        return tuple((int(a), int(b), int(c)) for a, b, c in table[nondominated(table)])

    # -- prices -----------------------------------------------------------------------------------------

    def options(self) -> SegmentOptions:
        """The front of every choice of homes over time, energy, L1, staging and resident bytes."""
        cores = [core for mode in self.modes for core in self._cores(mode)]
        found: dict[tuple[tuple[str, ...], str, str], list[tuple[FloatArray, list[SegmentPick]]]] = {}
        for core in cores:
            for wanted in self.params():
                params = self._resolved(wanted, core.placements)
                if params is not None and (core.whole or not params.held):
                    for homes, table, picks in self._rows(core, params):
                        found.setdefault((*homes, wanted.homes[0]), []).append((table, picks))
        options = [
            option
            for (inputs, out, kind), parts in found.items()
            for option in _pruned(inputs, out, kind, parts)
        ]
        return SegmentOptions(self, tuple(options))

    def _cores(self, mode: str) -> Iterator[_Core]:
        sets = self.sets(mode, self.heights())
        parts = {key: self._moved_part(sets, *key) for key in self._crossings()}
        crossing = Crossing(parts, self._windows(sets))
        for engines in self.engines():
            for placements, whole in self.placements(engines):
                yield self._core(sets, placements, whole, crossing)

    def _homes_of(self, name: str) -> tuple[str, ...]:
        return (self.ends[name],) if name in self.ends else self.request.homes

    def _crossings(self) -> Iterator[tuple[str, str]]:
        """Tensors that enter or leave, with every home."""
        for name in (*self.graph.inputs, self.graph.output):
            yield from product((name,), self._homes_of(name))

    def _core(
        self, sets: tuple[Striped, ...], placements: tuple[Placement, ...], whole: bool, crossing: Crossing
    ) -> _Core:
        inside = dict.fromkeys((*self.graph.inputs, self.graph.output), L1)
        total = _Part(np.zeros(len(sets)), np.zeros(len(sets)))
        splits = []
        for k, placed in enumerate(placements):
            space, pinned = self.graph.spaces[k], self.pins[k].split
            wanted = (pinned,) if pinned else space.spec.splits
            choice = FusedChoice(placed.engine, placed.layout, placed.tile, inside, L1, True, wanted)
            work = FusedLayerWork(sets, k).work(choice, 1)
            priced = price_layer(self.request.platform, work, self.request.point)
            ms, uj = (np.asarray(column, np.float64) for column in (priced.time_ms, priced.energy_uj))
            total = total + _Part(ms, uj)
            first = space.spec.splits.index(pinned) if pinned else 0
            splits.append(np.asarray(priced.split + first))
        return _Core(sets, placements, whole, total, tuple(splits), crossing)

    def _rows(
        self, core: _Core, params: ParamsChoice
    ) -> Iterator[tuple[tuple[tuple[str, ...], str], FloatArray, list[SegmentPick]]]:
        """(homes of inputs and output, columns [n, 7], picks) for every choice of homes."""
        base = core.part + self._params_part(core, params)
        tensors = (*self.graph.inputs, self.graph.output)
        picks = [
            SegmentPick(
                of.segment.rows,
                of.segment.mode,
                core.placements,
                params,
                tuple(int(s[c]) for s in core.splits),
            )
            for c, of in enumerate(core.sets)
        ]
        block, stage, resident = self.param_memory(core.placements, params)
        fixed = np.broadcast_to(np.array(resident, np.float64), (len(core.sets), 3))
        for homes in product(*map(self._homes_of, tensors)):
            part = base
            for key in zip(tensors, homes, strict=True):
                part = part + core.crossing.parts[key]
            l1, staging = self._held(core.crossing.windows, dict(zip(tensors, homes, strict=True)))
            l1, staging = l1 + block, staging + stage
            table = np.concatenate([np.stack([part.ms, part.uj, l1, staging], axis=1), fixed], axis=1)
            fits = np.flatnonzero(l1 <= self.request.l1_bytes)
            if len(fits):
                yield (homes[:-1], homes[-1]), table[fits], [picks[c] for c in fits]

    def _params_part(self, core: _Core, params: ParamsChoice) -> _Part:
        total = _Part(np.zeros(len(core.sets)), np.zeros(len(core.sets)))
        for k, (home, placed) in enumerate(zip(params.homes, core.placements, strict=True)):
            choice = FusedChoice(placed.engine, placed.layout, placed.tile, {}, home, params.held)
            total = total + self._part(FusedLayerWork(core.sets, k).param_hops(choice), len(core.sets))
        return total

    def _moved_part(self, sets: tuple[Striped, ...], name: str, home: str) -> _Part:
        if home == L1:
            return self._part([], len(sets))
        outward = name == self.graph.output
        work = FusedLayerWork(sets, 0)
        hops = [*([] if outward else work.roll_hops(name)), *work.tensor_hops(name, home, outward)]
        return self._part(hops, len(sets))

    def _part(self, hops: Sequence[Hop], count: int) -> _Part:
        """Price of transfers that nothing overlaps."""
        platform, point = self.request.platform, self.request.point
        ms, uj = np.zeros(count), np.zeros(count)
        for hop in hops:
            stream = StreamWork("input", (hop,), hop.transfers, np.ones(1, np.int64))
            time = stream_time(platform, stream, point)
            own = time.total * (1e3 / platform.reference_hz(point))
            ms = ms + own
            uj = uj + time.moved_uj + standing_uj(own, platform.standing_mw(point))
        return _Part(np.asarray(ms, np.float64), np.asarray(uj, np.float64))

    # -- back to decisions ------------------------------------------------------------------------------

    def fused(self, option: SegmentOption, pick: SegmentPick) -> Fused:
        """All decisions of a row."""
        graph = self.graph
        names = tuple(op.name for op in graph.operators)
        held = names if pick.params.held else ()
        segment = Segment(graph.first, graph.last, pick.rows, pick.mode, 1, held)
        of = Striped(segment, graph, {})
        homes = dict(zip(graph.inputs, option.inputs, strict=True)) | {graph.output: option.output}
        homes |= dict.fromkeys(graph.inner, L1)
        plans = tuple(
            self.plan(
                k, placed, pick.splits[k], staging_of(of, graph.operators[k], homes, pick.params.homes[k])
            )
            for k, placed in enumerate(pick.placements)
        )
        needs = tuple(self.need(k, placed) for k, placed in enumerate(pick.placements))
        return Fused(segment, plans, needs, homes, dict(zip(names, pick.params.homes, strict=True)))


def _pruned(
    inputs: tuple[str, ...], output: str, kind: str, parts: Sequence[tuple[FloatArray, list[SegmentPick]]]
) -> Iterator[SegmentOption]:
    """The front, an option for each combination of resident bytes."""
    table = np.concatenate([rows for rows, _ in parts])
    picks = [pick for _, own in parts for pick in own]
    keep = nondominated(table)
    resident, group = np.unique(table[keep, 4:], axis=0, return_inverse=True)
    for number, (l2, memory, l1) in enumerate(resident.astype(np.int64).tolist()):
        rows = keep[group.reshape(-1) == number]
        yield SegmentOption(
            inputs, output, kind, (l2, memory, l1), table[rows, :4], tuple(picks[row] for row in rows)
        )
