"""The trace is what the viewers' format asks for, and says what the price says."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dse.explain import Explainer
from dse.explain.trace import trace_document, tracks_of, write_trace
from tests.dse.explain.test_explain import cases, priced

Row = dict[str, Any]


def document(platform: str, seed: int, tiles: int = 1 << 20) -> dict[str, Any]:
    task, point = priced(platform, seed)
    made: dict[str, Any] = json.loads(
        json.dumps(trace_document(Explainer(task.module, task.platform), point, tiles), allow_nan=False)
    )
    return made


def drawn(of: dict[str, Any]) -> list[Row]:
    return [row for row in of["traceEvents"] if row["ph"] == "X"]


@cases
def test_rows_are_complete_events_or_names_of_their_tracks(platform: str, seed: int) -> None:
    made, (task, _) = document(platform, seed), priced(platform, seed)
    named = {row["tid"]: row["args"]["name"] for row in made["traceEvents"] if row["name"] == "thread_name"}
    assert named == dict(enumerate(tracks_of(task.platform).values()))
    assert {row["ph"] for row in made["traceEvents"]} == {"M", "X"}
    for row in drawn(made):
        assert set(row) == {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"}
        assert isinstance(row["name"], str)
        assert row["name"]
        assert row["pid"] == 0
        assert row["tid"] in named
        assert row["ts"] >= 0
        assert row["dur"] > 0


@cases
def test_events_of_a_track_do_not_overlap_even_in_whole_nanoseconds(platform: str, seed: int) -> None:
    tracks: dict[int, list[Row]] = {}
    for row in drawn(document(platform, seed)):
        tracks.setdefault(row["tid"], []).append(row)
    assert len(tracks) > 3
    for rows in tracks.values():
        for before, after in pairwise(sorted(rows, key=lambda row: float(row["ts"]))):
            end_ns, start_ns = round(1e3 * (before["ts"] + before["dur"])), round(1e3 * after["ts"])
            assert end_ns <= start_ns


@cases
def test_the_last_event_ends_at_the_latency_and_layers_cover_it(platform: str, seed: int) -> None:
    _, point = priced(platform, seed)
    rows = drawn(document(platform, seed, tiles=3))
    assert max(row["ts"] + row["dur"] for row in rows) == pytest.approx(1e3 * point.latency_ms, abs=0.001)
    layers = [row for row in rows if row["tid"] == 0]
    assert [row["name"] for row in layers] == [layer.name for layer in point.layers]
    assert sum(row["dur"] for row in layers) == pytest.approx(1e3 * point.latency_ms, abs=0.001)
    assert sum(row["args"]["cycles"] for row in layers) == point.latency_cycles


def test_prefetches_run_under_the_layers_that_start_them() -> None:
    task, point = priced("siracusa", 8)
    spans = Explainer(task.module, task.platform).spans(point)
    copies = [copy for span in spans for copy in span.copies]
    rows = [row for row in drawn(document("siracusa", 8)) if row["cat"] == "prefetch"]
    assert len(rows) == len(copies) > 0
    assert sorted(row["args"]["cycles"] for row in rows) == pytest.approx(
        sorted(c.elapsed for c in copies), abs=1e-2
    )
    names = [point.layers[k + copy.distance].name for k, span in enumerate(spans) for copy in span.copies]
    assert [row["name"] for row in rows] == [f"parameters of {name}" for name in names]


def test_few_tiles_make_a_small_trace_that_says_what_it_leaves_out() -> None:
    whole, some = document("siracusa", 0), document("siracusa", 0, tiles=2)
    assert len(drawn(some)) < len(drawn(whole))
    assert not [row for row in drawn(whole) if row["cat"] == "skipped"]
    assert [row for row in drawn(some) if row["cat"] == "skipped" and "not drawn one by one" in row["name"]]


def test_the_file_holds_the_document_one_event_a_line(tmp_path: Path) -> None:
    made = document("rv32sim", 0, tiles=2)
    write_trace(tmp_path / "t.json", made)
    text = (tmp_path / "t.json").read_text()
    assert json.loads(text) == made
    assert len(text.splitlines()) == len(made["traceEvents"]) + 2
