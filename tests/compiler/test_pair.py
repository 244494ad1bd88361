"""Two graphs in one memory: what is shared lies once, and nothing that is still wanted is overwritten."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from compiler.deployment import LEVELS, Deployment, DeploymentError
from compiler.frontend import ImportedPair, ModelError, import_pair
from compiler.memory import DoesNotFit
from compiler.schedule import LevelCapacities, Shared, Together, check_deployment, place_together
from compiler.schedule.pair import RESIDENT
from tests.compiler.deployed import ROOM, any_deployment
from tests.pairs import PAST, alike, any_pair, saved_pair, small_pair

SEEDS = range(4)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ImportedPair:
    return small_pair(tmp_path_factory.mktemp("pair"))


def together(pair: ImportedPair, seed: int) -> tuple[Deployment, Deployment, Together]:
    prefill, decode = any_pair(pair, seed)
    found = place_together(prefill, decode, pair.shared, ROOM)
    assert isinstance(found, Together)
    return prefill, decode, found


def test_layers_and_caches_are_found(pair: ImportedPair) -> None:
    graphs = pair.prefill.module.main, pair.decode.module.main
    with_weights = [{op.name for op in graph if op.has_weights} for graph in graphs]
    for side, names in zip(("prefill", "decode"), with_weights, strict=True):
        assert names < {getattr(each, side) for each in pair.shared.layers}
    assert [(each.state, each.prefill_rows, each.capacity_rows) for each in pair.shared.caches] == [
        ("past_k", 6, PAST + 1),
        ("past_v", 6, PAST + 1),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_shared_parameters_lie_once(pair: ImportedPair, seed: int) -> None:
    prefill, decode, found = together(pair, seed)
    assert found.agreed == pair.shared.layers
    checked = 0
    for each in pair.shared.layers:
        for level, kind in itertools.product(LEVELS, RESIDENT):
            place = found.prefill.placed.get((level, kind + each.prefill))
            same = found.decode.placed.get((level, kind + each.decode))
            assert (place is None) == (same is None)
            if place is not None and same is not None:
                assert (place.offset, place.bytes) == (same.offset, same.bytes)
                checked += place.bytes
    resident = sum(b.bytes for b in decode.buffers if b.name.startswith(RESIDENT))
    own = sum(b.bytes for b in prefill.buffers if b.name.startswith(RESIDENT)) - checked
    assert found.resident_bytes == resident + own


@pytest.mark.parametrize("seed", SEEDS)
def test_both_stay_legal(pair: ImportedPair, seed: int) -> None:
    _, _, found = together(pair, seed)
    check_deployment(pair.prefill.module.main, found.prefill)
    check_deployment(pair.decode.module.main, found.decode)
    for level, size in found.peak_bytes:
        assert size == max(found.prefill.peak_bytes(level), found.decode.peak_bytes(level))


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_made_where_caches_are(pair: ImportedPair, seed: int) -> None:
    _, _, found = together(pair, seed)
    for each in pair.shared.caches:
        home = found.decode.home_of[each.state]
        rows, state = (
            found.prefill.placed[home, f"t/{each.rows}"],
            found.decode.placed[home, f"t/{each.state}"],
        )
        assert rows.offset == state.offset
        assert rows.bytes * each.capacity_rows == state.bytes * each.prefill_rows


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_overwrites_what_the_other_graph_wants(pair: ImportedPair, seed: int) -> None:
    """Byte by byte: parameters against all; caches against all of decode and what prefill has later."""
    _, _, found = together(pair, seed)
    halves = {"prefill": found.prefill, "decode": found.decode}
    every = [(side, b) for side, half in halves.items() for b in half.buffers]
    rows = {f"t/{each.state}": f"t/{each.rows}" for each in pair.shared.caches}
    twins = rows | {kind + s.decode: kind + s.prefill for s in pair.shared.layers for kind in RESIDENT}
    made = {b.name: b.first for b in found.prefill.buffers}
    for (side, a), (other, b) in itertools.permutations(every, 2):
        names = (a.name, b.name) if side == "decode" else (b.name, a.name)
        wanted = a.name.startswith(RESIDENT)
        if side == "decode" and a.name in rows:
            wanted = other == "decode" or b.last > made[rows[a.name]]
        if wanted and a.level == b.level and not (side != other and twins.get(names[0]) == names[1]):
            assert a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset, (a, b)


def test_caches_away_from_their_rows_are_refused(pair: ImportedPair) -> None:
    prefill, decode = next(
        (p, d)
        for k in itertools.count()
        for p in [any_deployment(pair.prefill.module.main, k)]
        for d in [any_deployment(pair.decode.module.main, k)]
        if not alike(pair, p, d)
    )
    with pytest.raises(DeploymentError, match="are none of state past_"):
        place_together(prefill, decode, pair.shared, ROOM)


def test_parameters_that_lie_differently_lie_twice(pair: ImportedPair) -> None:
    prefill, decode = next(
        (p, d)
        for k in itertools.count()
        for p in [any_deployment(pair.prefill.module.main, k)]
        for d in [any_deployment(pair.decode.module.main, k + 1)]
        if alike(pair, p, d)
    )
    found = place_together(prefill, decode, pair.shared, ROOM)
    assert isinstance(found, Together)
    assert len(found.agreed) < len(pair.shared.layers)
    none = place_together(prefill, decode, Shared((), pair.shared.caches), ROOM)
    assert isinstance(none, Together)
    resident = (b for each in (prefill, decode) for b in each.buffers if b.name.startswith(RESIDENT))
    assert none.resident_bytes == sum(b.bytes for b in resident) >= found.resident_bytes


def test_what_does_not_fit_is_said(pair: ImportedPair) -> None:
    prefill, decode, found = together(pair, 0)
    level, size = next(each for each in found.peak_bytes if each[1])
    tight = LevelCapacities({**dict(found.peak_bytes), level: size - 4}, 0)
    why = place_together(prefill, decode, pair.shared, tight)
    assert isinstance(why, DoesNotFit)
    assert (why.level, why.capacity_bytes) == (level, size - 4)


def test_a_prefill_graph_that_returns_no_rows_is_refused(tmp_path: Path) -> None:
    import onnx

    prefill, decode, data = saved_pair(tmp_path)
    model = onnx.load(prefill)
    del model.graph.output[1:]
    onnx.save(model, prefill)
    with pytest.raises(ModelError, match="past_k begins with kr, which is no output there"):
        import_pair(prefill, decode, calibration=data)


def test_two_decode_graphs_are_no_pair(tmp_path: Path) -> None:
    _, decode, _ = saved_pair(tmp_path)
    with pytest.raises(ModelError, match="reads caches"):
        import_pair(decode, decode)
