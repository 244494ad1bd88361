"""Every form of the table: its operators, ONNX's own results, the simulated deployment, C on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from compiler.frontend import Imported, ModelError, import_model
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.reference import execute
from compiler.simulate import simulate
from tests.compiler.deployed import any_deployment, emitted, ran
from tests.compiler.frontend.forms import Form
from tests.compiler.frontend.forms_table import FORMS
from tests.compiler.frontend.models import kinds, save

SAMPLES = 6
READ = tuple(form for form in FORMS if not form.refused)
Samples = dict[str, np.typing.NDArray[np.generic]]


def samples(model: onnx.ModelProto) -> Samples:
    """Random arrays for every input, sample by sample: numbers, or indices below 6."""
    rng, found = np.random.default_rng(0), Samples()
    for info in model.graph.input:
        shape = [SAMPLES, *(dim.dim_value for dim in info.type.tensor_type.shape.dim)]
        real = info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        found[info.name] = (
            rng.standard_normal(shape).astype(np.float32) if real else rng.integers(0, 6, shape)
        )
    return found


def taken_in(form: Form, folder: Path) -> tuple[Imported, dict[str, IntArray], list[tuple[str, float]]]:
    """The imported form, codes of its first sample, and by output how far the reference is from ONNX."""
    model = form.model()
    given = samples(model)
    np.savez(folder / "samples.npz", **given)  # type: ignore[arg-type]
    found = import_model(save(model, folder), calibration=folder / "samples.npz")
    feed = {name: array[0] for name, array in given.items()}
    codes = {each.tensor: each.encode(feed[each.onnx]) for each in found.inputs}
    values = execute(found.module.main, codes)
    names = [each.onnx for each in found.outputs]
    real = dict(zip(names, ReferenceEvaluator(model).run(names, feed), strict=True))
    away = [
        (b.onnx, float(np.abs(b.decode(values[b.tensor]) - real[b.onnx]).max() / np.ptp(real[b.onnx])))
        for b in found.outputs
    ]
    return found, codes, away


@pytest.mark.parametrize("form", READ, ids=lambda form: form.name)
def test_form(form: Form, tmp_path: Path) -> None:
    found, codes, away = taken_in(form, tmp_path)
    assert " ".join(kinds(found)) == form.becomes
    assert all(error <= form.error for _, error in away), away
    graph = found.module.main
    expected = execute(graph, codes)
    for seed in range(2):
        deployment = any_deployment(graph, seed)
        simulated = simulate(graph, lower(graph, deployment), codes)
        assert all(np.array_equal(simulated.outputs[name], expected[name]) for name in graph.outputs)


@pytest.mark.parametrize("form", [form for form in READ if form.compiled], ids=lambda form: form.name)
def test_form_in_c(form: Form, tmp_path: Path) -> None:
    found, codes, _ = taken_in(form, tmp_path)
    graph = found.module.main
    project = emitted(tmp_path / "project", graph, any_deployment(graph, 1), codes)
    assert ran(project, "host", harts=8).verdicts[-1] == "result ok"


@pytest.mark.parametrize("form", [form for form in FORMS if form.refused], ids=lambda form: form.name)
def test_refused_form(form: Form, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(save(form.model(), tmp_path))
    assert form.becomes in str(caught.value)
    assert len(str(caught.value).split("\n")) == 2
