"""Layers on a tape, their random parameters fitted to what reaches them.

Weights are He-initialised. Normalisation statistics are those of the calibration data, as after training,
so activations keep their scale however deep the network is, and the classifier is spread over its
classes instead of repeating the mean of its features.
"""

from dataclasses import dataclass, field

import numpy as np

from studies.models.rounding import FloatArray, round_mantissa, round_to_step
from studies.models.tape import Attribute, Tape

_EPSILON = 1e-5
_LOGIT_DEVIATION = 2.0

_OFFSET = 1.1
"""Mean offset of a normalisation. At 0 a random network is chaotic: every Relu halves its input, every
normalisation stretches what is left, and one rounding step of the input decides the class."""


@dataclass(frozen=True)
class Window:
    """Convolution geometry: kernel (height, width), stride of both, pads (top, left, bottom, right)."""

    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)

    def attributes(self, groups: int) -> dict[str, Attribute]:
        """ONNX attributes, in torch's order."""
        return {
            "dilations": (1, 1),
            "group": groups,
            "kernel_shape": self.kernel,
            "pads": self.pads,
            "strides": (self.stride, self.stride),
        }


POINT = Window(kernel=(1, 1), pads=(0, 0, 0, 0))


@dataclass(frozen=True)
class Layers:
    """Layer constructors over one tape and one random stream; each returns its output's tensor name."""

    tape: Tape
    rng: np.random.Generator = field(repr=False)

    def convolution(
        self, path: str, x: str, channels: int, window: Window = Window(), *, depthwise: bool = False
    ) -> str:
        """Conv without bias: NCHW in, `channels` out; depthwise keeps the channel count."""
        inputs = self.tape.value(x).shape[1]
        groups = inputs if depthwise else 1
        weight = self._he((channels, inputs // groups, *window.kernel))
        name = self.tape.constant(f"{_dotted(path)}.weight", weight)
        return self.tape.node("Conv", path, (x, name), **window.attributes(groups))

    def normalisation(self, path: str, x: str) -> str:
        """BatchNormalization over axis 1 with the statistics of `x`; random scale and offset."""
        values = self.tape.value(x).astype(np.float64)
        axes = tuple(axis for axis in range(values.ndim) if axis != 1)
        mean, deviation = values.mean(axis=axes), values.std(axis=axes)
        channels = len(mean)
        parameters = {
            "weight": self.rng.uniform(0.6, 1.4, channels).astype(np.float32),
            "bias": (_OFFSET + 0.3 * self.rng.standard_normal(channels)).astype(np.float32),
            "running_mean": round_to_step(mean, deviation),
            "running_var": round_mantissa(deviation**2),
        }
        names = tuple(self.tape.constant(f"{_dotted(path)}.{key}", v) for key, v in parameters.items())
        return self.tape.node("BatchNormalization", path, (x, *names), epsilon=_EPSILON)

    def block(
        self, path: str, x: str, channels: int, window: Window = Window(), *, depthwise: bool = False
    ) -> str:
        """Conv, BatchNormalization, Relu."""
        y = self.convolution(f"{path}/conv", x, channels, window, depthwise=depthwise)
        return self.relu(f"{path}/relu", self.normalisation(f"{path}/bn", y))

    def linear(self, path: str, x: str, features: int) -> str:
        """Gemm with a zero-mean random bias: (samples, inputs) to (samples, features)."""
        weight = self._he((features, self.tape.value(x).shape[1]))
        bias = (0.1 * self.rng.standard_normal(features)).astype(np.float32)
        return self._gemm(path, x, weight, bias)

    def classifier(self, path: str, x: str, classes: int) -> str:
        """Gemm whose outputs have mean 0 and deviation 2 on the calibration data, then Softmax."""
        features = self.tape.value(x).astype(np.float64)
        deviation = features.std(axis=0)
        # A feature that hardly varies (a dead Relu) must not be blown up into the largest weight.
        spread = round_mantissa(np.maximum(deviation, deviation.mean()))
        weight = self._he((classes, features.shape[1])) / spread
        logits = features @ weight.T.astype(np.float64)
        gain = round_mantissa(_LOGIT_DEVIATION / logits.std(axis=0))
        bias = round_to_step(-gain * logits.mean(axis=0), gain * logits.std(axis=0))
        y = self._gemm(path, x, gain[:, np.newaxis] * weight, bias)
        return self.tape.node("Softmax", "softmax", (y,), axis=-1)

    def relu(self, path: str, x: str) -> str:
        """Relu of any shape."""
        return self.tape.node("Relu", path, (x,))

    def flatten(self, x: str) -> str:
        """(samples, ...) to (samples, features)."""
        return self.tape.node("Flatten", "flatten", (x,), axis=1)

    def average_pool(self, x: str) -> str:
        """AveragePool over the whole picture, as torch's AvgPool2d of that size writes it."""
        kernel = self.tape.value(x).shape[2:]
        return self.tape.node(
            "AveragePool",
            "pool",
            (x,),
            count_include_pad=1,
            kernel_shape=kernel,
            pads=(0,) * 4,
            strides=kernel,
        )

    def _gemm(self, path: str, x: str, weight: FloatArray, bias: FloatArray) -> str:
        weight_name = self.tape.constant(f"{_dotted(path)}.weight", weight)
        bias_name = self.tape.constant(f"{_dotted(path)}.bias", bias)
        return self.tape.node("Gemm", path, (x, weight_name, bias_name), alpha=1.0, beta=1.0, transB=1)

    def _he(self, shape: tuple[int, ...]) -> FloatArray:
        """Normal weights of variance 2 / fan-in; the leading axis is the output channel.

        Half of the variance is shared by the taps of a window: filters are smooth, as learned ones are.
        """
        deviation = np.sqrt(2.0 / np.prod(shape[1:]))
        weights = self.rng.standard_normal(shape)
        if len(shape) == 4 and shape[2:] != (1, 1):
            weights = np.sqrt(0.5) * (weights + self.rng.standard_normal((*shape[:2], 1, 1)))
        result: FloatArray = (deviation * weights).astype(np.float32)
        return result


def _dotted(path: str) -> str:
    return path.replace("/", ".")
