"""How often Python looks for garbage in cycles while something is explored."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (50_000, 20, 50)
"""New objects between two looks at the youngest, looks until the next older ones are looked at, twice."""


def collect_rarely() -> None:
    """Look seldom, from now on. Tables and plans are frozen values by the hundred thousand, without cycles:
    looking through them at the default rate takes 5 % of an exploration's CPU time (`gc.callbacks` on
    MobileNetV1-0.25), and finds nothing."""
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def rare_collections() -> Iterator[None]:
    """`collect_rarely` for a while."""
    before = gc.get_threshold()
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*before)
