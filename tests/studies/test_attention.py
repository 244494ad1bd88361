"""The attention study: its models, and what its tables are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.frontend import load
from compiler.reference import execute
from compiler.tiling.stripes import SegmentGraph
from studies.attention.__main__ import main
from studies.attention.model import Shape, attention

SHAPE = Shape(12, 8, 3, 4)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "0,1,1,1"])
def test_a_wrong_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"tokens,width,heads,depth|invalid literal"):
        Shape.of(text)


@pytest.mark.parametrize("causal", [False, True])
def test_scores_to_context_can_be_cut_into_blocks_of_queries(causal: bool, tmp_path: Path) -> None:
    onnx.save(attention(SHAPE, causal=causal), tmp_path / "attention.onnx")
    graph = load(tmp_path / "attention.onnx").main
    names = [op.name for op in graph]
    first, last = names.index("scores"), names.index("context") + 1
    segment = SegmentGraph(graph, first, last)
    assert segment.rows[segment.output] == segment.rows[graph.operators[first].output] == SHAPE.tokens
    (softmax,) = (op for op in graph if op.kind == "softmax")
    heads, period = softmax.causal_heads, softmax.causal_period  # type: ignore[attr-defined]
    assert (heads, period) == ((SHAPE.heads, SHAPE.tokens) if causal else (1, 0))


@pytest.mark.parametrize("causal", [False, True])
def test_a_causal_mask_hides_later_tokens_from_every_head(causal: bool, tmp_path: Path) -> None:
    onnx.save(attention(SHAPE, causal=causal), tmp_path / "attention.onnx")
    graph = load(tmp_path / "attention.onnx").main
    codes = np.random.default_rng(2).integers(-128, 128, (SHAPE.tokens, SHAPE.width)).astype(np.int8)
    (source,), (target,) = graph.inputs, graph.outputs
    changed = codes.copy()
    changed[7] = ~changed[7]
    shape = graph.by_name[source].shape
    before, after = (
        execute(graph, {source: x.reshape(shape)})[target].reshape(codes.shape) for x in (codes, changed)
    )
    differs = (before != after).any(axis=1)
    assert differs[7:].any()
    assert differs[:7].any() == (not causal)


def test_the_tables_print_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["memory", "48,16,4,4"])
    *_, row = capsys.readouterr().out.strip().splitlines()
    shape, scores, alone, fused, ratio = (cell.strip() for cell in row.strip("|").split("|"))
    assert (shape, int(scores)) == ("48,16,4,4", 4 * 48 * 48)
    assert int(fused) < int(alone)
    assert float(ratio.rstrip("x")) == pytest.approx(int(alone) / int(fused), abs=0.01)
    main(["model", "6,4,3,10", "--out", str(tmp_path / "made.onnx")])
    assert onnx.load(tmp_path / "made.onnx") == attention(Shape(6, 4, 3, 10))
