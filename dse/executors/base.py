"""What an executor promises: the same results in the same order, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import Protocol, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
_In = TypeVar("_In", contravariant=True)
_Out = TypeVar("_Out", covariant=True)

Work = Callable[[In], Out]
"""One piece of work: a pure function of its item."""

Make = Callable[[], Work[In, Out]]
"""A picklable factory: every worker calls it once and keeps what it made (tables, caches)."""


Chunks = int | Sequence[int]
"""How many neighbours travel together: always as many, or the sizes of the chunks one after the other."""


def chunk_bounds(count: int, chunks: Chunks) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of the chunks of `count` items. Raises ValueError where sizes do not add up."""
    if isinstance(chunks, int):
        size = max(1, chunks)
        return tuple((first, min(first + size, count)) for first in range(0, count, size))
    if sum(chunks) != count or any(size < 1 for size in chunks):
        raise ValueError(f"chunks of {tuple(chunks)} items for {count}")
    ends = list(accumulate(chunks))
    return tuple(zip([0, *ends[:-1]], ends, strict=True)) if ends else ()


class ExecutorError(RuntimeError):
    """Workers cannot be had, run other code, or keep dying; one clear line."""


class Pool(Protocol[_In, _Out]):
    """Workers that are ready."""

    @property
    def workers(self) -> int:
        """How many items can be worked on at the same time."""

    def map(self, items: Sequence[_In], chunks: Chunks = 1) -> Iterator[_Out]:
        """Results in the order of `items`, each as soon as it and those before it are there.

        Neighbouring items travel to one worker together, in `chunks`. What the work raises is raised here,
        with its own type. A worker that dies is replaced and its chunks are worked on again; ExecutorError if
        that keeps happening.
        """


class Executor(Protocol):
    """A place where work can run; a value that starts nothing until it is opened."""

    def open(self, make: Make[In, Out]) -> AbstractContextManager[Pool[In, Out]]:
        """Start workers that do the work that `make` makes; leaving the context ends them."""
