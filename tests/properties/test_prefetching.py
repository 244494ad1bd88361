"""Copies as tensors: the solver's front is that of all deployments, drawn up without the solver's terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodels.prefetch import Copy, Span, walk_layers
from dse.network import Problem, Taken, move_of
from dse.options.homes import HomeChoice
from dse.options.pins import LayerPins
from dse.options.table import Option
from dse.prefetching import Fetch, woven
from dse.solver.pareto import FloatArray
from dse.solver.problem import Layer, Network, Setting, Tensor
from dse.solver.solve import solve
from tests.dse.solver.instances import naive_front, random_setting

Choices = tuple[tuple[int, int, bool], ...]
"""By layer: option, row, whether its parameters are prefetched."""


@dataclass(frozen=True)
class Small:
    """A chain of layers with random options, and the copies that layers may have made for them."""

    problem: Problem
    fetches: tuple[Fetch | None, ...]


def small(seed: int) -> Small:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 5))
    tensors = [Tensor("x", int(rng.integers(1, 15)), ("L2",))]
    layers, options, taken = [], [], []
    fetches: list[Fetch | None] = []
    for number in range(count):
        homes = tuple(rng.permutation(["L2", "L3", "L1"])[: rng.integers(1, 3)].tolist())
        tensors.append(
            Tensor(f"t{number}", int(rng.integers(1, 15)), ("L2",) if number == count - 1 else homes)
        )
        size = int(rng.integers(1, 12))
        made = tuple(_options(rng, tensors[-2].homes, tensors[-1].homes, size))
        own: Any = SimpleNamespace(options=made, operator=SimpleNamespace(inputs=("in",)))
        options.append(own)
        taken.append(tuple(map(Taken, range(len(made)))))
        moves = tuple(move_of(own, place) for place in range(len(made)))
        layers.append(Layer(f"l{number}", (number,), number + 1, 0, moves))
        time = float(rng.integers(2, 40))
        fetch = Fetch(
            size, time, float(rng.integers(0, 3)), float(rng.integers(1, 9)), float(rng.integers(0, 3))
        )
        fetches.append(fetch if number and rng.random() < 0.8 else None)
    network = Network(tuple(tensors), tuple(layers), (0,), (count,))
    pins = (LayerPins(),) * count
    steps = tuple(range(count))
    return Small(Problem(network, tuple(options), tuple(taken), pins, steps, network), tuple(fetches))


def _options(
    rng: np.random.Generator, homes_in: tuple[str, ...], homes_out: tuple[str, ...], size: int
) -> Iterator[Option]:
    for source, target, params in product(homes_in, homes_out, ("l2", "l3", "-")):
        if rng.random() < 0.15:
            continue
        rows = rng.integers((1, 1, 1, 0), (30, 30, 12, 12), (int(rng.integers(1, 3)), 4)).astype(np.float64)
        cover = np.floor(rows[:, 0] * rng.choice([0.0, 0.5, 1.0], len(rows)))
        resident = (size if rng.random() < 0.8 else size + 1) if params == "l2" else 0
        choice = HomeChoice((source.lower(),), target.lower(), params)
        yield Option(choice, (resident, 0, 0), rows, np.zeros((len(rows), 4), np.int64), cover)


def deployments(small: Small) -> Iterator[Choices]:
    """Every consistent choice of options, rows and prefetches."""
    alternatives = []
    for own, fetch in zip(small.problem.options, small.fetches, strict=True):
        found = []
        for place, option in enumerate(own.options):
            can = fetch is not None and option.choice.params == "l2" and option.resident[0] == fetch.bytes
            found += [(place, row, ahead) for row in range(len(option.rows)) for ahead in ({False, can})]
        alternatives.append(found)
    for choices in product(*alternatives):
        taken = [
            own.options[place] for own, (place, _, _) in zip(small.problem.options, choices, strict=True)
        ]
        homes = ["l2", *(option.choice.output for option in taken)]
        joined = all(option.choice.inputs == (home,) for option, home in zip(taken, homes, strict=False))
        starters = zip(taken, choices, choices[1:], strict=False)
        if joined and all(not later[2] or option.cover[own[1]] > 0 for option, own, later in starters):
            yield choices


def totals(small: Small, choices: Choices) -> tuple[float, ...]:
    """Time, energy, resident L2 bytes, peak of L1, peak of L2 without what is resident."""
    picked = [own.options[p] for own, (p, _, _) in zip(small.problem.options, choices, strict=True)]
    sizes = [tensor.size_bytes for tensor in small.problem.network.tensors]
    spans, energy, resident, peaks = [], 0.0, 0.0, {"l1": 0.0, "l2": 0.0}
    for number, (option, (_, row, ahead)) in enumerate(zip(picked, choices, strict=True)):
        time, spent, tile, staging = option.rows[row].tolist()
        cover = float(option.cover[row])
        following = (
            small.fetches[number + 1] if number + 1 < len(choices) and choices[number + 1][2] else None
        )
        copies = () if following is None else (Copy(1, following.time_ms, following.issue_ms),)
        spans.append(Span(time - cover, cover, 0.0, (True, False, False), copies))
        energy += spent + (following.energy_uj if following else 0.0)
        resident += 0 if ahead else option.resident[0]
        live = {"l1": tile, "l2": staging, "l3": 0.0}
        for home, size in zip((*option.choice.inputs, option.choice.output), sizes[number:], strict=False):
            live[home] += size
        own = small.fetches[number]
        live["l2"] += (own.bytes if own and ahead else 0) + (following.bytes if following else 0)
        peaks = {level: max(peak, live[level]) for level, peak in peaks.items()}
    added = walk_layers(spans)
    power = next((fetch.standing_mw for fetch in small.fetches if fetch), 0.0)
    time = sum(span.alone for span in spans) + sum(added)
    return time, energy + power * sum(added), resident, peaks["l1"], peaks["l2"]


def attainable(small: Small, setting: Setting) -> FloatArray:
    """Objectives of every deployment within the setting."""
    found = np.array([totals(small, choices) for choices in deployments(small)]).reshape(-1, 5)
    fits = found[:, 2] <= setting.budget_resident_bytes
    fits &= found[:, 3] + setting.l1_resident_bytes <= setting.l1_cap_bytes
    fits &= found[:, 4] <= setting.arena_bytes
    if setting.on_chip_resident_bytes is not None:
        fits &= found[:, 2] <= setting.on_chip_resident_bytes
    return found[fits, : setting.objectives]


def one_power(small: Small) -> Small:
    """Every copy waits at the same power, as on a chip."""
    return Small(
        small.problem,
        tuple(f and Fetch(f.bytes, f.time_ms, f.issue_ms, f.energy_uj, 2.0) for f in small.fetches),
    )


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=300, deadline=None)
def test_the_front_with_prefetches_is_the_brute_force_front(seed: int) -> None:
    case, setting = one_power(small(seed)), random_setting(seed)
    network = woven(case.problem, case.fetches, {}).network
    solution = solve(network, setting)
    assert solution.exact
    expected = naive_front(np.round(attainable(case, setting), 6))
    found = naive_front(np.round(solution.objectives(setting.with_memory), 6))
    np.testing.assert_array_equal(found, expected)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=60, deadline=None)
def test_moves_lead_back_to_what_they_stand_for(seed: int) -> None:
    case, setting = one_power(small(seed)), random_setting(seed)
    problem = woven(case.problem, case.fetches, {})
    solution = solve(problem.network, setting)
    objectives = solution.objectives(setting.with_memory)
    for point in range(min(3, len(objectives))):
        choices = tuple(
            (taken[move].option, int(solution.refs[point, step]), taken[move].prefetched)
            for taken, step in zip(problem.taken, problem.steps, strict=True)
            for move in [int(solution.moves[point, step])]
        )
        np.testing.assert_allclose(totals(case, choices)[: setting.objectives], objectives[point])
