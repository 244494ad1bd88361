"""What published figures were run on, stated as facts: a file of `calibration/workloads` each.

A workload is not measured here; it says with which assumptions a figure is predicted. Every number carries
how it is known, as in platform files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

import numpy as np

from costmodels.classes import tile_classes
from costmodels.errors import PlatformError
from costmodels.facts import POSITIVE, Fact, Reader, nearest
from costmodels.layer import LayerWork
from costmodels.pipeline import price_layer
from costmodels.platform import Platform, parse_toml
from costmodels.provenance import energy_facts
from costmodels.validation.decode import DecodeStep
from costmodels.validation.energies import layer_energy
from costmodels.validation.layers import LayerRun
from costmodels.validation.tables import Measurement, read_table
from costmodels.variants import load_variant
from costmodels.work import KernelSpec

Figures = Mapping[str, float]
"""Predictions by unit."""


@dataclass(frozen=True)
class KernelPeak:
    """One large kernel with its operands where the engine reads them; nothing is moved."""

    name: str
    kind: Literal["kernel"]
    platform: str
    engine: str
    window: int = field(metadata=POSITIVE)
    height: int = field(metadata=POSITIVE)
    width: int = field(metadata=POSITIVE)
    channels_in: int = field(metadata=POSITIVE)
    channels_out: int = field(metadata=POSITIVE)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels whose bytes are moved."""
        return ()

    def figures(self, platform: Platform) -> Figures:
        """MACs a cycle of the engine; operations (two a MAC) a second, and a joule of the whole chip."""
        channels = (("g", 1), ("o", self.channels_out), ("i", self.channels_in))
        dims = (("y", self.height), ("x", self.width), *channels)
        spec = KernelSpec("conv2d", dims, window=(self.window, self.window), splits=(("y", "x"),))
        work = LayerWork(spec, self.engine, tile_classes(spec, {}), (np.array([1]),), ())
        price, point = price_layer(platform, work), platform.point()
        macs = float(spec.macs({name: np.array(extent) for name, extent in dims}))
        clock = platform.engine_of[self.engine].clock
        cycles = float(price.compute_cycles[0]) / platform.reference_cycles(clock, point)
        return {
            "MAC/cycle": macs / cycles,
            "GOp/s": 2e-6 * macs / float(price.time_ms[0]),
            "TOp/J": 2e-6 * macs / float(price.energy_uj[0]),
        }


@dataclass(frozen=True)
class MeasuredLayers:
    """A network whose layers were measured one by one (`gap8_layers.csv`). repeats: (id, times)."""

    name: str
    kind: Literal["layers"]
    platform: str
    repeats: tuple[tuple[str, int], ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels whose bytes are moved."""
        return ("l1", "l2", "l3")

    def figures(self, platform: Platform) -> Figures:
        """Inferences a second, and energy of a MAC."""
        rows = {layer.id: layer for layer in read_table("gap8_layers", LayerRun)}
        times = dict(self.repeats)
        found = [(layer_energy(platform, run, rows), times.get(run.id, 1), run.macs) for run in rows.values()]
        time_ms = sum(energy.time_ms * count for energy, count, _ in found)
        energy_uj = sum(energy.energy_uj * count for energy, count, _ in found)
        macs = sum(macs * count for _, count, macs in found)
        return {"fps": 1e3 / time_ms, "pJ/MAC": energy_uj * 1e6 / macs}


@dataclass(frozen=True)
class Decode(DecodeStep):
    """One token of a language model."""

    name: str
    kind: Literal["decode"]
    platform: str

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels whose bytes are moved."""
        return ("l1", "l2")

    def figures(self, platform: Platform) -> Figures:
        """Tokens a second, energy and cycles of a token, mean power."""
        time_ms, energy_uj = self.price(platform)
        return {
            "token/s": 1e3 / time_ms,
            "uJ/token": energy_uj,
            "cycles": time_ms * 1e-3 * platform.reference_hz(platform.point(self.operating_point)),
            "mW": energy_uj / time_ms,
        }


@dataclass(frozen=True)
class Headline(Measurement):
    """A published figure in its unit, and the workload that it is predicted from."""

    measured: float
    unit: str
    workload: str


Workload = KernelPeak | MeasuredLayers | Decode
KINDS: Mapping[str, type[Workload]] = {"kernel": KernelPeak, "layers": MeasuredLayers, "decode": Decode}


@dataclass(frozen=True)
class Stated:
    """A workload, the facts of its file, and those of its platform's that an energy rests on."""

    workload: Workload
    facts: tuple[Fact, ...]
    platform_facts: tuple[Fact, ...]
    figures: Figures


def workload_names() -> tuple[str, ...]:
    """Names of the stated workloads, sorted."""
    folder = resources.files("costmodels") / "calibration" / "workloads"
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml")))


@cache
def load_workload(name: str) -> Stated:
    """A workload with what is predicted of it. Raises PlatformError."""
    if name not in workload_names():
        raise PlatformError(name, "", "no such workload", nearest(name, workload_names()))
    file = f"{name}.toml"
    folder = resources.files("costmodels") / "calibration" / "workloads"
    table, reader = parse_toml((folder / file).read_text(encoding="utf-8"), file), Reader(file)
    kind = str(table.get("kind", "missing"))
    if kind not in KINDS:
        raise PlatformError(file, "kind", f"is {kind!r}", f"must be one of {', '.join(KINDS)}")
    workload: Workload = reader.record(KINDS[kind], table, "", name=name)
    platform = load_variant(workload.platform)
    rests = energy_facts(platform, platform.point(), workload.levels)
    return Stated(workload, tuple(reader.facts), rests, workload.figures(platform))
