"""The emitted text is what was last looked at, compiles without a warning, and runs.

After a change on purpose: `pytest tests/golden --update-golden`, then read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.codegen.calls import kernel_call
from compiler.counts import predict_counts
from compiler.ir import Operator
from compiler.targets import toolchain
from tests.compiler.deployed import emitted, moved, ran
from tests.golden.cases import GOLDEN, pattern

TEXTS = Path(__file__).parent / "texts"
FILES = ("network.c", "network.h", "main.c")


@pytest.mark.parametrize("name", GOLDEN)
def test_text_and_run(name: str, tmp_path: Path, update_golden: bool) -> None:
    graph, deployment = GOLDEN[name].deployment(name)
    inputs = {
        key: pattern(graph.by_name[key].shape, 59).astype(graph.by_name[key].dtype.dtype)
        for key in graph.inputs
    }
    project = emitted(tmp_path / name, graph, deployment, inputs)
    if update_golden:
        (TEXTS / name).mkdir(parents=True, exist_ok=True)
        for file in FILES:
            (TEXTS / name / file).write_bytes((project.folder / file).read_bytes())
    for file in FILES:
        assert (project.folder / file).read_text() == (TEXTS / name / file).read_text(), file
    report = ran(project, "host")
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, deployment))


def test_they_are_built_strictly() -> None:
    assert {"-std=c11", "-Wall", "-Wextra", "-Werror"} <= set(toolchain.host_toolchain().compile_flags)


def test_prefetched_parameters_set_out_before_the_loop_above_them() -> None:
    text = (TEXTS / "prefetch" / "network.c").read_text()
    issue, wait = text.index("    l1_parameters = dse_copy_1d("), text.index("    dse_wait(l1_parameters);")
    loop = text.index("for (;;)")
    assert text.index("static void l0_run(void)") < issue < loop
    assert loop < text.index("static void l1_run(void)") < wait


def test_every_operator_with_a_kernel_has_a_text() -> None:
    made = {type(golden.make().op) for golden in GOLDEN.values()}
    assert made == {kind for kind in kernel_call.registry if kind not in (object, Operator)}


def test_no_text_is_left_over() -> None:
    assert {folder.name for folder in TEXTS.iterdir()} == set(GOLDEN)
