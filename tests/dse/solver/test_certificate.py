"""Envelopes whose area can be computed on paper."""

from __future__ import annotations

import numpy as np
import pytest

from dse.solver.certificate import Region, envelope_hypervolume, hypervolume_gap

UNIT = np.array([1.0, 1.0])


def planes(*rows: tuple[float, float, float], stairs: list[list[float]] | None = None) -> Region:
    """w0 x + w1 y >= bound per row (w0, w1, bound)."""
    table = np.array(rows)
    return Region(table[:, :2], table[:, 2], None if stairs is None else np.array(stairs).reshape(-1, 2))


def test_ideal_point_leaves_a_rectangle() -> None:
    assert envelope_hypervolume([planes((1, 0, 0.25), (0, 1, 0.5))], UNIT) == pytest.approx(0.375)


def test_a_diagonal_cuts_a_triangle() -> None:
    assert envelope_hypervolume([planes((1, 1, 1))], UNIT) == pytest.approx(0.5)
    assert envelope_hypervolume([planes((1, 1, 0.5))], UNIT) == pytest.approx(1 - 0.125)


def test_stairs_and_planes_together_are_no_larger_than_either() -> None:
    diagonal, stairs = planes((1, 1, 1)), [[0.2, 0.6], [0.6, 0.2]]
    both = envelope_hypervolume([planes((1, 1, 1), stairs=stairs)], UNIT)
    # Above the steps 0.8 * 0.4 + 0.4 * 0.4; the diagonal takes triangles of side 0.2 off both corners.
    assert both == pytest.approx(0.48 - 2 * 0.02, abs=2e-3)
    assert both >= 0.44 - 1e-12
    assert both < envelope_hypervolume([diagonal], UNIT)


def test_union_of_two_settings_counts_the_overlap_once() -> None:
    left, low = planes((1, 0, 0.5), (0, 1, 0.1)), planes((1, 0, 0.1), (0, 1, 0.5))
    assert envelope_hypervolume([left, low], UNIT) == pytest.approx(0.45 + 0.45 - 0.25)


def test_three_objectives_round_up() -> None:
    region = Region(np.eye(3), np.array([0.5, 0.5, 0.5]))
    volume = envelope_hypervolume([region], np.ones(3))
    assert 0.125 <= volume <= 0.125 * 1.05
    exact = Region(np.eye(3), np.zeros(3), np.array([[0.5, 0.5, 0.5], [0.0, 0.5, 0.75]]))
    assert envelope_hypervolume([exact], np.ones(3)) == pytest.approx(0.125 + 0.25 * 0.5 - 0.25 * 0.25)


def test_infeasible_settings_add_nothing() -> None:
    nothing = Region.nothing(2)
    assert not nothing.admits(np.array([[1e9, 1e9]])).any()
    assert envelope_hypervolume([nothing], UNIT) == 0
    assert hypervolume_gap(np.zeros((0, 2)), [nothing], UNIT) == 0


def test_gap_of_the_best_and_of_no_front() -> None:
    region = planes((1, 0, 0.5), (0, 1, 0.5))
    assert hypervolume_gap(np.array([[0.5, 0.5]]), [region], UNIT) == pytest.approx(0)
    assert hypervolume_gap(np.zeros((0, 2)), [region], UNIT) == 1


def test_dimensions_must_agree() -> None:
    with pytest.raises(ValueError, match="certificate has 2 objectives, the reference point 3"):
        envelope_hypervolume([planes((1, 0, 0.5))], np.ones(3))
