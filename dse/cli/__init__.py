"""The command line `dse`. Commands import what they need when they run, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence

from dse.cli.errors import Ending, Exit, UsageError
from dse.cli.parser import parser

__all__ = ["Exit", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code, never raises for what a user can cause."""
    try:
        arguments = parser().parse_args(argv)
    except UsageError as error:
        return _fail(str(error), Exit.BAD_INPUT)
    try:
        command = importlib.import_module(f"dse.cli.commands.{arguments.command}")
        return int(command.main(arguments))
    except KeyboardInterrupt:
        return _fail("interrupted", Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has gone: what is still buffered has nowhere to go either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except Exception as error:  # the last line of defence: nothing but one line reaches the user
        return _report(error, arguments)


def _report(error: Exception, arguments: Namespace) -> int:
    """Exit code of an exception: 2 for what the user can mend, else 1."""
    from dse.cli.failures import exit_of

    code = exit_of(error)
    if isinstance(error, Ending) or code is not Exit.INTERNAL:
        return _fail(str(error), code)
    if arguments.debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    hint = "" if arguments.debug else " (--debug shows where)"
    return _fail(f"internal error: {type(error).__name__}: {text}{hint}", Exit.INTERNAL)


def _fail(message: str, code: Exit) -> int:
    print(f"dse: {message}", file=sys.stderr)
    return code
