"""What a search has met so far, as a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dse.front import merge, merge_bounds, values
from dse.points import Bound, DesignPoint, Evaluation, Infeasible, Refined
from dse.search.outcome import SOLVER, TRIAL


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


def thinned(evaluation: Evaluation, objectives: Sequence[str]) -> Evaluation:
    """Without the points that the same evaluation dominates: they need not travel from worker to driver."""
    kept = set(map(id, merge(evaluation.others, objectives)))
    return replace(evaluation, others=tuple(point for point in evaluation.others if id(point) in kept))
