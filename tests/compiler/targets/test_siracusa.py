"""The target siracusa: its memory, what runs it; its contract is in `tests/e2e/simulated_siracusa.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.targets import Binary, BuildFailed, MissingTool, Variant, build, run, symbol_sizes
from compiler.targets.runtime import RUNTIME_DIR, translation_units
from tests.compiler.targets.projects import make_project

L1_BYTES = 262_144 - 12_288
"""What the platform file leaves of L1."""


def contract(folder: Path, harts: int, counters: bool = True) -> Binary:
    project = make_project(folder, "contract", config="#define BARRIER 1\n")
    return build(project, "siracusa", harts=harts, counters=counters)


@pytest.mark.parametrize(("harts", "counters"), [(1, True), (8, True), (3, False)])
def test_the_contract_links(harts: int, counters: bool, tmp_path: Path) -> None:
    sizes = symbol_sizes(contract(tmp_path, harts, counters).path)
    assert (sizes["arena_l1"], sizes["arena_l2"], sizes["arena_l3"]) == (4096, 8192, 12288)


@pytest.mark.parametrize(("size", "fits"), [(L1_BYTES, True), (L1_BYTES + 16, False)])
def test_l1_holds_what_the_platform_says(size: int, fits: bool, tmp_path: Path) -> None:
    end = f"static unsigned char a[{size}] DSE_L1; dse_putchar((char)*(volatile unsigned char *)a); return 0"
    project = make_project(tmp_path, "ending", config=f"#define END {end}\n")
    if fits:
        assert build(project, "siracusa").path.is_file()
    else:
        with pytest.raises(BuildFailed):
            build(project, "siracusa")


def test_the_dma_takes_the_place_of_the_copy_loop() -> None:
    names = [str(path.relative_to(RUNTIME_DIR)) for path in translation_units(RUNTIME_DIR, "siracusa")]
    assert {"hal/siracusa/dma.c", "hal/rv32/builtins.c"} <= set(names)
    assert not {"hal/transfer.c", "hal/rv32/rv32.c"} & set(names)


def test_a_simulator_gets_the_program_and_gives_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Binary(tmp_path / "network", Variant("siracusa", 8))
    result = run(program, simulator="sh -c 'echo ran $0; exit 7'")
    assert (result.exit_code, result.stdout) == (7, f"ran {program.path}\n")
    monkeypatch.setenv("DSE_SIRACUSA_SIM", "echo from the environment")
    assert run(program).stdout.startswith("from the environment")


@pytest.mark.parametrize("named", [None, "no-such-simulator --fast"])
def test_without_a_simulator_nothing_runs(
    named: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DSE_SIRACUSA_SIM", raising=False)
    with pytest.raises(MissingTool, match="--simulator"):
        run(Binary(tmp_path / "network", Variant("siracusa", 8)), simulator=named)
