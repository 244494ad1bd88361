"""Solve one setting: beam incumbent, then exact passes with shrinking gap."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.solver.bounds import Bounds, compute_bounds
from dse.solver.certificate import Region
from dse.solver.columns import resident_bytes
from dse.solver.cut import Cut, make_cut
from dse.solver.labels import Beam, Paths, explore
from dse.solver.pareto import FloatArray, IntArray, filter_against, nondominated
from dse.solver.problem import Network, Setting
from dse.solver.space import Space, build_space
from dse.solver.tables import TableCache
from dse.solver.width import STATES, free_homes, pin_homes, wide_tensors

_BEAM = 8
_GAPS = (0.01, 0.003)


@dataclass(frozen=True, eq=False)
class Stats:
    """Work done: transitions and states of the space, labels kept and candidates looked at over all
    passes.
    """

    states: int
    transitions: int
    labels: int
    candidates: int


@dataclass(frozen=True, eq=False)
class Solution:
    """The front of one setting, sorted by time.

    `points` [p, 4]: time, energy, resident bytes in L2, bytes in weight memory. `l1_resident_bytes` [p]. Per
    point and layer `moves`, `rows` [p, n] are indices into `Layer.moves` and its rows, `refs` the caller's.
    `exact`: every attainable objective vector is weakly dominated by a point divided by (1 + gap), or by such
    a point of `known`. `region` holds for every deployment of the setting, exact or not. `stuck_layer` is the
    first layer that cannot run in the arena and the L1 cap, None if all can; if there are no points
    nevertheless, the parameter caps are what fails, or `known` dominates everything.
    """

    points: FloatArray
    l1_resident_bytes: FloatArray
    moves: IntArray
    rows: IntArray
    refs: IntArray
    exact: bool
    gap: float
    region: Region
    stuck_layer: int | None
    stats: Stats

    @property
    def feasible(self) -> bool:
        """True if there is a point."""
        return len(self.points) > 0

    def objectives(self, with_memory: bool = False) -> FloatArray:
        """[p, 2] time and energy, or [p, 3] with the sum of resident bytes in L2, weight memory and L1."""
        memory = self.points[:, 2:].sum(axis=1) + self.l1_resident_bytes
        return np.concatenate([self.points[:, :2], memory[:, None]], axis=1)[:, : 3 if with_memory else 2]


def bound_setting(network: Network, setting: Setting, state_limit: int = STATES) -> Region:
    """Half planes that no deployment of the setting can pass, without any search; infeasible settings exclude
    all.

    Where live tensors could be combined in more than `state_limit` ways, the smallest are free (see
    `dse.solver.width`), and the half planes farther away. For an interval of arenas [lo, hi] under one budget
    B give the setting arena hi and resident budget B - lo.
    """
    wide = wide_tensors(network, state_limit)
    space = build_space(free_homes(network, wide) if wide else network, setting)
    if space.stuck_layer is not None:
        return Region.nothing(setting.objectives)
    bounds = compute_bounds(space)
    return Region(bounds.facing, bounds.root)


def solve(
    network: Network,
    setting: Setting,
    gap: float = 0.0,
    label_limit: int | None = None,
    known: FloatArray | None = None,
    state_limit: int = STATES,
    cache: TableCache | None = None,
) -> Solution:
    """Front of `network` under `setting`, exact for gap 0, else within a factor 1 + gap in every objective.

    `known` [k, 2 or 3] are objective vectors found elsewhere: what they dominate is not searched for and not
    returned. `label_limit` caps the labels kept in a step; a pass in which it acts is the last, the result is
    a beam search's and `exact` is False. Where live tensors could be combined in more than `state_limit`
    ways, the smallest are pinned to their first home: `exact` is False, and
    `region` excludes nothing (`bound_setting` has one).
    `cache`: option tables that calls share; it changes no result.

    Raises ValueError for a negative gap, a limit below 1 and `known` of the wrong width.
    """
    known = _check(setting, gap, label_limit, known)
    wide = wide_tensors(network, state_limit)
    if wide:
        pinned = solve(pin_homes(network, wide), setting, gap, label_limit, known, state_limit, cache)
        return replace(pinned, exact=False, region=Region.anything(setting.objectives))
    space = build_space(network, setting, cache=cache)
    if space.stuck_layer is not None:
        return _infeasible(network, setting, space, gap)
    bounds = compute_bounds(space)
    gaps = [*(g for g in _GAPS if g > gap), gap]
    passes = [(Beam(per_neighbourhood=_BEAM, in_step=label_limit), gaps[0])]
    passes += [(Beam(in_step=label_limit), g) for g in gaps]
    front, labels, candidates, exact = _empty(network, space), 0, 0, False
    for beam, step_gap in passes:
        paths = explore(space, bounds, _cut(space, bounds, front, known, step_gap), beam)
        front = _merge(space, front, paths, known)
        labels, candidates, exact = labels + paths.labels, candidates + paths.candidates, paths.complete
        if paths.crowded:
            break
    stats = Stats(_states(space), sum(len(s.table) for s in space.steps), labels, candidates)
    objectives = np.concatenate([front.costs[:, : setting.objectives], known])
    region = Region(bounds.facing, bounds.root, objectives / (1.0 + gap) if exact else None)
    return _solution(network, space, front, exact, gap, region, stats)


def _check(setting: Setting, gap: float, label_limit: int | None, known: FloatArray | None) -> FloatArray:
    if not gap >= 0:
        raise ValueError(f"gap {gap} must not be negative")
    if label_limit is not None and label_limit < 1:
        raise ValueError(f"label limit {label_limit} must be at least 1")
    known = np.zeros((0, setting.objectives)) if known is None else np.asarray(known, dtype=np.float64)
    if known.ndim != 2 or known.shape[1] != setting.objectives:
        raise ValueError(f"known points must have shape [k, {setting.objectives}], got {known.shape}")
    return known


def _states(space: Space) -> int:
    return max(step.targets for step in space.steps)


def _cut(space: Space, bounds: Bounds, front: Paths, known: FloatArray, gap: float) -> Cut | None:
    objectives = np.concatenate([front.costs[:, : space.columns.objectives], known])
    return make_cut(objectives, bounds, gap) if len(objectives) else None


def _merge(space: Space, front: Paths, paths: Paths, known: FloatArray) -> Paths:
    """Non-dominated points of both; an earlier path keeps its place against an equal one."""
    costs, rows = np.concatenate([front.costs, paths.costs]), np.concatenate([front.rows, paths.rows])
    objectives = costs[:, : space.columns.objectives]
    keep = nondominated(objectives)
    keep = keep[filter_against(known, objectives[keep])]
    return Paths(costs[keep], rows[keep], True, False, 0, 0)


def _empty(network: Network, space: Space) -> Paths:
    return Paths(
        np.zeros((0, space.columns.count)), np.zeros((0, len(network.layers)), np.int64), True, False, 0, 0
    )


def _infeasible(network: Network, setting: Setting, space: Space, gap: float) -> Solution:
    bound = Region.nothing(setting.objectives)
    return _solution(network, space, _empty(network, space), True, gap, bound, Stats(0, 0, 0, 0))


def _solution(
    network: Network,
    space: Space,
    front: Paths,
    exact: bool,
    gap: float,
    region: Region,
    stats: Stats,
) -> Solution:
    moves, rows = space.tables.move[front.rows], space.tables.row[front.rows]
    refs, pools = np.zeros_like(moves), np.zeros((len(moves), 3))
    for index, layer in enumerate(network.layers):
        for move in np.unique(moves[:, index]):
            users = moves[:, index] == move
            refs[users, index] = layer.moves[move].refs[rows[users, index]]
            pools[users] += resident_bytes(layer, layer.moves[move])
    points = np.concatenate([front.costs[:, :2], pools[:, :2]], axis=1)
    return Solution(points, pools[:, 2], moves, rows, refs, exact, gap, region, space.stuck_layer, stats)
