"""The headline study: its networks are what it says, its table says what the explorer found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.frontend import import_model
from compiler.reference import execute
from studies.headline.microllama import BLOCKS, HIDDEN, WIDTH, microllama, samples
from studies.headline.study import ENTRIES, RUNS, Published, explanation, found, headline, table


@pytest.mark.parametrize(("tokens", "past"), ENTRIES.values(), ids=ENTRIES)
def test_microllama_becomes_all_integer(tokens: int, past: int, tmp_path: Path) -> None:
    model, calibration = tmp_path / "model.onnx", tmp_path / "samples.npz"
    onnx.save(microllama(tokens, past), model)
    np.savez(calibration, allow_pickle=False, **samples(tokens, past, 2))
    imported = import_model(model, calibration=calibration)
    graph = imported.module.main
    kinds = Counter(operator.kind for operator in graph.operators)
    assert kinds["conv2d"] == 7 * BLOCKS
    assert kinds["rope"] == kinds["matmul"] == 2 * BLOCKS
    assert kinds["softmax"] == BLOCKS
    assert kinds["norm"] == 2 * BLOCKS + 1
    one = samples(tokens, past, 1)
    codes = {binding.tensor: binding.encode(one[binding.onnx]) for binding in imported.inputs}
    values = execute(graph, codes)
    (out,) = (binding for binding in imported.outputs if binding.onnx == "hidden")
    hidden = out.decode(values[out.tensor])
    assert hidden.shape == (1, tokens, WIDTH)
    assert np.ptp(hidden) > 1  # a norm's output is of the order of one


def test_linear_layers_have_the_published_sizes() -> None:
    weights = [init for init in microllama(1, 63).graph.initializer if len(init.dims) == 2]
    linear = sum(int(np.prod(init.dims)) for init in weights if init.name != "words")
    assert linear == BLOCKS * (4 * WIDTH * WIDTH + 3 * WIDTH * HIDDEN)


def test_a_past_takes_one_token() -> None:
    with pytest.raises(ValueError, match="decoding takes one"):
        microllama(2, 63)


def test_names_of_runs_are_directories_of_their_own() -> None:
    slugs = [run.slug for run in RUNS]
    assert len(set(slugs)) == len(slugs)
    assert not any(set(slug) & set(" ,+/") for slug in slugs)


def test_the_table_shows_the_fastest_point(tmp_path: Path) -> None:
    point = {
        "id": "000",
        "latency_cycles": 400,
        "latency_ms": 2.0,
        "energy_uj": 3.0,
        "memory_bytes": 70,
        "peak_bytes": {"l1": 10, "l2": 20, "wmem_sram": 30, "wmem_mram": 10},
        "engines": {"cluster": 4, "npu": 1},
    }
    slow = {**point, "id": "001", "latency_ms": 5.0, "energy_uj": 1.0, "memory_bytes": 60}
    (tmp_path / "front.json").write_text(json.dumps({"points": [point, slow]}))
    (tmp_path / "layers.csv").write_text(
        "point,kind,engine,whole_cycles\n000,conv2d,npu,300\n000,softmax,cluster,100\n001,conv2d,npu,9\n"
    )
    row = found(Published("a run", "decode", 1000, "l1=1kB"), tmp_path)
    assert row.speedup == 2.5
    assert (row.energy_uj, row.memory_bytes, row.points) == (3.0, 70, 2)
    assert explanation(row) == "a run: linear (npu) 75%, softmax (cluster) 25%"
    line = " ".join(table([row]).splitlines()[1].split())
    assert line == "a run 1,000 400 2.50 2.000 3.0 10 20 40 4/1 2"
    assert "500 token/s, 3.0 uJ" in headline(row)
