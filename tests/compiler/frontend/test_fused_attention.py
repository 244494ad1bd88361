"""Fused attention weights: the same real numbers, offered where they save and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from compiler.frontend import load
from compiler.frontend.fused_attention import attentions_to_fuse, fuse_attention_weights
from dse.cli import main
from studies.attention.model import Shape, attention

SAVES = Shape(6, 4, 3, 10)


def outputs(model: onnx.ModelProto, shape: Shape) -> np.typing.NDArray[np.float32]:
    x = np.random.default_rng(1).standard_normal((shape.tokens, shape.width)).astype(np.float32)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    return np.asarray(y)


@pytest.mark.parametrize("text", ["6,4,3,10", "5,8,1,16", "9,8,2,16"])
def test_scores_are_the_same_without_a_projection_of_keys(text: str) -> None:
    shape = Shape.of(text)
    plain = attention(shape)
    fused, (found,) = fuse_attention_weights(plain)
    onnx.checker.check_model(fused, full_check=True)
    assert np.abs(outputs(plain, shape) - outputs(fused, shape)).max() < 1e-5
    names = {tensor.name for tensor in fused.graph.initializer}
    assert not {"key_weight", "query_weight", "key_bias", "query_bias"} & names
    t, e, h, p = shape.tokens, shape.width, shape.heads, shape.depth
    assert found.macs_before == 2 * t * e * h * p + h * t * t * p
    assert found.macs_after == t * e * h * e + h * t * t * e


def test_counts_are_those_of_the_imported_network(tmp_path: Path) -> None:
    """Projections and scores of the quantised graphs have the multiplications that were announced."""
    plain = attention(SAVES)
    fused, (found,) = fuse_attention_weights(plain)
    macs = []
    for name, model in (("plain", plain), ("fused", fused)):
        onnx.save(model, tmp_path / f"{name}.onnx")
        module = load(tmp_path / f"{name}.onnx")
        graph = module.main
        total = 0
        for op in graph:
            spec = op.space(graph.by_name).spec
            total += int(spec.macs({dim: np.array(extent) for dim, extent in spec.dims}))
        macs.append(total)
        offered = any("fused weights save: scores" in note for note in module.notes)
        assert offered == (name == "plain")
    assert macs[0] - macs[1] == found.macs_before - found.macs_after


def test_heads_that_are_narrow_beside_the_input_are_left_alone() -> None:
    plain = attention(Shape(9, 32, 2, 8))
    fused, found = fuse_attention_weights(plain)
    assert found == attentions_to_fuse(plain) == ()
    assert [node.op_type for node in fused.graph.node] == [node.op_type for node in plain.graph.node]


@pytest.mark.parametrize("between", ["rope", "no softmax", "scores leave"])
def test_what_cannot_be_folded_is_not(between: str) -> None:
    """Queries that depend on their position, scores that no softmax reads, or that are an output."""
    model = attention(SAVES)
    nodes = {node.name: node for node in model.graph.node}
    if between == "rope":
        angles = np.ones((SAVES.heads, SAVES.tokens, SAVES.depth), np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(angles, "angles"))
        place = list(model.graph.node).index(nodes["scores"])
        turned = onnx.helper.make_node("Mul", ["query_heads", "angles"], ["rotated"], name="rotated")
        model.graph.node.insert(place, turned)
        model.graph.node[place + 1].input[0] = "rotated"
    elif between == "no softmax":
        nodes["shares"].op_type = "Sigmoid"
        del nodes["shares"].attribute[:]
    else:
        shape = (SAVES.heads, SAVES.tokens, SAVES.tokens)
        model.graph.output.append(onnx.helper.make_tensor_value_info("scores", 1, shape))
    assert attentions_to_fuse(model) == ()


def test_the_command_writes_the_model_and_says_what_it_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "plain.onnx", tmp_path / "fused.onnx"
    onnx.save(attention(SAVES), source)
    assert main(["rewrite", str(source), "--out", str(target)]) == 0
    assert "scores: 3 heads of 10 beside 4 inputs: 2520 multiplications" in capsys.readouterr().out
    assert attentions_to_fuse(onnx.load(target)) == ()
    assert main(["rewrite", str(target), "--out", str(tmp_path / "again.onnx")]) == 2
    assert "no attention in it whose fused weights save" in capsys.readouterr().err
