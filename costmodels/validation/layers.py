"""Whole layers of a network: tiled from L2, with weights that may have to come from L3.

Weights in L3 are fetched into L2 while the layer before computes (`LayerRun.after`); what that does not hide
shows. Weights that do not fit beside the layer's tensors come in pieces, the next one while one is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from costmodels.arrays import floats
from costmodels.classes import tile_classes
from costmodels.layer import LayerWork, Priced
from costmodels.overlap import ZERO, Flow, pipeline_cycles
from costmodels.pipeline import price_layer
from costmodels.platform import Platform
from costmodels.transfer import transfer_cycles
from costmodels.validation.conditions import cluster_of
from costmodels.validation.tables import Row
from costmodels.validation.tiling import LayerShape, choose_tile, streams_of, trips_of
from costmodels.variants import load_variant
from costmodels.work import KernelSpec

PARAMETER_BYTES = 8
"""Requantisation of one output channel: multiplier and offset, 32 bits each (DORY's tables)."""


@dataclass(frozen=True)
class LayerRun(Row):
    """One layer, once. Extents of the output; split: dimensions divided over the cores, joined by "+".

    weights: where they are at home. after: id of the layer before in the network, "" for the first.
    """

    variant: str
    kernel: Literal["conv2d", "depthwise2d", "avgpool"]
    height: int
    width: int
    channels_in: int
    channels_out: int
    window: int
    stride: int
    split: str
    weights: Literal["none", "l2", "l3"]
    after: str

    def predicted(self, rows: Mapping[str, LayerRun]) -> float:
        """Cycles of the reference clock; `rows` are the network's layers by id."""
        platform = load_variant(self.variant)
        alone = self.alone(platform)
        if self.weights != "l3":
            return alone
        pieces = self._pieces(platform)
        if pieces > 1:
            return _in_pieces(alone, self._fetch_cycles(platform, pieces), pieces)
        hidden = rows[self.after].alone(platform) if self.after else 0.0
        return alone + max(0.0, self._fetch_cycles(platform, 1) - hidden)

    @property
    def l3_bytes(self) -> int:
        """Bytes of weights that come from L3."""
        return self._shape().weight_bytes * self.channels_out if self.weights == "l3" else 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer, once."""
        spec = self._shape().spec
        return int(spec.macs({name: np.array(extent) for name, extent in spec.dims}))

    def alone(self, platform: Platform) -> float:
        """Cycles of the layer with its weights in L2."""
        return float(self.price(platform).total_cycles[0])

    def price(self, platform: Platform) -> Priced:
        """Price of the layer with its weights in L2."""
        shape, engine = self._shape(), cluster_of(platform)
        tile = choose_tile(shape, platform.level_of["l1"].usable_bytes, engine.cores)
        sizes = {"y": tile.rows, "x": tile.width, self._channel_dim: tile.channels}
        classes = tile_classes(shape.spec, {name: np.array([size]) for name, size in sizes.items()})
        trips = tuple(np.array([trip]) for trip in trips_of(shape, tile))
        work = LayerWork(shape.spec, engine.name, classes, trips, streams_of(shape, tile))
        return price_layer(platform, work)

    @property
    def _channel_dim(self) -> str:
        return {"conv2d": "o", "depthwise2d": "g", "avgpool": "c"}[self.kernel]

    def _shape(self) -> LayerShape:
        channels = (("g", 1), ("o", self.channels_out), ("i", self.channels_in))
        dims = channels if self.kernel == "conv2d" else ((self._channel_dim, self.channels_out),)
        spec = KernelSpec(
            self.kernel,
            (("y", self.height), ("x", self.width), *dims),
            window=(self.window, self.window),
            stride=(self.stride, self.stride),
            splits=(tuple(self.split.split("+")),),
        )
        inputs = self.channels_in if self.kernel == "conv2d" else 1
        weights = 0 if self.weights == "none" else inputs * self.window**2 + PARAMETER_BYTES
        return LayerShape(spec, self.height, self.width, inputs, self.channels_out, weights)

    def _pieces(self, platform: Platform) -> int:
        """Pieces that the weights are cut into, by halving, so that two fit L2 beside input and output.

        Of all of L2: a platform's reserve is for what this project emits.
        """
        shape = self._shape()
        whole = shape.whole
        tensors = shape.input_bytes(whole) + shape.output_bytes(whole)
        room = max(1, platform.level_of["l2"].capacity_bytes - tensors)
        if shape.parameter_bytes(whole) <= room:
            return 1
        pieces = 2
        while 2 * shape.parameter_bytes(whole) > room * pieces and pieces < self.channels_out:
            pieces *= 2
        return pieces

    def _fetch_cycles(self, platform: Platform, pieces: int) -> float:
        """Reference cycles to fetch one piece of the weights from L3."""
        link = platform.link_of["l3_l2"]
        bytes_ = self.channels_out * self._shape().weight_bytes / pieces
        cycles = float(transfer_cycles(link, 1, 1, bytes_))
        return cycles * platform.reference_cycles(link.clock, platform.point())


def _in_pieces(compute: float, fetch: float, pieces: int) -> float:
    """Each piece is fetched while the one before is computed; the first one shows."""
    flow = Flow(floats([fetch]), ZERO, np.array([1], np.int8))
    step = floats([compute / pieces])
    return float(pipeline_cycles(step, [flow], [], (np.array([pieces]),), duplex=True).total[0])
