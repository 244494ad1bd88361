"""What an installed copy needs is in the wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.house.markdown import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAIN_JOB = {"networkx", "numpy", "onnx", "jinja2", "optuna", "ray", "rich"}


@pytest.mark.parametrize("package", ["costmodels", "compiler", "dse"])
def test_every_file_beside_the_code_is_package_data(package: str) -> None:
    globs = PROJECT["tool"]["setuptools"]["package-data"][package]
    listed = {path for glob in globs for path in (ROOT / package).glob(glob) if path.is_file()}
    there = {path for path in (ROOT / package).rglob("*") if path.is_file() and _belongs(path)}
    assert there - listed == set()


def _belongs(path: Path) -> bool:
    return path.suffix not in (".py", ".pyc") and not path.name.startswith(".")


def test_the_main_job_installs_no_simulator_and_no_tools() -> None:
    names = {requirement.split(">")[0] for requirement in PROJECT["project"]["dependencies"]}
    assert names == MAIN_JOB


def test_the_tests_install_every_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = (line for line in extras["dev"] if line.startswith("rvdse["))
    assert set(everything[len("rvdse[") : -1].split(",")) == set(extras) - {"dev"}
