"""Fitting: least squares that keep signs, coefficients found again, files that keep the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodels.calibration.coefficients import names_of, values_of, with_values
from costmodels.calibration.fit import (
    KernelSample,
    MoveSample,
    errors_of,
    fit_copies,
    fit_forks,
    fit_kernels,
)
from costmodels.calibration.leastsquares import nonnegative
from costmodels.calibration.rewrite import with_facts
from costmodels.engines import PortableEngine
from costmodels.errors import PlatformError
from costmodels.facts import Fact
from costmodels.platform import load_platform
from costmodels.work import KernelSpec

RV32SIM = load_platform("rv32sim")


def portable() -> PortableEngine:
    engine = RV32SIM.engine_of["cluster"]
    assert isinstance(engine, PortableEngine)
    return engine


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**31))
def test_least_squares_are_optimal(rows: int, columns: int, seed: int) -> None:
    """The conditions of Karush, Kuhn and Tucker: no sign is wrong, and no step improves."""
    rng = np.random.default_rng(seed)
    matrix, target = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    x = nonnegative(matrix, target)
    slope = matrix.T @ (matrix @ x - target)
    assert (x >= 0).all()
    assert (slope >= -1e-7).all()
    assert np.abs(slope[x > 0]).max(initial=0.0) < 1e-7


def test_a_column_of_zeros_stays_zero() -> None:
    matrix = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert nonnegative(matrix, np.array([3.0, 6.0])) == pytest.approx([3.0, 0.0])


def test_coefficients_are_a_vector_and_back() -> None:
    costs = portable().kernels
    names = names_of(costs)
    assert "conv2d.dot_4x2.run_cycles" in names
    assert "pad.copy.block_cycles" in names
    assert "pad.copy.block_bytes" not in names  # a size, not a cost
    other = with_values(costs, list(range(len(names))))
    assert values_of(other) == tuple(range(len(names)))
    assert other.pad.copy.block_bytes == costs.pad.copy.block_bytes
    assert with_values(other, values_of(costs)) == costs


def pooling(y: int, x: int, channels: int, window: int, engine: PortableEngine) -> KernelSample:
    pad = (window // 2, window // 2)
    dims = (("y", y), ("x", x), ("c", channels))
    spec = KernelSpec("maxpool", dims, window=(window, window), padding=(pad, pad))
    sample = KernelSample("maxpool", spec, ("c",), dims, 0.0, 1, 1, 1.0)
    return replace(sample, cycles=sample.predicted(engine))


def test_known_coefficients_are_found_again() -> None:
    truth = portable()
    sizes = np.random.default_rng(3).integers(3, 14, (60, 3))
    samples = [pooling(int(y), int(x), int(c), int(y) % 3 + 1, truth) for y, x, c in sizes]
    start = replace(truth, kernels=with_values(truth.kernels, [1.0] * len(names_of(truth.kernels))))
    found = fit_kernels(start, samples)
    assert values_of(found.kernels.maxpool) == pytest.approx(values_of(truth.kernels.maxpool), abs=1e-6)
    assert values_of(found.kernels.add) == values_of(start.kernels.add)  # not measured, not touched


def test_known_copies_are_found_again() -> None:
    truth = replace(RV32SIM.link_of["l2_l1"], latency_cycles=0.0)
    rng = np.random.default_rng(1)
    samples = []
    for transfers, lines, size in rng.integers((1, 1, 1), (5, 20, 200), (80, 3)):
        rows = int(transfers * lines)
        grain = int(rng.choice((1, 2, 4)))
        sample = MoveSample(int(transfers), rows, rows * int(size), grain, bool(rng.integers(2)), 1.0)
        samples.append(replace(sample, cycles=sample.predicted(truth)))
    found = fit_copies(replace(truth, driver_cycles=1.0, line_cycles=1.0, tile_cycles=1.0), samples)
    assert found.copy is not None
    assert truth.copy is not None
    assert values_of(found.copy) == pytest.approx(values_of(truth.copy))
    fields = ("driver_cycles", "line_cycles", "tile_cycles")
    assert [getattr(found, f) for f in fields] == pytest.approx([getattr(truth, f) for f in fields])


def test_forks_are_a_line() -> None:
    engine = fit_forks(portable(), {1: 70.0, 8: 105.0})
    assert (engine.fork_cycles, engine.fork_core_cycles, engine.barrier_cycles) == (70.0, 5.0, 0.0)
    assert engine.forked_cycles == 105.0


def test_errors_are_relative() -> None:
    errors = errors_of("add", 8, [99.0, 110.0], [100.0, 100.0])
    assert errors.count == 2
    assert (errors.mean, errors.worst) == pytest.approx((0.055, 0.1))


FILE = """\
# A comment.
[links.a]
line_cycles = { value = 1, how = "ASSUMED", source = "a guess" }

[links.b] # another
line_cycles = { value = 2, how = "ASSUMED", source = "a guess" }
"""


def test_a_file_keeps_what_was_not_fitted() -> None:
    key = "links.b.line_cycles"
    text = with_facts(FILE, "mine.toml", {key: Fact(key, 2.5, "FIT", 'by "me"')})
    assert text == FILE.replace(
        '{ value = 2, how = "ASSUMED", source = "a guess" }',
        '{ value = 2.5, how = "FIT", source = "by \\"me\\"" }',
    )


def test_a_file_without_the_key_is_refused() -> None:
    key = "links.c.line_cycles"
    with pytest.raises(PlatformError, match="calibration puts values where there are some") as caught:
        with_facts(FILE, "mine.toml", {key: Fact(key, 2.5, "FIT", "me")})
    assert (caught.value.file, caught.value.key) == ("mine.toml", key)
