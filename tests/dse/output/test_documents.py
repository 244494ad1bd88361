"""front.json keeps its schema; a point survives front_all.jsonl."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dse.output.documents import front_document, point_document, point_of
from dse.output.tables import write_tables
from tests.dse.found import found

IDS = frozenset({"000", "001", "002"})


def test_front_has_the_schema_of_the_design() -> None:
    document = front_document(found(), IDS)
    assert list(document) == [
        "schema", "model", "platform", "reference_clock_hz", "budget", "seed", "trials", "objectives",
        "points", "bound", "least_memory",
    ]  # fmt: skip
    assert document["budget"] == {"on_chip": 1_000_000, "l1": 65536}
    assert (document["schema"], document["seed"], document["trials"]) == (1, 5, 42)
    point = document["points"][0]
    assert list(point) == [
        "id", "latency_ms", "latency_cycles", "energy_uj", "memory_bytes", "peak_bytes", "boot_bytes",
        "boot_ms", "macs", "engines", "operating_point", "knee", "source", "segments", "deployment", "c",
    ]  # fmt: skip
    assert list(point["peak_bytes"]) == ["l1", "l2", "l3", "wmem_sram", "wmem_mram"]
    assert point["deployment"] == "points/000/deployment.json"
    assert point["c"] == "points/000"


def test_listed_points_are_sorted_and_one_is_the_knee() -> None:
    points = front_document(found(), IDS)["points"]
    assert [point["latency_ms"] for point in points] == [1.0, 2.0, 4.0]
    assert [point["knee"] for point in points] == [False, True, False]


def test_points_without_c_have_no_paths() -> None:
    points = front_document(found(), frozenset({"001"}))["points"]
    assert [point["c"] for point in points] == [None, "points/001", None]
    assert points[0]["deployment"] is None


def test_the_bound_judges_listed_points_and_all_points() -> None:
    bound = front_document(found(), IDS)["bound"]
    assert bound["memory_bytes"] == 40_000
    assert bound["reference_point"] == pytest.approx([4.4, 110.0, 55_000.0])
    assert bound["all_points"]["hypervolume"] > bound["hypervolume"] > 0
    assert bound["all_points"]["hypervolume_gap"] < bound["hypervolume_gap"] < 1


def test_ids_name_listed_points_first() -> None:
    names = [(name, point.latency_ms) for name, point in found().named]
    assert names == [("000", 1.0), ("001", 2.0), ("002", 4.0), ("003", 3.0)]


def test_a_point_survives_its_line() -> None:
    for name, point in found().named:
        line = json.dumps(point_document(name, point, True))
        assert point_of(json.loads(line)) == point


def test_tables_agree_with_the_points(tmp_path: Path) -> None:
    write_tables(found(), tmp_path / "front.csv", tmp_path / "layers.csv")
    front = list(csv.DictReader((tmp_path / "front.csv").open()))
    layers = list(csv.DictReader((tmp_path / "layers.csv").open()))
    assert [row["knee"] for row in front] == ["0", "1", "0"]
    assert len(layers) == sum(len(point.layers) for point in found().front)
    for row, point in zip(front, found().front, strict=True):
        own = [layer for layer in layers if layer["point"] == row["id"]]
        assert sum(int(layer["macs"]) for layer in own) == int(row["macs"]) == point.macs
        assert sum(float(layer["share"]) for layer in own) == pytest.approx(1)
        assert {float(layer["cycles"]) for layer in own} == {layer.cycles for layer in point.layers}
        causes = [name for name in own[0] if name.startswith("cause_")]
        for layer in own:
            assert sum(int(layer[name]) for name in causes) == int(layer["whole_cycles"]) > 0
        whole = sum(int(layer["whole_cycles"]) for layer in own)
        assert whole == sum(int(row[name]) for name in causes if name in row)
        assert {layer["bound_by"] for layer in own} <= {"cluster", "core", *found().platform.link_of}
        assert row["bound_by"] in {layer["bound_by"] for layer in own}
        energies = [name for name in row if name.startswith("energy_") and name != "energy_uj"]
        assert len(energies) >= 5
        for name in energies:
            assert float(row[name]) == pytest.approx(sum(float(layer[name]) for layer in own))
