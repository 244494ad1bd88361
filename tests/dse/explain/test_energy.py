"""Energy explained: causes add up to the price of every layer and of the network, and name their figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from costmodels.energy import UJ_PER_PJ
from costmodels.ledger import energy_terms
from costmodels.platform import Platform, load_platform
from costmodels.provenance import facts_of
from dse.cli import main
from dse.estimate import layer_work, planned_layers, price_one
from dse.explain.energy import explain_energy
from dse.points import DesignPoint
from dse.task import Task
from tests.compiler.networks import every_operator
from tests.dse.small import task_of
from tests.dse.test_estimate import all_from_l3, priced


def explained(seed: int) -> tuple[Task, DesignPoint]:
    task = task_of(every_operator(seed))
    return task, priced(task, seed)


@pytest.mark.parametrize("seed", range(4))
def test_causes_add_up_to_the_price(seed: int) -> None:
    """Layer by layer and cause by cause: nothing is lost and nothing is counted twice."""
    task, point = explained(seed)
    why = explain_energy(task.module, task.platform, point)
    assert why.uj == pytest.approx(point.energy_uj, rel=1e-12)
    assert math.fsum(cause.uj for cause in why.causes) == pytest.approx(why.uj, rel=1e-12)
    assert math.fsum(cause.share for cause in why.causes) == pytest.approx(1.0)
    for (name, terms), layer in zip(why.layers, point.layers, strict=True):
        assert name == layer.name
        assert math.fsum(term.uj for term in terms) == pytest.approx(layer.energy_uj, rel=1e-12)
        assert all(term.uj >= 0.0 for term in terms)


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_copies_for_later_layers_are_charged_once(ahead: int) -> None:
    """To the layer that starts them; and who waits for them waits with everything on."""
    task = task_of(every_operator(1))
    point = all_from_l3(task, ahead)
    why = explain_energy(task.module, task.platform, point)
    assert why.uj == pytest.approx(point.energy_uj, rel=1e-12)
    for (_, terms), layer in zip(why.layers, point.layers, strict=True):
        assert math.fsum(term.uj for term in terms) == pytest.approx(layer.energy_uj, rel=1e-12)
    off_chip = {cause.name: cause.uj for cause in why.causes}["l3_bytes"]
    bytes_ = sum(size for layer in point.layers for name, _, _, size in layer.links if "l3" in name)
    assert off_chip == pytest.approx(bytes_ * 100.0 * UJ_PER_PJ)


@pytest.mark.parametrize("seed", range(2))
def test_levels_pay_for_the_bytes_that_cross_their_links(seed: int) -> None:
    """The bytes that the C counts, times what the platform's file says of both sides."""
    task, point = explained(seed)
    platform, at = task.platform, task.platform.point()
    why = explain_energy(task.module, platform, point)
    expected = {str(level.name): 0.0 for level in platform.levels}
    for layer in point.layers:
        for name, _, _, bytes_ in layer.links:
            link = platform.link_of[name]
            for level, pj in zip((link.from_level, link.to_level), platform.byte_pj(link, at), strict=True):
                expected[level] += bytes_ * pj * UJ_PER_PJ
    found = {cause.name: cause.uj for cause in why.causes}
    for level, uj in expected.items():
        assert found.get(f"{level}_bytes", 0.0) == pytest.approx(uj)


def test_every_cause_names_facts_that_are_there() -> None:
    task, point = explained(0)
    why = explain_energy(task.module, task.platform, point)
    for _, terms in why.layers:
        for term in terms:
            assert {fact.key for fact in facts_of(task.platform, term.keys)} == set(term.keys)
    assert all(cause.how and cause.facts for cause in why.causes)
    assert 0.0 < why.weak_share <= 1.0 + 1e-9
    assert why.weak_share == pytest.approx(sum(cause.share for cause in why.causes if cause.is_weak))


def test_terms_are_those_of_the_price() -> None:
    """At a slower point as well: each constant power, and each engine, by its own scale."""
    task, point = explained(1)
    platform = load_platform("siracusa")
    low = platform.point("low")
    planned = planned_layers(task.module.main, point.deployment)[0]
    terms = {term.name: term.uj for term in energy_terms(platform, layer_work(planned)[0], low)}
    price = price_one(platform, low, planned).priced
    assert terms["idle"] == price.idle_uj[0] == pytest.approx(price.time_ms[0] * low.idle_mw)
    assert terms["leakage"] == price.leakage_uj[0]
    assert terms["compute_cluster"] == price.engine_uj[0]
    assert terms["waiting"] == price.waiting_uj[0]


def of_products(platform: Platform) -> bool:
    return any(engine.power.product_pj_per_cycle for engine in platform.engines)


def test_a_surcharge_is_named_where_it_is_paid() -> None:
    """GAP8 pays more for a cycle in a product; a platform without the surcharge does not name it."""
    gap8, siracusa = load_platform("gap8"), load_platform("siracusa")
    assert (of_products(gap8), of_products(siracusa)) == (True, False)
    task, point = explained(2)
    keys: dict[bool, set[str]] = {}
    for planned in planned_layers(task.module.main, point.deployment):
        work, _ = layer_work(planned)
        product = work.spec.kernel in ("conv2d", "linear")
        named = energy_terms(gap8, work, gap8.point())[0].keys
        keys.setdefault(product, set()).update(named)
    assert "engines.cluster.power.product_pj_per_cycle" in keys[True]
    assert "engines.cluster.power.product_pj_per_cycle" not in keys[False]


def test_the_report_shows_the_knee(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Path(__file__).parents[3] / "studies" / "models" / "autoencoder_int8.onnx"
    out = tmp_path / "out"
    arguments = [
        "explore",
        str(model),
        "--platform",
        "gap8",
        "--budget",
        "400kB",
        "--trials",
        "1",
        "--points",
        "1",
    ]
    assert main([*arguments, "--out", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Where the energy goes" in page
    assert "operating_points.nominal.idle_mw" in page
    capsys.readouterr()
    deployment = str(out / "points" / "000" / "deployment.json")
    assert main(["evaluate", deployment, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["energy"]["uj"] == pytest.approx(document["energy_uj"])
    assert sum(cause["uj"] for cause in document["energy"]["causes"]) == pytest.approx(document["energy_uj"])
    assert main(["evaluate", deployment]) == 0
    text = capsys.readouterr().out
    assert "energy rests on" in text
    assert "% of the energy rests on figures that are RECALLED or ASSUMED" in text
