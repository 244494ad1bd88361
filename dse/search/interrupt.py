"""Ctrl-C or SIGTERM ends a search between two evaluations; a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """While inside, the first SIGINT or SIGTERM sets `stop`, later ones raise KeyboardInterrupt.

    SIGTERM is how batch systems and `timeout` end a job: it keeps what was found, too. Does nothing outside
    the main thread, and leaves alone a signal that is ignored or has a handler of the program's own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ours = {number: before for number, before in usual.items() if signal.getsignal(number) is before}
    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, before in ours.items():
            signal.signal(number, before)
