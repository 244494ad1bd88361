"""Float models of every operator, quantised on the fly: each layer as ONNX Runtime computes the QDQ model.

The list of operator kinds says what folded: biases, normalisations, activations, pads, transposes leave
no operator behind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.compiler.frontend.cases import CASES, Case
from tests.compiler.frontend.models import Weight, build, imported, kinds
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


def test_sums_too_wide_for_one_step_are_noted(tmp_path: Path) -> None:
    """2 700 codes at both ends of int8 leave the multiplier 5 bits; a few codes leave it all it needs."""

    def notes(channels: int) -> list[str]:
        ends = np.where(np.random.default_rng(1).random((8, channels, 3, 3)) < 0.5, -127, 127)
        weights: dict[str, Weight] = {
            "w": ends.astype(np.int8),
            "ws": 0.01,
            "s": 0.02,
            "t": 4.0,
            "z": np.array(0, np.int8),
        }
        body = """q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) v = DequantizeLinear(w, ws)
        c = Conv(d, v) p = QuantizeLinear(c, t, z) y = DequantizeLinear(p, t, z)"""
        model = build(body, weights, inputs=f"float[1,{channels},5,5] x")
        return [note for note in imported(model, tmp_path).module.notes if "32-bit requantisation" in note]

    assert notes(4) == []
    (note,) = notes(300)
    assert note.startswith("Conv3 (Conv): sums so wide")
