"""The ELF reader on damaged files; on sound ones it is tested by the targets' contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.targets import BadElf, build, symbol_sizes
from tests.compiler.targets.projects import make_project


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    project = make_project(tmp_path_factory.mktemp("elf"), "racy")
    return build(project, "rv32").path.read_bytes()


def test_sizes_of_global_objects_only(linked: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(linked)
    sizes = symbol_sizes(tmp_path / "a")
    assert (sizes["near"], sizes["far"]) == (16, 16)
    assert "main" not in sizes  # a function
    assert "channels" not in sizes  # static


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 40, b"\x7fELF\x02\x02" + bytes(80)])
def test_not_an_elf_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BadElf):
        symbol_sizes(tmp_path / "a")


def test_truncation_is_one_typed_error(linked: bytes, tmp_path: Path) -> None:
    """Symbols and section headers are at the end: any real cut damages them."""
    for length in range(0, len(linked) - 400, 997):
        (tmp_path / "a").write_bytes(linked[:length])
        with pytest.raises(BadElf):
            symbol_sizes(tmp_path / "a")
