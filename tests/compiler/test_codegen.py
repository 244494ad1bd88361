"""Emitted C: equal to the reference, counted as predicted, readable, safe against hostile names."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.codegen.blocks import Blocks
from compiler.codegen.calls import kernel_call
from compiler.codegen.expressions import comment_text, range_of
from compiler.codegen.project import c_prefix
from compiler.counts import predict_counts
from compiler.deployment import LEVELS
from compiler.ir import Axis, Graph, Operator, Space, Tensor
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.program import Loop
from compiler.targets import build, symbol_sizes
from tests.compiler.deployed import (
    Emitted,
    any_choice,
    any_deployment,
    codes,
    deployed,
    emitted,
    graph_of,
    inputs_of,
    layers_of,
    moved,
    ran,
)
from tests.compiler.networks import attention, decoding, every_operator, language, random_decisions
from tests.compiler.ops.cases import CASES

GRAPH = every_operator(0)
SEEDS = range(8)


@pytest.fixture(scope="module", params=SEEDS)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Emitted:
    """Random decisions, all homes and both NPUs among them."""
    folder = tmp_path_factory.mktemp("project") / "net"
    return emitted(folder, GRAPH, any_deployment(GRAPH, request.param), codes(GRAPH, request.param))


VARIANTS = {
    "sanitized": {"target": "host", "sanitize": True},
    "late transfers, five cores": {"target": "host", "lazy": True, "harts": 5},
    "rv32": {"target": "rv32", "harts": 1},
    "rv32, eight harts": {"target": "rv32", "harts": 8},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_c_computes_and_counts_what_was_predicted(project: Emitted, variant: str) -> None:
    report = ran(project, **VARIANTS[variant])  # type: ignore[arg-type]
    assert report.verdicts == ("output 0 ok 10", "result ok")
    assert report.counts == moved(predict_counts(GRAPH, project.deployment))


def test_linked_arenas_are_the_peaks(project: Emitted) -> None:
    sizes = symbol_sizes(build(project.folder, "rv32").path)
    linked = {level: sizes.get(f"net_arena_{level}", 0) for level in LEVELS}
    assert linked == {level: project.deployment.peak_bytes(level) for level in LEVELS}
    assert linked == dict(project.program.arena_bytes)


def test_no_code_is_there_for_nothing(project: Emitted) -> None:
    text = (project.folder / "network.c").read_text()
    assert re.findall(r"\(void\)\w+;(?! /\* all blocks have one size \*/)", text) == []
    assert max(map(len, text.splitlines())) <= 130
    assert "\n\n\n" not in text
    assert not re.search(r"[ \t]\n", text)


def test_wrong_codes_are_reported(tmp_path: Path) -> None:
    """The comparison in main.c can fail: one weight of the emitted project changes."""
    deployment = any_deployment(GRAPH, 3)
    project = emitted(tmp_path / "net", GRAPH, deployment, codes(GRAPH, 0))
    golden = bytearray((project.folder / "golden.bin").read_bytes())
    golden[-3] ^= 1
    (project.folder / "golden.bin").write_bytes(bytes(golden))
    binary = build(project.folder, "host")
    done = subprocess.run([binary.path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "output 0 wrong 7\n" in done.stdout
    assert "result wrong\n" in done.stdout


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_single_operators_of_any_shape(kind: str, seed: int, tmp_path: Path) -> None:
    """Types, broadcasts, windows and ranks beyond those of the network above; late transfers, three cores."""
    case = CASES[kind](np.random.default_rng([seed, 11]))
    graph, rng = graph_of(case), random.Random(seed)
    deployment = deployed(graph, random_decisions(graph, rng, any_choice(graph, rng)))
    project = emitted(tmp_path / "net", graph, deployment, inputs_of(case))
    variant = ("host", "rv32")[seed % 2]
    report = ran(project, variant, lazy=True, harts=3)  # type: ignore[arg-type]
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, deployment))


@pytest.mark.parametrize("variant", ["host", "rv32"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("network", [attention, decoding, language])
def test_attention(network: Callable[[int], Graph], seed: int, variant: str, tmp_path: Path) -> None:
    """Heads split and merged by views, several to a group, reductions in parts; int16 rows around them."""
    graph = network(seed)
    deployment = any_deployment(graph, seed)
    project = emitted(tmp_path / "net", graph, deployment, codes(graph, seed))
    report = ran(project, variant, lazy=True, harts=3)  # type: ignore[arg-type]
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, deployment))


HOSTILE = [
    "*/ int main(void) {} /*",
    "a /* b",
    'quote" \\',
    "line\nbreak\r\t\x00",
    "\u202e reversed",
    "l0",
    "dse",
    "npu",
    "int",
    "main",
    "7 layers",
    "模型",
    "/",
    "{{ x }} %s",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_safe(name: str, tmp_path: Path) -> None:
    """As the name of the model, of its layers and of its tensors."""
    case = CASES["dense"](np.random.default_rng(2))
    op = replace(case.op, name=name, inputs=(f"in {name}",), output=f"out {name}")
    x, y = (replace(t, name=n) for t, n in zip(case.tensors.values(), (op.inputs[0], op.output), strict=True))
    graph = Graph("main", (x, y), (op,), op.inputs, (op.output,))
    rng = random.Random(1)
    deployment = deployed(graph, random_decisions(graph, rng), name=name)
    project = emitted(tmp_path / "net", graph, deployment, {x.name: case.arrays[0]})
    assert ran(project, "host").verdicts[-1] == "result ok"


def test_prefixes() -> None:
    assert c_prefix("MobileNet V1 (0.25)") == "mobilenet_v1_0_25"
    assert c_prefix("") == c_prefix("*") == "network"
    assert c_prefix("dse") == "net_dse"
    assert c_prefix("l12") == "net_l12"
    assert c_prefix("l2cap") == "l2cap"
    assert c_prefix("3dnet") == "net_3dnet"
    for name in HOSTILE:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", c_prefix(name))


def test_comments_stay_comments() -> None:
    for name in HOSTILE:
        text = comment_text(name)
        assert "*/" not in text
        assert "/*" not in text
        assert text.isprintable()
    assert comment_text("/*/ */*") == "/ * / * / *"


def make(folder: Path, *arguments: str) -> str:
    """Run make without anything of Python in the environment."""
    clean = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    done = subprocess.run(
        ["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return done.stdout


@pytest.mark.skipif(not (shutil.which("make") and shutil.which("cc")), reason="needs make and a C compiler")
def test_projects_stand_alone(tmp_path: Path) -> None:
    deployment = any_deployment(GRAPH, 0)
    emitted(tmp_path / "net", GRAPH, deployment, codes(GRAPH, 0))
    moved_to = (tmp_path / "net").rename(tmp_path / "somewhere else")
    make(moved_to, "-j2")
    assert make(moved_to, "run").endswith("result ok\n")
    assert not [path for path in moved_to.rglob("*") if path.suffix in (".py", ".pyc")]


def test_the_same_deployment_is_the_same_project(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        emitted(tmp_path / name, GRAPH, any_deployment(GRAPH, 5), codes(GRAPH, 5))
        folders.append(
            {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        )
    assert folders[0] == folders[1]


LOOPS = (Loop("y", 10, 4), Loop("x", 8, 4), Loop("c", 5, 5))


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        (Axis(10, (("y", 1),)), "(dse_range){y_low, y_high, 0}"),
        (Axis(20, (("y", 2),), window=3, offset=-1), "dse_clip(2 * y_low - 1, 2 * y_high, 20)"),
        (Axis(21, (("y", 2),), window=2), "(dse_range){2 * y_low, 2 * y_high, 0}"),
        (Axis(5, (("y", 1),), divisor=2), "(dse_range){(y_low) / 2, (y_high - 1) / 2 + 1, 0}"),
        (Axis(41, (("y", 4), ("c", 1))), "(dse_range){4 * y_low, 4 * y_high + 1, 0}"),
        (Axis(5, (("c", 1),)), "(dse_range){0, 5, 0}"),
        (Axis(3, (("c", 1),), window=3, offset=-1), "(dse_range){0, 3, -1}"),
        (Axis(7), "(dse_range){0, 7, 0}"),
    ],
)
def test_ranges(axis: Axis, text: str) -> None:
    assert range_of(axis, LOOPS) == text


@pytest.mark.parametrize(
    ("starts", "start", "size", "table"),
    [
        ((0, 12), "0u", "12u", False),
        ((0, 12, 24, 36), "number * 12u", "12u", False),
        ((0, 12, 24, 28), "number * 12u", "number == 2u ? 4u : 12u", False),
        ((0, 12, 20, 32), "t[number]", "t[number + 1u] - t[number]", True),
    ],
)
def test_blocks(starts: tuple[int, ...], start: str, size: str, table: bool) -> None:
    blocks = Blocks("t", starts)
    assert (blocks.start, blocks.size, bool(blocks.definition)) == (start, size, table)


class Strange(Operator):
    """An operator that nobody wrote a kernel for."""

    kind = "strange"

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        raise NotImplementedError

    def compute(self, *_: object, **__: object) -> IntArray:
        raise NotImplementedError


def test_an_operator_without_kernel_is_named() -> None:
    layer = layers_of(lower(GRAPH, any_deployment(GRAPH, 0)))[0]
    with pytest.raises(TypeError, match="no C kernel for operator strange of layer odd"):
        kernel_call(Strange("odd", (), "y"), layer)
