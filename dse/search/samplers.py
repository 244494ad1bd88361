"""The samplers by name. Only here is randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler


@dataclass(frozen=True)
class SamplerKind:
    """make: from a seed and the batch size. tries: how often it is asked again where it repeats itself; TPE
    costs milliseconds a suggestion and tends to insist, so it gets few."""

    make: Callable[[int, int], BaseSampler]
    tries: int


def _nsga2(seed: int, batch: int) -> BaseSampler:
    """Generations of two batches: a generation then never straddles a batch, and 100 trials see three."""
    return NSGAIISampler(population_size=max(2, 2 * batch), seed=seed)


def _tpe(seed: int, batch: int) -> BaseSampler:
    return TPESampler(n_startup_trials=batch, seed=seed)


def _random(seed: int, batch: int) -> BaseSampler:
    return RandomSampler(seed=seed)


SAMPLERS: Mapping[str, SamplerKind] = MappingProxyType(
    {"nsga2": SamplerKind(_nsga2, 12), "tpe": SamplerKind(_tpe, 2), "random": SamplerKind(_random, 12)}
)


@dataclass(frozen=True)
class BatchSamplers:
    """Fresh samplers for one batch; `fallback` (uniform) takes over after `tries` repeats of `main`."""

    main: BaseSampler
    fallback: BaseSampler
    tries: int


def samplers_for(name: str, seed: int, finished: int, batch: int) -> BatchSamplers:
    """The samplers of the batch that follows `finished` trials.

    A new seed for every batch is what makes a resumed search equal one that was never interrupted: nothing
    but the finished trials decides what is asked next.
    """
    main, fallback = np.random.SeedSequence([seed, finished]).generate_state(2)
    kind = SAMPLERS[name]
    return BatchSamplers(kind.make(int(main), batch), RandomSampler(seed=int(fallback)), kind.tries)
