"""A given deployment is priced only where it is legal and fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.deployment import DeploymentError
from costmodels.errors import PlatformError
from costmodels.platform import load_platform
from dse.session import price_deployment
from tests.dse.found import deployment, network

RV32SIM = load_platform("rv32sim")


def test_sums_are_those_of_the_layers() -> None:
    given = deployment(0)
    point = price_deployment(network(), RV32SIM, given)
    assert point.source == "given"
    assert point.deployment == given
    assert point.energy_uj == pytest.approx(sum(layer.energy_uj for layer in point.layers))
    assert dict(point.peak_bytes) == {level: given.peak_bytes(level) for level in dict(point.peak_bytes)}


def test_what_is_not_legal_or_not_there_is_refused() -> None:
    given = deployment(0)
    with pytest.raises(DeploymentError, match="0 layers"):
        price_deployment(network(), RV32SIM, replace(given, plans=()))
    with pytest.raises(PlatformError, match="turbo"):
        price_deployment(network(), RV32SIM, replace(given, operating_point="turbo"))
    small = replace(
        RV32SIM,
        levels=tuple(
            replace(level, capacity_bytes=64) if level.name == "l2" else level for level in RV32SIM.levels
        ),
    )
    with pytest.raises(DeploymentError, match=r"l2 needs \d+ B, rv32sim has 64 B"):
        price_deployment(network(), small, given)
    without = replace(RV32SIM, engines=tuple(replace(engine, name="other") for engine in RV32SIM.engines))
    with pytest.raises(DeploymentError, match="runs on cluster"):
        price_deployment(network(), without, given)
