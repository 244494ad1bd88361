"""The jobs of c/npu_regs.c in registers: raw 1x1 as the bring-up wrote it on GVSoC, others by hand."""

from __future__ import annotations

from pathlib import Path

from compiler.targets import build, run
from tests.compiler.targets.projects import make_project


def test_registers(tmp_path: Path) -> None:
    project = make_project(tmp_path, "npu_regs")
    lines = [line.split() for line in run(build(project, "rv32")).stdout.splitlines()]
    raw, quant, padded = ([int(word, 16) for word in line[:24]] for line in lines[:3])
    assert [line[24] for line in lines] == ["1", "1", "1", "0", "0", "0"]

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
    assert padded[15:18] == [28 << 16 | 28, 6 << 16 | 6, 7 << 16 | 7]
    assert padded[20] == 0x1111_00FD
    assert padded[23] == 7 | 1 << 5 | 1 << 4 | 1 << 15 | 20 << 16 | 2 << 12 | 1 << 23 | 1 << 25 | 1 << 26
