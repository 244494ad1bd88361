"""Decode graphs: the scales of their prefill graph, caches that grow by the row, and the codes of prefill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from compiler.frontend import Imported, ModelError, import_model
from compiler.frontend.carried import KEY
from compiler.frontend.decode import POSITION
from compiler.reference import Reference
from tests.compiler.frontend.language import (
    ADDED,
    DEPTH,
    HEADS,
    TOKENS,
    decode_model,
    language_model,
    samples,
)
from tests.compiler.frontend.models import save


def both(folder: Path) -> tuple[Imported, Imported]:
    """A prefill graph and its decode graph."""
    for name, model in (("prefill", language_model(ADDED)), ("decode", decode_model())):
        (folder / name).mkdir()
        save(model, folder / name)
    np.savez(folder / "samples.npz", **samples(20))  # type: ignore[arg-type]
    prefill, data = folder / "prefill" / "model.onnx", folder / "samples.npz"
    decode = import_model(folder / "decode" / "model.onnx", calibration=data, prefill=prefill)
    return import_model(prefill, calibration=data), decode


def decoded(found: Imported, feed: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """Logits of all tokens, one call each, the caches beginning with noise."""
    run = Reference(found.module.main)
    inputs = {each.onnx: each for each in found.inputs}
    outputs = {each.onnx: each for each in found.outputs}
    noise = np.random.default_rng(0)
    caches = {f"past_{c}": noise.integers(-128, 128, (1, HEADS, TOKENS, DEPTH)) for c in "kv"}
    rows = []
    for at in range(TOKENS):
        given = {name: feed[name][..., at, :] for name in ("cos", "sin")} | caches
        given |= {"tokens": feed["tokens"][:, at], POSITION: np.array([at])}
        codes = run({each.tensor: each.encode(given[name]) for name, each in inputs.items()})
        logits = outputs["logits"]
        rows.append(logits.logical(codes[logits.tensor])[0, 0])
        for cache in "kv":
            whole = outputs[f"present_{cache}"]
            caches[f"past_{cache}"] = whole.logical(codes[whole.tensor])
    return np.stack(rows)


def test_decode_computes_the_codes_of_prefill(tmp_path: Path) -> None:
    prefill, decode = both(tmp_path)
    feed = {name: array[0] for name, array in samples(1, seed=4).items()}
    values = Reference(prefill.module.main)({b.tensor: b.encode(feed[b.onnx]) for b in prefill.inputs})
    (logits,) = prefill.outputs
    assert np.array_equal(decoded(decode, feed), logits.logical(values[logits.tensor])[0])


def test_caches_are_states_that_nothing_copies(tmp_path: Path) -> None:
    _, decode = both(tmp_path)
    graph, names = decode.module.main, {each.tensor: each.onnx for each in (*decode.inputs, *decode.outputs)}
    assert [each.onnx for each in decode.inputs][-1] == POSITION
    pairs = {(names[before], names[after]) for before, after in graph.states}
    assert pairs == {("past_k", "present_k"), ("past_v", "present_v")}
    assert {graph.by_name[after].elements for _, after in graph.states} == {HEADS * TOKENS * DEPTH}
    kinds = [op.kind for op in graph]
    assert kinds.count("update") == 2
    assert not {"concat", "transpose"} & set(kinds)


def refusal(model: onnx.ModelProto, prefill: onnx.ModelProto, folder: Path) -> str:
    for name, each in (("prefill", prefill), ("decode", model)):
        (folder / name).mkdir()
        save(each, folder / name)
    with pytest.raises(ModelError) as caught:
        import_model(folder / "decode" / "model.onnx", prefill=folder / "prefill" / "model.onnx")
    return str(caught.value)


def test_another_model_is_refused(tmp_path: Path) -> None:
    other = language_model()
    weights = next(tensor for tensor in other.graph.initializer if tensor.name == "wo")
    array = onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(array[::-1].copy(), "wo"))
    assert "no decode graph" in refusal(decode_model(), other, tmp_path)


def test_a_graph_without_caches_is_refused(tmp_path: Path) -> None:
    assert "no cache" in refusal(language_model(), language_model(), tmp_path)


def test_what_was_imported_carries_its_quantisation(tmp_path: Path) -> None:
    for found in both(tmp_path):
        (tmp_path / "again.onnx").write_bytes(found.qdq)
        again = import_model(tmp_path / "again.onnx")
        assert again.module.main == found.module.main
        assert again.qdq == found.qdq


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nothing", "cannot be read"),
        ('{"grows": false, "values": {"x": [0.0, 0, "int8"]}}', "cannot be read"),
        ('{"grows": false, "values": {"x": [1.0, 0, "int9"]}}', "cannot be read"),
        ('{"grows": false, "values": {"nowhere": [1.0, 0, "int8"]}}', "speaks of nowhere"),
    ],
)
def test_a_broken_quantisation_is_refused(text: str, why: str, tmp_path: Path) -> None:
    model = language_model()
    model.metadata_props.append(onnx.StringStringEntryProto(key=KEY, value=text))
    with pytest.raises(ModelError, match=why):
        import_model(save(model, tmp_path))
