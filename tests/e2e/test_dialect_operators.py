"""The dialect's operators that no model of ../shared has: reference, simulation, C on host and rv32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.counts import predict_counts
from compiler.lower import lower
from compiler.reference import execute
from compiler.simulate import simulate
from tests.compiler.deployed import any_deployment, emitted, moved, ran
from tests.compiler.frontend.models import Weight
from tests.compiler.frontend.test_dialect import dialect

BODY = """
a = ITAMax<n_levels=256>(x) b = ITAPartialMax<n_levels=256, group_width=4>(z)
c = IntegerDiv<Delta=900, eta=2, eps=7>(z, a) d = RequantShift(c, m, e)
f = iNoNorm<D=256, mul=3, n_levels=256>(d, g, h) k = IntegerMean<axes=[1], keepdims=1>(f)
n = Dequant<scale=0.25, zero_point=1.0, bit_width=8, signed=1>(k)
q = Quant<scale=2.0, zero_point=-9.0, bit_width=8, signed=1>(n)
p = RQIntegerDiv<Delta=90, eta=1, eps=300, div=64, n_levels=256, signed=1>(z, q, m, e, t)
y = RequantizedAdd<ATTRIBUTES>(p, b)
"""
SUM = {"mul": 60, "add": 32, "div": 64, "n_levels": 256, "signed": 1}


def test_all_of_them_in_one_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = [f"{prefix}_{name}={value}" for prefix in ("rqs1", "rqsOut") for name, value in SUM.items()]
    plain = ["rqs2_mul=1", "rqs2_add=0", "rqs2_div=1", "rqs2_n_levels=256", "rqs2_signed=1"]
    body = BODY.replace("ATTRIBUTES", ", ".join((*names, *plain)))
    sample = {name: rng.integers(-128, 128, (6, 12)) for name in ("x", "z")}
    weights: dict[str, Weight] = {
        "m": 5.0, "e": 17.0, "t": 6.0,
        "g": rng.integers(-100, 100, 12).astype(np.float32),
        "h": rng.integers(-900, 900, 12).astype(np.float32),
    }  # fmt: skip
    imported = dialect(tmp_path, body, weights, sample, inputs="float[6,12] x, float[6,12] z", div=64)
    graph = imported.module.main
    assert {"avgpool", "idiv", "itamax", "lut"} <= {op.kind for op in graph}
    inputs = {binding.tensor: binding.encode(sample[binding.onnx]) for binding in imported.inputs}
    expected = execute(graph, inputs)
    deployment = any_deployment(graph, seed=2)
    simulated = simulate(graph, lower(graph, deployment), inputs)
    for tensor in graph.outputs:
        assert len(np.unique(expected[tensor])) > 4
        assert np.array_equal(simulated.outputs[tensor], expected[tensor])
    project = emitted(tmp_path / "project", graph, deployment, inputs)
    predicted = moved(predict_counts(graph, deployment))
    for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
        report = ran(project, target, harts=harts)  # type: ignore[arg-type]
        assert report.verdicts[-1] == "result ok", report.verdicts
        assert report.counts == predicted, (target, harts)
