"""Directories appear whole or not at all, and never at the cost of someone else's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dse.output import Destination, OutputError
from dse.output.staging import always


def ours(path: Path) -> bool:
    return (path / "mark").exists()


def test_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with Destination(target, ours).staged() as staging:
        (staging / "mark").write_text("new")
        assert not target.exists()
        assert staging.parent == target.parent
    assert (target / "mark").read_text() == "new"
    assert os.listdir(target.parent) == ["out"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_it_fails(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with Destination(tmp_path / "a" / "b", ours).staged() as staging:
            (staging / "half").write_text("")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mark").write_text("old")
    with pytest.raises(RuntimeError), Destination(tmp_path / "out", ours).staged():
        raise RuntimeError
    assert (tmp_path / "out" / "mark").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_replaces_its_own_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("mark", "stale"):
        (tmp_path / "out" / name).write_text("old")
    with Destination(tmp_path / "out", ours).staged() as staging:
        (staging / "mark").write_text("new")
    assert os.listdir(tmp_path / "out") == ["mark"]
    assert os.listdir(tmp_path) == ["out"]


def test_refuses_foreign_directories_and_files(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1").write_text("precious")
    with pytest.raises(OutputError, match="not empty"):
        Destination(tmp_path / "thesis", ours).check()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no directory"):
        Destination(tmp_path / "file", always).check()
    with pytest.raises(OutputError, match="cannot be written"):
        Destination(tmp_path / "file" / "below", always).check()


def test_an_empty_directory_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Destination(tmp_path / "out", ours).staged() as staging:
        (staging / "mark").write_text("")
    assert os.listdir(tmp_path / "out") == ["mark"]
