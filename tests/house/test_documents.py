"""What the documents say can be done."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dse.cli.parser import parser
from tests.house.markdown import ROOT, anchors, commands, documents, inline_code, links, name_of

DOCUMENTS = documents()
PATHS = re.compile(r"^(?:dse|compiler|costmodels|studies|tests|docs)/[\w./*{},-]+$")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_resolve(document: Path) -> None:
    for link in links(document):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_paths_in_the_text_exist(document: Path) -> None:
    for text in inline_code(document):
        if PATHS.match(text) and not re.search(r"[{}*]", text):
            assert (ROOT / text).exists(), f"{text} does not exist"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_parse(document: Path) -> None:
    for words in commands(document, "dse"):
        if not {"--help", "--version"} & set(words):
            assert parser().parse_args(words).command == words[0]


def test_readme_has_two_commands_and_the_makefile_has_them() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [words[0] for words in commands(ROOT / "README.md", "make")]
    assert named[:2] == ["explore", "test"]
    assert set(named) <= targets


def test_documents_show_commands_at_all() -> None:
    """Otherwise the tests above have nothing to look at."""
    assert sum(1 for document in DOCUMENTS for _ in commands(document, "dse")) >= 10


def test_changelog_names_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## \[(Unreleased|{re.escape(version)})\]", text, re.MULTILINE)


def test_decision_records_are_numbered_in_a_row_and_short() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for record in records:
        text = record.read_text()
        assert len(text.split()) <= 450, f"{record.name} is longer than a page"
        assert record.name in index
        assert all(f"**{part}" in text for part in ("Decision", "Why", "Price")), record.name
