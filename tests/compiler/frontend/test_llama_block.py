"""The gated MLP of a real Llama: its nodes become a normalisation, a table and products."""

from __future__ import annotations

from pathlib import Path

import onnx

from tests.compiler.frontend.models import imported, kinds
from tests.shared_models import shared_model


def test_gated_mlp_of_stories260k(tmp_path: Path) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(shared_model("llama/stories260K_prefill64.onnx")))
    block = onnx.utils.Extractor(model).extract_model(["add_42"], ["add_55"])
    operators = [node.op_type for node in block.graph.node]
    assert operators[:6] == ["Mul", "ReduceMean", "Add", "Sqrt", "Div", "Mul"]
    result = imported(block, tmp_path)
    assert sorted(kinds(result)) == ["add", "conv2d", "conv2d", "conv2d", "lut", "mul", "norm"]
    (norm,) = (op for op in result.module.main if op.kind == "norm")
    assert (norm.centred, norm.channels) == (False, 64)  # type: ignore[attr-defined]
