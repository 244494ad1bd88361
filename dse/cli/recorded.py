"""What run.json keeps of a command line."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from dse.cli.quantities import BudgetText

DEFAULT_TRIALS = 32
"""Enough for every arena and L1 cap with all positions; where neither --trials nor --time is given."""

_NOT_ASKED = ("command", "version")
"""Parsed arguments that say nothing about what was explored."""


def recorded(arguments: Namespace) -> dict[str, Any]:
    """The arguments as JSON values."""
    return {name: _plain(value) for name, value in vars(arguments).items() if name not in _NOT_ASKED}


def _plain(value: Any) -> Any:
    if isinstance(value, BudgetText):
        return {"on_chip": value.on_chip_bytes, **dict(value.levels)}
    return str(value) if isinstance(value, Path) else value
