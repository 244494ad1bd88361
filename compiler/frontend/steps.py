"""The network between ONNX and integers: values with a known or missing quantisation, and steps on them.

Shapes are logical (ONNX order, batch 1). A step computes in real numbers; its output is then quantised.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from compiler.frontend.constants import AnyArray, FloatArray
from compiler.ir import IntType
from compiler.ops.requant import Requant


@dataclass(frozen=True)
class Quant:
    """A code q stands for scale * (q - zero_point)."""

    scale: float
    zero_point: int
    dtype: IntType

    def encode(self, real: FloatArray | float) -> AnyArray:
        """Codes of real values: round half to even, saturate (QuantizeLinear)."""
        codes = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        clipped: AnyArray = np.clip(codes, self.dtype.low, self.dtype.high).astype(self.dtype.dtype)
        return clipped

    def decode(self, codes: AnyArray) -> FloatArray:
        """Real values of codes."""
        return self.scale * (codes.astype(np.float64) - self.zero_point)

    @property
    def low(self) -> float:
        """The smallest real value that a code stands for."""
        return self.scale * (self.dtype.low - self.zero_point)

    @property
    def high(self) -> float:
        return self.scale * (self.dtype.high - self.zero_point)


@dataclass(frozen=True)
class Value:
    """An activation. `quant` is None as long as nothing said how it is quantised.

    `origin` is the ONNX tensor that holds these values or their codes; empty where ONNX has none.
    """

    name: str
    shape: tuple[int, ...]
    quant: Quant | None
    origin: str


@dataclass(frozen=True)
class Bounds:
    """A clamp of real values, both ends inclusive."""

    low: float = -math.inf
    high: float = math.inf

    def then(self, later: Bounds) -> Bounds:
        """This clamp followed by another one."""
        return Bounds(min(max(self.low, later.low), later.high), min(max(self.high, later.low), later.high))

    def codes(self, quant: Quant) -> tuple[int, int]:
        """The clamp as inclusive output codes: rounding is monotonic, so clamping commutes with it."""
        return int(quant.encode(self.low)), int(quant.encode(self.high))


FREE = Bounds()


@dataclass(frozen=True)
class Kind:
    """What a step computes."""


@dataclass(frozen=True)
class Bounded(Kind):
    """A kind whose integer operator clamps its result anyway, so that a Relu or Clip costs nothing."""

    bounds: Bounds = FREE


@dataclass(frozen=True, eq=False)
class Weighted(Bounded):
    """A kind with constant weights: real weight = codes * scale[o], real bias [o]; o is axis 0 of codes.

    `exact` is the requantisation where the model itself states it in integers; scale and bias then count
    for nothing.
    """

    codes: AnyArray = field(kw_only=True, repr=False)
    scale: FloatArray = field(kw_only=True, repr=False)
    bias: FloatArray = field(kw_only=True, repr=False)
    exact: Requant | None = field(kw_only=True, repr=False, default=None)


@dataclass(frozen=True, eq=False)
class Conv(Weighted):
    """codes int8 [O, C/groups, kh, kw]; pads (top, left, bottom, right) hold the real value `pad_value`."""

    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: float = 0.0


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """The last axis K of the input times codes int8 [O, K]."""


@dataclass(frozen=True, eq=False)
class Affine(Bounded):
    """x * factor + offset with constants that broadcast against x at its rank."""

    factor: FloatArray = field(kw_only=True, repr=False)
    offset: FloatArray = field(kw_only=True, repr=False)


@dataclass(frozen=True)
class Function:
    """A scalar function by name with its parameters; see compiler.frontend.functions.

    inner: chains of functions of the same argument whose results this one combines.
    """

    name: str
    parameters: tuple[float, ...] = ()
    inner: tuple[tuple[Function, ...], ...] = ()


@dataclass(frozen=True)
class Unary(Kind):
    """Scalar functions, applied one after the other; none of them is a pure requantisation."""

    functions: tuple[Function, ...] = ()


@dataclass(frozen=True)
class Sum(Bounded):
    """a + b with broadcasting."""


@dataclass(frozen=True)
class Product(Bounded):
    """a * b with broadcasting."""


@dataclass(frozen=True)
class MatMul(Bounded):
    """a @ b * factor: (..., M, K) times (..., K, N); the batch of b is a prefix of a's, or a has none."""

    factor: float = 1.0


@dataclass(frozen=True)
class Difference(Bounded):
    """a - b with broadcasting of b."""


@dataclass(frozen=True)
class Quotient(Bounded):
    """a / b with broadcasting of b: no operator of its own, but part of patterns that are."""


@dataclass(frozen=True, eq=False)
class Norm(Bounded):
    """Over the last axis: x (less its mean if centred) / sqrt(mean square + epsilon) * gamma + beta.

    gamma, beta: real, one for each element of the axis.
    """

    gamma: FloatArray = field(kw_only=True, repr=False)
    beta: FloatArray = field(kw_only=True, repr=False)
    epsilon: float = 0.0
    centred: bool = False


@dataclass(frozen=True)
class MaxPool(Kind):
    """Maximum over windows of (1, C, H, W); pads (top, left, bottom, right)."""

    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class AvgPool(Bounded):
    """Mean over windows of (1, C, H, W)."""

    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False


@dataclass(frozen=True)
class Mean(Bounded):
    """Mean times `factor` over the sorted axes `axes`, which stay with extent 1 or vanish.

    A sum is a mean whose factor is the number of elements.
    """

    axes: tuple[int, ...] = ()
    factor: float = 1.0


@dataclass(frozen=True)
class Softmax(Kind):
    """Softmax over one axis.

    causal: (period, offset) where row i of the logical rows, the last axis being the columns, sees the first
    i % period + 1 + offset columns only; a second input, int32 [1], is added to that number.
    """

    axis: int
    causal: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Embed(Kind):
    """Rows of a constant table [rows, channels] by integer codes; the new axis is the last one."""

    table: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Rope(Bounded):
    """Rotary embedding of (1, heads, rows, depth) by tables cos, sin of (1, 1, rows, depth).

    x * cos + r * sin where r is the second half of the depth, negated, followed by the first.
    """


@dataclass(frozen=True)
class Concat(Kind):
    axis: int


@dataclass(frozen=True)
class Repeat(Kind):
    """The input `count` times, one behind the other along `axis`."""

    axis: int
    count: int


@dataclass(frozen=True)
class Update(Kind):
    """A state (1, heads, capacity, depth) with rows (1, heads, rows, depth) written at a position, int32 [1].

    Inputs (state, rows, position). The state is an input that nothing else reads, the result an output.
    """


@dataclass(frozen=True)
class Pad(Kind):
    """Padding before and after by axis, filled with the real value `value`; less than 0 cuts off."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class Resize(Kind):
    """Nearest: output index o reads input (o * down) // up + offset, for both spatial axes."""

    up: tuple[int, int]
    down: tuple[int, int]
    offset: tuple[int, int]


@dataclass(frozen=True)
class Reshape(Kind):
    """Same elements in logical order, another shape."""


@dataclass(frozen=True)
class Transpose(Kind):
    perm: tuple[int, ...]


LAYOUT_KINDS = (Reshape, Transpose)
SAME_VALUES = (Reshape, Transpose, MaxPool, Resize, Pad, Repeat)
"""Kinds whose output values are input values, so that one quantisation fits both sides."""


@dataclass(frozen=True)
class Step:
    """One computation: `kind` on `inputs` (names of values) makes `output`; `node`, `operator` are ONNX's."""

    kind: Kind
    inputs: tuple[str, ...]
    output: str
    node: str
    operator: str


@dataclass(frozen=True)
class Net:
    """Steps in topological order over values, with the notes that a user should read.

    outputs: the values that are graph outputs, in the model's order; output_names: their ONNX names.
    cache_rows: of these names, those that are rows of another graph's caches and lie as they do.
    """

    name: str
    values: Mapping[str, Value]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    output_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    cache_rows: frozenset[str] = frozenset()

    def consumers(self) -> Mapping[str, tuple[int, ...]]:
        """Indices of the steps that read each value."""
        return self._consumers

    def producers(self) -> Mapping[str, int]:
        """Index of the step that writes each value; graph inputs are absent."""
        return self._producers

    @cached_property
    def _consumers(self) -> Mapping[str, tuple[int, ...]]:
        result: dict[str, tuple[int, ...]] = dict.fromkeys(self.values, ())
        for index, step in enumerate(self.steps):
            for name in dict.fromkeys(step.inputs):
                result[name] += (index,)
        return result

    @cached_property
    def _producers(self) -> Mapping[str, int]:
        return {step.output: index for index, step in enumerate(self.steps)}
