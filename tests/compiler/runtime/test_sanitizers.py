"""No kernel reads or writes outside its operands, or does what the standard leaves undefined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler.targets.runtime import KernelSet
from tests.compiler.runtime.library import build, sanitizer_environment


@pytest.mark.parametrize("kernels", ["portable", "xpulp"])
def test_kernels_are_clean(build_folder: Path, kernels: KernelSet) -> None:
    library = build(build_folder, sanitize=True, kernels=kernels)
    command = [sys.executable, "-m", "tests.compiler.runtime.sanitized", str(library), "4"]
    done = subprocess.run(command, capture_output=True, text=True, env=sanitizer_environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 3
