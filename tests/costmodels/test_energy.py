"""Energy: sums that add up, who waits and who works, power fitted to what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodels.calibration.leastsquares import nonnegative
from costmodels.calibration.power import EnergySample, PowerFit, fit_power
from costmodels.classes import tile_classes
from costmodels.engines import share_at_work
from costmodels.layer import LayerWork
from costmodels.pipeline import price_layer
from costmodels.platform import Platform, load_platform, platform_names
from costmodels.validation.energies import LayerPower, energy_samples, layer_energy
from costmodels.validation.layers import LayerRun
from costmodels.validation.tables import read_table
from costmodels.variants import load_variant, platform_under
from costmodels.work import IntArray, KernelSpec
from dse.calibrate_power import calibrate_power
from tests.costmodels.conftest import Rows

SAMPLES = energy_samples("gap8")
LAYERS = {layer.id: layer for layer in read_table("gap8_layers", LayerRun)}
POWERS = {row.layer: row for row in read_table("gap8_power", LayerPower)}


def ints(*values: int) -> IntArray:
    return np.array(values)


def product(rows: int) -> LayerWork:
    spec = KernelSpec("conv2d", (("y", rows), ("x", 1), ("g", 1), ("o", 16), ("i", 32)), splits=(("y", "x"),))
    return LayerWork(spec, "cluster", tile_classes(spec, {}), (ints(1),), ())


@pytest.mark.parametrize("name", platform_names())
def test_causes_add_up_at_every_point(name: str) -> None:
    platform = load_platform(name)
    for point in platform.operating_points:
        price = price_layer(platform, product(24), point)
        parts = (price.engine_uj, price.waiting_uj, price.moved_uj, price.idle_uj, price.leakage_uj)
        assert float(price.energy_uj[0]) == pytest.approx(sum(float(part[0]) for part in parts), rel=1e-12)
        assert all(float(part[0]) >= 0.0 for part in parts)


def test_working_and_waiting_share_the_time() -> None:
    """Where waiting costs as much as working, nothing but the time matters: cores that spin."""
    platform = load_platform("rv32sim")
    power = platform.engine_of["cluster"].power
    assert power.idle_pj_per_cycle == power.active_pj_per_cycle
    price = price_layer(platform, product(3))
    cycles = float(price.total_cycles[0])
    assert float(price.engine_uj[0] + price.waiting_uj[0]) == pytest.approx(cycles * 80.0 * 1e-6)


def test_cores_without_work_wait() -> None:
    """One row keeps one core of eight busy, nine rows nine sixteenths of them; no split, one core."""
    cluster, npu = load_platform("siracusa").engine_of["cluster"], load_platform("siracusa").engine_of["npu"]
    rows = {"y": ints(1, 8, 9, 16), "x": ints(1, 1, 1, 1)}
    assert share_at_work(cluster, rows, ("y", "x")).tolist() == [1 / 8, 1.0, 9 / 16, 1.0]
    assert share_at_work(cluster, rows, ()).tolist() == [1 / 8]
    assert share_at_work(npu, rows, ()).tolist() == [1.0]


def test_leakage_follows_its_own_scale() -> None:
    platform = load_platform("siracusa")
    low, nominal = platform.point("low"), platform.point()
    assert platform.leakage_mw(low) == pytest.approx(1.0 * low.leakage_scale + low.leakage_mw)
    clocks = low.clock_hz["cluster"] / nominal.clock_hz["cluster"]
    assert platform.waiting_mw(low) == pytest.approx(
        platform.waiting_mw(nominal) * clocks * low.dynamic_scale
    )


def test_products_draw_more_than_other_kernels() -> None:
    power = load_platform("gap8").engine_of["cluster"].power
    more = power.busy_pj_per_cycle("conv2d") - power.busy_pj_per_cycle("depthwise2d")
    assert more == power.product_pj_per_cycle > 0


def test_the_platform_holds_what_the_fit_gives() -> None:
    found = calibrate_power("gap8")
    facts = {fact.key: fact for fact in load_platform("gap8").facts}
    assert set(found.facts.values()) <= set(facts.values())
    assert found.samples == sum(row.use == "fitted" for row in POWERS.values())


def test_known_power_is_found_again() -> None:
    platform = SAMPLES[0][0]
    truth = PowerFit(150.0, 90.0, 9.0)
    made = truth.applied(platform)
    samples = [replace(sample, measured_uj=sample.predicted_uj(made)) for _, sample in SAMPLES]
    found = fit_power(platform, samples)
    assert (found.active_pj_per_cycle, found.product_pj_per_cycle, found.idle_mw) == pytest.approx(
        (150.0, 90.0, 9.0), rel=1e-6
    )


def test_fitted_rows_leave_nothing_for_l3() -> None:
    """What `gap8-rail` says of L3: a fourth coefficient, energy per byte from L3, comes out as 0."""
    rail, fitted = SAMPLES[0][0], [sample for _, sample in SAMPLES if sample.fitted]
    energies = [[s.predicted_uj(point) for s in fitted] for point in _coefficients(rail)]
    known, measured = np.array(energies[0]), np.array([s.measured_uj for s in fitted])
    columns = (np.array(energies[1:]) - known).T / measured[:, None]
    found = nonnegative(columns, (measured - known) / measured)
    assert found[3] == 0.0
    assert (found[:3] > 0).all()


def _coefficients(rail: Platform) -> tuple[Platform, ...]:
    """Nothing, then each of the cores' two, idle power, and L3's picojoules a byte at 1."""
    zero = PowerFit(0.0, 0.0, 0.0).applied(rail)
    levels = tuple(replace(x, read_pj_per_byte=1.0) if x.name == "l3" else x for x in zero.levels)
    units = (PowerFit(1.0, 0.0, 0.0), PowerFit(0.0, 1.0, 0.0), PowerFit(0.0, 0.0, 1.0))
    return (zero, *(unit.applied(rail) for unit in units), replace(zero, levels=levels))


def test_a_layer_that_waits_for_l3_draws_little() -> None:
    """Fully connected: its cores work a few percent of the time; its weights' bytes are charged to it."""
    rail, gap8 = load_variant("gap8-rail"), load_variant("gap8")
    run = LAYERS["FC"]
    price, energy = run.price(rail), layer_energy(rail, run, LAYERS)
    assert energy.time_ms > 10 * float(price.time_ms[0])
    assert energy.power_mw < 21.0
    more = layer_energy(gap8, run, LAYERS).energy_uj - energy.energy_uj
    assert more == pytest.approx(run.l3_bytes * 100.0 * 1e-6)


def test_only_platforms_with_measured_energies_are_fitted() -> None:
    assert platform_under("gap8-rail") == platform_under("gap8") == "gap8"
    assert platform_under("siracusa-gvsoc-wmem") == "siracusa"
    assert energy_samples("siracusa") == ()
    assert len(SAMPLES) == 21
    assert all(isinstance(sample, EnergySample) for _, sample in SAMPLES)


@pytest.mark.shared
def test_powers_are_those_on_record(rows: Rows) -> None:
    measured = rows("gap8_dory_mobilenetv1_128_layers.csv")
    for row in measured:
        own = POWERS[row["layer"]]
        assert (own.measured_mw, own.measured_ms) == (float(row["avg_power_mW"]), float(row["time_ms"]))
    assert len(measured) == len(POWERS)
