"""Language models: nodes of exporters become few integer operators, wide where they must be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from compiler.frontend import Imported, ModelError, import_model
from compiler.frontend.patterns_attention import causal_of
from compiler.ir import IntType
from compiler.reference import execute
from tests.compiler.frontend.language import ADDED, CHOSEN, TOKENS, WORDS, language_model, samples
from tests.compiler.frontend.models import save

KINDS = Counter(embed=1, norm=3, conv2d=8, rope=2, matmul=2, softmax=1, add=2, mul=1, lut=1)


def calibrated(folder: Path, masked: str = ADDED, count: int = 20) -> Imported:
    np.savez(folder / "samples.npz", **samples(count))  # type: ignore[arg-type]
    return import_model(save(language_model(masked), folder), calibration=folder / "samples.npz")


@pytest.mark.parametrize("masked", [ADDED, CHOSEN])
def test_operators_of_a_language_model(masked: str, tmp_path: Path) -> None:
    result = calibrated(tmp_path, masked)
    assert Counter(op.kind for op in result.module.main) == KINDS
    (softmax,) = (op for op in result.module.main if op.kind == "softmax")
    assert (softmax.causal_period, softmax.causal_offset) == (TOKENS, 0)  # type: ignore[attr-defined]


def test_the_residual_stream_and_logits_are_wide(tmp_path: Path) -> None:
    graph = calibrated(tmp_path).module.main
    wide = {op.output for op in graph if graph.by_name[op.output].dtype is IntType.I16}
    residual = {op.output for op in graph if op.kind in ("embed", "add")}
    assert residual < wide
    assert {name for op in graph if op.kind in ("add", "norm") for name in op.inputs} <= wide
    assert set(graph.outputs) <= wide
    assert len(wide) == len(residual) + 3  # the two products that are added, and the logits


def test_logits_follow_onnxruntime(tmp_path: Path) -> None:
    result = calibrated(tmp_path)
    session = ort.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    given = samples(20, seed=1)
    errors, spread = [], []
    for k in range(20):
        feed = {name: array[k] for name, array in given.items()}
        codes = {b.tensor: b.encode(feed[b.onnx]) for b in result.inputs}
        (output,) = result.outputs
        (real,) = session.run(None, feed)
        found = output.decode(execute(result.module.main, codes)[output.tensor])
        errors.append(np.abs(found - real).max())
        spread.append(np.ptp(real))
    assert np.median(errors) < 0.03 * np.median(spread)


def test_without_samples_tokens_are_made(tmp_path: Path) -> None:
    result = import_model(save(language_model(), tmp_path), seed=3)
    assert any("its accuracy means nothing" in note for note in result.module.notes)
    assert Counter(op.kind for op in result.module.main) == KINDS


@pytest.mark.parametrize("token", [-1, WORDS, 0.5])
def test_samples_that_are_no_tokens_are_refused(token: float, tmp_path: Path) -> None:
    arrays = samples(2)
    arrays["tokens"] = np.where(arrays["tokens"] == arrays["tokens"][0, 0, 0], token, arrays["tokens"])
    np.savez(tmp_path / "samples.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=rf"array 'tokens' must hold integers from 0 to {WORDS - 1}"):
        import_model(save(language_model(), tmp_path), calibration=tmp_path / "samples.npz")


def mask(rows: int, columns: int, offset: int) -> np.typing.NDArray[np.float64]:
    return np.where(np.tri(rows, columns, offset, bool), 0.0, -1e9)


@pytest.mark.parametrize(("rows", "columns", "offset"), [(6, 6, 0), (4, 9, 5), (1, 3, 1), (5, 3, 0)])
def test_causal_masks_are_recognised(rows: int, columns: int, offset: int) -> None:
    added = mask(rows, columns, offset)
    shape = (2, 3, rows, columns)
    assert causal_of(np.ones_like(added), added, shape) == (rows, offset)
    assert causal_of((added == 0).astype(float), added, shape) == (rows, offset)
    twice = np.concatenate([added, added])
    assert causal_of(np.ones_like(twice), twice, (2, 2 * rows, columns)) == (rows, offset)


def test_other_masks_are_not_causal() -> None:
    causal = mask(4, 4, 0)
    hole, soft, blind, uneven = (causal.copy() for _ in range(4))
    hole[3, 1] = -1e9
    soft[0, 1] = -5.0
    blind[0, 0] = -1e9
    uneven[2] = causal[1]
    for other in (hole, soft, blind, uneven, causal[::-1]):
        assert causal_of(np.ones((4, 4)), other, (1, 4, 4)) is None
    assert causal_of(np.full((4, 4), 2.0), causal, (1, 4, 4)) is None


def test_a_quantisation_that_the_model_gives_stays(tmp_path: Path) -> None:
    np.savez(tmp_path / "samples.npz", **samples(8))  # type: ignore[arg-type]
    path = save(language_model(rounded=True), tmp_path)
    graph = import_model(path, calibration=tmp_path / "samples.npz").module.main
    assert Counter(op.kind for op in graph) == KINDS
    (product,) = (graph.by_name[op.output] for op in graph if op.kind == "mul")
    assert product.scale == pytest.approx(0.02)
    assert product.zero_point == 3
