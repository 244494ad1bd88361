"""Reading STUDY.toml: what is there, what defaults, and one clear line for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from costmodels.platform import load_platform
from dse.cli.quantities import budget
from dse.sweep import StudyError, read_study, runs_of

GOOD = """
schema = 1
models = ["a.onnx", "sub/b.onnx"]
platforms = ["siracusa", "own.toml"]
budgets = ["1MB", "l1=64kB,l2=1MB"]
seeds = [0, 7]
trials = 8
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.onnx", "sub/b.onnx", "own.toml"):
        (tmp_path / name).write_text(name)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_all_and_defaults(folder: Path) -> None:
    study = read_study(write(folder, GOOD), budget)
    assert study.name == "study"
    assert study.models == (folder / "a.onnx", folder / "sub" / "b.onnx")
    assert study.platforms == ("siracusa", str(folder / "own.toml"))
    assert study.objectives == ("latency", "energy", "memory")
    assert (study.trials, study.points, study.emit, study.seeds) == (8, 16, "none", (0, 7))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 8", "trails = 8", "trails: unknown key; did you mean trials"),
        ("trials = 8", "zzz = 8", "zzz: unknown key; keys are schema"),
        ("trials = 8", "", "trials: is missing"),
        ("trials = 8", "trials = 0", "trials: is 0; needs a whole number from 1"),
        ("trials = 8", "trials = true", "trials: is True"),
        ("trials = 8", 'trials = 8\nemit = "all"', "emit: 'all' is not known; needs front, knee, none"),
        ("trials = 8", 'trials = 8\nobjectives = ["area"]', "objectives: 'area' is not known"),
        ("trials = 8", "trials = 8\nname = 3", "name: is 3; needs text"),
        ("schema = 1", "schema = 2", "schema: is 2; needs 1"),
        ("[0, 7]", "[0, -7]", "seeds: is -7"),
        ("[0, 7]", "[]", "seeds: is \\[\\]; needs a list"),
        ("[0, 7]", "[7, 7]", "seeds: 7 stands there twice"),
        ('"siracusa"', "5", "platforms: contains 5"),
        ('"own.toml"', '"missing.toml"', "missing.toml is not there; paths are relative"),
        ('"a.onnx"', '"c.onnx"', "c.onnx is not there"),
        ('"1MB"', '"1XB"', "budgets: '1XB' is not a size"),
        ("schema = 1", "schema = ", "study.toml: Invalid value"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(StudyError, match=message) as caught:
        read_study(write(folder, GOOD.replace(old, new)), budget)
    assert "study.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_platforms_are_checked_before_anything_runs(folder: Path) -> None:
    study = write(folder, GOOD.replace('"siracusa"', '"nochip"').replace('"own.toml"', '"gap8"'))
    with pytest.raises(StudyError, match=r"study\.toml: platforms: nochip: no such platform"):
        read_study(study, budget, load_platform)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No such file"):
        read_study(tmp_path / "no.toml")


def test_runs_are_the_cross_product_with_ids_of_their_own(folder: Path) -> None:
    study = read_study(write(folder, GOOD))
    runs = runs_of(study)
    assert len({run.id for run in runs}) == len(runs) == 16
    assert [run.seed for run in runs[:2]] == [0, 7]
    assert all(run.id == Path(run.id).name for run in runs)
    fewer = runs_of(replace(study, models=study.models[:1], seeds=(7,)))
    assert {run.id for run in fewer} < {run.id for run in runs}


def test_ids_follow_contents_and_options_not_places(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def ids(path: Path, text: str) -> set[str]:
        return {run.id for run in runs_of(read_study(write(path, text)))}

    before = ids(folder, GOOD)
    assert ids(folder, GOOD.replace("trials = 8", "trials = 9")).isdisjoint(before)
    elsewhere = tmp_path_factory.mktemp("moved") / "here"
    folder.rename(elsewhere)
    assert ids(elsewhere, GOOD) == before
    (elsewhere / "a.onnx").write_text("other weights")
    assert len(ids(elsewhere, GOOD) & before) == 8
    (elsewhere / "own.toml").write_text("other chip")
    assert len(ids(elsewhere, GOOD) & before) == 4


def test_copies_of_a_model_are_refused(folder: Path) -> None:
    (folder / "sub" / "a.onnx").write_text("a.onnx")
    study = read_study(write(folder, GOOD.replace("sub/b.onnx", "sub/a.onnx")))
    with pytest.raises(StudyError, match="is a copy of"):
        runs_of(study)


def test_the_example_is_sound() -> None:
    study = read_study(Path(__file__).parents[3] / "studies" / "tiny.toml", budget)
    assert len(runs_of(study)) == 4
