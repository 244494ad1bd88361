"""Kernels of ours on a simulator: calls of random tiles, as `dse calibrate --rows` writes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

from costmodels.calibration.fit import KernelSample
from costmodels.engines import PortableEngine, XpulpEngine
from costmodels.errors import PlatformError
from costmodels.platform import Platform
from costmodels.validation.tables import Row, Use
from costmodels.variants import load_variant
from costmodels.work import KernelSpec

FLAGS = ("padding_adds", "strided", "offset_a", "offset_b")
"""Names of what is true of a call, in the column `flags`."""


@dataclass(frozen=True)
class KernelRow(Row):
    """One call (of a reduction in two: both), warm. split: the dimensions that are divided over the cores.

    dims, window, stride, dilation, padding (before and behind in y, then in x): numbers with spaces between;
    names of the dims and of the divided ones are letters, as in `KernelSpec`. cycles are those on all cores.
    """

    variant: str
    kernel: str
    dims: str
    window: str
    stride: str
    dilation: str
    padding: str
    flags: str
    fan_in: int
    split: str
    in_two: bool
    cores: int
    one_core_cycles: float

    @property
    def spec(self) -> KernelSpec:
        """The kernel on the whole of what one call, or both, compute."""
        words = [word.split("=") for word in self.dims.split()]
        pads = _numbers(self.padding)
        flags = self.flags.split()
        return KernelSpec(
            self.kernel,
            tuple((name, int(extent)) for name, extent in words),
            window=_pair(self.window),
            stride=_pair(self.stride),
            dilation=_pair(self.dilation),
            padding=((pads[0], pads[1]), (pads[2], pads[3])),
            padding_adds="padding_adds" in flags,
            strided="strided" in flags,
            offsets=("offset_a" in flags, "offset_b" in flags),
            fan_in=self.fan_in,
        )

    def sample(self, cores: int) -> KernelSample:
        """The call on one core, or on all."""
        spec = self.spec
        extents = tuple((n, e // 2 if self.in_two and n == "i" else e) for n, e in spec.dims)
        calls, partial = (2, 0.5) if self.in_two else (1, 0.0)
        cycles = self.measured_cycles if cores > 1 else self.one_core_cycles
        return KernelSample(
            self.group, spec, tuple(self.split.split()), extents, partial, calls, cores, cycles
        )

    def comparisons(self) -> Iterator[tuple[Row, str, float]]:
        """The row on one core and on all, the variant, predicted cycles."""
        engine = engine_of(load_variant(self.variant))
        for cores, cycles in ((1, self.one_core_cycles), (self.cores, self.measured_cycles)):
            group = f"kernels, {self.group}, {cores} core{'s' if cores > 1 else ''}"
            row = replace(self, group=group, measured_cycles=cycles)
            yield row, self.variant, self.sample(cores).predicted(engine)


def engine_of(platform: Platform) -> PortableEngine | XpulpEngine:
    """The cores that run our own kernels. Raises PlatformError if there are none."""
    for engine in platform.engines:
        if isinstance(engine, PortableEngine | XpulpEngine):
            return engine
    raise PlatformError(platform.name, "engines", "runs no kernels of ours", "name another platform")


def kernel_rows(
    variant: str,
    source: str,
    uses: Sequence[Use],
    one: Iterable[KernelSample],
    several: Iterable[KernelSample],
) -> tuple[KernelRow, ...]:
    """Rows of the same samples on one core and on several."""
    pairs = zip(uses, one, several, strict=True)
    return tuple(_row(variant, source, number, *pair) for number, pair in enumerate(pairs))


def kernel_table(rows: Sequence[KernelRow]) -> str:
    """The rows as a table of `costmodels/calibration`."""
    names = [field.name for field in fields(KernelRow)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return text.getvalue()


def _row(
    variant: str, source: str, number: int, use: Use, one: KernelSample, several: KernelSample
) -> KernelRow:
    spec, in_two = one.spec, one.calls == 2
    flags = zip(FLAGS, (spec.padding_adds, spec.strided, *spec.offsets), strict=True)
    return KernelRow(
        id=f"{one.family} {number}",
        group=one.family,
        use=use,
        source=source,
        measured_cycles=several.cycles,
        variant=variant,
        kernel=spec.kernel,
        dims=" ".join(f"{name}={extent}" for name, extent in spec.dims),
        window=_text(spec.window),
        stride=_text(spec.stride),
        dilation=_text(spec.dilation),
        padding=_text((*spec.padding[0], *spec.padding[1])),
        flags=" ".join(name for name, there in flags if there),
        fan_in=spec.fan_in,
        split=" ".join(one.split),
        in_two=in_two,
        cores=several.cores,
        one_core_cycles=one.cycles,
    )


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return int(value) if isinstance(value, float) else value


def _text(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _pair(text: str) -> tuple[int, int]:
    first, second = _numbers(text)
    return first, second
