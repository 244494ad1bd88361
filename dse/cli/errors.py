"""Exit codes of the command line, and the exceptions that end a command with a clear line."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What `dse` ends with; scripts rely on these."""

    DONE = 0
    INTERNAL = 1
    BAD_INPUT = 2
    INFEASIBLE = 3
    INTERRUPTED = 130


class Ending(Exception):
    """Ends a command with a message for people and an exit code; whatever it was writing vanishes."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class UsageError(Ending):
    """Arguments or files that cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.BAD_INPUT)
