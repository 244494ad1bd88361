"""Pins from the command line and from files are the same pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.cli.errors import UsageError
from dse.cli.pins import read_pins
from dse.task import Pin


def test_files_and_arguments_mix(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[conv1]\nengine = "npu"\n["*"]\nbuffering = 2\n')
    (tmp_path / "b.json").write_text('{"conv2": {"tile": "y=8"}}')
    pins = read_pins([str(tmp_path / "a.toml"), str(tmp_path / "b.json"), "conv3.order=y-x"])
    assert pins == (
        Pin("conv1", "engine", "npu"),
        Pin("*", "buffering", "2"),
        Pin("conv2", "tile", "y=8"),
        Pin("conv3", "order", "y-x"),
    )


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.toml", "conv1 = 3", "table of decisions"),
        ("a.toml", "[conv1]\nspeed = 3", "no decision"),
        ("a.toml", "[conv1]\nbuffering = true", "string or a whole number"),
        ("a.toml", "[conv1", "not a TOML"),
        ("a.json", "[1]", "table of layers"),
    ],
)
def test_bad_files_say_why(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=reason):
        read_pins([str(tmp_path / name)])


def test_neither_file_nor_pin() -> None:
    with pytest.raises(UsageError, match="neither a file nor"):
        read_pins(["conv1.speed=3"])


def test_twice_is_an_error() -> None:
    with pytest.raises(UsageError, match="twice"):
        read_pins(["a.engine=npu", "a.engine=cluster"])
