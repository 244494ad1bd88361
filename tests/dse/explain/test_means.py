"""How far the price, which takes every tile at the mean of all, is from a walk with each tile's own time."""

from __future__ import annotations

import pytest

from compiler.lower import lower
from costmodels.engines import XpulpEngine
from dse.explain import Explainer
from tests.compiler.deployed import layers_of
from tests.dse.explain.own_tiles import own_cycles
from tests.dse.explain.test_explain import priced

WORST_LAYER = {False: 0.005, True: 0.08}
"""By double buffering. The maximum of means is at most the mean of the maxima."""
WORST_NETWORK = 0.005
WORST_COUNTED_LAYER = 0.08
"""Of engines with Xpulp kernels: what a block's left-overs cost is not linear in the tile's extents."""
WORST_COUNTED_NETWORK = 0.01


@pytest.mark.parametrize(
    ("platform", "seed"), [(p, s) for p in ("siracusa", "gap8", "gap9") for s in range(6)]
)
def test_means_cost_little(platform: str, seed: int) -> None:
    task, point = priced(platform, seed)
    program, at = lower(task.module.main, point.deployment), task.platform.point()
    apart = Explainer(task.module, task.platform).apart(point)
    counted = any(isinstance(engine, XpulpEngine) for engine in task.platform.engines)
    own_total = mean_total = 0.0
    for layer, estimate, pieces in zip(layers_of(program), point.layers, apart, strict=True):
        spec = layer.operator.space(task.module.main.by_name).spec
        own = own_cycles(task.platform, at, layer, spec, pieces.anatomy)
        mean = estimate.cycles - dict(estimate.causes)["prefetch"]
        assert mean == pytest.approx(
            own, rel=WORST_COUNTED_LAYER if counted else WORST_LAYER[pieces.anatomy.double]
        )
        if layer.steps == 1:
            assert mean == pytest.approx(own)
        own_total, mean_total = own_total + own, mean_total + mean
    assert mean_total == pytest.approx(own_total, rel=WORST_COUNTED_NETWORK if counted else WORST_NETWORK)
