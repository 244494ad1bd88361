"""`python -m studies.kernels [--conflicts]`: cycles of the Xpulp kernels beside the cost model's.

Builds the timing program for Siracusa, runs it on the simulator that DSE_SIRACUSA_SIM names, and holds the
output of every row to that of the portable kernels on the host.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from compiler.targets import copy_runtime
from compiler.targets.build import Target, build
from compiler.targets.run import run
from costmodels.engines import XpulpEngine, kernel_cycles
from costmodels.platform import load_platform
from studies.kernels.rows import ROWS, Row

CORES = 8


def project(folder: Path) -> None:
    """Writes the program with its runtime into an empty folder."""
    copy_runtime(folder)
    bench = Path(__file__).with_name("bench.c").read_text(encoding="utf-8")
    rows = "".join(row.c(number) for number, row in enumerate(ROWS))
    (folder / "bench.c").write_text(bench.replace('#include "rows.h"\n', rows), encoding="utf-8")


def measure(folder: Path, target: Target, cores: int) -> list[tuple[int, str]]:
    """(cycles, checksum) of every row. Without counters: they cost some 1 500 cycles a call."""
    done = run(build(folder, target, harts=cores, counters=False))
    lines = [line.split() for line in done.stdout.splitlines()]
    if done.exit_code or len(lines) != len(ROWS):
        raise SystemExit(
            f"{target}: exit code {done.exit_code}, {len(lines)} rows\n{done.stdout}{done.stderr}"
        )
    return [(int(cycles), checksum) for _, cycles, checksum in lines]


def predicted(row: Row, conflicts: bool) -> float:
    """Cycles of one call by the cost model, launch and fork included."""
    engine = load_platform("siracusa").engine_of["cluster"]
    assert isinstance(engine, XpulpEngine)
    engine = engine if conflicts else engine.without_conflicts()
    (split,) = row.spec.splits
    return float(kernel_cycles(engine, row.spec, dict(row.spec.dims), split)) + engine.forked_cycles


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.kernels")
    parser.add_argument(
        "--conflicts", action="store_true", help="predict with bank conflicts, as the simulator has them"
    )
    conflicts = parser.parse_args().conflicts
    with tempfile.TemporaryDirectory() as name:
        project(Path(name))
        reference = measure(Path(name), "host", 1)
        measured = measure(Path(name), "siracusa", CORES)
    print("| tile | cycles | a cycle | predicted | error |\n|---|---|---|---|---|")
    for row, (cycles, checksum), (_, expected) in zip(ROWS, measured, reference, strict=True):
        if checksum != expected:
            raise SystemExit(f"{row.title}: output {checksum}, on the host {expected}")
        model = predicted(row, conflicts)
        error = 100 * (model / cycles - 1)
        print(f"| {row.title} | {cycles} | {row.work / cycles:.2f} | {model:.0f} | {error:+.0f} % |")


if __name__ == "__main__":
    main()
