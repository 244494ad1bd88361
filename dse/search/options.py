"""What a search is asked, what it tells while it runs, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from dse.points import OBJECTIVES, Bound, DesignPoint, Infeasible
from dse.search.history import Mark
from dse.search.importance import Importances
from dse.search.samplers import SAMPLERS


class SearchError(ValueError):
    """A search that cannot be started as asked; one clear line."""


@dataclass(frozen=True)
class SearchOptions:
    """objectives: in the order of the study's values. trials: of the whole study, those before a resume
    included. seconds: the search ends with the batch that is expected to end nearest to them. Either ends the
    search; one of them is needed.

    batch: settings asked together. It is part of what makes a search repeatable, so it never follows from the
    number of workers; a cluster with more CPUs wants a larger one. points: how many to choose for the front.
    """

    objectives: tuple[str, ...] = OBJECTIVES
    trials: int | None = None
    seconds: float | None = None
    seed: int = 0
    sampler: str = "nsga2"
    batch: int = 16
    points: int = 16

    def __post_init__(self) -> None:
        """Raises SearchError naming the option that is wrong."""
        wrong = [name for name in self.objectives if name not in OBJECTIVES]
        if wrong or not self.objectives or len(set(self.objectives)) < len(self.objectives):
            given = ",".join(self.objectives) or "none"
            raise SearchError(f"objectives {given}: need different ones of {','.join(OBJECTIVES)}")
        if self.sampler not in SAMPLERS:
            raise SearchError(f"sampler {self.sampler!r}: need one of {', '.join(SAMPLERS)}")
        if self.trials is None and self.seconds is None:
            raise SearchError("neither a number of trials nor a time limit is given")
        for name, least in (("trials", 1), ("seconds", 0), ("seed", 0), ("batch", 1), ("points", 1)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise SearchError(f"{name} is {value}, need at least {least}")


@dataclass(frozen=True)
class Progress:
    """trials: finished and evaluated. limit: trials asked for, if so. front: size of the merged front.

    best: least value of each objective met so far (ms, uJ, bytes); empty before a feasible point. reached:
    share of the bound's hypervolume that the front had after the last batch; None before, or without a bound.
    """

    trials: int
    limit: int | None
    seconds: float
    seconds_limit: float | None
    front: int
    infeasible: int
    best: tuple[float, ...]
    reached: float | None = None


@dataclass(frozen=True)
class SearchResult:
    """points: every mutually non-dominated point met, sorted by latency; source "solver" where no trial asked
    for it. front: those chosen for `front.json`. knee: the index in `front`, None where that is empty.

    trials: of the whole study; new_trials: of this call. bound: of everything explored. infeasible: why
    nothing was found, from the trial that came closest. importances: of the parameters, by objective.
    seconds, history: wall clock and how the front grew over it, not part of equality.
    """

    points: tuple[DesignPoint, ...]
    front: tuple[DesignPoint, ...]
    knee: int | None
    trials: int
    new_trials: int
    bound: Bound | None
    interrupted: bool
    infeasible: Infeasible | None
    seconds: float = field(compare=False)
    history: tuple[Mark, ...] = field(default=(), compare=False)
    importances: Importances = ()
