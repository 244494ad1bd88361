"""The C of a pair: both networks over the same constants and caches, bit for bit, for random deployments."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.codegen.pair import Half, behind, emit_pair, lower_pair
from compiler.codegen.project import Golden
from compiler.frontend import ImportedPair
from compiler.lower import lower
from compiler.schedule import Together, place_together
from compiler.schedule.pair import RESIDENT
from compiler.targets import Target, build, run
from tests.compiler.deployed import ROOM, codes, outputs_of
from tests.pairs import any_pair, small_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ImportedPair:
    return small_pair(tmp_path_factory.mktemp("pair"))


def halves_of(pair: ImportedPair, seed: int) -> tuple[Half, Half]:
    """Random deployments of both in one memory, with golden vectors."""
    prefill, decode = pair.prefill.module.main, pair.decode.module.main
    found = place_together(*any_pair(pair, seed), pair.shared, ROOM)
    assert isinstance(found, Together)
    inputs = codes(prefill, seed)
    golden = Golden(inputs, outputs_of(prefill, inputs))
    later = behind(golden, decode, codes(decode, seed), pair.shared.caches)
    return Half(prefill, found.prefill, golden), Half(decode, found.decode, later)


def said(folder: Path, pair: ImportedPair, halves: tuple[Half, Half], target: Target) -> list[str]:
    """Outputs and the result, as main.c prints them."""
    folder.mkdir()
    emit_pair(folder, *halves, pair.shared.caches)
    lines = run(build(folder, target), timeout_s=60).stdout.splitlines()
    return [line for line in lines if line.startswith(("output", "result"))]


@pytest.mark.parametrize(("seed", "target"), [(0, "host"), (1, "host"), (2, "rv32")])
def test_both_compute_what_the_references_do(
    pair: ImportedPair, seed: int, target: Target, tmp_path: Path
) -> None:
    """Logits and rows of prefill, then of a run of decode on the caches that prefill filled."""
    lines = said(tmp_path / "c", pair, halves_of(pair, seed), target)
    caches = len(pair.shared.caches)
    assert len(lines) == 2 * (1 + caches) + 1
    assert all(" ok " in line for line in lines[:-1])
    assert lines[-1] == "result ok"


def test_a_cache_elsewhere_is_seen(pair: ImportedPair, tmp_path: Path) -> None:
    """Decode that has its states where prefill wrote no rows tells something else."""
    prefill, decode = halves_of(pair, 0)
    names = {f"t/{cache.state}" for cache in pair.shared.caches}
    buffers = tuple(
        replace(b, offset=4096 + 256 * k if b.name in names else b.offset)
        for k, b in enumerate(decode.deployment.buffers)
    )
    moved = replace(decode, deployment=replace(decode.deployment, buffers=buffers))
    lines = said(tmp_path / "c", pair, (prefill, moved), "host")
    assert lines[-1] == "result wrong"


@pytest.mark.parametrize("seed", range(3))
def test_constants_lie_once_and_are_copied_once(pair: ImportedPair, seed: int) -> None:
    halves = halves_of(pair, seed)
    programs = lower_pair(*halves)
    alone = [lower(half.graph, half.deployment) for half in halves]
    assert programs.prefill.blob == programs.decode.blob
    assert len(programs.decode.blob) < sum(len(program.blob) for program in alone)
    boots = (*programs.prefill.boot, *programs.decode.boot)
    for a, b in itertools.combinations(boots, 2):
        apart = a.target.offset + a.bytes <= b.target.offset or b.target.offset + b.bytes <= a.target.offset
        assert a.target.level != b.target.level or apart or 0 in (a.bytes, b.bytes)
    places = {
        (b.level, b.offset): b.bytes
        for half in halves
        for b in half.deployment.buffers
        if b.name.startswith(RESIDENT)
    }
    assert {(copy.target.level, copy.target.offset) for copy in boots} == places.keys()
    assert programs.boot_bytes <= sum(places.values())
