"""The frame of every command: quick help, one line for what is wrong, exit codes."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.frontend import ModelError
from dse import cli
from dse.cli import main
from dse.cli.commands import platforms
from dse.cli.errors import Ending, Exit
from dse.cli.failures import BAD_INPUT, exit_of

COMMANDS = ("explore", "emit", "evaluate", "trace", "run", "sweep", "report", "dashboard", "platforms")
HEAVY = (
    "numpy",
    "onnx",
    "onnxruntime",
    "optuna",
    "ray",
    "rich",
    "jinja2",
    "networkx",
    "compiler",
    "costmodels",
)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from dse.cli import main
try:
    main({arguments!r})
except SystemExit as end:
    assert end.code == 0, end.code
loaded = [name for name in {HEAVY!r} if name in sys.modules]
assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["conquer"],
        ["explore", "m.onnx"],
        ["explore", "m.onnx", "--budget", "lots"],
        ["explore", "m.onnx", "--budget", "1MB", "--points", "0"],
        ["explore", "m.onnx", "--budget", "1MB", "--seed", "-1"],
        ["explore", "missing.onnx", "--budget", "1MB"],
        ["explore", "m.onnx", "--budget", "1MB", "--platform", "pentium"],
        ["run", "nowhere", "--target", "host"],
        ["run", "nowhere", "--target", "z80"],
        ["emit", "nowhere", "000"],
        ["report", "nowhere"],
        ["dashboard", "nowhere"],
        ["evaluate", "nowhere.json"],
        ["platforms", "pentium"],
        ["platforms", "nowhere.toml"],
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == Exit.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dse: ")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def command_that(raises: BaseException) -> Callable[[Namespace], int]:
    def run(_: Namespace) -> int:
        raise raises

    return run


def test_internal_errors_hide_their_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platforms, "main", command_that(ZeroDivisionError("a\nb")))
    assert main(["platforms"]) == Exit.INTERNAL
    assert capsys.readouterr().err == "dse: internal error: ZeroDivisionError: a b (--debug shows where)\n"
    assert main(["platforms", "--debug"]) == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Ending("too big", Exit.INFEASIBLE), 3),
        (ModelError("no model"), 2),
        (ValueError("defect"), 1),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platforms, "main", command_that(error))
    assert main(["platforms"]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_an_ending_is_its_own_message_whatever_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platforms, "main", command_that(Ending("took too long", Exit.INTERNAL)))
    assert main(["platforms"]) == Exit.INTERNAL
    assert capsys.readouterr().err == "dse: took too long\n"


def test_every_typed_error_counts_as_bad_input() -> None:
    assert {kind.__name__ for kind in BAD_INPUT} >= {
        "ModelError",
        "PlatformError",
        "TaskError",
        "StorageError",
    }
    assert exit_of(RuntimeError()) is Exit.INTERNAL


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "from dse.cli import main; import sys; sys.exit(main(['platforms', 'siracusa']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as it:
        assert it.stdout is not None
        assert it.stderr is not None
        it.stdout.close()
        assert it.stderr.read() == b""
    assert it.returncode == 0


def test_help_is_there_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert cli.__doc__
