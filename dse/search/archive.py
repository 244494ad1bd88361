"""What a search has met so far, as a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.front import merge, merge_bounds, values
from dse.points import Bound, DesignPoint, Evaluation, Infeasible, Refined
from dse.search.outcome import SOLVER, TRIAL
from dse.solver.pareto import FloatArray, nondominated


@dataclass(frozen=True)
class Archive:
    """points: mutually non-dominated. closest: the violation of the infeasible trial that came closest."""

    objectives: tuple[str, ...]
    points: tuple[DesignPoint, ...] = ()
    bound: Bound | None = None
    infeasible: Infeasible | None = None
    closest: float = float("inf")

    def with_evaluations(self, evaluations: Sequence[Evaluation]) -> Archive:
        """This and `evaluations`, in their order."""
        met = [point for evaluation in evaluations for point in labelled(evaluation)]
        archive = replace(self, points=merge((*self.points, *met), self.objectives))
        for evaluation in evaluations:
            archive = replace(archive, bound=merge_bounds(archive.bound, evaluation.bound))
            if evaluation.infeasible is not None and evaluation.violation < archive.closest:
                archive = replace(archive, infeasible=evaluation.infeasible, closest=evaluation.violation)
        return archive

    def with_saved(self, points: Sequence[DesignPoint], bound: Bound | None) -> Archive:
        """This and what an earlier search had met, in the order in which it met them."""
        return replace(
            self,
            points=merge((*self.points, *points), self.objectives),
            bound=merge_bounds(self.bound, bound),
        )

    def with_refined(self, refined: Refined) -> Archive:
        """This and what a look at the whole space gave; its bound, if any, holds for everything here too."""
        met = [_from(point, SOLVER) for point in refined.points]
        return replace(
            self, points=merge((*self.points, *met), self.objectives), bound=refined.bound or self.bound
        )

    def best(self) -> tuple[float, ...]:
        """Least value of each objective (ms, uJ, bytes); empty without points."""
        return tuple(map(float, values(self.points, self.objectives).min(axis=0))) if self.points else ()

    def new_since(self, before: Archive) -> tuple[DesignPoint, ...]:
        """Points that `before` did not have."""
        known = set(map(id, before.points))
        return tuple(point for point in self.points if id(point) not in known)


def labelled(evaluation: Evaluation) -> Iterable[DesignPoint]:
    """All points of an evaluation; the one that the trial asked for says so."""
    if evaluation.point is not None:
        yield _from(evaluation.point, TRIAL)
    for point in evaluation.others:
        yield _from(point, SOLVER)


def _from(point: DesignPoint, source: str) -> DesignPoint:
    return point if point.source == source else replace(point, source=source)


@dataclass
class Sieve:
    """Takes from evaluations what points that went through before dominate: it need not travel from worker to
    driver, and no archive would keep it. Of equal points all pass: which of them is kept is not decided here.

    best: objectives [points, objectives] of the front of what went through.
    """

    objectives: tuple[str, ...]
    best: FloatArray | None = None

    def sift(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation with what is new of its other points. What the trial asked for stays."""
        others = merge(evaluation.others, self.objectives)
        asked = () if evaluation.point is None else (evaluation.point,)
        rows = values((*asked, *others), self.objectives)
        if self.best is not None:
            new = rows[len(asked) :, None]
            worse = (np.all(self.best <= new, axis=2) & np.any(self.best < new, axis=2)).any(axis=1)
            others = tuple(others[index] for index in np.flatnonzero(~worse))
            rows = np.concatenate([self.best, rows])
        self.best = rows[nondominated(rows)] if len(rows) else self.best
        return replace(evaluation, others=others)
