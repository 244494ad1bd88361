"""No kernel reads or writes outside its operands, or does what the standard leaves undefined."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiler.runtime.library import build, sanitizer_environment


@pytest.mark.parametrize("layout", ["neureka", "ne16"])
def test_kernels_are_clean(build_folder: Path, layout: str) -> None:
    library = build(build_folder, ne16=layout == "ne16", sanitize=True)
    command = [sys.executable, "-m", "tests.compiler.runtime.sanitized", str(library), layout, "4"]
    done = subprocess.run(command, capture_output=True, text=True, env=sanitizer_environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[0]) > 3
