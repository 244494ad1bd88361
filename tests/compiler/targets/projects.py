"""Small projects for tests: the runtime without its kernels, one C program, and its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from compiler.targets import copy_runtime

PROGRAMS = Path(__file__).parent / "c"


def make_project(folder: Path, program: str, **headers: str) -> Path:
    """A project in `folder` around c/`program`.c; each keyword writes the header of that name.

    The programs bring a stand-in for the NPU's functional model, so the kernels stay outside.
    """
    copy_runtime(folder)
    for kernels in ("kernels", "xpulp"):
        shutil.rmtree(folder / "runtime" / kernels, ignore_errors=True)
    shutil.copyfile(PROGRAMS / f"{program}.c", folder / "main.c")
    for name, text in headers.items():
        (folder / f"{name}.h").write_text(text)
    return folder
