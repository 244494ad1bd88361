"""Float models of every operator, quantised on the fly: each layer as ONNX Runtime computes the QDQ model.

The list of operator kinds says what folded: biases, normalisations, activations, pads, transposes leave
no operator behind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontend.cases import CASES, Case
from tests.compiler.frontend.models import build, imported, kinds
from tests.e2e.agreement import layers


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_operator(case: Case, tmp_path: Path) -> None:
    model = build(case.body, case.weights, **case.options)
    result = imported(model, tmp_path)
    assert " ".join(kinds(result)) == case.kinds
    rng = np.random.default_rng(5)
    samples = [{b.onnx: rng.standard_normal(b.shape) for b in result.inputs} for _ in range(4)]
    found = layers(result, samples)
    assert {name: a.worst for name, a in found.items() if a.worst > 1} == {}
    assert all(a.exact >= 0.97 for a in found.values() if a.values >= 400)
