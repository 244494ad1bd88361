"""The contract of every target: what generated code may rely on, in C, on host and simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.targets import Target, Variant, build, run, symbol_sizes
from tests.compiler.targets.projects import make_project

VARIANTS = [
    Variant("host"),
    Variant("host", lazy=True),
    Variant("host", harts=8),
    Variant("host", harts=8, threads=True),
    Variant("host", harts=3, threads=True, sanitize=True, lazy=True),
    Variant("host", sanitize=True, lazy=True),
    Variant("host", sanitize=True, counters=False),
    Variant("rv32"),
    Variant("rv32", lazy=True),
    Variant("rv32", harts=8),
    Variant("rv32", harts=8, lazy=True),
    Variant("rv32", harts=3, counters=False),
]
NUMBERS = "0 18446744073709551615 -2147483648 2147483647 deadbeef"
CHECKS = [
    "lines",
    "strided",
    "later wait",
    "order",
    "wait all",
    "fork",
    "barrier",
    "clock",
    "npu",
    "counters",
]


def has_barrier(variant: Variant) -> bool:
    return variant.target != "host" or variant.threads or variant.harts == 1


def expected_lines(variant: Variant) -> list[str]:
    left_out = {
        name
        for name, there in (("barrier", has_barrier(variant)), ("counters", variant.counters))
        if not there
    }
    return [NUMBERS, *(f"ok {name}" for name in [*CHECKS, "arithmetic"] if name not in left_out)]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_target_keeps_the_contract(variant: Variant, tmp_path: Path) -> None:
    project = make_project(tmp_path, "contract", config=f"#define BARRIER {int(has_barrier(variant))}\n")
    v = variant
    binary = build(
        project,
        v.target,
        harts=v.harts,
        threads=v.threads,
        sanitize=v.sanitize,
        lazy=v.lazy,
        counters=v.counters,
    )
    result = run(binary, timeout_s=60)
    assert result.stdout.splitlines() == expected_lines(variant), result.stderr
    assert result.exit_code == 0
    if variant.sanitize:
        return  # clang's sanitizer counts its guard zones into an array's size
    sizes = symbol_sizes(binary.path)
    assert (sizes["arena_l1"], sizes["arena_l2"], sizes["arena_l3"]) == (4096, 8192, 12288)


ENDINGS = [
    ("return 7", 7, ""),
    ("dse_exit(0)", 0, ""),
    ("dse_exit(42)", 42, ""),
    ('dse_fatal("no luck")', 134, "fatal: no luck\n"),
    (
        "dse_copy_1d(DSE_LINK_L2_L1, 0, 0, 0u); return 0",
        134,
        "fatal: a transfer needs a link, bytes and lines\n",
    ),
    ("dse_wait(0xF0000001u); return 0", 134, "fatal: a wait for a ticket that no transfer returned\n"),
]


@pytest.mark.parametrize("target", ["host", "rv32"])
@pytest.mark.parametrize(("end", "code", "message"), ENDINGS, ids=lambda value: str(value)[:12])
def test_ending(target: Target, end: str, code: int, message: str, tmp_path: Path) -> None:
    """The exit code arrives, and nothing printed is lost."""
    project = make_project(tmp_path, "ending", config=f"#define END {end}\n")
    result = run(build(project, target), timeout_s=60)
    assert (result.exit_code, result.stdout) == (code, "unfinished line" + message)


def test_rv32_reports_a_trap(tmp_path: Path) -> None:
    """A misaligned load, which no plain RV32 has, ends the run with the place instead of hanging it."""
    end = "volatile uintptr_t odd = 0x80000001; return *(volatile int *)odd"
    result = run(build(make_project(tmp_path, "ending", config=f"#define END {end}\n"), "rv32"), timeout_s=60)
    assert result.exit_code == 134
    assert "trap: hart 0 mcause 00000004" in result.stdout
    assert "mtval 80000001" in result.stdout


def test_sequential_host_refuses_a_barrier(tmp_path: Path) -> None:
    """Cores that take turns cannot meet: a message, not a deadlock."""
    project = make_project(tmp_path, "ending", config="#define END dse_barrier(); return 0\n")
    result = run(build(project, "host", harts=2), timeout_s=60)
    assert result.exit_code == 134
    assert "barrier" in result.stdout


@pytest.mark.parametrize("target", ["host", "rv32"])
def test_lazy_transfers_expose_a_missing_wait(target: Target, tmp_path: Path) -> None:
    """The same wrong program: eager hides the race, lazy shows the old values before each wait."""
    project = make_project(tmp_path, "racy")
    seen = [run(build(project, target, lazy=lazy)).stdout for lazy in (False, True)]
    assert seen == ["5599", "0509"]


def test_rv32_clock_is_deterministic_and_scales(tmp_path: Path) -> None:
    """Instructions on the critical path: equal in every run; eight harts divide the work."""
    work = """static void part(uint32_t core, uint32_t n, const void *arg) {
        (void)arg;
        for (uint32_t row = core; row < 64u; row += n)
            for (volatile uint32_t i = 0; i < 500u; i++) continue;
    }"""
    end = "uint64_t t = dse_cycles(); dse_fork(part, 0); dse_put_u64(dse_cycles() - t); return 0"
    header = f'#include "dse_hal.h"\n{work}\n#define END {end}\n'
    project = make_project(tmp_path, "ending", config=header)

    def cycles(harts: int) -> int:
        texts = {run(build(project, "rv32", harts=harts)).stdout for _ in range(2)}
        assert len(texts) == 1
        return int(texts.pop().removeprefix("unfinished line"))

    one, eight = cycles(1), cycles(8)
    assert one > 64 * 500 * 3
    assert one / 8 <= eight <= one / 8 + 500
