"""`dse report`: report.html of an explored directory."""

from __future__ import annotations

from argparse import Namespace

from dse.cli.terminal import Terminal
from dse.report import write_report


def main(arguments: Namespace) -> int:
    """Write the report again, from the directory alone."""
    Terminal.of().say(str(write_report(arguments.directory, arguments.traces)))
    return 0
