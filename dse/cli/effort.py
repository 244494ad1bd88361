"""How much to search: what --trials, --time, --refine and --gap ask for together, and what became of it."""

from __future__ import annotations

from argparse import Namespace

from dse.cli.recorded import DEFAULT_TRIALS
from dse.refinement import REFININGS, Refining, refining_to


def trials_of(arguments: Namespace) -> int | None:
    """As many as are asked for; where only a time is, as many as it allows (None). A gap that is asked for is
    what the time is for."""
    if arguments.trials is not None or (arguments.time is not None and arguments.gap is None):
        return None if arguments.trials is None else int(arguments.trials)
    return DEFAULT_TRIALS


def refining_of(arguments: Namespace) -> Refining | None:
    """Until a gap is reached, or as --refine says."""
    return REFININGS[arguments.refine] if arguments.gap is None else refining_to(arguments.gap)


def gap_line(arguments: Namespace, gap: float | None, stopped: bool) -> str:
    """What became of the gap that was asked for: `gap` is that of all points."""
    asked = f"{100 * arguments.gap:g}% asked for"
    if gap is None:
        return f"gap: unknown without a bound; {asked}"
    if gap <= arguments.gap:
        return f"gap: {100 * gap:.2f}% proven; {asked}: reached"
    limit = "" if arguments.time is None else f" in {arguments.time:g} s"
    return f"gap: {100 * gap:.2f}% proven; {asked}: not reached{' before the stop' if stopped else limit}"
