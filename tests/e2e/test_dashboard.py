"""`dse dashboard` serves the study of an explored directory on loopback."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dse.cli import main
from dse.cli.commands.dashboard import server_on, study_storage
from dse.cli.errors import UsageError
from dse.output import open_explored

pytest.importorskip("optuna_dashboard")


@contextmanager
def serving(root: Path) -> Iterator[int]:
    explored = open_explored(root)
    with server_on(study_storage(explored.layout, explored.run), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read()


def test_lists_the_study_with_its_trials(explored: Path) -> None:
    with serving(explored) as port:
        assert b"<html" in get(port, "/dashboard/").lower()
        (study,) = json.loads(get(port, "/api/studies"))["study_summaries"]
        detail = json.loads(get(port, f"/api/studies/{study['study_id']}?after=0"))
    assert study["study_name"] == "study"
    assert len(detail["trials"]) >= 16
    assert detail["objective_names"] == ["latency_ms", "energy_uj", "memory_bytes"]


def test_a_silent_connection_keeps_nobody_waiting(explored: Path) -> None:
    with serving(explored) as port, socket.create_connection(("127.0.0.1", port)):
        assert b"<html" in get(port, "/dashboard/").lower()


def test_a_taken_port_is_one_line(explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(explored) as port:
        assert main(["dashboard", str(explored), "--port", str(port), "--no-browser"]) == 2
    assert f":{port}" in capsys.readouterr().err


def test_a_missing_dashboard_comes_with_advice(explored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_explored(explored)
    monkeypatch.setattr("dse.cli.commands.dashboard.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'rvdse\[dashboard\]'"):
        server_on(study_storage(opened.layout, opened.run), 0)
