"""The four networks: topologies of MLPerf Tiny, laid out as a torch export lays them out (NCHW).

Topologies after Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021; the parameters are random. Strided
convolutions pad as torch does, evenly, except the first of DS-CNN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from studies.models import signals
from studies.models.layers import POINT, Layers, Window
from studies.models.rounding import FloatArray
from studies.models.tape import Tape

SAMPLES = 32
"""Calibration samples behind every statistic and every quantisation range."""


@dataclass(frozen=True)
class Network:
    """A network to generate.

    `sample` draws calibration inputs (samples, ...); `build` adds the layers and names the last tensor;
    `batch` is the leading dimension in the file; `keeps_float` makes the float model a file too.
    """

    name: str
    seed: int
    sample: Callable[[np.random.Generator, int], FloatArray]
    build: Callable[[Layers], str]
    batch: int | str = 1
    keeps_float: bool = False


@dataclass(frozen=True)
class FloatModel:
    """A network in float with BatchNormalization nodes, and the inputs it was fitted to."""

    model: ModelProto
    samples: FloatArray


def generate(network: Network) -> FloatModel:
    """Draw the inputs, then the parameters, of `network` from its seed."""
    rng = np.random.default_rng(network.seed)
    samples = network.sample(rng, SAMPLES)
    tape = Tape(network.name, samples)
    output = network.build(Layers(tape, rng))
    return FloatModel(tape.model(output, network.batch), samples)


def _resnet8(layers: Layers) -> str:
    x = layers.block("stem", "input", 16)
    for index, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2))):
        x = _residual(layers, f"stage{index}", x, channels, stride)
    return layers.classifier("fc", layers.flatten(layers.average_pool(x)), 10)


def _residual(layers: Layers, path: str, x: str, channels: int, stride: int) -> str:
    """Two 3x3 convolutions beside the identity, or a strided 1x1 where the shape changes."""
    y = layers.block(f"{path}/a", x, channels, Window(stride=stride))
    y = layers.normalisation(f"{path}/b/bn", layers.convolution(f"{path}/b/conv", y, channels))
    if stride != 1:
        window = Window(kernel=(1, 1), stride=stride, pads=(0, 0, 0, 0))
        x = layers.convolution(f"{path}/shortcut/conv", x, channels, window)
        x = layers.normalisation(f"{path}/shortcut/bn", x)
    return layers.relu(f"{path}/relu", layers.tape.node("Add", path, (y, x)))


def _dscnn(layers: Layers) -> str:
    x = layers.block("stem", "input", 64, Window(kernel=(10, 4), stride=2, pads=(4, 1, 5, 1)))
    for index in range(4):
        x = _separable(layers, f"block{index}", x, 64, 1)
    shape = layers.tape.constant("view.shape", np.array((-1, 64), dtype=np.int64))
    features = layers.tape.node("Reshape", "view", (layers.average_pool(x), shape))
    return layers.classifier("fc", features, 12)


def _separable(layers: Layers, path: str, x: str, channels: int, stride: int) -> str:
    """Depthwise 3x3 of the given stride, then pointwise to `channels`."""
    width = layers.tape.value(x).shape[1]
    x = layers.block(f"{path}/dw", x, width, Window(stride=stride), depthwise=True)
    return layers.block(f"{path}/pw", x, channels, POINT)


_MOBILENET_025 = (
    (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (128, 1), (128, 1), (128, 1),
    (256, 2), (256, 1),
)  # fmt: skip


def _mobilenetv1_025(layers: Layers) -> str:
    x = layers.block("stem", "input", 8, Window(stride=2))
    for index, (channels, stride) in enumerate(_MOBILENET_025):
        x = _separable(layers, f"block{index}", x, channels, stride)
    pooled = layers.tape.node("GlobalAveragePool", "pool", (x,))
    return layers.classifier("fc", layers.flatten(pooled), 2)


def _autoencoder(layers: Layers) -> str:
    x = "input"
    for index, features in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128)):
        path = f"layer{index}"
        x = layers.normalisation(f"{path}/bn", layers.linear(f"{path}/fc", x, features))
        x = layers.relu(f"{path}/relu", x)
    return layers.linear("out", x, 640)


NETWORKS = (
    Network(
        "resnet8", 11, lambda rng, n: signals.pictures(rng, n, 32), _resnet8, batch="N", keeps_float=True
    ),
    Network("dscnn", 12, lambda rng, n: signals.cepstra(rng, n, 49, 10), _dscnn, keeps_float=True),
    Network("mobilenetv1_025", 13, lambda rng, n: signals.pictures(rng, n, 96), _mobilenetv1_025),
    Network("autoencoder", 14, lambda rng, n: signals.spectra(rng, n, 5, 128), _autoencoder),
)
