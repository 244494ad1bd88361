"""Every measurement that the model can express, predicted beside measured, and the rest with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from costmodels.provenance import energy_facts, weak_kinds
from costmodels.validation.banks import BankAccesses
from costmodels.validation.energies import LayerPower, layer_energy
from costmodels.validation.jobs import NpuJob, NpuSetup
from costmodels.validation.kernels import KernelRow
from costmodels.validation.layers import LayerRun
from costmodels.validation.matmuls import Barrier, Matmul, TiledMatmul
from costmodels.validation.starts import StartedProduct
from costmodels.validation.tables import (
    NotExpressed,
    Row,
    Source,
    TableError,
    Use,
    read_table,
    remarks,
    sources,
)
from costmodels.validation.transfers import Fetch
from costmodels.validation.workloads import Headline, Stated, load_workload
from costmodels.variants import load_variant


@dataclass(frozen=True)
class Comparison:
    """One row: what is predicted, what was measured (both in `unit`), and where that is from. weak: kinds of
    knowledge among the energy figures and assumptions behind the prediction that nobody can cite. remark: why
    it is off, where it is, as far as that is known.
    """

    id: str
    group: str
    use: Use
    source: Source
    variant: str
    predicted: float
    measured: float
    unit: str = "cycles"
    weak: tuple[str, ...] = ()
    remark: str = ""

    @property
    def error(self) -> float:
        """Signed relative error of the prediction."""
        return self.predicted / self.measured - 1.0

    @property
    def difference(self) -> float:
        """Signed error of the prediction in its unit."""
        return self.predicted - self.measured


@dataclass(frozen=True)
class GroupError:
    """Absolute relative errors of the rows of one group and one use, and the row that is worst."""

    group: str
    use: Use
    rows: int
    mean: float
    worst: float
    worst_id: str
    worst_difference: float
    unit: str


@dataclass(frozen=True)
class Validation:
    """All comparisons in the order of the tables, the measurements that the model has no terms for, and by
    name the workloads that published figures are predicted from, with all that they rest on.
    """

    comparisons: tuple[Comparison, ...]
    not_expressed: tuple[tuple[NotExpressed, Source], ...]
    stated: Mapping[str, Stated]

    def groups(self) -> tuple[GroupError, ...]:
        """Errors by group, fitted and held-out rows apart."""
        keys = dict.fromkeys((item.group, item.use) for item in self.comparisons)
        return tuple(_group([c for c in self.comparisons if (c.group, c.use) == key]) for key in keys)

    def of_group(self, group: str) -> tuple[Comparison, ...]:
        """The rows of one group, fitted ones included."""
        return tuple(item for item in self.comparisons if item.group == group)


Table = Callable[[], Iterable[tuple[Row, str, float]]]
POWER, ENERGY = "power", "energy, end to end"
"""What is compared of a layer: energy includes the error of the predicted time, power does not."""


def _jobs() -> Iterator[tuple[Row, str, float]]:
    for job in read_table("npu_jobs", NpuJob):
        yield job, job.variant, job.predicted()
    for setup in read_table("npu_setups", NpuSetup):
        yield setup, setup.variant, setup.predicted()


def _transfers() -> Iterator[tuple[Row, str, float]]:
    for fetch in read_table("transfers", Fetch):
        yield fetch, fetch.variant, fetch.predicted()


def _products() -> Iterator[tuple[Row, str, float]]:
    for product in read_table("matmuls", Matmul):
        yield product, product.variant, product.predicted()
    for tiled in read_table("tiled_matmuls", TiledMatmul):
        yield tiled, tiled.variant, tiled.predicted()
    for barrier in read_table("barriers", Barrier):
        yield barrier, barrier.variant, barrier.predicted()
    for accesses in read_table("bank_accesses", BankAccesses):
        yield accesses, accesses.variant, accesses.predicted()
    for started in read_table("started_products", StartedProduct):
        yield started, started.variant, started.predicted()


def _layers() -> Iterator[tuple[Row, str, float]]:
    layers = {layer.id: layer for layer in read_table("gap8_layers", LayerRun)}
    for layer in layers.values():
        yield layer, layer.variant, layer.predicted(layers)


def _kernels() -> Iterator[tuple[Row, str, float]]:
    for row in read_table("siracusa_kernels", KernelRow):
        yield from row.comparisons()


TABLES: tuple[Table, ...] = (_transfers, _jobs, _products, _layers, _kernels)


def _energies(known: Mapping[str, Source]) -> Iterator[Comparison]:
    """Energy of every layer, then its mean power, which no error of its time enters."""
    layers = {layer.id: layer for layer in read_table("gap8_layers", LayerRun)}
    rows = read_table("gap8_power", LayerPower)
    platforms = [load_variant(row.variant) for row in rows]
    weak = [weak_kinds(energy_facts(p, p.point(), ("l1", "l2", "l3"))) for p in platforms]
    found = [layer_energy(p, layers[row.layer], layers) for p, row in zip(platforms, rows, strict=True)]
    energies = [(energy.energy_uj, row.measured_uj) for energy, row in zip(found, rows, strict=True)]
    powers = [(energy.power_mw, row.measured_mw) for energy, row in zip(found, rows, strict=True)]
    for what, unit, pairs in ((ENERGY, "uJ", energies), (POWER, "mW", powers)):
        for row, pair, kinds in zip(rows, pairs, weak, strict=True):
            group, source = f"{row.group}, {what}", known[row.source]
            yield Comparison(row.id, group, row.use, source, row.variant, *pair, unit, kinds)


def _headlines(known: Mapping[str, Source], rows: Iterable[Headline]) -> Iterator[Comparison]:
    """Published figures of whole workloads."""
    for row in rows:
        stated = load_workload(row.workload)
        figures, variant = (stated.figures[row.unit], row.measured), stated.workload.platform
        source, weak = known[row.source], weak_kinds((*stated.facts, *stated.platform_facts))
        yield Comparison(row.id, row.group, row.use, source, variant, *figures, row.unit, weak)


def validate() -> Validation:
    """Compare the model with all tables. Raises TableError or PlatformError for files that cannot be used."""
    known = sources()
    cycles = (
        Comparison(row.id, row.group, row.use, known[row.source], variant, cycles, row.measured_cycles)
        for table in TABLES
        for row, variant, cycles in table()
    )
    headlines = read_table("headlines", Headline)
    comparisons = _remarked((*cycles, *_energies(known), *_headlines(known, headlines)), remarks())
    stated = {row.workload: load_workload(row.workload) for row in headlines}
    rest = tuple((row, known[row.source]) for row in read_table("not_expressed", NotExpressed))
    return Validation(comparisons, rest, stated)


def _remarked(rows: Sequence[Comparison], said: Mapping[tuple[str, str], str]) -> tuple[Comparison, ...]:
    """The rows with what is said about them. Raises TableError for a remark on no row."""
    if strangers := said.keys() - {(row.group, row.id) for row in rows}:
        raise TableError(f"remarks.csv: {sorted(strangers)[0]} is no row of the tables")
    return tuple(replace(row, remark=said.get((row.group, row.id), "")) for row in rows)


def _group(items: Sequence[Comparison]) -> GroupError:
    errors = [abs(item.error) for item in items]
    worst = max(errors)
    first = items[0]
    mean = sum(errors) / len(errors)
    at = items[errors.index(worst)]
    return GroupError(first.group, first.use, len(items), mean, worst, at.id, at.difference, at.unit)
