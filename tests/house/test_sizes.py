"""Small files, small functions, everywhere."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.markdown import ROOT

PACKAGES = ("costmodels", "compiler", "dse", "studies", "tests")
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 500, 50, 10


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines) of every function, decorators left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("package", PACKAGES)
def test_files_and_functions_are_small(package: str) -> None:
    lengths: list[int] = []
    for path in files(package):
        where = path.relative_to(ROOT)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines < FILE_LINES, f"{where} has {lines} lines"
        for name, length in function_lengths(path):
            assert length <= FUNCTION_LINES, f"{where}: {name} has {length} lines"
            lengths.append(length)
    assert statistics.median(lengths) < MEDIAN_LINES


@pytest.mark.parametrize("package", ["costmodels", "compiler", "dse"])
def test_everything_public_is_documented_by_module(package: str) -> None:
    for path in files(package):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path.relative_to(ROOT)} does not say what it is"
