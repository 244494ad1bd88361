"""Small projects for tests: the runtime without its kernels, one C program, and its configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from compiler.targets import copy_runtime

PROGRAMS = Path(__file__).parent / "c"


def make_project(folder: Path, program: str, *, kernels: bool = False, **headers: str) -> Path:
    """A project in `folder` around c/`program`.c; each keyword writes the header of that name.

    Programs without `kernels` bring a stand-in for the NPU's functional model.
    """
    copy_runtime(folder)
    for room in () if kernels else ("kernels", "xpulp"):
        shutil.rmtree(folder / "runtime" / room, ignore_errors=True)
    shutil.copyfile(PROGRAMS / f"{program}.c", folder / "main.c")
    for name, text in headers.items():
        (folder / f"{name}.h").write_text(text)
    return folder


def drive_registers(project: Path) -> None:
    """Gives the project's host Siracusa's driver of the NPU, and c/npu_model.c behind its registers."""
    hal = project / "runtime" / "hal"
    (hal / "npu_queue.c").unlink()
    driver = (hal / "siracusa" / "npu.c").read_text().replace('"npu_port.h"', '"../siracusa/npu_port.h"')
    (hal / "host" / "npu_driver.c").write_text(f"#define DSE_NPU_MODEL 1\n{driver}")
    shutil.copyfile(PROGRAMS / "npu_model.c", hal / "host" / "npu_model.c")
