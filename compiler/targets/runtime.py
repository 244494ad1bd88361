"""The C runtime that ships as package data, and how it gets into a project."""

from __future__ import annotations

import hashlib
import shutil
from functools import cache
from pathlib import Path
from typing import Literal

RUNTIME_DIR = Path(__file__).resolve().parent.parent / "runtime"

KernelSet = Literal["portable", "xpulp"]

_SOURCES = {".c", ".h", ".S", ".ld"}


def copy_runtime(project_dir: Path) -> None:
    """Puts the runtime's sources under `project_dir/runtime` and its makefile at `project_dir/Makefile`."""
    for source in runtime_files(RUNTIME_DIR):
        target = project_dir / "runtime" / source.relative_to(RUNTIME_DIR)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    shutil.copyfile(RUNTIME_DIR / "project.mk", project_dir / "Makefile")


def runtime_files(root: Path) -> tuple[Path, ...]:
    """All C, assembler, header and linker files below `root`, sorted."""
    return tuple(sorted(path for path in root.rglob("*") if path.suffix in _SOURCES))


def translation_units(root: Path, target: str) -> tuple[Path, ...]:
    """The sources of the runtime at `root` that are compiled for `target`, as project.mk lists them."""
    found = {path for folder in (root / "hal", root / "hal" / target) for path in folder.glob("*.[cS]")}
    if target == "siracusa":  # its DMA moves, its NPU computes; what no library brings is rv32's
        found -= {root / "hal" / "transfer.c", root / "hal" / "npu_queue.c"}
        found |= {root / "hal" / "rv32" / "builtins.c"}
    kernels = kernel_units(root, "xpulp" if target == "siracusa" else "portable")
    return tuple(sorted((*found, *kernels)))


def kernel_units(root: Path, kernels: KernelSet) -> tuple[Path, ...]:
    """The sources of one set of kernels: a file of `root/xpulp` replaces the portable one of its name."""
    units = {path.name: path for path in (root / "kernels").glob("*.c")}
    if kernels == "xpulp":
        units |= {path.name: path for path in (root / "xpulp").glob("*.c")}
    return tuple(sorted(units.values()))


def headers_digest(root: Path) -> str:
    """One hash over every header at `root`: an object depends on it without its includes being traced.

    An Xpulp kernel includes the portable one of its name, so these count as headers too.
    """
    digest = hashlib.sha256()
    included = {root / "kernels" / path.name for path in (root / "xpulp").glob("*.c")}
    for path in runtime_files(root):
        if path.suffix == ".h" or path in included:
            digest.update(file_digest(path, path.stat().st_mtime_ns).encode())
    return digest.hexdigest()


@cache
def file_digest(path: Path, mtime_ns: int) -> str:
    """SHA-256 of a file's bytes, remembered while its modification time stays `mtime_ns`."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
