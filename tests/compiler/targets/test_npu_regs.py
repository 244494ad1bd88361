"""The registers of NPU jobs, and what their driver computes on a model behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.targets import build, run
from tests.compiler.targets.projects import drive_registers, make_project


@pytest.mark.parametrize("seed", [1, 2])
def test_the_driver_computes_what_the_functional_model_does(seed: int, tmp_path: Path) -> None:
    """Two models without common code: of jobs (runtime/kernels/npu.c), of register words (c/npu_model.c)."""
    project = make_project(tmp_path, "npu_jobs", kernels=True, config=jobs_config(seed, 201))
    drive_registers(project)
    result = run(build(project, "host", sanitize=seed == 1))
    assert (result.exit_code, result.stdout) == (0, "201 jobs, 0 wrong\n"), result.stderr


def jobs_config(seed: int, jobs: int) -> str:
    """config.h of c/npu_jobs.c."""
    return f"#define JOBS {jobs}u\n#define SEED {seed}u\n"


def test_registers(tmp_path: Path) -> None:
    """Those of c/npu_regs.c: raw 1x1 as the bring-up wrote it on GVSoC, others by hand."""
    project = make_project(tmp_path, "npu_regs")
    lines = [line.split() for line in run(build(project, "rv32")).stdout.splitlines()]
    raw, quant, padded = ([int(word, 16) for word in line[:24]] for line in lines[:3])
    assert [line[24] for line in lines] == ["1", "1", "1", "0", "0", "0", "1", "0"]

    # t_neureka.c: {"1x1", h=7, w=7} with ki=33, ko=64, raw 32-bit output
    strides = [33, 231, 0, 32, 256, 1792, 32, 64, 0]
    tiles = [32 << 16 | 1, 1 << 16 | 1, 1 << 16 | 1, 2 << 16 | 2, 2 << 16 | 2]
    conf = 7 | 2 << 5 | 2 << 21 | 1 << 23 | 1 << 15
    assert raw == [0x1000, 0, 0, 0, 0, 0, *strides, *tiles, 0, 0xFFFFFF80, 0, conf]

    strides = [56, 784, 0, 32, 40, 480, 32, 32 * 4 * 2, 0]
    tiles = [8 << 16 | 28, 6 << 16 | 6, 8 << 16 | 8, 2 << 16 | 2, 1 << 16 | 2]
    conf = 3 | 1 << 4 | 1 << 9 | 1 << 10 | 8 << 16 | 1 << 15
    assert quant == [0x1000, 0x8000, 0x9000, 0x2000, 0, 0, *strides, *tiles, 0, 0xFFFFFFF8, 0, conf]

    assert padded[1] == 0x8000 - 336 - 56
    assert padded[13] == 0
    # The patch is whole: behind one of 7 x 7 the engine pads with 0, whatever the padding value.
    assert padded[15:18] == [28 << 16 | 28, 6 << 16 | 6, 8 << 16 | 8]
    assert padded[20] == 0x1111_00FD
    assert padded[23] == 7 | 1 << 5 | 1 << 4 | 1 << 15 | 20 << 16 | 2 << 12 | 1 << 23 | 1 << 25 | 1 << 26

    # Rows 11 to 12: the last tile is one row, and all of it but the window's first is padding.
    short = [int(word, 16) for word in lines[6][:24]]
    assert short[16:18] == [1 << 16 | 1, 3 << 16 | 3]
    assert short[20] == 0x0660_0000
