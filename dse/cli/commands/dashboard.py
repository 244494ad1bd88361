"""`dse dashboard`: the Optuna dashboard on an explored directory's study."""

from __future__ import annotations

import contextlib
import errno
import threading
import webbrowser
from argparse import Namespace
from collections.abc import Mapping
from importlib.util import find_spec
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dse.cli.errors import UsageError
from dse.cli.terminal import Terminal
from dse.output import Layout, open_explored

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

HOST = "127.0.0.1"
"""Only this machine: the dashboard can delete studies and asks nobody who they are."""


def main(arguments: Namespace) -> int:
    """Serve until Ctrl-C."""
    explored = open_explored(arguments.directory)
    with server_on(study_storage(explored.layout, explored.run), arguments.port) as server:
        url = f"http://{HOST}:{server.server_port}/dashboard/"
        Terminal.of().say(f"{url} (Ctrl-C ends it)")
        if not arguments.no_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


def study_storage(layout: Layout, run: Mapping[str, Any]) -> BaseStorage:
    """The study's storage: the journal in the directory, or what --storage named. Raises UsageError."""
    url = run["arguments"].get("storage")
    if url is None and not layout.journal.is_file():
        raise UsageError(f"{layout.root} has no study ({layout.journal.name} is missing)")
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    return get_storage(url) if url else JournalStorage(JournalFileBackend(str(layout.journal)))


def server_on(storage: BaseStorage, port: int) -> WSGIServer:
    """A server of the dashboard on loopback; port 0 is any free one. Raises UsageError."""
    if find_spec("optuna_dashboard") is None:
        raise UsageError("the dashboard is not installed: pip install 'rvdse[dashboard]'")
    from optuna_dashboard import wsgi

    try:
        return make_server(HOST, port, wsgi(storage), server_class=_Threads, handler_class=_Quiet)
    except OSError as error:
        free = "; name another --port" if error.errno == errno.EADDRINUSE else ""
        raise UsageError(f"cannot listen on {HOST}:{port}: {error.strerror}{free}") from None
    except OverflowError:
        raise UsageError(f"--port {port}: ports end at 65535") from None


class _Threads(ThreadingMixIn, WSGIServer):
    """A thread for every request.

    Browsers keep spare connections open, and one that says nothing would keep a single thread from all others
    and from Ctrl-C.
    """

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Without a line for every request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""
