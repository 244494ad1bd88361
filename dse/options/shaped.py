"""The price of a product of tilings under some homes, at the shapes of the dimensions that each term has.

Most of a base's price belongs to its streams one by one. So every stream has a menu of variants (not moving
at all, between L2 and L1, from L3 by tiles), each priced once, and a base is one variant a stream. Arrays
broadcast to the product; bases that are priced together stand on an axis in front of it. Loop orders share
the menus: in one round, in which every tile of a stream moves once, they all do the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.tiling import Product
from costmodels.classes import NO_CLASSES
from costmodels.energy import engine_uj, spared_uj
from costmodels.layer import KernelTime, LayerWork, StreamTime, StreamWork
from costmodels.overlap import ZERO, Flow
from costmodels.pipeline import call_cycles, first_cycles, is_duplex, shares_prefetch_link, stream_time
from costmodels.platform import OperatingPoint, Platform
from costmodels.products import ProductStream, ProductWork, price_product
from costmodels.work import FloatArray, IntArray
from dse.options.blocks import Base, Block, Placing, blocks, placings
from dse.options.candidates import Candidates
from dse.options.homes import operand

Numbers = npt.NDArray[Any]
NOTHING = np.zeros((), np.int64)
STILL = StreamTime(ZERO, Flow(ZERO, ZERO, NOTHING), ZERO)
"""A stream that does not move."""


@dataclass(frozen=True, eq=False)
class _Variants:
    """One quantity of all variants of a stream; arrays broadcast to the product of `rank` dimensions."""

    each: tuple[Numbers, ...]
    rank: int

    @cached_property
    def _stacked(self) -> Numbers:
        shape = np.broadcast_shapes((1,) * self.rank, *(array.shape for array in self.each))
        return np.stack([np.broadcast_to(array, shape) for array in self.each])

    def take(self, codes: tuple[int, ...]) -> Numbers:
        """Of these variants on a leading axis; one that is the same for all stays as it is."""
        first = self.each[codes[0]]
        if all(self.each[code] is first for code in codes):
            return first
        return np.asarray(self._stacked[list(codes)])


@dataclass(frozen=True, eq=False)
class Menu:
    """All variants of one stream. works: of their transfers in one round (see `ProductStream`), None where
    it does not move. slots, stages: bytes in L1 and L2 by buffering."""

    placings: tuple[Placing, ...]
    works: tuple[StreamWork | None, ...]
    total: _Variants
    elapsed: _Variants
    issue: _Variants
    moved_uj: _Variants
    slots: Mapping[int, _Variants]
    stages: Mapping[int, _Variants]

    @property
    def links(self) -> Mapping[Placing, frozenset[str]]:
        """That each variant uses, in order."""
        return dict(zip(self.placings, map(_links, self.works), strict=True))


def _links(work: StreamWork | None) -> frozenset[str]:
    return frozenset(hop.link for hop in work.hops) if work else frozenset()


@dataclass(frozen=True, eq=False)
class Prices:
    """N bases in K loop orders: time in ms and energy in uJ [N, K, *shape]; bytes in L1 and of stages in L2,
    which broadcast to [N, *shape]; whether the link of prefetches is free while the layer runs."""

    time_ms: FloatArray
    energy_uj: FloatArray
    l1_bytes: IntArray
    stage_bytes: IntArray
    free: bool


@dataclass(frozen=True, eq=False)
class ProductPricer:
    """A product of tilings at an operating point, in several loop orders, with the time of its kernels at the
    product's shape.

    tensor_bytes: sizes of the inputs, then of the output.
    """

    orders: tuple[Candidates, ...]
    platform: Platform
    point: OperatingPoint
    tensor_bytes: tuple[int, ...]

    @property
    def candidates(self) -> Candidates:
        """In the first order."""
        return self.orders[0]

    @property
    def kernel(self) -> KernelTime:
        """Which no order changes."""
        kernel = self.candidates.shaped_kernel
        assert kernel is not None  # `layer_candidates` knows it
        return kernel

    @cached_property
    def product(self) -> Product:
        grid = self.candidates.measured.grid
        assert isinstance(grid, Product)  # whoever has tilings one by one has `FlatPricer`
        return grid

    def prices(
        self, bases: Sequence[Base], bufferings: Sequence[int], most: int
    ) -> Iterator[tuple[Block, int, Prices]]:
        """Blocks of at most `most` bases, all with each buffering, and their prices."""
        menus = [self.menu(stream, bases, bufferings) for stream in range(len(bases[0]))]
        for block in blocks(bases, [menu.links for menu in menus], self.platform, most):
            for buffering in bufferings:
                yield block, buffering, self.price(buffering, menus, block)

    def menu(self, stream: int, bases: Sequence[Base], bufferings: Sequence[int]) -> Menu:
        """All variants of a stream (inputs, parameters, output) that occur, buffered in these ways."""
        found = placings(stream, bases)
        c, rank = self.candidates, len(self.product.shape)
        moved = [operand(c.measured, stream, *placing, self.tensor_bytes) for placing in found]
        works = tuple(of.round() if of else None for of in moved)
        times = [stream_time(self.platform, w, self.point, c.engine) if w else STILL for w in works]

        def of(values: Sequence[Numbers]) -> _Variants:
            return _Variants(tuple(values), rank)

        return Menu(
            found,
            works,
            of([time.total for time in times]),
            of([time.mean.elapsed for time in times]),
            of([time.mean.issue for time in times]),
            of([time.moved_uj for time in times]),
            {b: of([m.slots(b) if m else NOTHING for m in moved]) for b in bufferings},
            {b: of([m.stages(b) if m else NOTHING for m in moved]) for b in bufferings},
        )

    def price(self, buffering: int, menus: Sequence[Menu], block: Block) -> Prices:
        """Price the bases of a block."""
        layer, step_cycles = self._layer(menus, block), self._step_cycles(buffering)
        streams = [_stream(menu, codes) for menu, codes in zip(menus, block.codes, strict=True)]
        duplex = is_duplex(self.platform, layer)
        shape = (len(block.numbers), len(self.orders), *self.product.shape)
        time_ms, energy_uj = np.empty(shape), np.empty(shape)
        for number, c in enumerate(self.orders):
            work = self._work(c, buffering, streams, duplex, step_cycles)
            price_product(work, time_ms[:, number], energy_uj[:, number])
        slots = [menu.slots[buffering].take(codes) for menu, codes in zip(menus, block.codes, strict=True)]
        stages = [menu.stages[buffering].take(codes) for menu, codes in zip(menus, block.codes, strict=True)]
        return Prices(
            time_ms,
            energy_uj,
            _total([self.candidates.measured.accumulator_bytes, *slots]),
            _total(stages),
            not any(shares_prefetch_link(self.platform, layer)),
        )

    def _work(
        self,
        c: Candidates,
        buffering: int,
        streams: Sequence[StreamTime],
        duplex: bool,
        step_cycles: FloatArray,
    ) -> ProductWork:
        """In one loop order."""
        traffic = c.measured
        own = zip(streams, (*traffic.inputs, traffic.params, traffic.output), strict=True)
        last = len(streams) - 1
        return ProductWork(
            trips=tuple(self.product.trip(name) for name in c.order),
            axes=tuple(self._axis[name] for name in c.order),
            streams=tuple(
                ProductStream(number == last, time, moved.depth, frozenset(p for p, _ in moved.foreign))
                for number, (time, moved) in enumerate(own)
            ),
            buffering=buffering,
            duplex=duplex,
            step_cycles=step_cycles,
            busy_uj=self._busy_uj,
            standing_mw=self.platform.standing_mw(self.point),
            cycle_ms=1e3 / self.platform.reference_hz(self.point),
        )

    @cached_property
    def _axis(self) -> dict[str, int]:
        dims = self.product.space.dims
        return {dim.name: number - len(dims) for number, dim in enumerate(dims)}

    def _step_cycles(self, buffering: int) -> FloatArray:
        """Mean of a step."""
        engine, spec = self.platform.engine_of[self.candidates.engine], self.candidates.space.spec
        return self._kernel_cycles + call_cycles(self.platform, engine, spec, buffering, self.point)

    @cached_property
    def _kernel_cycles(self) -> FloatArray:
        """Mean reference cycles of a step's kernel."""
        c, engine = self.candidates, self.platform.engine_of[self.candidates.engine]
        steps = reduce(np.multiply, (self.product.trip(name) for name in c.order))
        ratio = self.platform.reference_cycles(engine.clock, self.point)
        first = first_cycles(self.platform, engine, c.space.spec, self.point)
        return np.asarray((self.kernel.cycles * ratio + first) / steps)

    @cached_property
    def _busy_uj(self) -> FloatArray:
        """Of the engine at work, beyond what it would draw waiting."""
        spec, power = self.candidates.space.spec, self.platform.engine_of[self.candidates.engine].power
        busy, scale = self.kernel.cycles * self.kernel.share, self.point.dynamic_scale
        return engine_uj(power, spec.kernel, busy, spec.all_macs, scale) - spared_uj(power, busy, scale)

    def _layer(self, menus: Sequence[Menu], block: Block) -> LayerWork:
        """The first base: what decides which links meet."""
        c = self.candidates
        works = (menu.works[codes[0]] for menu, codes in zip(menus, block.codes, strict=True))
        return LayerWork(c.space.spec, c.engine, NO_CLASSES, (), tuple(work for work in works if work))


def _stream(menu: Menu, codes: tuple[int, ...]) -> StreamTime:
    """One stream of some bases; how deep it is depends on the loop order."""
    flow = Flow(menu.elapsed.take(codes), menu.issue.take(codes), NOTHING)
    return StreamTime(menu.total.take(codes), flow, menu.moved_uj.take(codes))


def _total(arrays: Sequence[Numbers]) -> Numbers:
    """Their sum; `NOTHING` itself for nothing."""
    some = [array for array in arrays if array is not NOTHING]
    return reduce(np.add, some) if some else NOTHING
