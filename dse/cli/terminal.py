"""What people see: progress while a search runs, tables, notes. Results on stdout, the rest on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from dse.search import Progress as SearchProgress

# Tables are read by people and by `grep`: where nobody looks at a terminal they must not be folded.
_WIDE = 240
_UNITS = {"latency": "ms", "energy": "uJ", "memory": "B"}


@dataclass(frozen=True)
class Terminal:
    """out: for results. err: for progress and notes. quiet: neither gets anything."""

    out: Console
    err: Console
    quiet: bool

    @classmethod
    def of(cls, quiet: bool = False) -> Terminal:
        """The terminal of this process."""
        return cls(_console(sys.stdout.isatty(), False), _console(sys.stderr.isatty(), True), quiet)

    def note(self, text: str) -> None:
        """Something the user must know: `note: ...`, one line."""
        if not self.quiet:
            self.err.print(Text("note: ", style="yellow") + Text(text, style="default"), soft_wrap=True)

    def say(self, text: str) -> None:
        """A line of the result."""
        if not self.quiet:
            self.out.print(Text(text), soft_wrap=True)

    def table(self, table: object) -> None:
        """A table of the result."""
        if not self.quiet:
            self.out.print(table)

    @contextmanager
    def searching(self, objectives: tuple[str, ...]) -> Iterator[Callable[[SearchProgress], None]]:
        """A live bar for a search; nothing where nobody watches."""
        if self.quiet or not self.err.is_terminal:
            yield lambda _: None
            return
        columns = (SpinnerColumn(), TextColumn("search"), BarColumn(None), TextColumn("{task.fields[state]}"))
        with Progress(*columns, TimeElapsedColumn(), console=self.err, transient=True) as bar:
            task = bar.add_task("search", total=None, state="preparing")
            yield lambda p: bar.update(task, **_bar_state(p, objectives))

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """A live bar for `total` equal steps."""
        if self.quiet or not self.err.is_terminal or not total:
            yield lambda: None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(None))
        counter = TextColumn("{task.completed:.0f}/{task.total:.0f}")
        with Progress(*columns, counter, TimeElapsedColumn(), console=self.err, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """A reader that leaves early (head, less) is no error; the command line's frame decides."""
        raise BrokenPipeError


def _console(is_terminal: bool, stderr: bool) -> Console:
    return _Console(stderr=stderr, width=None if is_terminal else _WIDE, highlight=False, markup=False)


def _bar_state(progress: SearchProgress, objectives: tuple[str, ...]) -> dict[str, Any]:
    """How far the nearer limit is away, and what was found."""
    shares = []
    if progress.limit:
        shares.append(progress.trials / progress.limit)
    if progress.seconds_limit:
        shares.append(progress.seconds / progress.seconds_limit)
    best = "  ".join(
        f"{name} {value:.4g} {_UNITS[name]}" for name, value in zip(objectives, progress.best, strict=False)
    )
    share = "" if progress.reached is None else f", hypervolume {100 * progress.reached:.1f}% of the bound"
    found = f"{progress.trials} trials, {progress.infeasible} infeasible, {progress.front} points"
    state = f"{found}{share}  {best}"
    return {"total": 1.0, "completed": min(1.0, max(shares, default=0.0)), "state": state}
