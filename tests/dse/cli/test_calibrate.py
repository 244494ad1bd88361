"""`dse calibrate` from the command line: a small calibration, a user's runner, what goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from costmodels.platform import load_platform
from dse.cli import main
from dse.cli.errors import Exit
from dse.output.platform_text import platform_text

SMALL = ("--shapes", "12", "--networks", "2")
RUNNER = """\
import sys
from pathlib import Path
from compiler.targets import build, run
print(run(build(Path(sys.argv[1]), "rv32", harts=int(sys.argv[2]))).stdout, end="")
"""


def test_a_calibrated_platform_is_a_platform(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through a user's own command, on a platform of fewer cores."""
    mine, script, out = tmp_path / "mine.toml", tmp_path / "runner.py", tmp_path / "out.toml"
    script.write_text(RUNNER)
    original = Path("costmodels/platforms/rv32sim.toml").read_text()
    mine.write_text(original.replace("cores = { value = 8", "cores = { value = 2"))
    runner = f"{sys.executable} {script} {{project}} {{harts}}"
    command = ["calibrate", "--platform", str(mine), "--runner", runner, *SMALL, "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "depthwise stride 2" in printed
    assert "tiled layers" in printed
    found = load_platform(out)
    facts = {fact.key: fact for fact in found.facts}
    before = load_platform(mine)
    assert set(facts) == {fact.key for fact in before.facts}
    dot = facts["engines.cluster.kernels.conv2d.dot_4x2.unrolled_cycles"]
    assert dot.how == "FIT"
    assert "--shapes 12" in dot.source
    assert dot.value == pytest.approx(97.0, rel=0.02)
    assert facts["engines.cluster.cores"].value == 2


def test_some_kernels_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything else keeps its value and its source."""
    out = tmp_path / "out.toml"
    assert main(["calibrate", *SMALL, "--kernels", "lut,isoftmax", "--out", str(out)]) == 0
    assert "6 coefficients" in capsys.readouterr().out
    before, after = ({f.key: f for f in load_platform(name).facts} for name in ("rv32sim", out))
    changed = {key for key, fact in after.items() if fact != before[key]}
    assert {key.split(".")[3] for key in changed} == {"lut", "isoftmax"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--platform", "gap8"), "no engine of kind portable or xpulp"),
        (("--kernels", "lut,sofmax"), "'sofmax' is no kernel"),
        (("--runner", "/no/such/command {project}"), "the runner /no/such/command failed"),
        (("--runner", "false"), "the runner false ended with 1"),
        (("--runner", "echo cycles 3"), "did not get to its end"),
    ],
)
def test_what_goes_wrong_is_one_line(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", *SMALL, *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_power_is_fitted_to_measured_energies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in the built-in file is what the command writes; a platform without energies is refused."""
    out = tmp_path / "gap8.toml"
    assert main(["calibrate", "--power", "--platform", "gap8", "--out", str(out)]) == Exit.DONE
    assert out.read_text(encoding="utf-8") == platform_text("gap8")
    assert "energy of layers, held out" in capsys.readouterr().out
    assert main(["calibrate", "--power", "--platform", "gap9"]) == Exit.BAD_INPUT
    assert "has no measured energies" in capsys.readouterr().err
