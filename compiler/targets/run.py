"""Runs a linked program: natively, or on a simulator."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass

from compiler.targets.build import Binary
from compiler.targets.errors import MissingTool, RunTimeout
from compiler.targets.spike import spike_command


@dataclass(frozen=True)
class RunResult:
    """How a program ended. `exit_code` is the program's, or minus the signal that killed it (host)."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def run(binary: Binary, *, timeout_s: float = 600.0, simulator: str | None = None) -> RunResult:
    """Runs to the end, or to `timeout_s` seconds of wall time.

    simulator: (siracusa) the command that runs the program named behind it and ends with its exit code; by
    default $DSE_SIRACUSA_SIM. Raises RunTimeout, MissingTool.
    """
    command = _command(binary, simulator)
    # The runtime has no heap; the leak checker only breaks where tracing a process is forbidden.
    environment = {"ASAN_OPTIONS": "detect_leaks=0", **os.environ}
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise RunTimeout(str(binary.path), timeout_s, _text(late.stdout or b"")) from None
    seconds = time.perf_counter() - start
    return RunResult(done.returncode, _text(done.stdout), _text(done.stderr), seconds)


def siracusa_simulator(simulator: str | None = None) -> tuple[str, ...]:
    """The words of the command that was named, or of $DSE_SIRACUSA_SIM; none if neither is there."""
    return tuple(shlex.split(simulator or os.environ.get("DSE_SIRACUSA_SIM", "")))


def _command(binary: Binary, simulator: str | None) -> tuple[str, ...]:
    target = binary.variant.target
    if target == "rv32":
        return spike_command(binary.path, binary.variant.harts)
    if target == "host":
        return (str(binary.path),)
    words = siracusa_simulator(simulator)
    if not words or shutil.which(words[0]) is None:
        name = words[0] if words else "a simulator of Siracusa"
        raise MissingTool(name, "name its command with --simulator or in DSE_SIRACUSA_SIM")
    return (*words, str(binary.path))


def _text(output: bytes) -> str:
    """A program gone wrong may print anything; that must not raise here."""
    return output.decode("utf-8", errors="replace")
