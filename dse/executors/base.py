"""What an executor promises: the same results in the same order, whoever computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
_In = TypeVar("_In", contravariant=True)
_Out = TypeVar("_Out", covariant=True)

Work = Callable[[In], Out]
"""One piece of work: a pure function of its item."""

Make = Callable[[], Work[In, Out]]
"""A picklable factory: every worker calls it once and keeps what it made (tables, caches)."""


class ExecutorError(RuntimeError):
    """Workers cannot be had, run other code, or keep dying; one clear line."""


class Pool(Protocol[_In, _Out]):
    """Workers that are ready."""

    @property
    def workers(self) -> int:
        """How many items can be worked on at the same time."""

    def map(self, items: Sequence[_In], chunk: int = 1) -> Iterator[_Out]:
        """Results in the order of `items`, each as soon as it and those before it are there.

        `chunk` neighbouring items travel to one worker together. What the work raises is raised here, with
        its own type. A worker that dies is replaced and its chunk is worked on again; ExecutorError if that
        keeps happening.
        """


class Executor(Protocol):
    """A place where work can run; a value that starts nothing until it is opened."""

    def open(self, make: Make[In, Out]) -> AbstractContextManager[Pool[In, Out]]:
        """Start workers that do the work that `make` makes; leaving the context ends them."""
