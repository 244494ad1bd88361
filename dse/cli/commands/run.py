"""`dse run`: build and run emitted C, and hold it to its prediction."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from compiler.targets import BuildFailed, RunTimeout, siracusa_simulator
from dse.cli.errors import Ending, Exit
from dse.cli.tables import plain_table, relative_error, verification_table
from dse.cli.terminal import Terminal
from dse.verify import RunFailed, Tally, Verification, build_only, verify


def main(arguments: Namespace) -> int:
    """Exit 0 only if output, counts and bytes are all equal; a target without a simulator is only built."""
    terminal = Terminal.of()
    if arguments.target == "siracusa" and not siracusa_simulator(arguments.simulator):
        path = _built(arguments)
        terminal.say(f"built {path}; not run: --simulator or DSE_SIRACUSA_SIM names no simulator")
        return Exit.DONE
    result = _verified(arguments)
    if arguments.format == "json":
        terminal.say(json.dumps(document(result)))
    else:
        _print(result, terminal)
    return Exit.DONE if result.right else Exit.INTERNAL


def _verified(arguments: Namespace) -> Verification:
    """A build or a program that fails is our defect, not bad input: exit 1."""
    try:
        return verify(
            arguments.project,
            arguments.target,
            harts=arguments.harts,
            sanitize=arguments.sanitize,
            threads=arguments.threads,
            timeout_s=arguments.timeout,
            simulator=arguments.simulator,
        )
    except (BuildFailed, RunTimeout, RunFailed) as error:
        raise Ending(str(error), Exit.INTERNAL) from error


def _built(arguments: Namespace) -> Path:
    try:
        return build_only(arguments.project, arguments.target, arguments.harts)
    except BuildFailed as error:
        raise Ending(str(error), Exit.INTERNAL) from error


def _print(result: Verification, terminal: Terminal) -> None:
    terminal.table(verification_table(result))
    terminal.say("")
    levels = plain_table("level", "bytes predicted", "linked", "", left=("level", ""))
    for level, predicted in result.prediction.arena_bytes.items():
        linked = result.linked_bytes[level]
        if predicted or linked:
            levels.add_row(level, str(predicted), str(linked), "ok" if predicted == linked else "WRONG")
    terminal.table(levels)
    terminal.say("")
    for index, right, element in result.records.outputs:
        text = f"equals the reference ({element} codes)" if right else f"wrong from element {element} on"
        terminal.say(f"output {index}: {text}")
    terminal.say(_cycles(result))
    harts = f"{result.harts} hart{'s' if result.harts > 1 else ''}"
    where = f"{result.prediction.model} on {result.target} with {harts}"
    terminal.say(f"{where}: {'all equal' if result.right else _what_differs(result)}")


def _cycles(result: Verification) -> str:
    measured = total_cycles(result.records.layers)
    predicted = result.prediction.latency_cycles
    if result.target == "siracusa" == result.prediction.platform:
        clocks = "by a simulator with one clock for cores and NPU"
        return f"cycles: {predicted} predicted at the platform's clocks, {measured:.0f} measured {clocks}"
    if not result.cycles_comparable:
        return f"cycles: not compared, {result.target} is not {result.prediction.platform}"
    return f"cycles: {predicted} predicted, {measured:.0f} measured, {relative_error(predicted, measured)}"


def total_cycles(layers: tuple[Tally, ...]) -> float:
    """Cycles of all layers."""
    return sum(layer.cycles for layer in layers)


def _what_differs(result: Verification) -> str:
    parts = (("output", result.outputs_equal), ("counts", result.counts_equal), ("bytes", result.bytes_equal))
    return ", ".join(name for name, equal in parts if not equal) + " DIFFER from the prediction"


def document(result: Verification) -> dict[str, Any]:
    """The verification for machines. Cycles are measured ones only where `cycles_comparable`."""
    return {
        "schema": 1,
        "model": result.prediction.model,
        "platform": result.prediction.platform,
        "target": result.target,
        "harts": result.harts,
        "right": result.right,
        "outputs_equal": result.outputs_equal,
        "counts_equal": result.counts_equal,
        "bytes_equal": result.bytes_equal,
        "cycles_comparable": result.cycles_comparable,
        "predicted_cycles": result.prediction.latency_cycles,
        "counted_cycles": total_cycles(result.records.layers),
        "bytes": {
            level: {"predicted": size, "linked": result.linked_bytes[level]}
            for level, size in result.prediction.arena_bytes.items()
        },
        "layers": [
            {
                "name": name,
                "kind": kind,
                "engine": engine,
                "predicted": _tally(predicted),
                "counted": _tally(counted),
            }
            for (name, kind, engine), predicted, counted in zip(
                result.prediction.layers, result.prediction.tallies, result.records.layers, strict=False
            )
        ],
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "calls": tally.calls,
        "macs": tally.macs,
        "npu_jobs": tally.npu_jobs,
        "links": {name: list(link) for name, link in tally.links.items()},
        "cycles": tally.cycles,
    }
