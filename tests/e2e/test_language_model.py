"""Language models through the whole chain: reference, simulation, C on the host, C on RV32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.frontend import Imported, import_model
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.reference import execute
from compiler.simulate import simulate
from dse.cli import main as explore
from studies.llm.__main__ import main
from tests.compiler.deployed import any_deployment, codes, emitted, moved, ran
from tests.compiler.frontend.language import decode_model, language_model, samples
from tests.compiler.frontend.models import save
from tests.shared_models import shared_model


def first_sample(found: Imported, calibration: Path) -> dict[str, IntArray]:
    """Codes of the inputs for the first sample."""
    with np.load(calibration) as arrays:
        return {each.tensor: each.encode(arrays[each.onnx][0]) for each in found.inputs}


def hold_the_chain(found: Imported, inputs: dict[str, IntArray], seed: int, folder: Path) -> None:
    """A random deployment: simulation, C on the host and on RV32 compute and count what is predicted."""
    graph = found.module.main
    deployment = any_deployment(graph, seed)
    expected = execute(graph, inputs)
    simulated = simulate(graph, lower(graph, deployment), inputs)
    for tensor in graph.outputs:
        assert np.array_equal(simulated.outputs[tensor], expected[tensor]), tensor
    project = emitted(folder / f"project{seed}", graph, deployment, inputs)
    predicted = moved(predict_counts(graph, deployment))
    for target, harts in (("host", 8), ("rv32", 1), ("rv32", 8)):
        report = ran(project, target, harts=harts)  # type: ignore[arg-type]
        assert report.verdicts[-1] == "result ok", report.verdicts
        assert report.counts == predicted, (target, harts)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_one(seed: int, tmp_path: Path) -> None:
    data = tmp_path / "samples.npz"
    np.savez(data, **samples(8))  # type: ignore[arg-type]
    found = import_model(save(language_model(), tmp_path), calibration=data)
    hold_the_chain(found, first_sample(found, data), seed, tmp_path)


def test_a_small_one_decodes_what_explore_wrote(tmp_path: Path) -> None:
    (tmp_path / "decode").mkdir()
    paths = (save(language_model(), tmp_path), save(decode_model(), tmp_path / "decode"))
    data = tmp_path / "samples.npz"
    np.savez(data, **samples(8))  # type: ignore[arg-type]
    given = ["--prefill", str(paths[0]), "--calibration", str(data), "--budget", "1MB", "--trials", "2"]
    out = tmp_path / "out"
    assert explore(["explore", str(paths[1]), *given, "--points", "1", "--out", str(out)]) == 0
    assert explore(["run", str(out / "points" / "000"), "--target", "rv32"]) == 0
    assert explore(["evaluate", str(out / "points" / "000")]) == 0


@pytest.mark.shared
def test_stories260k_decode(tmp_path: Path) -> None:
    prefill, decode = (
        shared_model(f"llama/stories260K_{name}.onnx") for name in ("prefill64", "decode_past63")
    )
    data = tmp_path / "samples.npz"
    main(["calibrate", str(prefill), "--out", str(data), "--texts", "4"])
    found = import_model(decode, calibration=data, prefill=prefill)
    inputs = codes(found.module.main, 0) | {
        "tokens": np.array([[403]], np.int32),
        "position": np.array([17], np.int32),
    }
    hold_the_chain(found, inputs, 2, tmp_path)


@pytest.mark.shared
def test_stories260k_prefill(tmp_path: Path) -> None:
    model, data = shared_model("llama/stories260K_prefill64.onnx"), tmp_path / "samples.npz"
    main(["calibrate", str(model), "--out", str(data), "--texts", "4"])
    found = import_model(model, calibration=data)
    hold_the_chain(found, first_sample(found, data), 0, tmp_path)
