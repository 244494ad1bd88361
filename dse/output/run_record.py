"""run.json: what front.json must not hold, because it may differ between equal explorations."""

from __future__ import annotations

import hashlib
import platform as machine
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from compiler.ir import Graph
from dse.search.importance import Importances
from dse.task import Pin

_PACKAGES = ("rvdse", "numpy", "onnx", "onnxruntime", "optuna", "ray")


@dataclass(frozen=True)
class RunRecord:
    """arguments: as given on the command line, by option. seconds: wall clock by phase. notes: what the user
    must know (synthetic calibration, a batch that became 1). model_path: where the model was read.
    importances: of the sampled parameters, by objective. pins, io_home: of the task, whatever
    files they were read from."""

    arguments: Mapping[str, Any]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]
    model_path: str
    new_trials: int
    interrupted: bool
    importances: Importances = ()
    pins: tuple[Pin, ...] = ()
    io_home: str = "l2"


def run_document(record: RunRecord, graph: Graph) -> dict[str, Any]:
    """The content of run.json."""
    return {
        "schema": 1,
        "command": "explore",
        "arguments": dict(record.arguments),
        "notes": list(record.notes),
        "model_path": record.model_path,
        "importances": {name: dict(found) for name, found in record.importances},
        "pins": [[pin.layer, pin.decision, pin.value] for pin in record.pins],
        "io_home": record.io_home,
        "graph_sha256": graph_sha256(graph),
        "new_trials": record.new_trials,
        "interrupted": record.interrupted,
        "seconds": {name: round(value, 3) for name, value in record.seconds.items()},
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of Python, the machine, and the packages that results depend on, where installed."""
    found = {"python": sys.version.split()[0], "machine": f"{machine.system()} {machine.machine()}"}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def graph_sha256(graph: Graph) -> str:
    """Identity of an integer graph: constants count by their digests, which their repr shows."""
    return hashlib.sha256(repr(graph).encode()).hexdigest()
