"""Option tables: what a layer can do for given homes, filtered by the memory left at a step and pruned."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dse.solver.columns import Columns, pool_caps_bytes, resident_bytes
from dse.solver.pareto import FloatArray, IntArray, nondominated
from dse.solver.problem import ENERGY, L1_TILE, STAGING, TIME, Layer, Setting

Homes = tuple[tuple[str, ...], str]


@dataclass(frozen=True, eq=False)
class Tables:
    """All distinct pruned tables end to end. Table t is rows [start[t], start[t] + size[t]).

    `costs` [n, c] has the columns of a label; `move` and `row` [n] lead back into
    `Layer.moves[move].rows[row]`.
    """

    costs: FloatArray
    move: IntArray
    row: IntArray
    start: IntArray
    size: IntArray


@dataclass(frozen=True, eq=False)
class _Options:
    """Every row a layer offers for one choice of activation homes, over all homes of its parameters."""

    costs: FloatArray
    tile_bytes: FloatArray
    staging_bytes: FloatArray
    move: IntArray
    row: IntArray
    tile_levels: FloatArray
    staging_levels: FloatArray


@dataclass(eq=False)
class TableBuilder:
    """Builds each distinct table once; layers that share a `moves` tuple and parameter sizes share tables."""

    columns: Columns
    setting: Setting
    _options: dict[tuple[int, int, int], dict[Homes, _Options]] = field(default_factory=dict)
    _filtered: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _distinct: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _built: list[tuple[_Options, IntArray]] = field(default_factory=list)

    def lookup(self, layer: Layer, homes: Homes, l1_slack: FloatArray, l2_slack: FloatArray) -> IntArray:
        """Table numbers [s] for the slacks [s] in bytes that a step leaves to the layer; -1 where nothing
        fits.
        """
        options = self._options_of(layer).get(homes)
        if options is None:
            return np.full(len(l1_slack), -1, dtype=np.int64)
        # Slacks between the same two footprints are the same filter.
        levels = np.stack(
            [
                np.searchsorted(options.tile_levels, l1_slack, side="right"),
                np.searchsorted(options.staging_levels, l2_slack, side="right"),
            ],
            axis=1,
        )
        distinct, inverse = np.unique(levels, axis=0, return_inverse=True)
        tables = [self._filter(options, int(tile), int(staging)) for tile, staging in distinct]
        return np.array(tables, dtype=np.int64)[inverse.reshape(-1)]

    def finish(self) -> Tables:
        """All tables built so far."""
        size = np.array([len(keep) for _, keep in self._built], dtype=np.int64)
        width = self.columns.count
        return Tables(
            costs=np.concatenate([np.zeros((0, width)), *(o.costs[keep] for o, keep in self._built)]),
            move=np.concatenate([np.zeros(0, np.int64), *(o.move[keep] for o, keep in self._built)]),
            row=np.concatenate([np.zeros(0, np.int64), *(o.row[keep] for o, keep in self._built)]),
            start=np.cumsum(size) - size,
            size=size,
        )

    def _options_of(self, layer: Layer) -> dict[Homes, _Options]:
        key = (id(layer.moves), layer.params_bytes, layer.params_wm_bytes)
        if key not in self._options:
            self._options[key] = _collect(layer, self.columns, self.setting)
        return self._options[key]

    def _filter(self, options: _Options, tile: int, staging: int) -> int:
        if tile == 0 or staging == 0:
            return -1
        key = (id(options), tile, staging)
        if key not in self._filtered:
            fits = options.tile_bytes <= options.tile_levels[tile - 1]
            fits &= options.staging_bytes <= options.staging_levels[staging - 1]
            self._filtered[key] = self._add(options, np.flatnonzero(fits))
        return self._filtered[key]

    def _add(self, options: _Options, fitting: IntArray) -> int:
        """Number of the table of these rows after pruning, an earlier one if it has the same rows."""
        if len(fitting) == 0:
            return -1
        keep = fitting[nondominated(options.costs[fitting])]
        key = (id(options), keep.tobytes())
        if key not in self._distinct:
            self._distinct[key] = len(self._built)
            self._built.append((options, keep))
        return self._distinct[key]


def _collect(layer: Layer, columns: Columns, setting: Setting) -> dict[Homes, _Options]:
    resident = np.array([resident_bytes(layer, move) for move in layer.moves], np.float64).reshape(-1, 3)
    pools, caps = pool_caps_bytes(setting)
    fits = np.asarray((resident @ pools.T <= caps).all(axis=1))
    sums = resident @ columns.pools.T
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
        tile_bytes=rows[:, L1_TILE],
        staging_bytes=rows[:, STAGING],
        move=indices[number],
        row=np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[number],
        tile_levels=np.unique(rows[:, L1_TILE]),
        staging_levels=np.unique(rows[:, STAGING]),
    )
