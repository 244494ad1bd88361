"""`python -m studies.siracusa DIR... [--out ROWS.csv]`: emitted points on a simulator, layer by layer.

DIR are directories of `dse explore --platform siracusa`. Runs the emitted points of each and the baseline
`deeploy` (first engine that can, largest tile), by the command in DSE_SIRACUSA_SIM; writes a row a layer.
A simulator has one clock for cluster and NPU, so predictions are made with the cluster's clock for both.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from costmodels.platform import Platform
from dse.baselines import POLICIES, baselines
from dse.output import Explored, Job, emit_one, open_explored
from dse.output.platform_text import cluster_cores
from dse.output.projects import golden_vectors
from dse.points import DesignPoint
from dse.session import price_deployment
from dse.verify import Verification, verify

BASELINE = "deeploy"
COLUMNS = ("network", "point", "layer", "engine", "npu_jobs", "predicted_cycles", "measured_cycles")


@dataclass(frozen=True)
class Measured:
    """One run: what it was, the price of each layer with one clock, and what the simulator counted."""

    network: str
    point: str
    price: DesignPoint
    found: Verification

    def rows(self) -> Iterator[tuple[str | int, ...]]:
        """A row a layer, as COLUMNS."""
        names = self.found.prediction.layers
        for (name, _, engine), priced, counted in zip(
            names, self.price.layers, self.found.records.layers, strict=True
        ):
            cycles = round(priced.cycles), round(counted.cycles)
            yield self.network, self.point, name, engine, counted.npu_jobs, *cycles

    def line(self) -> str:
        """The whole network in words."""
        predicted = sum(round(layer.cycles) for layer in self.price.layers)
        measured = sum(round(layer.cycles) for layer in self.found.records.layers)
        right = "equal" if self.found.right else "DIFFERS"
        return (
            f"{self.network:24s} {self.point:9s} {predicted:10d} predicted {measured:10d} measured  {right}"
        )


def one_clock(platform: Platform) -> Platform:
    """The platform with every clock at the cluster's rate."""
    points = tuple(
        replace(p, clocks=tuple(replace(clock, hz=p.clock_hz["cluster"]) for clock in p.clocks))
        for p in platform.operating_points
    )
    return replace(platform, operating_points=points)


def candidates(explored: Explored) -> Iterator[tuple[str, DesignPoint]]:
    """The emitted points, then the baseline where there is one."""
    for listed in explored.front["points"]:
        yield listed["id"], explored.point(listed["id"])
    policies = [policy for policy in POLICIES if policy.name == BASELINE]
    for found in baselines(explored.task, policies):
        if found.point is not None:
            yield BASELINE, found.point


def measure(explored: Explored, folder: Path, timeout_s: float) -> Iterator[Measured]:
    """Emits, builds, runs and prices each candidate. Raises TargetError where one does not end."""
    graph, platform = explored.module.main, one_clock(explored.platform)
    golden = golden_vectors(graph, explored.golden)
    for name, point in candidates(explored):
        project = folder / name
        project.mkdir()
        emit_one(graph, golden, Job(project, point, cluster_cores(explored.platform)))
        found = verify(project, "siracusa", timeout_s=timeout_s)
        price = price_deployment(explored.module, platform, point.deployment)
        yield Measured(explored.module.name, name, price, found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.siracusa")
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="CSV, a row a layer")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds of a run")
    arguments = parser.parse_args()
    rows: list[tuple[str | int, ...]] = []
    for directory in arguments.directories:
        with tempfile.TemporaryDirectory() as folder:
            for found in measure(open_explored(directory), Path(folder), arguments.timeout):
                print(found.line(), flush=True)
                rows.extend(found.rows())
    if arguments.out is not None:
        with arguments.out.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
