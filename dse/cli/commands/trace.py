"""`dse trace`: the predicted timeline of a deployment, for a trace viewer."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from dse.cli.errors import UsageError
from dse.cli.given import given
from dse.cli.terminal import Terminal
from dse.explain import Explainer
from dse.explain.trace import trace_document, write_trace
from dse.session import price_deployment


def main(arguments: Namespace) -> int:
    """Write the trace; prints its path."""
    what = given(arguments)
    out: Path = arguments.out
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out} cannot be written: {out.absolute().parent} is no directory")
    point = price_deployment(what.module, what.platform, what.deployment)
    document = trace_document(Explainer(what.module, what.platform), point, arguments.tiles)
    try:
        write_trace(out, document)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from None
    terminal = Terminal.of()
    terminal.say(str(out))
    terminal.note("open it in https://ui.perfetto.dev or chrome://tracing")
    return 0
