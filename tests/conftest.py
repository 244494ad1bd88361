"""Loaded before any test module, hence before numpy."""

import os

import pytest

# Tests run beside each other: two threads in every matrix product would fight for the same cores, and
# small products then take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden`: write the emitted C that the golden tests compare with. `--stress N`: N seeds."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/texts anew")
    parser.addoption("--stress", type=int, default=8, help="seeds of tests/compiler/test_stress.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take a `stress_seed` run once for every seed below `--stress`."""
    if "stress_seed" in metafunc.fixturenames:
        metafunc.parametrize("stress_seed", range(metafunc.config.getoption("--stress")))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden texts are written instead of only compared."""
    return bool(request.config.getoption("--update-golden"))
