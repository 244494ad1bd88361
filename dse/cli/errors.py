"""Exit codes of the command line, and the one exception that ends a command with a clear line."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What `dse` ends with; scripts rely on these."""

    DONE = 0
    INTERNAL = 1
    BAD_INPUT = 2
    INFEASIBLE = 3
    INTERRUPTED = 130


class UsageError(Exception):
    """Arguments or files that cannot be used; the text is one clear line (exit code 2)."""
