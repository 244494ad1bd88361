"""The samplers by name. Only here is randomness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler


@dataclass(frozen=True)
class SamplerKind:
    """make: from a seed and the batch size. tries: how often it is asked again where it repeats itself,
    before an inner problem is drawn for it; a uniform sampler needs none, and TPE would insist."""

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
    {"nsga2": SamplerKind(_nsga2, 3), "tpe": SamplerKind(_tpe, 1), "random": SamplerKind(_random, 0)}
)


@dataclass(frozen=True)
class BatchSampler:
    """Fresh randomness for one batch: a sampler, its tries, and a generator for what it does not find."""

    sampler: BaseSampler
    tries: int
    draws: np.random.Generator


def sampler_for(name: str, seed: int, finished: int, batch: int) -> BatchSampler:
    """The sampler of the batch that follows `finished` trials.

    A new seed for every batch is what makes a resumed search equal one that was never interrupted: nothing
    but the finished trials decides what is asked next.
    """
    sequence = np.random.SeedSequence([seed, finished])
    kind = SAMPLERS[name]
    sampler = kind.make(int(sequence.generate_state(1)[0]), batch)
    return BatchSampler(sampler, kind.tries, np.random.default_rng(sequence.spawn(1)[0]))
