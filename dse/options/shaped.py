"""The price of a product of tilings under some homes, at the shapes of the dimensions that each term has.

As in `dse.options.prices` every stream has a menu of variants, each priced once; here its arrays broadcast to
the product, and combinations that are priced together stand on an axis in front of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.deployment import WHOLE
from compiler.tiling import Product
from costmodels.classes import NO_CLASSES
from costmodels.energy import engine_uj, spared_uj
from costmodels.layer import Hop, KernelTime, LayerWork, StreamTime, StreamWork
from costmodels.overlap import ZERO, Flow
from costmodels.pipeline import (
    alone_cycles,
    call_cycles,
    covered_cycles,
    hops_uj,
    is_duplex,
    shares_prefetch_link,
    stream_time,
)
from costmodels.platform import OperatingPoint, Platform
from costmodels.products import ProductPrice, ProductStream, ProductWork, price_product
from costmodels.work import FloatArray, IntArray
from dse.options.blocks import Combination, Placing, placings
from dse.options.candidates import Candidates
from dse.options.homes import BUFFERINGS, operand

NOTHING = np.zeros((), np.int64)
STILL = StreamTime(ZERO, Flow(ZERO, ZERO, NOTHING), ZERO)
"""A stream that does not move."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One stream from one home, staged in one way; arrays broadcast to the product.

    work: its transfers in one round (see `ProductStream`); time: of these. slots, stages: bytes in L1 and
    L2 for each buffering. staging_cycles, staging_uj: of a whole stage, `whole_hop`.
    """

    work: StreamWork | None
    time: StreamTime
    slots: tuple[IntArray, ...]
    stages: tuple[IntArray, ...]
    staging_cycles: FloatArray
    staging_uj: FloatArray
    whole_hop: Hop | None

    @property
    def links(self) -> frozenset[str]:
        """That it uses within the layer."""
        return frozenset(hop.link for hop in self.work.hops) if self.work else frozenset()


_STILL = Variant(None, STILL, (NOTHING,) * 2, (NOTHING,) * 2, ZERO, ZERO, None)

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prices:
    """N combinations: time in ms, energy in uJ, bytes in L1 and of stages in L2, all [N, ...] at the full
    shape; cover: cycles, as in `costmodels.layer.Priced`."""

    price: ProductPrice
    l1_bytes: IntArray
    stage_bytes: IntArray
    cover_cycles: FloatArray


@dataclass(frozen=True, eq=False)
class ProductPricer:
    """A product of tilings at an operating point, with the time of its kernels at the product's shape.

    tensor_bytes: sizes of the inputs, then of the output.
    """

    candidates: Candidates
    kernel: KernelTime
    platform: Platform
    point: OperatingPoint
    tensor_bytes: tuple[int, ...]

    @cached_property
    def product(self) -> Product:
        grid = self.candidates.measured.grid
        assert isinstance(grid, Product)  # whoever has tilings one by one has `Pricer`
        return grid

    def menu(self, stream: int, combinations: Sequence[Combination]) -> dict[Placing, Variant]:
        """All variants of a stream that occur."""
        return {placing: self.variant(stream, *placing) for placing in placings(stream, combinations)}

    def variant(self, stream: int, home: str, staging: str) -> Variant:
        """Stream `stream` (inputs, parameters, output) from a home."""
        moved = operand(self.candidates.measured, stream, home, staging, self.tensor_bytes)
        if moved is None:
            return _STILL
        work = moved.round()
        hop = moved.whole_hop() if staging == WHOLE else None
        return Variant(
            work,
            stream_time(self.platform, work, self.point, self.candidates.engine),
            tuple(moved.slots(buffering) for buffering in BUFFERINGS),
            tuple(moved.stages(buffering) for buffering in BUFFERINGS),
            ZERO if hop is None else alone_cycles(self.platform, hop, self.point),
            ZERO if hop is None else hops_uj(self.platform, (hop,), self.point),
            hop,
        )

    def price(self, buffering: int, chosen: Sequence[Sequence[Variant]]) -> Prices:
        """Price combinations of variants: for every stream, that of each of N combinations.

        They use the same links in each direction.
        """
        layer, place = self._layer(chosen), BUFFERINGS.index(buffering)

        def joined(values: Callable[[Variant], Numbers]) -> list[Numbers]:
            return [self._stack([values(variant) for variant in variants]) for variants in chosen]

        stages = joined(lambda variant: variant.staging_cycles)
        order = self.candidates.order
        work = ProductWork(
            trips=tuple(self.product.trip(name) for name in order),
            axes=tuple(self._axis[name] for name in order),
            streams=tuple(self._stream(number, variants) for number, variants in enumerate(chosen)),
            buffering=buffering,
            duplex=is_duplex(self.platform, layer),
            step_cycles=self._step_cycles[buffering],
            busy_uj=self._busy_uj,
            staging_cycles=_total(stages),
            staging_uj=_total(joined(lambda variant: variant.staging_uj)),
            standing_mw=self.platform.standing_mw(self.point),
            cycle_ms=1e3 / self.platform.reference_hz(self.point),
        )
        price = price_product(work, (len(chosen[0]), *self.product.shape))
        return Prices(
            price,
            _total([self.candidates.measured.accumulator_bytes, *joined(lambda v: v.slots[place])]),
            _total(joined(lambda variant: variant.stages[place])),
            covered_cycles(shares_prefetch_link(self.platform, layer), price.loop_cycles, stages[-1]),
        )

    @cached_property
    def _axis(self) -> dict[str, int]:
        dims = self.product.space.dims
        return {dim.name: number - len(dims) for number, dim in enumerate(dims)}

    @cached_property
    def _step_cycles(self) -> dict[int, FloatArray]:
        """Mean of a step, by buffering."""
        c, engine = self.candidates, self.platform.engine_of[self.candidates.engine]
        steps = reduce(np.multiply, (self.product.trip(name) for name in c.order))
        ratio = self.platform.reference_cycles(engine.clock, self.point)
        kernel = self.kernel.cycles * (ratio / steps)
        return {
            buffering: kernel + call_cycles(self.platform, engine, c.space.spec, buffering, self.point)
            for buffering in BUFFERINGS
        }

    @cached_property
    def _busy_uj(self) -> FloatArray:
        """Of the engine at work, beyond what it would draw waiting."""
        spec, power = self.candidates.space.spec, self.platform.engine_of[self.candidates.engine].power
        busy, scale = self.kernel.cycles * self.kernel.share, self.point.dynamic_scale
        return engine_uj(power, spec.kernel, busy, spec.all_macs, scale) - spared_uj(power, busy, scale)

    def _layer(self, chosen: Sequence[Sequence[Variant]]) -> LayerWork:
        """The first combination, with the whole stages of all: what decides which links meet."""
        c = self.candidates
        whole = [[v.whole_hop for v in variants if v.whole_hop][:1] for variants in chosen]
        return LayerWork(
            spec=c.space.spec,
            engine=c.engine,
            classes=NO_CLASSES,
            trips=(),
            streams=tuple(variants[0].work for variants in chosen if variants[0].work),
            before=tuple(hop for hops in whole[:-1] for hop in hops),
            after=tuple(whole[-1]),
        )

    def _stream(self, number: int, variants: Sequence[Variant]) -> ProductStream:
        def joined(values: Callable[[StreamTime], Numbers]) -> Numbers:
            return self._stack([values(variant.time) for variant in variants])

        flow = Flow(
            joined(lambda time: time.mean.elapsed),
            joined(lambda time: time.mean.issue),
            joined(lambda time: time.mean.depth),
        )
        time = StreamTime(joined(lambda time: time.total), flow, joined(lambda time: time.moved_uj))
        return ProductStream(number == len(self.candidates.measured.inputs) + 1, time, self._foreign[number])

    @cached_property
    def _foreign(self) -> tuple[frozenset[int], ...]:
        """Positions of the loops that do not move each stream."""
        traffic = self.candidates.measured
        streams = (*traffic.inputs, traffic.params, traffic.output)
        return tuple(frozenset(position for position, _ in stream.foreign) for stream in streams)

    def _stack(self, arrays: Sequence[Numbers]) -> Numbers:
        """Arrays of all combinations on a leading axis; one that is the same for all stays as it is."""
        if all(array is arrays[0] for array in arrays):
            return arrays[0]
        rank = len(self.product.shape)
        shape = np.broadcast_shapes((1,) * rank, *(array.shape for array in arrays))
        return np.stack([np.broadcast_to(array, shape) for array in arrays])


def _total(arrays: Sequence[Numbers]) -> Numbers:
    """Their sum; `ZERO` itself for nothing."""
    some = [array for array in arrays if array is not ZERO and array is not NOTHING]
    return reduce(np.add, some) if some else ZERO
