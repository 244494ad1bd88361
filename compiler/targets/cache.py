"""Compiled objects by content: the same source, headers, flags and compiler are compiled once per machine.

Nothing is ever evicted; the runtime's objects of one version take about a megabyte. Safe against concurrent
processes: an object appears by renaming a finished file, and two that compile the same rename equal content.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_dir() -> Path:
    """$DSE_CACHE_DIR, else $XDG_CACHE_HOME/rvdse, else ~/.cache/rvdse."""
    chosen = os.environ.get("DSE_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rvdse"


def content_key(*parts: str) -> str:
    """One name for a list of texts; the separator cannot occur in any."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def cached_object(key: str, make: Callable[[Path], None]) -> Path:
    """The object named `key`; `make(path)` writes it if there is none. What `make` raises passes through."""
    final = cache_dir() / "objects" / key[:2] / f"{key}.o"
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as scratch:
        fresh = Path(scratch) / "fresh.o"
        make(fresh)
        fresh.replace(final)
    return final
