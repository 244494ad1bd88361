"""Who runs a C project and brings back what it printed: our own targets, or a user's command."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from compiler.targets import Target, TargetError, build, run

Runner = Callable[[Path, int], str]
"""From a project's folder and a number of cores to its standard output. Raises TargetError."""


def target_runner(target: Target, timeout_s: float = 600.0, simulator: str | None = None) -> Runner:
    """Builds and runs on one of our targets; simulator: as `compiler.targets.run`."""

    def runner(project: Path, harts: int) -> str:
        result = run(build(project, target, harts=harts), timeout_s=timeout_s, simulator=simulator)
        if result.exit_code:
            said = (result.stdout + result.stderr).strip().splitlines() or ["nothing"]
            raise TargetError(f"a benchmark ended with {result.exit_code}: {said[-1][:200]}")
        return result.stdout

    return runner


def command_runner(command: str, timeout_s: float = 600.0) -> Runner:
    """Runs a user's command with `{project}` and `{harts}` filled in; it prints what the chip printed."""

    def runner(project: Path, harts: int) -> str:
        words = [word.format(project=project, harts=harts) for word in shlex.split(command)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetError(f"the runner {words[0]} failed: {error}") from error
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise TargetError(f"the runner {words[0]} ended with {done.returncode}: {last[:200]}")
        return done.stdout

    return runner
