"""Runs a linked program: natively, or on the simulator."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass

from compiler.targets.build import Binary
from compiler.targets.errors import RunTimeout
from compiler.targets.spike import spike_command


@dataclass(frozen=True)
class RunResult:
    """How a program ended. `exit_code` is the program's, or minus the signal that killed it (host)."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def run(binary: Binary, *, timeout_s: float = 600.0) -> RunResult:
    """Runs to the end, or to `timeout_s` seconds of wall time. Raises RunTimeout, MissingTool."""
    command = _command(binary)
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


def _command(binary: Binary) -> tuple[str, ...]:
    if binary.variant.target == "rv32":
        return spike_command(binary.path, binary.variant.harts)
    return (str(binary.path),)


def _text(output: bytes) -> str:
    """A program gone wrong may print anything; that must not raise here."""
    return output.decode("utf-8", errors="replace")
