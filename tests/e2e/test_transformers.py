"""A BERT-like encoder and a GPT-2-like decoder as exporters write them: int8, explored, proved in C."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from compiler.frontend import import_model
from compiler.reference import Reference
from dse.cli import main as dse
from studies.models.transformers import Shape, main, samples
from tests.e2e.test_language_model import first_sample, hold_the_chain

KINDS = {
    "bert": Counter(embed=1, conv2d=15, norm=5, matmul=4, softmax=2, add=4, lut=3, pad=1),
    "gpt2": Counter(embed=1, conv2d=10, norm=5, matmul=4, softmax=2, add=4, lut=2, pad=6),
}
"""Two blocks; a constant that is added to the words' rows is a convolution over the channels."""


@pytest.fixture(params=sorted(KINDS))
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The transformer, written into `tmp_path`."""
    main(["--out", str(tmp_path), request.param])
    return str(request.param)


def test_its_operators_and_how_far_it_is_from_float(name: str, tmp_path: Path) -> None:
    found = import_model(tmp_path / f"{name}.onnx", calibration=tmp_path / f"{name}.npz")
    assert Counter(op.kind for op in found.module.main) == KINDS[name]
    session = ort.InferenceSession(str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    run, (output,) = Reference(found.module.main), found.outputs
    away, spans = [], []
    for tokens in samples(Shape(), 20, seed=5)["tokens"]:
        (real,) = session.run(None, {"tokens": tokens})
        codes = run({each.tensor: each.encode(tokens) for each in found.inputs})[output.tensor]
        away.append(np.abs(output.decode(codes) - real).max())
        spans.append(np.ptp(real))
    assert np.median(away) < 0.03 * np.median(spans)


def test_the_chain_of_truth(name: str, tmp_path: Path) -> None:
    data = tmp_path / f"{name}.npz"
    found = import_model(tmp_path / f"{name}.onnx", calibration=data)
    hold_the_chain(found, first_sample(found, data), 0, tmp_path)


def test_it_is_explored_and_runs(name: str, tmp_path: Path) -> None:
    out, data = tmp_path / "out", str(tmp_path / f"{name}.npz")
    given = ["--calibration", data, "--budget", "128kB", "--trials", "1", "--refine", "none", "--points", "1"]
    assert dse(["explore", str(tmp_path / f"{name}.onnx"), *given, "--out", str(out)]) == 0
    assert dse(["run", str(out / "points" / "000"), "--target", "host"]) == 0
