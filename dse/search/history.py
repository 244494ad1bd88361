"""How the front grew: hypervolume over trials and wall clock, one mark a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dse.front import merge, reference_point, values
from dse.front.quality import volume
from dse.points import DesignPoint

MOST_MARKS = 200
"""More are thinned evenly; each costs one hypervolume."""


@dataclass(frozen=True)
class Step:
    """A batch that is told. trials: of the whole study. seconds: searched up to then, earlier searches of the
    study included. points: those that were non-dominated when they were met."""

    trials: int
    seconds: float
    points: tuple[DesignPoint, ...]


@dataclass(frozen=True)
class Mark:
    """A step as a figure. points: size of the front then. hypervolume: in the product of the objectives'
    units, up to the reference point of the last front; share: of the last front's."""

    trials: int
    seconds: float
    points: int
    hypervolume: float
    share: float


def marks(steps: Sequence[Step], objectives: Sequence[str]) -> tuple[Mark, ...]:
    """The growth of a front. All marks are measured against one reference point, so that they never fall."""
    fronts = list(_fronts(steps, objectives))
    if not fronts or not fronts[-1][1]:
        return ()
    reference = reference_point(fronts[-1][1], objectives)
    sizes = [volume(values(front, objectives), reference) if front else 0.0 for _, front in fronts]
    last = sizes[-1] or 1.0
    return tuple(
        Mark(step.trials, step.seconds, len(front), size, size / last)
        for (step, front), size in zip(fronts, sizes, strict=True)
    )


def _fronts(
    steps: Sequence[Step], objectives: Sequence[str]
) -> Iterator[tuple[Step, tuple[DesignPoint, ...]]]:
    """Some steps, the last among them, with the merged front of all points up to each."""
    stride = -(-len(steps) // MOST_MARKS) if steps else 1
    front: tuple[DesignPoint, ...] = ()
    met: list[DesignPoint] = []
    for number, step in enumerate(steps, start=1):
        met += step.points
        if number % stride == len(steps) % stride:
            front, met = merge((*front, *met), objectives), []
            yield step, front
