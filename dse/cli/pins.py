"""`--pin`: decisions that the user takes, inline or in a TOML or JSON file.

A file has a table for every layer (`"*"` stands for all), with a key for every decision:

    [conv1]
    engine = "npu"
    tile = "y=8,x=32"
    ["*"]
    buffering = 2
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dse.cli.errors import UsageError
from dse.cli.quantities import DECISIONS, inline_pin
from dse.task import Pin


def read_pins(texts: Sequence[str]) -> tuple[Pin, ...]:
    """The pins of all `--pin` arguments, in order. Raises UsageError; a decision pinned twice is an error."""
    pins = tuple(pin for text in texts for pin in _pins(text))
    seen: set[tuple[str, str]] = set()
    for pin in pins:
        if (pin.layer, pin.decision) in seen:
            raise UsageError(f"--pin: {pin.layer}.{pin.decision} is pinned twice")
        seen.add((pin.layer, pin.decision))
    return pins


def _pins(text: str) -> Iterator[Pin]:
    if Path(text).is_file():
        yield from _file_pins(Path(text))
        return
    found = inline_pin(text)
    if found is None:
        raise UsageError(
            f"--pin {text!r}: neither a file nor layer.decision=value; decisions are {', '.join(DECISIONS)}"
        )
    yield Pin(*found)


def _file_pins(path: Path) -> Iterator[Pin]:
    for layer, decisions in _table(path).items():
        if not isinstance(decisions, dict):
            raise UsageError(f"{path}: {layer} must be a table of decisions")
        for decision, value in decisions.items():
            if decision not in DECISIONS:
                raise UsageError(
                    f"{path}: {layer}.{decision} is no decision; known are {', '.join(DECISIONS)}"
                )
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise UsageError(f"{path}: {layer}.{decision} must be a string or a whole number")
            yield Pin(layer, decision, str(value))


def _table(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a TOML or JSON file of pins ({error})") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: must hold a table of layers")
    return data
