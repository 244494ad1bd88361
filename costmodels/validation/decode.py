"""One token of a Llama with a key-value cache, operator by operator, from its shape.

Products with weights run on the engine that the workload names, everything else on the cores. Every
operator brings its operands from L2 to L1 and its result back, one after another; weights in a weight
memory stay there. Operators are those of a network after integer quantisation in Deeploy's dialect
(RequantShift fused into products): per block two norms, seven products with weights, two rotary products,
the cache joined and requantised, scores, scale, mask and softmax, context, two residual sums, the gate. A
root-mean-square norm has no kernel in the model: it costs what the workload says, on one core.
Requantisations, scale and the gate's table are priced as the workload's `stand_in`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from costmodels.classes import tile_classes
from costmodels.energy import engine_uj, spared_uj, standing_uj
from costmodels.engines import ClusterEngine, NpuEngine, PortableEngine
from costmodels.facts import POSITIVE
from costmodels.layer import Hop, LayerWork, StreamWork
from costmodels.pipeline import price_layer
from costmodels.platform import OperatingPoint, Platform
from costmodels.work import KernelSpec

TABLE_BYTES = 8
"""Requantisation of one output channel: multiplier and offset."""


@dataclass(frozen=True)
class DecodeOperator:
    """`times` operators of one kind. bytes: brought to L1 (weights apart) and taken back, by one of them."""

    spec: KernelSpec
    weight_bytes: int
    bytes_in: int
    bytes_out: int
    times: int = 1


@dataclass(frozen=True)
class DecodeStep:
    """Shape of the network. past: tokens in the cache. norm_cycles: of a norm, norm_row_cycles more a row.

    products: the engine of products with weights. stand_in: the kernel that elementwise operators without one
    of their own are priced as.
    """

    weights: Literal["l2", "wmem_sram", "wmem_mram"]
    operating_point: str
    products: Literal["npu", "cluster"]
    stand_in: Literal["lut", "add"]
    blocks: int = field(metadata=POSITIVE)
    width: int = field(metadata=POSITIVE)
    heads: int = field(metadata=POSITIVE)
    hidden: int = field(metadata=POSITIVE)
    past: int
    norm_cycles: float
    norm_row_cycles: float

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a token: products with weights, rotary ones, scores and context."""
        return self.blocks * sum(op.times * _macs(op.spec) for op in self.operators())

    def price(self, platform: Platform) -> tuple[float, float]:
        """(milliseconds, microjoules) of a token."""
        point = platform.point(self.operating_point)
        prices = [self._price(platform, point, op) for op in self.operators()]
        norms = _on_one_core(platform, point, self.norm_cycles + self.norm_row_cycles)
        time_ms = self.blocks * sum(price[0] for price in prices) + (2 * self.blocks + 1) * norms[0]
        energy_uj = self.blocks * sum(price[1] for price in prices) + (2 * self.blocks + 1) * norms[1]
        return time_ms, energy_uj

    def operators(self) -> Iterator[DecodeOperator]:
        """The operators of one block but its norms."""
        width, hidden, tokens = self.width, self.hidden, self.past + 1
        cache, weights = width * tokens, self.heads * tokens
        yield _linear(width, width, 4)
        yield _linear(width, hidden, 2)
        yield _linear(hidden, width, 1)
        yield from self._attention(width // self.heads, tokens)
        yield _elements("concat", cache, 2, 1)
        yield _elements(self.stand_in, cache, 2, 1)
        yield _elements("transpose", cache, 1, 1)
        yield _elements("transpose", width, 4, 1)
        yield _elements(self.stand_in, weights, 4, 1)
        yield _elements("add", weights, 1, 2)
        yield _elements(self.stand_in, width, 4, 1)
        yield _elements("add", width, 2, 2)
        yield _elements(self.stand_in, hidden, 3, 1)
        yield _elements("mul", hidden, 1, 2)

    def _price(self, platform: Platform, point: OperatingPoint, op: DecodeOperator) -> tuple[float, float]:
        """(milliseconds, microjoules) of all operators of a kind."""
        on_npu = bool(op.weight_bytes) and self.products == "npu"
        engine = next(e.name for e in platform.engines if isinstance(e, NpuEngine) == on_npu)
        fetched = op.bytes_in + (op.weight_bytes if self.weights == "l2" else 0)
        one = np.array([1])
        streams = (
            StreamWork("input", (Hop("l2_l1", one, one, np.array([fetched])),), one, one),
            StreamWork("output", (Hop("l1_l2", one, one, np.array([op.bytes_out])),), one, one),
        )
        work = LayerWork(op.spec, engine, tile_classes(op.spec, {}), (one,), streams, buffering=1)
        price = price_layer(platform, work, point)
        return op.times * float(price.time_ms[0]), op.times * float(price.energy_uj[0])

    def _attention(self, depth: int, tokens: int) -> Iterator[DecodeOperator]:
        """Products on the cluster, a head to a core, and the softmax between them."""
        heads = self.heads
        yield _per_head(heads, depth, depth, 2)
        yield _per_head(heads, tokens, depth, 1)
        softmax = KernelSpec("softmax", (("y", heads), ("c", tokens)), splits=(("y",),))
        yield DecodeOperator(softmax, 0, heads * tokens, heads * tokens)
        yield _per_head(heads, depth, tokens, 1)


def _linear(inputs: int, outputs: int, times: int) -> DecodeOperator:
    dims = (("y", 1), ("x", 1), ("g", 1), ("o", outputs), ("i", inputs))
    weights = inputs * outputs + TABLE_BYTES * outputs
    return DecodeOperator(KernelSpec("conv2d", dims), weights, inputs, outputs, times)


def _per_head(heads: int, outputs: int, depth: int, times: int) -> DecodeOperator:
    dims = (("y", 1), ("x", 1), ("g", heads), ("o", outputs), ("i", depth))
    moved = heads * depth * (1 + outputs)
    return DecodeOperator(KernelSpec("conv2d", dims, splits=(("g",),)), 0, moved, heads * outputs, times)


def _elements(kernel: str, elements: int, times: int, operands: int) -> DecodeOperator:
    """A kernel that looks at each element once; a copy is one row for each core."""
    if kernel == "concat":
        spec = KernelSpec(kernel, (("y", 8),), elements_per_point=-(-elements // 8), splits=(("y",),))
    elif kernel == "transpose":
        spec = KernelSpec(kernel, (("a0", 8), ("a1", -(-elements // 8))), splits=(("a0",),))
    else:
        spec = KernelSpec(kernel, (("n", elements),), fan_in=operands, splits=(("n",),))
    return DecodeOperator(spec, 0, operands * elements, elements, times)


def _macs(spec: KernelSpec) -> int:
    return int(spec.macs({name: np.array(extent) for name, extent in spec.dims}))


def _on_one_core(platform: Platform, point: OperatingPoint, cycles: float) -> tuple[float, float]:
    """Time and energy of cycles of one core, while all else waits."""
    cores = next(e for e in platform.engines if isinstance(e, ClusterEngine | PortableEngine))
    share, power = cycles / cores.cores, cores.power
    time_ms = cycles / point.clock_hz[cores.clock] * 1e3
    active = engine_uj(power, "norm", share, 0.0, point.dynamic_scale)
    return time_ms, float(
        standing_uj(time_ms, platform.standing_mw(point))
        + active
        - spared_uj(power, share, point.dynamic_scale)
    )
