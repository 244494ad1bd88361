"""The inner problem as a constraint model, for networks too large for brute force; shares no solver code.

Written from the semantics in `dse.solver.problem`: one Boolean per home of a tensor, per move and per row of
a move. Rows must hold whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ortools.sat.python import cp_model

from dse.solver.problem import ENERGY, L1_TILE, STAGING, TIME, Layer, Move, Network, Setting

Terms = list[tuple[Any, int]]
"""Booleans and what each adds to a sum."""

_SECONDS = 120
_WORKERS = 8  # as many strategies, not cores: fewer can take a hundred times as long to prove an optimum


class ConstraintModel:
    """All deployments of a network within a setting, with time, energy and resident bytes as sums."""

    def __init__(self, network: Network, setting: Setting) -> None:
        self.model: Any = cp_model.CpModel()
        self.network, self.setting = network, setting
        self.homes = [{home: self._bool() for home in tensor.homes} for tensor in network.tensors]
        for choice in self.homes:
            self.model.add_exactly_one(choice.values())
        self.time: Terms = []
        self.energy: Terms = []
        self.pools: tuple[Terms, Terms, Terms] = ([], [], [])
        for step, layer in enumerate(network.layers):
            self._add_layer(step, layer)
        caps = setting.budget_resident_bytes, setting.wm_capacity_bytes, setting.l1_resident_bytes
        for pool, cap in zip(self.pools, caps, strict=True):
            self._cap(pool, cap)
        if setting.on_chip_resident_bytes is not None:
            self._cap(self.resident, setting.on_chip_resident_bytes)

    @property
    def resident(self) -> Terms:
        """Resident bytes of parameters over all on-chip levels."""
        return [term for pool in self.pools for term in pool]

    def least(self, wanted: Terms, *caps: tuple[Terms, int]) -> int | None:
        """Smallest value of a sum with others at most at their caps; None if nothing is within them."""
        model = self.model.clone()
        for terms, cap in caps:
            model.add(_total(terms) <= cap)
        model.minimize(_total(wanted))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = _WORKERS
        solver.parameters.max_time_in_seconds = _SECONDS
        status = solver.solve(model)
        assert status in (cp_model.OPTIMAL, cp_model.INFEASIBLE), f"no proof within {_SECONDS} s"
        return round(solver.objective_value) if status == cp_model.OPTIMAL else None

    def _bool(self) -> Any:
        return self.model.new_bool_var("")

    def _cap(self, terms: Terms, cap: int) -> None:
        self.model.add(_total(terms) <= cap)

    def _add_layer(self, step: int, layer: Layer) -> None:
        """Exactly one row, hence one move, which reads and writes tensors where they are at home."""
        tensors = (*layer.inputs, layer.output)
        tiles, stages = self._live(step, "L1"), self._live(step, "L2")
        users: dict[tuple[int, str], list[Any]] = {(t, home): [] for t in tensors for home in self.homes[t]}
        for move in layer.moves:
            places = list(zip(tensors, (*move.homes_in, move.home_out), strict=True))
            if not all(place in users for place in places):
                continue  # pinned elsewhere
            rows = [self._bool() for _ in move.rows]
            taken = self._bool()
            self.model.add(sum(rows) == taken)
            for place in places:
                users[place].append(taken)
            self._add_rows(move, rows, tiles, stages)
            for pool, size in zip(self.pools, _resident(layer, move), strict=True):
                pool.append((taken, size))
        for (tensor, home), moves in users.items():
            self.model.add(sum(moves) == self.homes[tensor][home])
        self._cap(tiles, self.setting.l1_cap_bytes - self.setting.l1_resident_bytes)
        self._cap(stages, self.setting.arena_bytes)

    def _add_rows(self, move: Move, rows: Sequence[Any], tiles: Terms, stages: Terms) -> None:
        for row, values in zip(rows, move.rows.tolist(), strict=True):
            assert all(value.is_integer() for value in values)
            self.time.append((row, int(values[TIME])))
            self.energy.append((row, int(values[ENERGY])))
            tiles.append((row, int(values[L1_TILE])))
            stages.append((row, int(values[STAGING])))

    def _live(self, step: int, home: str) -> Terms:
        """Tensors at a home that are live in a step."""
        return [
            (self.homes[number][home], tensor.size_bytes)
            for number, tensor in enumerate(self.network.tensors)
            if home in tensor.homes and self._is_live(number, step)
        ]

    def _is_live(self, tensor: int, step: int) -> bool:
        network = self.network
        uses = [k for k, layer in enumerate(network.layers) if tensor in (*layer.inputs, layer.output)]
        uses += [0] if tensor in network.inputs else []
        uses += [len(network.layers) - 1] if tensor in network.outputs else []
        return bool(uses) and min(uses) <= step <= max(uses)


def _total(terms: Terms) -> Any:
    return cp_model.LinearExpr.weighted_sum([var for var, _ in terms], [weight for _, weight in terms])


def _resident(layer: Layer, move: Move) -> tuple[int, int, int]:
    """Bytes in L2, weight memory and L1."""
    if move.resident is not None:
        return move.resident
    own = {"L2": layer.params_bytes, "WM": layer.params_wm_bytes, "L1": layer.params_bytes}
    l2, memory, l1 = (size * (move.home_params == home) for home, size in own.items())
    return l2, memory, l1
