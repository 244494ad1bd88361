"""Published figures from stated assumptions: every input is on record, and the errors are what they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costmodels.errors import PlatformError
from costmodels.facts import HOW
from costmodels.provenance import WEAK, energy_facts, weak_kinds, weakest
from costmodels.validation import validate
from costmodels.validation.workloads import Decode, load_workload, workload_names
from costmodels.variants import load_variant

FOUND = validate()
HEADLINES = FOUND.of_group("headlines, from stated assumptions")


def decode(name: str) -> Decode:
    workload = load_workload(name).workload
    assert isinstance(workload, Decode)
    return workload


def test_every_workload_is_used_and_states_what_it_assumes() -> None:
    assert set(FOUND.stated) == set(workload_names())
    for stated in FOUND.stated.values():
        assert stated.facts
        assert all(
            fact.how in HOW and len(fact.source) > 10 for fact in (*stated.facts, *stated.platform_facts)
        )
        assert any(fact.key.startswith("operating_points.") for fact in stated.platform_facts)


def test_rows_say_that_they_rest_on_what_is_recalled() -> None:
    for row in HEADLINES:
        if row.variant == "siracusa-field":
            assert row.weak == WEAK == ("RECALLED", "ASSUMED")
        assert row.weak or row.variant != "siracusa-field"


def test_macs_of_a_token() -> None:
    """Seven products of 64 x 64 to 256 elements, two rotary ones, scores and context, eight times."""
    products = 4 * 64 * 64 + 3 * 64 * 256
    attention = 2 * 16 * 4 * 4 + 2 * 16 * 64 * 4
    assert decode("microllama64-wmem").macs == 8 * (products + attention)


def test_a_token_costs_more_with_more_before_it_and_with_weights_to_move() -> None:
    platform, step = load_variant("siracusa-field"), decode("microllama64-wmem")
    time, energy = step.price(platform)
    longer, dearer = replace(step, past=200).price(platform)
    assert (longer, dearer) > (time, energy)
    assert dearer > energy
    moved, paid = replace(step, weights="l2").price(platform)
    assert (moved > time, paid > energy) == (True, True)


def test_mean_power_is_energy_by_time() -> None:
    figures = load_workload("tinystories-decode").figures
    assert figures["mW"] == pytest.approx(figures["uJ/token"] * figures["token/s"] * 1e-3)
    platform = load_variant("siracusa-field")
    assert figures["mW"] > platform.leakage_mw(platform.point()) + platform.point().idle_mw


def test_a_network_is_the_sum_of_its_layers() -> None:
    """GAP8: 21 kinds of layers, two of them five times; measured, they take as much energy."""
    figures = load_workload("gap8-mobilenet").figures
    times = {"DwConv7-11": 5, "PwConv8-12": 5}
    rows = FOUND.of_group("GAP8 silicon: MobileNetV1 layers")
    cycles = sum(row.predicted * times.get(row.id, 1) for row in rows)
    assert figures["fps"] == pytest.approx(1e8 / cycles)
    energies = FOUND.of_group("GAP8 silicon: MobileNetV1 layers, energy, end to end")
    predicted = sum(row.predicted * times.get(row.id, 1) for row in energies)
    measured = sum(row.measured * times.get(row.id, 1) for row in energies)
    assert predicted / measured == pytest.approx(1.0, abs=0.01)


def test_nothing_published_was_fitted_that_calls_itself_assumed() -> None:
    uses = {row.id: row.use for row in HEADLINES}
    assert {use for name, use in uses.items() if "TinyStories" in name} == {"assumed"}
    assert {row.use for row in FOUND.comparisons if row not in HEADLINES} == {"fitted", "held-out"}


def test_weakest() -> None:
    facts = energy_facts(load_variant("siracusa-field"), load_variant("siracusa-field").point(), ("l2",))
    assert weakest(facts) == "ASSUMED"
    assert weakest(fact for fact in facts if fact.key.startswith("levels.l2")) == "RECALLED"
    assert weakest(()) == ""
    assert weak_kinds(fact for fact in facts if fact.key.endswith("dynamic_scale")) == ()
    assert {fact.key.split(".")[1] for fact in facts if fact.key.startswith("levels")} == {"l2"}


def test_an_unknown_workload_is_named() -> None:
    with pytest.raises(PlatformError, match="no such workload"):
        load_workload("tinystories")
