"""Compilers: which one builds for a target, and how it must be called."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from compiler.targets.errors import MissingTool

SIM_ADVICE = "pip install 'rvdse[sim]'"

_WARNINGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections")
_BARE = ("-ffreestanding", "-fno-pic", "-mabi=ilp32")


@dataclass(frozen=True)
class Toolchain:
    """A C compiler driver with the flags that a target always needs.

    `identity` names the compiler's version: objects of different identities never mix.
    """

    command: tuple[str, ...]
    identity: str
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]


def host_toolchain() -> Toolchain:
    """The compiler in $CC, else gcc, clang or cc. Raises MissingTool."""
    names = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise MissingTool("a C compiler", "install gcc or clang (Debian: apt-get install gcc), or set CC")
    return Toolchain((found,), _version(found, "--version"), _WARNINGS, ("-Wl,--gc-sections",))


def rv32_toolchain() -> Toolchain:
    """GCC with the prefix in $CROSS if that is set, else zig's clang, else riscv64-unknown-elf-gcc.

    Raises MissingTool.
    """
    prefix = os.environ.get("CROSS")
    if prefix:
        return _cross_gcc(f"{prefix}gcc")
    zig = find_zig()
    return _cross_gcc("riscv64-unknown-elf-gcc") if zig is None else zig_toolchain(zig)


def zig_toolchain(zig: Path) -> Toolchain:
    """zig's clang for bare RV32IMC, without the sanitizer that it links by default."""
    target = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c", "-fno-sanitize=all", "-g0")
    flags = (*target, *_BARE, *_WARNINGS)
    return Toolchain(
        (str(zig), "cc"), _version(str(zig), "version"), flags, ("-nostdlib", "-Wl,--gc-sections")
    )


def _cross_gcc(name: str) -> Toolchain:
    """Bare-metal GCC. In the old ISA spec CSR instructions are in the base: Debian's multilibs match that."""
    found = shutil.which(name)
    if found is None:
        raise MissingTool(f"an RV32 compiler ({name})", SIM_ADVICE)
    flags = ("-march=rv32imc", "-misa-spec=2.2", *_BARE, *_WARNINGS)
    link = ("-nostdlib", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")
    return Toolchain((found,), _version(found, "--version"), flags, link)


def find_zig() -> Path | None:
    """The compiler inside pip's `ziglang`, called without a Python in between."""
    return _inside("ziglang", "zig")


def find_spike() -> Path:
    """The simulator inside pip's `spike` (module riscv), else one on the PATH. Raises MissingTool."""
    found = _inside("riscv", "data/bin/spike") or shutil.which("spike")
    if found is None:
        raise MissingTool("the simulator spike", SIM_ADVICE)
    return Path(found)


def _inside(module: str, relative: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    candidates = (Path(folder) / relative for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


@cache
def _version(program: str, argument: str) -> str:
    done = subprocess.run((program, argument), capture_output=True, text=True, check=False)
    return f"{program}\n{done.stdout}"
