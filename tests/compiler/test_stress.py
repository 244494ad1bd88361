"""Random networks under random decisions on random variants; `--stress 500` for an evening's worth."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from compiler.counts import predict_counts
from compiler.simulate import simulate
from compiler.targets import Target
from tests.compiler.deployed import any_deployment, codes, emitted, moved, outputs_of, ran
from tests.compiler.networks import attention, chain, decoding, every_operator, language


def test_reference_simulation_and_c_agree(stress_seed: int, tmp_path: Path) -> None:
    rng = random.Random(stress_seed)
    graph = rng.choice((attention, chain, decoding, every_operator, language))(1000 + stress_seed)
    deployment = any_deployment(graph, 1000 + stress_seed)
    inputs = codes(graph, 1000 + stress_seed)
    project = emitted(tmp_path / "net", graph, deployment, inputs)
    simulated = simulate(graph, project.program, inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(simulated.outputs[name], expected)
    predicted = predict_counts(graph, deployment)
    assert simulated.counts == predicted
    targets: tuple[Target, ...] = ("host", "rv32")
    report = ran(project, rng.choice(targets), harts=rng.randint(1, 8), lazy=rng.random() < 0.5)
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predicted)
