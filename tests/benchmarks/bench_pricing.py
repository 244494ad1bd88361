"""Tile candidates priced per second on one core: `python tests/benchmarks/bench_pricing.py`.

A convolution layer on the cluster (choosing between two splits) and on the NPU, with input, parameter and
output streams between L2 and L1, double-buffered. The candidates are random tiles, so most of them have
remainders in every dimension (sixteen tile classes). The last line prices other homes of tilings whose
kernel time is known. CPU time is taken, the best of some repetitions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from costmodels.classes import tile_classes
from costmodels.layer import Hop, LayerWork, StreamWork
from costmodels.pipeline import kernel_time, price_layer
from costmodels.platform import Platform, load_platform
from costmodels.work import IntArray, KernelSpec

DIMS = (("y", 56), ("x", 56), ("g", 1), ("o", 128), ("i", 96))
ORDER = ("o", "y", "x", "i")


def conv_work(count: int, engine: str, seed: int = 0) -> LayerWork:
    """`count` random tilings of a 3x3 convolution; on the NPU the reduction is not tiled."""
    random = np.random.default_rng(seed)
    spec = KernelSpec("conv2d", DIMS, window=(3, 3), splits=(("y", "x"), ("o",)))
    extents = dict(DIMS)
    whole = np.full(count, extents["i"])
    tiles = {name: random.integers(1, extents[name] + 1, count) for name in ORDER}
    tiles["i"] = tiles["i"] if engine == "cluster" else whole
    trips = {name: -(-extents[name] // tiles[name]) for name in ORDER}
    return LayerWork(
        spec,
        engine,
        tile_classes(spec, tiles),
        tuple(trips[name] for name in ORDER),
        (
            _stream("input", ("y", "x", "i"), "l2_l1", trips, tiles["y"]),
            _stream("params", ("o", "i"), "l2_l1", trips, np.ones(count, np.int64)),
            _stream("output", ("o", "y", "x"), "l1_l2", trips, tiles["y"] * tiles["x"]),
        ),
    )


def _stream(
    role: str, dims: tuple[str, ...], link: str, trips: Mapping[str, IntArray], lines: IntArray
) -> StreamWork:
    depth, fetches, running = (np.full(len(lines), value) for value in (0, 1, 1))
    for position, name in enumerate(ORDER, start=1):
        running = running * trips[name]
        moves = (trips[name] > 1) & (name in dims)
        depth, fetches = np.where(moves, position, depth), np.where(moves, running, fetches)
    hop = Hop(link, fetches, fetches * lines, fetches * lines * 64)
    return StreamWork("output" if role == "output" else "input", (hop,), fetches, depth)


def rate(platform: Platform, work: LayerWork, count: int, repeat: int = 9) -> float:
    """Candidates per second of CPU time, best of `repeat`."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        price_layer(platform, work)
        best = min(best, time.process_time() - start)
    return count / best


def main(count: int = 100_000) -> None:
    platform = load_platform("siracusa")
    for engine in ("cluster", "npu"):
        work = conv_work(count, engine)
        print(f"{engine}: {rate(platform, work, count) / 1e6:.2f} M convolution tile candidates/s")
    work = conv_work(count, "cluster")
    known = kernel_time(platform.engine_of["cluster"], work.spec, work.classes)
    again = rate(platform, replace(work, kernel=known), count)
    print(f"cluster, kernel time known: {again / 1e6:.2f} M convolution tile candidates/s")


if __name__ == "__main__":
    main()
