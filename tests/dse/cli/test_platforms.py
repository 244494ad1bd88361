"""`dse platforms` shows every number with its source."""

from __future__ import annotations

import json

import pytest

from costmodels.platform import load_platform, platform_names
from dse.cli import main


def test_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platforms"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in platform_names())


def test_shows_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platforms", "gap9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for fact in load_platform("gap9").facts:
        row = next(line for line in lines if line.startswith(f"{fact.key} "))
        assert fact.how in row
        assert fact.source[:30] in row


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["platforms", "gap9", "--format", "json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    facts = load_platform("gap9").facts
    assert [(f["key"], f["how"]) for f in document["facts"]] == [(f.key, f.how) for f in facts]
