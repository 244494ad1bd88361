"""What a front gains over a baseline, at equal memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dse.baselines.realise import Baseline
from dse.points import DesignPoint

Named = tuple[str, DesignPoint]
# Sums of some hundred floats in another order than the search's own may differ by as much.
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Gain:
    """A baseline beside a front. quickest, thriftiest: the point (with its id) of least latency and of least
    energy among those that need no more memory; smallest: the one of least memory among those that are
    neither slower nor hungrier. None where the front has none, or the baseline no deployment.
    """

    baseline: Baseline
    quickest: Named | None
    thriftiest: Named | None
    smallest: Named | None

    @property
    def latency(self) -> float | None:
        """How many times faster the front is, at no more memory."""
        return self._ratio(self.quickest, lambda point: point.latency_ms)

    @property
    def energy(self) -> float | None:
        """How many times less energy it takes, at no more memory."""
        return self._ratio(self.thriftiest, lambda point: point.energy_uj)

    @property
    def memory(self) -> float | None:
        """How many times less memory it needs, at no more latency and energy."""
        return self._ratio(self.smallest, lambda point: float(point.memory_bytes))

    @property
    def covered(self) -> bool | None:
        """Whether some point of the front is nowhere worse; None without a deployment to compare with."""
        base = self.baseline.point
        if base is None:
            return None
        return self.smallest is not None and self.smallest[1].memory_bytes <= base.memory_bytes

    def _ratio(self, named: Named | None, value: Callable[[DesignPoint], float]) -> float | None:
        base = self.baseline.point
        return None if base is None or named is None else value(base) / max(value(named[1]), 1e-12)


def compare(found: Sequence[Baseline], points: Mapping[str, DesignPoint]) -> tuple[Gain, ...]:
    """Every baseline beside the points (by id) of a front."""
    return tuple(_gain(baseline, points) for baseline in found)


def _gain(baseline: Baseline, points: Mapping[str, DesignPoint]) -> Gain:
    base = baseline.point
    if base is None:
        return Gain(baseline, None, None, None)
    small = [named for named in points.items() if named[1].memory_bytes <= base.memory_bytes]
    good = [
        named
        for named in points.items()
        if named[1].latency_ms <= base.latency_ms * _ROUNDING
        and named[1].energy_uj <= base.energy_uj * _ROUNDING
    ]
    return Gain(
        baseline,
        min(small, key=lambda named: named[1].latency_ms, default=None),
        min(small, key=lambda named: named[1].energy_uj, default=None),
        min(good, key=lambda named: named[1].memory_bytes, default=None),
    )
