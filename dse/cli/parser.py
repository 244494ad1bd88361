"""Every command and option of `dse`. Imports nothing heavy: `--help` must answer at once."""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from dse.cli import quantities as q
from dse.cli.errors import UsageError

_EPILOG = (
    "Sizes: 1kB = 1000, 1KiB = 1024. "
    "Exit codes: 0 done, 1 internal error, 2 bad input, 3 infeasible, 130 interrupted."
)


class Parser(argparse.ArgumentParser):
    """Reports a wrong argument as one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"dse {metadata.version('rvdse')}")
        parser.exit()


def parser() -> Parser:
    """The parser of the whole command line; `command` names the module in dse.cli.commands."""
    top = Parser("dse", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    top.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    plan = (_explore, _emit, _evaluate, _trace, _run, _sweep, _report, _dashboard)
    for add in (*plan, _compare, _platforms, _axes, _rewrite, _validate, _calibrate):
        add(commands)
    return top


_DESCRIPTION = "From an ONNX file to a Pareto front of C that runs on a RISC-V microcontroller."
_Commands = argparse._SubParsersAction  # its type has no public name


def _command(commands: _Commands[Parser], name: str, what: str) -> Parser:
    command = commands.add_parser(name, help=what, description=what, epilog=_EPILOG, allow_abbrev=False)
    command.add_argument("--debug", action="store_true", help="show tracebacks of internal errors")
    return command


def _explore(commands: _Commands[Parser]) -> None:
    it = _command(commands, "explore", "find the Pareto front of deployments of a model and emit its C")
    it.add_argument("model", type=Path, metavar="MODEL.onnx")
    it.add_argument(
        "decode",
        type=Path,
        nargs="?",
        metavar="DECODE.onnx",
        help="both graphs of a language model: MODEL.onnx is the prefill graph; with --tokens",
    )
    _problem(it.add_argument_group("what is asked for"))
    _search(it.add_argument_group("how it is searched"))
    _output(it.add_argument_group("what is written"))


def _problem(it: argparse._ArgumentGroup) -> None:
    it.add_argument(
        "--budget",
        type=q.budget,
        required=True,
        metavar="SIZE",
        help="1MB caps the sum over the on-chip levels; l1=64kB,l2=1MB,l3=0B caps levels",
    )
    it.add_argument("--platform", default="siracusa", metavar="NAME|FILE", help="default: siracusa")
    it.add_argument(
        "--objectives", type=q.objectives, default=q.objectives("latency,energy,memory"), metavar="LIST"
    )
    it.add_argument(
        "--calibration",
        type=Path,
        metavar="NPZ",
        help="samples: what a float model is quantised with, or what the integer dialect's inputs hold",
    )
    it.add_argument(
        "--prefill",
        type=Path,
        metavar="ONNX",
        help="the model decodes what this float graph of it begins: its scales (--calibration is for it), "
        "caches that grow by the row",
    )
    it.add_argument(
        "--tokens",
        type=q.tokens,
        metavar="P:N",
        help="explore prefill and decode together, for P tokens of prompt and N generated ones",
    )
    it.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="FILE|LAYER.DECISION=VALUE",
        help=f"take a decision yourself ({', '.join(q.DECISIONS)}); layer * means all that can",
    )
    it.add_argument("--io-home", choices=q.LEVEL_NAMES[:3], help="level of network inputs and outputs")


def _search(it: argparse._ArgumentGroup) -> None:
    it.add_argument("--trials", type=q.positive, metavar="N", help="number of design points that are tried")
    it.add_argument("--time", type=q.time_seconds, metavar="T", help="stop after 60s, 2min, ...")
    it.add_argument("--seed", type=q.natural, default=0, metavar="N", help="default: 0")
    it.add_argument("--sampler", choices=("nsga2", "tpe", "random"), default="nsga2", help="default: nsga2")
    it.add_argument("--workers", type=q.positive, metavar="N", help="processes; the result is the same")
    it.add_argument("--address", metavar="ADDR", help="a Ray cluster, as auto or ray://host:10001")
    it.add_argument("--storage", metavar="URL", help="Optuna storage (default: study.journal in DIR)")
    it.add_argument("--resume", action="store_true", help="go on with the study in DIR")
    how = it.add_mutually_exclusive_group()
    how.add_argument(
        "--gap", type=q.share, metavar="G", help="refine until the gap is 0.01, 1%%, ... or --time is over"
    )
    how.add_argument(
        "--refine",
        choices=("auto", "full", "none"),
        default="auto",
        help="prove the whole front after the first trials: small networks (auto), all, none",
    )


def _output(it: argparse._ArgumentGroup) -> None:
    it.add_argument("--out", type=Path, metavar="DIR", help="default: <model>.dse in this folder")
    it.add_argument("--points", type=q.positive, default=16, metavar="N", help="at most so many; default: 16")
    it.add_argument("--emit", choices=("front", "knee", "none"), default="front", help="C for these points")
    it.add_argument("--golden", type=Path, metavar="NPZ", help="inputs that the emitted C checks itself with")
    it.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _emit(commands: _Commands[Parser]) -> None:
    it = _command(commands, "emit", "write the C of any point of front_all.jsonl")
    it.add_argument("directory", type=Path, metavar="DIR")
    it.add_argument("id", metavar="ID", help="the point's id in front_all.jsonl")
    it.add_argument("--out", type=Path, metavar="PROJECT", help="default: DIR/emitted/ID")


def _evaluate(commands: _Commands[Parser]) -> None:
    it = _command(commands, "evaluate", "price one deployment again, layer by layer, and say what binds")
    _given(it)
    _format(it)


def _trace(commands: _Commands[Parser]) -> None:
    it = _command(commands, "trace", "the predicted timeline of a deployment as a Chrome/Perfetto trace")
    _given(it)
    it.add_argument(
        "--out", type=Path, default=Path("trace.json"), metavar="FILE", help="default: trace.json"
    )
    it.add_argument(
        "--tiles", type=q.positive, default=64, metavar="N", help="drawn one by one in a layer; default: 64"
    )


def _given(it: Parser) -> None:
    it.add_argument(
        "deployment", type=Path, metavar="DEPLOYMENT.json|POINT_DIR", help="or a directory with one in it"
    )
    it.add_argument("--model", type=Path, metavar="MODEL.onnx", help="default: the explored one, if found")
    it.add_argument("--calibration", type=Path, metavar="NPZ", help="as for explore, with a float --model")
    it.add_argument(
        "--seed", type=q.natural, default=0, metavar="N", help="as for explore, with a float --model"
    )
    it.add_argument("--platform", metavar="NAME|FILE", help="default: the deployment's")


def _run(commands: _Commands[Parser]) -> None:
    it = _command(
        commands, "run", "build and run emitted C; compare output, counts and bytes with the prediction"
    )
    it.add_argument("project", type=Path, metavar="POINT_DIR")
    it.add_argument("--target", choices=("host", "rv32", "siracusa"), required=True)
    it.add_argument(
        "--simulator",
        metavar="COMMAND",
        help="runs siracusa's program (default: $DSE_SIRACUSA_SIM, else build only)",
    )
    it.add_argument("--harts", type=q.positive, metavar="N", help="cores (default: the platform's, else 1)")
    it.add_argument(
        "--sanitize", action="store_true", help="address and undefined-behaviour sanitizers (host)"
    )
    it.add_argument("--threads", action="store_true", help="cores are threads (host)")
    it.add_argument("--timeout", type=q.time_seconds, default=600.0, metavar="T", help="default: 10min")
    _format(it)


def _sweep(commands: _Commands[Parser]) -> None:
    it = _command(commands, "sweep", "explore models x platforms x budgets x seeds; resumable")
    it.add_argument("study", type=Path, metavar="STUDY.toml")
    it.add_argument("--workers", type=q.positive, metavar="N")
    it.add_argument("--address", metavar="ADDR", help="a Ray cluster")
    it.add_argument("--out", type=Path, metavar="DIR", help="default: <study>.sweep in this folder")
    it.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _report(commands: _Commands[Parser]) -> None:
    it = _command(commands, "report", "write report.html of an explored directory again")
    it.add_argument("directory", type=Path, metavar="DIR")
    it.add_argument("--traces", action="store_true", help="with a timeline of every point of front.json")


def _dashboard(commands: _Commands[Parser]) -> None:
    it = _command(commands, "dashboard", "open the Optuna dashboard on an explored directory's study")
    it.add_argument("directory", type=Path, metavar="DIR")
    it.add_argument(
        "--port", type=q.natural, default=8080, metavar="N", help="default: 8080; 0: any free one"
    )
    it.add_argument("--no-browser", action="store_true", help="only serve")


def _compare(commands: _Commands[Parser]) -> None:
    it = _command(commands, "compare", "what an explored front gains over the policies of the field")
    it.add_argument("directory", type=Path, metavar="DIR")
    _machine_formats(it)


def _platforms(commands: _Commands[Parser]) -> None:
    it = _command(commands, "platforms", "list platforms, or every number of one with its source")
    it.add_argument("name", nargs="?", metavar="NAME|FILE")
    _format(it)


def _axes(commands: _Commands[Parser]) -> None:
    it = _command(commands, "axes", "every decision of the design space; with a model, how many choices")
    it.add_argument("model", nargs="?", type=Path, metavar="MODEL.onnx")
    it.add_argument("--platform", default="siracusa", metavar="NAME|FILE", help="default: siracusa")
    it.add_argument("--budget", type=q.budget, metavar="SIZE", help="as for explore; default: no cap")
    it.add_argument("--calibration", type=Path, metavar="NPZ", help="as for explore")
    _format(it)


def _rewrite(commands: _Commands[Parser]) -> None:
    it = _command(commands, "rewrite", "a float model with fused attention weights, where they save")
    it.add_argument("model", type=Path, metavar="MODEL.onnx")
    it.add_argument("--out", type=Path, required=True, metavar="FUSED.onnx")


def _validate(commands: _Commands[Parser]) -> None:
    it = _command(commands, "validate", "the cost model against every measured row, with errors")
    it.add_argument("--groups", action="store_true", help="a table of the errors by group only")
    _machine_formats(it)


def _calibrate(commands: _Commands[Parser]) -> None:
    it = _command(commands, "calibrate", "measure kernels of many shapes and fit a platform's coefficients")
    it.add_argument("--platform", default="rv32sim", metavar="NAME|FILE", help="default: rv32sim")
    it.add_argument(
        "--runner",
        metavar="COMMAND",
        help="runs the C in {project} on {harts} cores and prints its output (default: our simulator)",
    )
    it.add_argument(
        "--simulator",
        metavar="COMMAND",
        help="runs the program named behind it, for siracusa (default: DSE_SIRACUSA_SIM)",
    )
    it.add_argument("--shapes", type=q.positive, default=220, metavar="N", help="a kernel; default: 220")
    it.add_argument(
        "--kernels",
        type=q.kernels,
        default=(),
        metavar="A,B",
        help="measure and fit only these; default: all",
    )
    it.add_argument("--networks", type=q.positive, default=16, metavar="N", help="in tiles; default: 16")
    it.add_argument("--seed", type=q.natural, default=0, metavar="N", help="default: 0")
    it.add_argument("--timeout", type=q.time_seconds, default=600.0, metavar="T", help="default: 10min")
    it.add_argument("--out", type=Path, metavar="FILE.toml", help="the platform with the fitted values")
    it.add_argument("--rows", type=Path, metavar="FILE.csv", help="the measured kernels, fitted and held out")
    it.add_argument(
        "--power", action="store_true", help="fit the power of a built-in platform to its measured energies"
    )


def _format(it: Parser) -> None:
    it.add_argument("--format", choices=("table", "json"), default="table", help="json for machines")


def _machine_formats(it: Parser) -> None:
    how = it.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        how.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, default="table", help="for machines"
        )
