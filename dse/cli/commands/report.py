"""`dse report`: report.html of an explored directory, or of each graph of a pair."""

from __future__ import annotations

from argparse import Namespace

from dse.cli.terminal import Terminal
from dse.output import halves
from dse.report import write_report


def main(arguments: Namespace) -> int:
    """Write the report again, from the directory alone."""
    for directory in halves(arguments.directory):
        Terminal.of().say(str(write_report(directory, arguments.traces)))
    return 0
