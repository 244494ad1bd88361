"""Energy and power of whole layers, from the time that the model predicts for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from costmodels.calibration.power import EnergySample
from costmodels.energy import UJ_PER_PJ, moved_pj, standing_uj
from costmodels.platform import Platform
from costmodels.validation.layers import LayerRun
from costmodels.validation.tables import Measurement, read_table
from costmodels.variants import load_variant, platform_under


@dataclass(frozen=True)
class LayerPower(Measurement):
    """Mean power over the time of one layer. layer: its id in `gap8_layers.csv`; variant: whose power."""

    variant: str
    layer: str
    measured_mw: float
    measured_ms: float

    @property
    def measured_uj(self) -> float:
        """Energy of the layer: power times time."""
        return self.measured_mw * self.measured_ms


@dataclass(frozen=True)
class LayerEnergy:
    """What the model says of one layer."""

    time_ms: float
    energy_uj: float

    @property
    def power_mw(self) -> float:
        """Mean power."""
        return self.energy_uj / self.time_ms


def layer_energy(platform: Platform, run: LayerRun, rows: Mapping[str, LayerRun]) -> LayerEnergy:
    """Energy of a layer that may wait for its weights: it is charged with their way from L3, and while it
    waits everything on the chip does.
    """
    point, price = platform.point(), run.price(platform)
    time_ms = run.predicted(rows) / platform.reference_hz(point) * 1e3
    waiting = standing_uj(time_ms - price.time_ms[0], platform.standing_mw(point))
    fetched = moved_pj(run.l3_bytes, *platform.byte_pj(platform.link_of["l3_l2"], point)) * UJ_PER_PJ
    return LayerEnergy(time_ms, float(price.energy_uj[0] + waiting + fetched))


def energy_samples(platform: str) -> tuple[tuple[Platform, EnergySample], ...]:
    """The measured energies of a platform by name, each with the variant that is compared with it."""
    layers = {layer.id: layer for layer in read_table("gap8_layers", LayerRun)}
    rows = [row for row in read_table("gap8_power", LayerPower) if platform_under(row.variant) == platform]

    def sample(row: LayerPower) -> EnergySample:
        def predicted(of: Platform) -> float:
            return layer_energy(of, layers[row.layer], layers).energy_uj

        return EnergySample(row.use == "fitted", predicted, row.measured_uj)

    return tuple((load_variant(row.variant), sample(row)) for row in rows)
