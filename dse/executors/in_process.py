"""Work in the calling process: no start-up cost, the choice for small searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic

from dse.executors.base import Chunks, In, Make, Out, Pool, Work


@dataclass(frozen=True)
class _CallingProcess(Generic[In, Out]):
    work: Work[In, Out]
    workers: int = 1

    def map(self, items: Sequence[In], chunks: Chunks = 1) -> Iterator[Out]:
        """One after the other; `chunks` change nothing."""
        return map(self.work, items)


@dataclass(frozen=True)
class InProcess:
    """Runs the work here. Nothing travels, so the factory need not be picklable."""

    def open(self, make: Make[In, Out]) -> AbstractContextManager[Pool[In, Out]]:
        """Make the work here."""
        return nullcontext(_CallingProcess(make()))
