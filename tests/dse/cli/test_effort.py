"""What --trials, --time, --refine and --gap ask for together, and the line on what was reached."""

from __future__ import annotations

from argparse import Namespace

import pytest

from dse.cli.effort import gap_line, refining_of, trials_of
from dse.cli.recorded import DEFAULT_TRIALS
from dse.refinement import FULL, NORMAL


def asked(**given: object) -> Namespace:
    return Namespace(**{"trials": None, "time": None, "gap": None, "refine": "auto", **given})


@pytest.mark.parametrize(
    ("arguments", "trials"),
    [
        (asked(), DEFAULT_TRIALS),
        (asked(trials=7), 7),
        (asked(time=60.0), None),
        (asked(time=60.0, gap=0.01), DEFAULT_TRIALS),
        (asked(time=60.0, gap=0.01, trials=7), 7),
    ],
)
def test_trials(arguments: Namespace, trials: int | None) -> None:
    assert trials_of(arguments) == trials


def test_a_gap_asks_for_as_much_as_it_takes() -> None:
    assert refining_of(asked()) is NORMAL
    assert refining_of(asked(refine="full")) is FULL
    assert refining_of(asked(refine="none")) is None
    most = refining_of(asked(gap=0.01))
    assert most is not None
    assert most.gap + most.loss < 0.01
    assert most.sums > FULL.sums
    assert most.splits > FULL.splits


@pytest.mark.parametrize(
    ("arguments", "gap", "stopped", "line"),
    [
        (asked(gap=0.01), 0.0091, False, "gap: 0.91% proven; 1% asked for: reached"),
        (asked(gap=0.01, time=60.0), 0.0271, False, "gap: 2.71% proven; 1% asked for: not reached in 60 s"),
        (asked(gap=0.01), 0.0271, True, "gap: 2.71% proven; 1% asked for: not reached before the stop"),
        (asked(gap=0.005), 0.0271, False, "gap: 2.71% proven; 0.5% asked for: not reached"),
        (asked(gap=0.01), None, False, "gap: unknown without a bound; 1% asked for"),
    ],
)
def test_one_line_says_what_was_reached(
    arguments: Namespace, gap: float | None, stopped: bool, line: str
) -> None:
    assert gap_line(arguments, gap, stopped) == line
