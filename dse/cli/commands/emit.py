"""`dse emit`: the C of any point that an exploration met."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dse.cli.terminal import Terminal
from dse.output import Destination, Job, emit_one, open_explored
from dse.output.platform_text import cluster_cores
from dse.output.projects import COUNTS_FILE, golden_vectors


def main(arguments: Namespace) -> int:
    """Prove the point again and write its project."""
    explored = open_explored(arguments.directory)
    point = explored.point(arguments.id)
    target = Destination(
        arguments.out or explored.layout.emitted(arguments.id), is_project, "an emitted project"
    )
    with target.staged() as staging:
        graph = explored.module.main
        golden = golden_vectors(graph, explored.golden)
        proof = emit_one(graph, golden, Job(staging, point, cluster_cores(explored.platform)))
    terminal = Terminal.of()
    if proof == "none":
        terminal.note("not proven: too many tiles to simulate, and no C compiler to run it")
    terminal.say(str(target.path))
    return 0


def is_project(path: Path) -> bool:
    """Whether a directory holds what this command or `dse explore` wrote."""
    return (path / COUNTS_FILE).is_file() and (path / "deployment.json").is_file()
