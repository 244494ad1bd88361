"""Small random networks, networks shaped like the usual benchmarks, and a brute force that shares no solver
code.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from dse.solver.pareto import FloatArray
from dse.solver.problem import Layer, Move, Network, Setting, Tensor

PARAMS_WITH_ALL = ("L2", "L3", "WM", "L1")


def random_network(seed: int, branches: bool = True, params: tuple[str, ...] = PARAMS_WITH_ALL) -> Network:
    """Two to four layers: chains, residuals and concatenations with random homes; some moves are missing."""
    rng = np.random.default_rng(seed)
    tensors = [Tensor("x", int(rng.integers(1, 20)), ("L2",))]
    layers = []
    count = int(rng.integers(2, 5))
    for index in range(count):
        inputs = _pick_inputs(rng, len(tensors), branches)
        homes = (
            ("L2",)
            if index == count - 1
            else tuple(rng.permutation(["L2", "L3", "L1"])[: rng.integers(1, 4)].tolist())
        )
        tensors.append(Tensor(f"t{index}", int(rng.integers(1, 20)), homes))
        params_bytes = int(rng.integers(1, 15)) if rng.random() < 0.8 else 0
        moves = tuple(
            _random_moves(rng, [tensors[i].homes for i in inputs], homes, params if params_bytes else ("-",))
        )
        wm_bytes = params_bytes + int(rng.integers(0, 4))
        layers.append(Layer(f"l{index}", inputs, len(tensors) - 1, params_bytes, moves, wm_bytes))
    return Network(tuple(tensors), tuple(layers), (0,), (len(tensors) - 1,))


def _pick_inputs(rng: np.random.Generator, tensors: int, branches: bool) -> tuple[int, ...]:
    inputs = [tensors - 1]
    for chance in (0.5, 0.2):
        other = int(rng.integers(max(0, tensors - 4), tensors))
        if branches and rng.random() < chance and other not in inputs:
            inputs.append(other)
    return tuple(inputs)


def _random_moves(
    rng: np.random.Generator,
    homes_in: list[tuple[str, ...]],
    homes_out: tuple[str, ...],
    params: tuple[str, ...],
) -> Iterator[Move]:
    for home_in, home_out, home_params in itertools.product(itertools.product(*homes_in), homes_out, params):
        if rng.random() < (0.1 if home_params in ("-", "L2", "L3") else 0.5):
            continue
        count = int(rng.integers(1, 3))
        slow = 10 * home_in.count("L3") + 8 * (home_out == "L3") + 8 * (home_params == "L3")
        rows = rng.integers((1, 1, 1, 0), (40, 40, 12, 12), (count, 4)).astype(np.float64)
        rows[:, :2] += slow
        yield Move(home_in, home_out, home_params, rows, rng.integers(0, 1000, count))


def random_setting(seed: int) -> Setting:
    """Caps that are sometimes loose, sometimes binding, sometimes infeasible for `random_network`."""
    rng = np.random.default_rng([seed, 1])
    return Setting(
        l1_cap_bytes=int(rng.integers(15, 60)),
        arena_bytes=int(rng.integers(20, 70)),
        budget_resident_bytes=int(rng.integers(0, 50)),
        wm_capacity_bytes=int(rng.integers(0, 25)),
        l1_resident_bytes=int(rng.integers(0, 10)) if rng.random() < 0.4 else 0,
        on_chip_resident_bytes=int(rng.integers(5, 60)) if rng.random() < 0.3 else None,
        with_memory=bool(rng.random() < 0.4),
    )


def every_deployment(network: Network) -> Iterator[tuple[tuple[tuple[int, int], ...], tuple[float, ...]]]:
    """((move, row) per layer, [time, energy, L2 resident, weight memory, L1 resident, L1 peak, L2 peak]) of
    all choices.

    The peaks are without resident parameters. Written from the definition of a live range, tensor by tensor.
    """
    births = dict.fromkeys(network.inputs, 0)
    deaths = dict.fromkeys(network.inputs, 0)
    for step, layer in enumerate(network.layers):
        births[layer.output] = deaths[layer.output] = step
        for index in layer.inputs:
            deaths[index] = step
    for index in network.outputs:
        deaths[index] = len(network.layers) - 1
    yield from _extend(
        network, births, deaths, (), {i: network.tensors[i].homes[0] for i in network.inputs}, (0.0,) * 7
    )


def _extend(
    network: Network,
    births: dict[int, int],
    deaths: dict[int, int],
    taken: tuple[tuple[int, int], ...],
    homes: dict[int, str],
    total: tuple[float, ...],
) -> Iterator[tuple[tuple[tuple[int, int], ...], tuple[float, ...]]]:
    step = len(taken)
    if step == len(network.layers):
        yield taken, total
        return
    layer = network.layers[step]
    for number, move in enumerate(layer.moves):
        if tuple(homes[i] for i in layer.inputs) != move.homes_in:
            continue
        if move.home_out not in network.tensors[layer.output].homes:
            continue
        after = {**homes, layer.output: move.home_out}
        live = {"L1": 0, "L2": 0, "L3": 0}
        for index, home in after.items():
            if births[index] <= step <= deaths[index]:
                live[home] += network.tensors[index].size_bytes
        home = move.home_params
        spent = (
            total[2] + layer.params_bytes * (home == "L2"),
            total[3] + layer.params_wm_bytes * (home == "WM"),
            total[4] + layer.params_bytes * (home == "L1"),
        )
        for row, (time, energy, tile, staging) in enumerate(move.rows.tolist()):
            peaks = max(total[5], live["L1"] + tile), max(total[6], live["L2"] + staging)
            grown = (total[0] + time, total[1] + energy, *spent, *peaks)
            yield from _extend(network, births, deaths, (*taken, (number, row)), after, grown)


def attainable(network: Network, setting: Setting) -> FloatArray:
    """[n, 5] time, energy and resident bytes (L2, weight memory, L1) of all deployments within the
    setting.
    """
    totals = np.array([total for _, total in every_deployment(network)]).reshape(-1, 7)
    fits = totals[:, 2] <= setting.budget_resident_bytes
    fits &= totals[:, 3] <= setting.wm_capacity_bytes
    fits &= totals[:, 4] <= setting.l1_resident_bytes
    fits &= totals[:, 5] + setting.l1_resident_bytes <= setting.l1_cap_bytes
    fits &= totals[:, 6] <= setting.arena_bytes
    if setting.on_chip_resident_bytes is not None:
        fits &= totals[:, 2:5].sum(axis=1) <= setting.on_chip_resident_bytes
    return totals[fits, :5]


def objectives(deployments: FloatArray, setting: Setting) -> FloatArray:
    """Objective columns of `attainable` deployments."""
    memory = deployments[:, 2:].sum(axis=1, keepdims=True)
    return np.concatenate([deployments[:, :2], memory], axis=1)[:, : setting.objectives]


def naive_front(points: FloatArray) -> FloatArray:
    """Distinct non-dominated rows in lexicographic order, by definition."""
    rest = np.unique(points, axis=0)
    front = []
    while len(rest):  # the lexicographically first row is never dominated
        front.append(rest[0])
        rest = rest[(rest < rest[0]).any(axis=1)]
    return np.array(front).reshape(-1, points.shape[1])


def benchmark_network(name: str, rows: int = 50, seed: int = 0) -> Network:
    """`mobilenet`: chain of 30; `dscnn`: chain of 12; `resnet8`: 15 layers, three residual blocks (9 states).

    Sizes follow the MLPerf Tiny models; the options are random fronts of about `rows` per key where slower
    rows take less energy or less memory, a larger tile is faster, and L3 is far dearer than L2.
    """
    rng = np.random.default_rng(seed)
    channels, pairs, shortcuts = {
        "mobilenet": (8, 13, ()),
        "dscnn": (64, 4, ()),
        "resnet8": (16, 6, (2, 6, 10)),
    }[name]
    wiring = _wiring(2 * pairs + 3 if not shortcuts else 12, shortcuts)
    tensors = [Tensor("x", 12288, ("L2",))]
    layers: list[Layer] = []
    for index, inputs in enumerate(wiring):
        last = index == len(wiring) - 1
        size = 12 if last else max(64, 36864 >> (index // 3))
        tensors.append(Tensor(f"t{index}", size, ("L2",) if last else ("L2", "L1", "L3")))
        weights = 0 if len(inputs) > 1 else (channels << (index // 4)) * (9 if index % 2 else channels)
        moves = tuple(
            _priced_moves(rng, [tensors[i] for i in inputs], tensors[-1], min(weights, 66000), rows)
        )
        layers.append(
            Layer(f"l{index}", inputs, len(tensors) - 1, min(weights, 66000), moves, min(weights, 66000))
        )
    return Network(tuple(tensors), tuple(layers), (0,), (len(tensors) - 1,))


def _wiring(convolutions: int, shortcuts: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Inputs of each layer, output i + 1 for layer i; a shortcut adds the tensor of two layers before."""
    wiring: list[tuple[int, ...]] = []
    for _ in range(convolutions + len(shortcuts)):
        latest = len(wiring)
        wiring.append((latest, latest - 2) if latest - 1 in shortcuts else (latest,))
    return wiring


def _priced_moves(
    rng: np.random.Generator, inputs: list[Tensor], output: Tensor, weights: int, rows: int
) -> Iterator[Move]:
    params = ("L2", "L3", "WM") if weights else ("-",)
    work = 20.0 * output.size_bytes + 2.0 * weights
    for homes in itertools.product(*(t.homes for t in inputs), output.homes, params):
        off_chip = sum(t.size_bytes for t, h in zip([*inputs, output], homes, strict=False) if h == "L3")
        off_chip += weights * (homes[-1] == "L3")
        tile = np.geomspace(512, 60000, rows) * rng.uniform(0.9, 1.1, rows)
        tile *= 0.4 if "L1" in homes else 1.0
        overhead = rng.uniform(0.9, 1.1, rows) * 3e5 / np.sqrt(tile)
        time = work * (0.6 if homes[-1] == "WM" else 1.0) + overhead + 1.5 * off_chip
        energy = (
            3 * work * (0.5 if homes[-1] == "WM" else 1.0)
            + 100 * off_chip
            + 4 * overhead * rng.uniform(0.8, 1.2, rows)
        )
        staging = np.where(rng.random(rows) < 0.5, 0.0, 0.25 * tile) * (off_chip > 0)
        table = np.round(np.stack([time, energy, tile, staging], axis=1))
        yield Move(homes[: len(inputs)], homes[len(inputs)], homes[-1], table, np.arange(rows))
