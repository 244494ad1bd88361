"""What is asked of both graphs of a language model: the text to tell, and one task for each graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.schedule import Shared
from dse.task import Pin, Task, TaskError


@dataclass(frozen=True)
class Tokens:
    """A text: prompt tokens that are given, generated tokens that are told behind them; both at least 1."""

    prompt: int
    generated: int

    def decode_runs(self, prefill_rows: int) -> tuple[int, int]:
        """How often decode runs before the first token is told, and behind it.

        Prefill reads at most `prefill_rows` tokens, decode the rest of the prompt. The run that reads the
        prompt's last token tells the first one, so that decode runs generated - 1 times behind it.
        """
        return max(0, self.prompt - prefill_rows), self.generated - 1


@dataclass(frozen=True)
class PairTask:
    """Both graphs of one model on one platform under one budget, which is for both together.

    prefill, decode: the same but for their modules. Raises TaskError where the text outgrows the caches.
    """

    prefill: Task
    decode: Task
    shared: Shared
    tokens: Tokens

    def __post_init__(self) -> None:
        if not self.shared.caches:
            raise TaskError(f"{self.decode.module.name} has no cache that {self.prefill.module.name} fills")
        read = self.tokens.prompt + self.tokens.generated - 1
        room = min(cache.capacity_rows for cache in self.shared.caches)
        if read > room:
            raise TaskError(
                f"{self.tokens.prompt} tokens of prompt and {self.tokens.generated} generated ones: {read} "
                f"are read, {self.decode.module.name} has room for {room}"
            )

    @property
    def prefill_rows(self) -> int:
        """Tokens that one run of prefill reads at most."""
        return min(cache.prefill_rows for cache in self.shared.caches)

    @property
    def runs(self) -> tuple[int, int]:
        """How often decode runs before the first token is told, and behind it."""
        return self.tokens.decode_runs(self.prefill_rows)

    def pinned(self, prefill: tuple[Pin, ...], decode: tuple[Pin, ...]) -> tuple[Task, Task]:
        """Both tasks with more pins."""
        return tuple(  # type: ignore[return-value]  # two in, two out
            replace(task, pins=(*task.pins, *pins))
            for task, pins in ((self.prefill, prefill), (self.decode, decode))
        )
