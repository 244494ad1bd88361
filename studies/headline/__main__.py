"""`python -m studies.headline [--out DIR] [--trials N]`: explore microLlama, compare with published runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from dse.cli import main as dse
from studies.headline.microllama import microllama, samples
from studies.headline.study import ENTRIES, RUNS, Found, Published, explanation, found, headline, table

CALIBRATION_SAMPLES = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both graphs, explore every published setting, print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m studies.headline", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/headline"))
    parser.add_argument("--trials", type=int, default=16, help="design points tried for each setting")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    for entry, (tokens, past) in ENTRIES.items():
        onnx.save(microllama(tokens, past), given.out / f"{entry}.onnx")
        np.savez(given.out / f"{entry}.npz", allow_pickle=False, **samples(tokens, past, CALIBRATION_SAMPLES))
    rows = [_explored(run, given.out, given.trials) for run in RUNS]
    print(table(rows), "", *map(explanation, rows), "", headline(rows[-1]), sep="\n")


def _explored(run: Published, out: Path, trials: int) -> Found:
    directory = out / run.slug
    model, calibration = out / f"{run.entry}.onnx", out / f"{run.entry}.npz"
    task = ["explore", str(model), "--calibration", str(calibration), "--budget", run.caps]
    pins = [part for pin in run.pins for part in ("--pin", pin)]
    effort = ["--trials", str(trials), "--emit", "none", "--quiet", "--out", str(directory)]
    if code := dse([*task, *pins, *effort]):
        raise SystemExit(code)
    return found(run, directory)


if __name__ == "__main__":
    main()
