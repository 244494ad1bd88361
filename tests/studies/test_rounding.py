"""Rounding to coarse grids: close to the value, and deaf to the last bits of a float32."""

import numpy as np
import pytest

from studies.models.rounding import round_mantissa, round_range, round_to_step

VALUES = np.random.default_rng(5).standard_normal(2000)


def test_mantissa_keeps_six_bits_and_zero() -> None:
    rounded = round_mantissa(VALUES)
    assert np.abs(rounded / VALUES - 1).max() <= 2.0**-6
    np.testing.assert_array_equal(round_mantissa(rounded), rounded)
    assert round_mantissa(np.zeros(1)) == 0


def test_step_follows_the_spread_and_not_the_value() -> None:
    means, spread = 1e-7 * VALUES, np.full(VALUES.shape, 0.5)
    np.testing.assert_array_equal(round_to_step(means, spread), 0.0)
    assert np.abs(round_to_step(VALUES, spread) - VALUES).max() <= 0.5 * 2.0**-6 + 1e-6


@pytest.mark.parametrize(("low", "high"), [(-1.7, 2.9), (0.0, 3e-5), (-700.0, -3.0)])
def test_range_ignores_the_last_bits(low: float, high: float) -> None:
    rounded = round_range(low, high)
    assert rounded == round_range(low * (1 + 1e-7), high * (1 - 1e-7))
    assert rounded == pytest.approx((low, high), abs=(high - low) * 2.0**-10)
