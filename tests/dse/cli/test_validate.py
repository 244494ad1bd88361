"""`dse validate` shows every row, with its error or with the reason why there is none."""

from __future__ import annotations

import csv
import io
import json

import pytest

from costmodels.validation import validate
from dse.cli import main
from dse.cli.errors import Exit

FOUND = validate()


def output(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["validate", *options]) == Exit.DONE
    return capsys.readouterr().out


def test_groups_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    out = output(capsys, "--groups")
    for group in FOUND.groups():
        line = next(
            line for line in out.splitlines() if line.startswith(f"{group.group} ") and group.use in line
        )
        assert f"{100 * group.worst:.2f}%" in line
    assert all(row.reason in out for row, _ in FOUND.not_expressed)


def test_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line.strip() for line in output(capsys).splitlines()}
    for row in FOUND.comparisons:
        assert any(line.startswith(row.id) and line.endswith(f"{100 * row.error:+.2f}%") for line in lines)


def test_reasons_stand_beside_the_rows_that_are_off(capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(output(capsys).split())
    off = [row for row in FOUND.comparisons if row.remark]
    assert len(off) > 10
    assert all(row.remark in said for row in off)


def test_json_and_csv_hold_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(output(capsys, "--json"))
    table = list(csv.DictReader(io.StringIO(output(capsys, "--csv"))))
    assert len(document["rows"]) == len(table) == len(FOUND.comparisons) + len(FOUND.not_expressed)
    for record, cells in zip(document["rows"], table, strict=True):
        assert (record["group"], record["id"], record["use"]) == (cells["group"], cells["id"], cells["use"])
        if record["use"] == "not expressed":
            assert cells["reason"] == record["reason"] != ""
        else:
            error = record["predicted"] / record["measured"] - 1
            assert float(cells["error"]) == pytest.approx(error) == record["error"]
            assert cells["reason"] == record.get("reason", "")
    assert len(document["groups"]) == len(FOUND.groups())


def test_one_form_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--json", "--csv"]) == Exit.BAD_INPUT
    assert "not allowed with" in capsys.readouterr().err
