"""An emitted project's Makefile works without Python, with the weights that weights.S includes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compiler.targets import Binary, Target, Variant, build, run
from tests.compiler.targets.projects import make_project

_WEIGHTS = """    .section .dse_rom, "a", @progbits
    .balign 16
    .global weights
weights:
    .incbin "weights.bin"
    .section .note.GNU-stack, "", @progbits
"""
_END = """extern const unsigned char weights[];
#define END dse_putchar((char)weights[0]); dse_puts("!"); return 5
"""
GCC = shutil.which("riscv64-unknown-elf-gcc")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    make_project(tmp_path, "ending", config=_END)
    (tmp_path / "weights.S").write_text(_WEIGHTS)
    (tmp_path / "weights.bin").write_bytes(b"W" * 5000)
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("make", *arguments), cwd=project, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("options", [(), ("THREADS=1",), ("SANITIZE=1", "LAZY=1"), ("COUNTERS=0",)], ids=str)
def test_make_run_on_the_host(options: tuple[str, ...], project: Path) -> None:
    done = make(project, "run", *options)
    assert "unfinished lineW!" in done.stdout, done.stderr
    assert "Error 5" in done.stderr  # the program's exit code is make's business too


def test_changed_weights_are_built_again(project: Path) -> None:
    make(project)
    (project / "weights.bin").write_bytes(b"X" * 5000)
    assert "unfinished lineX!" in make(project, "run").stdout


def test_unknown_target(project: Path) -> None:
    done = make(project, "TARGET=avr")
    assert done.returncode == 2
    assert "TARGET is host, rv32 or siracusa" in done.stderr


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_python_builds_the_same_project(target: Target, project: Path) -> None:
    result = run(build(project, target))
    assert (result.exit_code, result.stdout) == (5, "unfinished lineW!")


@pytest.mark.skipif(GCC is None, reason="needs riscv64-unknown-elf-gcc, which pip does not have")
@pytest.mark.parametrize("harts", [1, 8])
def test_make_with_cross_gcc(harts: int, project: Path) -> None:
    done = make(project, "TARGET=rv32", "CROSS=riscv64-unknown-elf-", f"HARTS={harts}")
    assert done.returncode == 0, done.stderr
    elf = project / f"build/make-rv32-{harts}-0-1/network"
    result = run(Binary(elf, Variant("rv32", harts)))
    assert (result.exit_code, result.stdout) == (5, "unfinished lineW!")


@pytest.mark.skipif(GCC is None, reason="needs riscv64-unknown-elf-gcc, which pip does not have")
def test_contract_with_cross_gcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """GCC calls other helpers for 64-bit arithmetic than clang does."""
    monkeypatch.setenv("CROSS", "riscv64-unknown-elf-")
    binary = build(make_project(tmp_path, "contract", config="#define BARRIER 1\n"), "rv32", harts=8)
    result = run(binary)
    assert result.exit_code == 0, result.stdout


@pytest.mark.skipif(GCC is None, reason="needs riscv64-unknown-elf-gcc")
def test_make_builds_for_siracusa(project: Path) -> None:
    done = make(project, "TARGET=siracusa", "HARTS=8")
    assert done.returncode == 0, done.stderr
    assert (project / "build" / "make-siracusa-8-0-1" / "network").is_file()
