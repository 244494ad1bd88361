"""Option tables: what a layer can do for given homes, filtered by the memory left at a step and pruned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from dse.solver.columns import Columns, pool_caps_bytes
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated
from dse.solver.problem import ENERGY, L1_TILE, STAGING, TIME, Layer, Setting

Homes = tuple[tuple[str, ...], str]
Levels = tuple[int, ...]
Grains = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Tables:
    """All distinct pruned tables end to end. Table t is rows [start[t], start[t] + size[t]).

    `costs` [n, c] has the columns of a label, `footprints` [n, 2] are the bytes of staging in L2 and of the
    tile in L1; `move` and `row` [n] lead back into `Layer.moves[move].rows[row]`.
    """

    costs: FloatArray
    footprints: FloatArray
    move: IntArray
    row: IntArray
    start: IntArray
    size: IntArray


@dataclass(frozen=True, eq=False)
class _Options:
    """Every row a layer offers for one choice of activation homes, over all homes of its parameters.

    `footprints` [n, 2]: staging, tile. `tile_levels`, `staging_levels`: the different ones, ascending.
    """

    costs: FloatArray
    footprints: FloatArray
    move: IntArray
    row: IntArray
    tile_levels: FloatArray
    staging_levels: FloatArray

    def levels(self, slack: FloatArray) -> list[Levels]:
        """How many of the tiles and of the stages fit into slacks [s, 2] of L1 and L2."""
        tile = np.searchsorted(self.tile_levels, slack[:, 0], side="right").tolist()
        staging = np.searchsorted(self.staging_levels, slack[:, 1], side="right").tolist()
        return list(zip(tile, staging, strict=True))

    def rounded(self, grains: tuple[float, float]) -> _Options:
        """The same options, a little cheaper."""
        costs = self.costs.copy()
        for axis, grain in enumerate(grains):
            costs[:, axis] = _floor(costs[:, axis], grain)
        return replace(self, costs=costs)

    def counted(self, rows: IntArray, grains: Grains) -> FloatArray:
        """Footprints [n, 2] of some rows, rounded down."""
        chosen = self.footprints[rows]
        return np.stack([_floor(chosen[:, 0], grains[0]), _floor(chosen[:, 1], grains[1])], axis=1)

    def surviving(self, levels: Levels, grains: Grains) -> IntArray:
        """Rows within the first two levels (tile, staging), pruned; footprints count where they exceed the
        other two, if there are any."""
        tile, staging, *free_levels = levels
        fits = self.footprints[:, 1] <= self.tile_levels[tile - 1]
        fits &= self.footprints[:, 0] <= self.staging_levels[staging - 1]
        fitting = np.flatnonzero(fits)
        if len(fitting) == 0:
            return fitting
        costs = self.costs[fitting]
        if free_levels:
            free_tile, free_staging = free_levels
            sizes = ((self.staging_levels, free_staging), (self.tile_levels, free_tile))
            free = [levels[least - 1] if least else 0.0 for levels, least in sizes]
            costs = np.concatenate([costs, np.maximum(self.counted(fitting, grains), free)], axis=1)
        return fitting[nondominated(costs)]


def _floor(values: FloatArray, grain: float) -> FloatArray:
    return np.asarray(np.floor(values / grain) * grain) if grain > 0 else values


@dataclass(eq=False)
class TableCache:
    """What spaces share under many settings: options of layers, rows that survive.

    grains: time and energy of rows are rounded down to multiples of them; 0 rounds nothing. layers: kept
    alive, because the keys name their moves by identity.
    """

    grains: tuple[float, float] = (0.0, 0.0)
    options: dict[tuple[object, ...], dict[Homes, _Options]] = field(default_factory=dict)
    kept: dict[tuple[float, ...], IntArray] = field(default_factory=dict)
    layers: dict[tuple[int, int, int], Layer] = field(default_factory=dict)


@dataclass(eq=False)
class TableBuilder:
    """Builds each distinct table once; layers that share a `moves` tuple and parameter sizes share tables."""

    columns: Columns
    setting: Setting
    cache: TableCache = field(default_factory=TableCache)
    footprint_grains: Grains = (0.0, 0.0)
    _options: dict[tuple[int, int, int], dict[Homes, _Options]] = field(default_factory=dict)
    _filtered: dict[tuple[float, ...], int] = field(default_factory=dict)
    _distinct: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _built: list[tuple[_Options, IntArray]] = field(default_factory=list)

    def lookup(
        self, layer: Layer, homes: Homes, slack: FloatArray, free: FloatArray | None = None
    ) -> IntArray:
        """Table numbers [s] for the slacks [s, 2] in bytes of L1 and L2 that a step leaves to the layer; -1
        where nothing fits. With `free` [s, 2] rows are told apart by what they need beyond it, too.
        """
        options = self._options_of(layer).get(homes)
        if options is None:
            return np.full(len(slack), -1, dtype=np.int64)
        # Slacks between the same two footprints are the same filter.
        levels = options.levels(slack)
        if free is not None:
            levels = [(*inside, *beyond) for inside, beyond in zip(levels, options.levels(free), strict=True)]
        known = {each: self._filter(options, each) for each in dict.fromkeys(levels)}
        return np.array([known[each] for each in levels], dtype=np.int64)

    def finish(self) -> Tables:
        """All tables built so far."""
        size = np.array([len(keep) for _, keep in self._built], dtype=np.int64)
        width = self.columns.count
        return Tables(
            costs=np.concatenate([np.zeros((0, width)), *(o.costs[keep] for o, keep in self._built)]),
            footprints=np.concatenate(
                [np.zeros((0, 2)), *(o.counted(keep, self.footprint_grains) for o, keep in self._built)]
            ),
            move=np.concatenate([np.zeros(0, np.int64), *(o.move[keep] for o, keep in self._built)]),
            row=np.concatenate([np.zeros(0, np.int64), *(o.row[keep] for o, keep in self._built)]),
            start=np.cumsum(size) - size,
            size=size,
        )

    def _options_of(self, layer: Layer) -> dict[Homes, _Options]:
        key = (id(layer.moves), layer.params_bytes, layer.params_wm_bytes)
        if key not in self._options:
            self._options[key] = self._collected(key, layer)
        return self._options[key]

    def _collected(self, key: tuple[int, int, int], layer: Layer) -> dict[Homes, _Options]:
        """The layer's options under the setting: those whose parameters no cap forbids on their own."""
        resident = layer.usage
        pools, caps = pool_caps_bytes(self.setting)
        fits = np.asarray((resident @ pools.T <= caps).all(axis=1))
        same = (*key, self.columns.pools.tobytes(), fits.tobytes())
        if same not in self.cache.options:
            self.cache.layers.setdefault(key, layer)
            found = _collect(layer, resident @ self.columns.pools.T, fits)
            self.cache.options[same] = {homes: o.rounded(self.cache.grains) for homes, o in found.items()}
        return self.cache.options[same]

    def _filter(self, options: _Options, levels: Levels) -> int:
        if levels[0] == 0 or levels[1] == 0:
            return -1
        key = (id(options), *levels, *self.footprint_grains)
        if key not in self._filtered:
            if key not in self.cache.kept:
                self.cache.kept[key] = options.surviving(levels, self.footprint_grains)
            self._filtered[key] = self._add(options, self.cache.kept[key])
        return self._filtered[key]

    def _add(self, options: _Options, keep: IntArray) -> int:
        """Number of the table of these rows, an earlier one if it has the same rows."""
        if len(keep) == 0:
            return -1
        key = (id(options), keep.tobytes())
        if key not in self._distinct:
            self._distinct[key] = len(self._built)
            self._built.append((options, keep))
        return self._distinct[key]


def _collect(layer: Layer, sums: FloatArray, fits: BoolArray) -> dict[Homes, _Options]:
    """By homes of the activations: the rows of the moves that fit [m]; sums [m, q] of resident bytes."""
    grouped: dict[Homes, list[int]] = {}
    for index, move in enumerate(layer.moves):
        if fits[index] and len(move.rows):
            grouped.setdefault((move.homes_in, move.home_out), []).append(index)
    return {homes: _merge(layer, sums, np.array(indices)) for homes, indices in grouped.items()}


def _merge(layer: Layer, sums: FloatArray, indices: IntArray) -> _Options:
    """The rows of the moves `indices`; sums [m, q] of resident bytes by move."""
    parts = [layer.moves[index].rows for index in indices]
    sizes = np.array([len(part) for part in parts])
    rows, number = np.concatenate(parts), np.repeat(np.arange(len(parts)), sizes)
    return _Options(
        costs=np.concatenate([rows[:, [TIME, ENERGY]], sums[indices][number]], axis=1),
        footprints=rows[:, [STAGING, L1_TILE]],
        move=indices[number],
        row=np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[number],
        tile_levels=np.unique(rows[:, L1_TILE]),
        staging_levels=np.unique(rows[:, STAGING]),
    )
