"""Builds: typed errors, the object cache, missing tools."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compiler.targets import (
    BuildFailed,
    MissingTool,
    RunTimeout,
    Target,
    TargetError,
    Variant,
    build,
    run,
    toolchain,
)
from compiler.targets import cache as cache_module
from tests.compiler.targets.projects import make_project


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DSE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def objects(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (cache / "objects").rglob("*.o")}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"target": "avr"}, "avr"),
        ({"target": "rv32", "harts": 9}, "1 to 8"),
        ({"target": "host", "harts": 0}, "1 to 64"),
        ({"target": "siracusa", "harts": 9}, "1 to 8"),
        ({"target": "rv32", "sanitize": True}, "host only"),
    ],
)
def test_impossible_variants_are_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(TargetError, match=word):
        Variant(**arguments)  # type: ignore[arg-type]


def test_variant_names_differ() -> None:
    variants = [
        Variant("host"),
        Variant("host", 8),
        Variant("host", 8, threads=True),
        Variant("host", counters=False),
    ]
    assert len({v.name for v in variants}) == len(variants)
    assert Variant("rv32", 8, lazy=True).name == "rv32-8-lazy"


def test_second_project_compiles_no_runtime_object(own_cache: Path, tmp_path: Path) -> None:
    end = "#define END return 0\n"
    build(make_project(tmp_path / "a", "ending", config=end), "host")
    first = objects(own_cache)
    build(make_project(tmp_path / "b", "ending", config=end), "host")
    assert len(first) == 5
    assert objects(own_cache) == first


def test_other_variant_shares_what_it_can(own_cache: Path, tmp_path: Path) -> None:
    """Eight harts instead of one differ in one file."""
    project = make_project(tmp_path / "a", "ending", config="#define END return 0\n")
    build(project, "rv32", harts=1)
    before = objects(own_cache)
    build(project, "rv32", harts=8)
    assert len(objects(own_cache)) == len(before) + 1


def test_changed_header_and_changed_source_are_compiled(own_cache: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "a", "ending", config="#define END return 0\n")
    build(project, "host")
    before = len(objects(own_cache))
    console = project / "runtime/hal/console.c"
    console.write_text(console.read_text().replace("fatal: ", "oh no: "))
    build(project, "host")
    assert len(objects(own_cache)) == before + 1
    (project / "runtime/include/dse_npu.h").open("a").write("/* changed */\n")
    build(project, "host")
    assert len(objects(own_cache)) == before + 1 + 5


def test_concurrent_builds_agree(own_cache: Path, tmp_path: Path) -> None:
    projects = [
        make_project(tmp_path / str(i), "ending", config=f"#define END return {i}\n") for i in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        binaries = list(pool.map(lambda project: build(project, "host"), projects))
    assert [run(binary).exit_code for binary in binaries] == [0, 1, 2, 3]
    assert not list((own_cache / "objects").rglob("tmp*"))


def test_failed_compilation_leaves_no_object(own_cache: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "a", "ending", config="#define END return 0\n")
    (project / "runtime/hal/console.c").write_text("int broken(void) { return }\n")
    with pytest.raises(BuildFailed, match="error") as failure:
        build(project, "host")
    assert "console.c" in failure.value.log
    assert not [p for p in own_cache.rglob("*") if "fresh" in p.name]


def test_warnings_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="unused"):
        build(make_project(tmp_path, "ending", config="#define END int unused; return 0\n"), "host")


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="emitted project"):
        build(tmp_path, "host")


def test_missing_tools_come_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(toolchain, "_inside", lambda module, relative: None)
    monkeypatch.delenv("CROSS", raising=False)
    with pytest.raises(MissingTool, match="gcc or clang"):
        toolchain.host_toolchain()
    for find in (toolchain.rv32_toolchain, toolchain.find_spike):
        with pytest.raises(MissingTool, match=r"pip install 'rvdse\[sim\]'"):
            find()


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_endless_program_is_stopped(target: Target, tmp_path: Path) -> None:
    end = r'dse_puts("alive\n"); for (volatile int i = 0; i == 0;) continue; return 0'
    project = make_project(tmp_path, "ending", config=f"#define END {end}\n")
    with pytest.raises(RunTimeout, match="within 1 s"):
        run(build(project, target), timeout_s=1)


def test_cache_keys_do_not_run_together() -> None:
    assert cache_module.content_key("ab", "c") != cache_module.content_key("a", "bc")
