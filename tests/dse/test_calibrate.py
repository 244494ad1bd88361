"""The committed coefficients of rv32sim against fresh shapes, measured on the simulator here and now.

The shapes are of other seeds than those that were fitted. The bounds pin what is reached: mean and worst
relative error of a family, on one hart and on eight.
"""

from __future__ import annotations

import pytest

from compiler.bench import FAMILIES, draw_tiled, measure_tiled, target_runner
from costmodels.calibration.fit import Errors
from costmodels.errors import PlatformError
from costmodels.platform import load_platform
from dse.calibrate import (
    Effort,
    copy_errors,
    counted_engine,
    kernel_errors,
    layer_errors,
    measurements,
)

RV32SIM = load_platform("rv32sim")
RUNNER = target_runner("rv32", timeout_s=120)
FRESH = Effort(shapes=50, networks=4, seed=12345)
MEAN, WORST = 0.02, 0.10


@pytest.fixture(scope="module")
def errors() -> tuple[Errors, ...]:
    found = measurements(RUNNER, counted_engine(RV32SIM), FRESH)
    return (
        *kernel_errors(counted_engine(RV32SIM), found.kernels, FRESH.seed),
        copy_errors(RV32SIM, found.moves),
    )


@pytest.mark.parametrize("cores", [1, 8])
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels(family: str, cores: int, errors: tuple[Errors, ...]) -> None:
    (found,) = (row for row in errors if (row.family, row.cores) == (family, cores))
    assert found.count > 10
    assert found.mean < MEAN, found
    assert found.worst < WORST, found


def test_copies(errors: tuple[Errors, ...]) -> None:
    """Where neither lines nor transfers lie on words, the share that does is estimated; hence the worst."""
    assert errors[-1].mean < 0.03
    assert errors[-1].worst < 0.10


def test_layers_in_small_tiles() -> None:
    """Hundreds of steps with a few pixels each: what is not a kernel shows most."""
    networks = draw_tiled(FRESH.networks, FRESH.seed)
    cycles = [measure_tiled(network, RUNNER, 8) for network in networks]
    found = layer_errors(RV32SIM, networks, cycles)
    assert found.count == 8 * FRESH.networks
    assert found.mean < 0.04
    assert found.worst < 0.20


def test_only_portable_cores_can_be_calibrated() -> None:
    with pytest.raises(PlatformError, match="no engine of kind portable or xpulp"):
        counted_engine(load_platform("gap8"))
