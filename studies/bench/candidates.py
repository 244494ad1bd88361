"""How fast tilings of one convolution are found and priced, from bare dimensions: part of `make bench`.

The layer is a convolution of a size that ImageNet networks have, 3x3 on 56x56 pixels, 64 to 128 channels.
Every distinct ceil(N/k) of every dimension is a size (`SIZES`), so that their product is some ten thousand
tilings. The explorer's whole way is gone for every loop order: sizes, traffic of every operand, time of the
kernels, then time, energy, bytes in L1 and of stages of every tiling, double buffered with everything at home
in L2. Nothing is carried over from one convolution to the next but the extents of operands along an axis,
which a process finds once for each list of sizes.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from compiler.deployment import DIRECT, L2
from compiler.ir import Constant, IntType, Tensor
from compiler.ops.conv2d import Conv2d
from compiler.ops.requant import Requant
from costmodels.engines import Engine
from costmodels.platform import Platform
from dse.options.candidates import Candidates, Effort, layer_candidates
from dse.options.prices import TIME, Pricer

SIZES = Effort(sizes=(), other=64, candidates=100_000)
"""Every distinct size of every dimension."""

SHIFT = 20


class ConvLayer:
    """A 3x3 convolution with constant weights of 1."""

    def __init__(self, side: int = 56, inputs: int = 64, outputs: int = 128) -> None:
        self.source = Tensor("x", (1, side, side, inputs), IntType.I8, 0.1, 0)
        ones = np.ones((outputs, 3, 3, inputs), np.int8)
        mul, add = np.ones(outputs, np.int32), np.zeros(outputs, np.int32)
        self.op = Conv2d(
            name="conv",
            inputs=("x",),
            output="y",
            in_shape=(side, side, inputs),
            weights=Constant(ones),
            requant=Requant(Constant(mul), Constant(add), SHIFT, -128, 127),
            pads=(1, 1, 1, 1),
        )

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        output = Tensor("y", (1, *self.op.out_hw, self.op.out_channels), IntType.I8, 0.1, 0)
        return {"x": self.source, "y": output}

    def candidates(self, platform: Platform, engine: Engine) -> tuple[Candidates, ...]:
        """All tilings in every loop order, sizes that can never fit dropped, kernels priced."""
        l1_bytes = platform.level_of["l1"].usable_bytes
        return layer_candidates(self.op, self.op.space(self.tensors), engine, l1_bytes, SIZES)

    def price(self, platform: Platform, engine: Engine, times: int = 1) -> int:
        """The whole way, some times; the number of tilings priced."""
        return sum(self._priced(platform, engine) for _ in range(times))

    def _priced(self, platform: Platform, engine: Engine) -> int:
        base = ((L2, DIRECT),) * 3
        sizes = tuple(tensor.bytes for tensor in self.tensors.values())
        l1_bytes = platform.level_of["l1"].usable_bytes
        pricer = Pricer(self.candidates(platform, engine), platform, platform.point(), l1_bytes, sizes)
        return sum(columns[TIME].size for _, _, columns, _ in pricer.blocks([base], [2]))
