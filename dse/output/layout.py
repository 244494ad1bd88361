"""Names of the files in an explored directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCHEMA = 1
PREFILL, DECODE = "prefill", "decode"
"""Directories of the two graphs in that of a pair, each as if it were explored alone."""


@dataclass(frozen=True)
class Layout:
    """An explored directory `root`; docs/ and DESIGN.md call it DIR."""

    root: Path

    @property
    def front(self) -> Path:
        """The chosen points; deterministic, a contract (schema 1)."""
        return self.root / "front.json"

    @property
    def front_all(self) -> Path:
        """One JSON object a line: every non-dominated point with its decisions."""
        return self.root / "front_all.jsonl"

    @property
    def front_csv(self) -> Path:
        return self.root / "front.csv"

    @property
    def layers_csv(self) -> Path:
        """One row for every layer of every point of front.json."""
        return self.root / "layers.csv"

    @property
    def run(self) -> Path:
        """Arguments, times, versions, notes: what may differ between two equal explorations."""
        return self.root / "run.json"

    @property
    def hypervolume(self) -> Path:
        """How the front grew: trials, wall seconds, points, hypervolume; one row a batch."""
        return self.root / "hypervolume.csv"

    @property
    def baselines(self) -> Path:
        """Policies of the field on the same task, and what the front gains over each; deterministic."""
        return self.root / "baselines.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def model(self) -> Path:
        """The integer model that was explored: a float model's quantised form, else a copy."""
        return self.root / "model.onnx"

    @property
    def platform(self) -> Path:
        """A copy of the platform file."""
        return self.root / "platform.toml"

    @property
    def golden(self) -> Path:
        """Codes of the golden input, by the graph's input names."""
        return self.root / "golden.npz"

    @property
    def journal(self) -> Path:
        """The Optuna study, unless --storage keeps it elsewhere."""
        return self.root / "study.journal"

    @property
    def study_points(self) -> Path:
        """The points that the study has met, for --resume."""
        return self.root / "study.points.jsonl"

    def trace(self, point_id: str) -> Path:
        """Where `dse report --traces` puts the timeline of a point of front.json."""
        return self.root / "traces" / f"{point_id}.json"

    def project(self, point_id: str) -> Path:
        """C project of a point of front.json."""
        return self.root / "points" / point_id

    def emitted(self, point_id: str) -> Path:
        """Where `dse emit` puts the C of any other point."""
        return self.root / "emitted" / point_id

    @property
    def is_explored(self) -> bool:
        """Whether `root` looks like what `dse explore` wrote."""
        return self.front.is_file() and self.run.is_file() and self.front_all.is_file()
