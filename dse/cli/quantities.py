"""Sizes, times, budgets and pins as people write them on a command line. Imports nothing heavy."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass

LEVEL_NAMES = ("l1", "l2", "l3", "wmem_sram", "wmem_mram")
DECISIONS = (
    "engine",
    "tile",
    "order",
    "split",
    "buffering",
    "input_home",
    "output_home",
    "params_home",
    "prefetch",
    "fuse",
    "operating_point",
)
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
_PIN = re.compile(rf"(.+?)\.({'|'.join(DECISIONS)})=(.+)")


def size_bytes(text: str) -> int:
    """Bytes of "1kB" (1000), "1KiB" (1024), "1.5MB", "16B", "100". Raises ArgumentTypeError."""
    match = _NUMBER.fullmatch(text)
    factor = _SIZES.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ArgumentTypeError(f"{text!r} is not a size; write 64kB, 1MB, 512KiB, 1MiB or plain bytes")
    whole, _, decimals = match[1].partition(".")
    scaled = int(whole + decimals) * factor
    if scaled % 10 ** len(decimals):
        raise ArgumentTypeError(f"{text!r} is not a whole number of bytes")
    return scaled // int(10 ** len(decimals))


def time_seconds(text: str) -> float:
    """Seconds of "60s", "2min", "1h", "90". Raises ArgumentTypeError, also for 0."""
    match = _NUMBER.fullmatch(text)
    factor = _SECONDS.get(match[2].lower()) if match else None
    if match is None or factor is None or not float(match[1]):
        raise ArgumentTypeError(f"{text!r} is not a time; write 60s, 2min or 1h")
    return float(match[1]) * factor


def share(text: str) -> float:
    """A share of "0.01" or "1%", between 0 and 1. Raises ArgumentTypeError."""
    number = text.removesuffix("%")
    try:
        value = float(number) / (100 if number != text else 1)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ArgumentTypeError(f"{text!r} is not a share; write 0.01 or 1%")
    return value


def positive(text: str) -> int:
    """A whole number of at least 1. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def tokens(text: str) -> tuple[int, int]:
    """Tokens of prompt and generated ones of "64:192". Raises ArgumentTypeError."""
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise ArgumentTypeError(f"{text!r} is not PROMPT:GENERATED, two whole numbers of at least 1")
    return int(parts[0]), int(parts[1])


def kernels(text: str) -> tuple[str, ...]:
    """Names separated by commas. Raises ArgumentTypeError where there is none."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ArgumentTypeError(f"{text!r} names no kernel; write softmax,lut")
    return names


def natural(text: str) -> int:
    """A whole number in [0, 2^32): what every random generator takes. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise ArgumentTypeError(f"{text!r} is not a whole number in [0, 2^32)")
    return int(text)


@dataclass(frozen=True)
class BudgetText:
    """A budget as given: bytes over all on-chip levels (None: no cap), and bytes by level."""

    on_chip_bytes: int | None
    levels: tuple[tuple[str, int], ...]


def budget(text: str) -> BudgetText:
    """ "1MB" caps the on-chip sum, "l1=64kB,l2=1MB,l3=0B" caps levels; both may be mixed.

    Raises ArgumentTypeError.
    """
    total: int | None = None
    levels: dict[str, int] = {}
    for part in text.split(","):
        name, equals, amount = part.rpartition("=")
        name = name.strip().lower()
        if equals and name not in LEVEL_NAMES:
            raise ArgumentTypeError(f"{name!r} is not a level; levels are {', '.join(LEVEL_NAMES)}")
        if (name in levels) if equals else total is not None:
            raise ArgumentTypeError(f"{text!r} caps {name or 'the on-chip sum'} twice")
        if equals:
            levels[name] = size_bytes(amount)
        else:
            total = size_bytes(amount)
    return BudgetText(total, tuple(sorted(levels.items())))


def objectives(text: str) -> tuple[str, ...]:
    """A subset of latency, energy, memory, in that order. Raises ArgumentTypeError."""
    known = ("latency", "energy", "memory")
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in known:
            raise ArgumentTypeError(f"{name!r} is not an objective; objectives are {', '.join(known)}")
    return tuple(name for name in known if name in asked)


def inline_pin(text: str) -> tuple[str, str, str] | None:
    """(layer, decision, value) of "layer.decision=value"; None where it is not written so."""
    match = _PIN.fullmatch(text)
    return (match[1], match[2], match[3]) if match else None
