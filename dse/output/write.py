"""Writes an explored directory, C included, into an empty staging directory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from compiler.ir.tensor import IntArray
from dse.output.documents import front_document, point_document
from dse.output.exploration import Exploration
from dse.output.layout import Layout
from dse.output.platform_text import cluster_cores
from dse.output.projects import Job, emit_all, golden_vectors
from dse.output.tables import write_tables

Emit = Literal["front", "knee", "none"]


def emitted_ids(found: Exploration, emit: Emit) -> tuple[str, ...]:
    """Ids of the points whose C is asked for."""
    ids = tuple(name for name, _ in found.named[: len(found.chosen)])
    return {"front": ids, "knee": (found.knee_id,), "none": ()}[emit]


def write_exploration(
    root: Path,
    found: Exploration,
    inputs: Mapping[str, IntArray],
    emit: Emit = "front",
    processes: int = 1,
    done: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """Write front.json, front_all.jsonl, the tables, golden.npz and the projects under `root`.

    inputs: golden input codes by graph input. done: called after each project. Returns ids of points whose
    C could not be proven here. Raises EmissionError.
    """
    layout = Layout(root)
    names = emitted_ids(found, emit)
    unproven: tuple[str, ...] = ()
    write_golden(layout.golden, inputs)
    if names:
        graph = found.module.main
        points, cores = dict(found.named), cluster_cores(found.platform)
        jobs = [Job(layout.project(name), points[name], cores) for name in names]
        proofs = emit_all(graph, golden_vectors(graph, inputs), jobs, processes, done)
        unproven = tuple(name for name, proof in zip(names, proofs, strict=True) if proof == "none")
    write_tables(found, layout.front_csv, layout.layers_csv)
    _write_points(layout.front_all, found)
    write_json(layout.front, front_document(found, frozenset(names)))
    return unproven


def write_json(path: Path, document: object) -> None:
    """Indented, in the document's own key order, with a final newline."""
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_golden(path: Path, inputs: Mapping[str, IntArray]) -> None:
    """Arrays by position (tensor names may hold what a zip member's name must not), names beside them."""
    names = np.array(list(inputs), dtype=np.str_)
    arrays = {f"input{k}": codes for k, codes in enumerate(inputs.values())}
    with path.open("wb") as file:
        np.savez_compressed(file, names=names, **arrays)  # type: ignore[arg-type]  # numpy's stub wants bool


def _write_points(path: Path, found: Exploration) -> None:
    listed = len(found.chosen)
    with path.open("w", encoding="utf-8") as file:
        for index, (name, point) in enumerate(found.named):
            row = point_document(name, point, index < listed)
            file.write(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n")
