"""Random shapes for every kernel of the runtime: what `dse calibrate` measures.

Extents are drawn on a logarithmic scale, so that small tiles, where the costs of beginning something show,
are as frequent as large ones; most channels are multiples of four, as networks have them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from costmodels.work import KernelSpec

Rng = np.random.Generator
Pair = tuple[int, int]

MAX_ROUNDS = 1000


@dataclass(frozen=True)
class Room:
    """Limits of a shape: bytes of every operand, and multiply-accumulates."""

    operand_bytes: int
    macs: int


LARGE = Room(1 << 18, 1 << 20)


@dataclass(frozen=True)
class Case:
    """One call that is measured: the whole of `spec` as one tile, divided over the cores by `split`.

    in_two: the reduction is done in two calls of half the inputs each, through partial sums, and both are
    measured together.
    """

    family: str
    spec: KernelSpec
    split: tuple[str, ...]
    in_two: bool = False

    @property
    def extents(self) -> dict[str, int]:
        """Of the tile of one call."""
        sizes = dict(self.spec.dims)
        return {name: size // 2 if self.in_two and name == "i" else size for name, size in sizes.items()}


def _log(rng: Rng, low: int, high: int) -> int:
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))


def _channels(rng: Rng, high: int) -> int:
    size = _log(rng, 1, high)
    return max(4, size // 4 * 4) if rng.random() < 0.6 else size


def _padding(rng: Rng, window: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """None, or as much as keeps the extents ("same"), or anything smaller than the window."""
    form = rng.integers(3)
    spans = [(k - 1) * d for k, d in zip(window, dilation, strict=True)]
    if form == 0:
        return (0, 0), (0, 0)
    if form == 1:
        return (spans[0] // 2, spans[0] - spans[0] // 2), (spans[1] // 2, spans[1] - spans[1] // 2)
    y, x = ((int(rng.integers(s + 1)), int(rng.integers(s + 1))) for s in spans)
    return y, x


def _window(
    rng: Rng, kernel: str, channels: tuple[tuple[str, int], ...], windows: tuple[Pair, ...], **fixed: Pair
) -> KernelSpec:
    """A window sliding over random pixels; `fixed` stride or dilation."""
    window = windows[rng.integers(len(windows))]
    dilation = fixed.get("dilation", (1, 1))
    stride = fixed.get("stride", (1, 1) if rng.random() < 0.7 else (2, 2))
    padding = _padding(rng, window, dilation)
    # At least a tap of every axis lies inside: outputs reach beyond the padding.
    least = [1 + sum(padding[k]) // stride[k] for k in (0, 1)]
    return KernelSpec(
        kernel,
        (("y", max(least[0], _log(rng, 1, 40))), ("x", max(least[1], _log(rng, 1, 40))), *channels),
        window=window,
        stride=stride,
        dilation=dilation,
        padding=padding,
        padding_adds=kernel in ("conv2d", "depthwise2d") and bool(rng.random() < 0.7),
    )


def _conv(rng: Rng, family: str) -> Case:
    outputs = ("o", _channels(rng, 96))
    sizes: dict[str, tuple[tuple[str, int], ...]] = {
        "first layer": (("g", 1), outputs, ("i", int(rng.choice([1, 3, 4])))),
        "large windows": (("g", 1), outputs, ("i", 4 * _log(rng, 8, 24))),
        "grouped": (("g", int(rng.integers(2, 17))), ("o", _log(rng, 1, 12)), ("i", _log(rng, 1, 16))),
    }
    dense = (("g", 1), outputs, ("i", _channels(rng, 128)))
    windows: dict[str, tuple[Pair, ...]] = {
        "pointwise": ((1, 1),),
        "first layer": ((3, 3), (10, 4), (5, 5), (7, 7)),
        "large windows": ((3, 3), (3, 3), (5, 5), (3, 5)),
    }
    fixed = {"dilation": (2, 2)} if family == "dense" and rng.random() < 0.15 else {}
    several: tuple[Pair, ...] = ((3, 3), (3, 3), (1, 3), (5, 5), (2, 2))
    spec = _window(rng, "conv2d", sizes.get(family, dense), windows.get(family, several), **fixed)
    split = ("y", "x") if rng.random() < 0.6 else (("g",) if family == "grouped" else ("o",))
    return Case(family, spec, split)


def _linear(rng: Rng, family: str) -> Case:
    dims = (
        ("y", _log(rng, 1, 8)),
        ("x", 1),
        ("g", 1),
        ("o", _channels(rng, 256)),
        ("i", _channels(rng, 640)),
    )
    return Case(family, KernelSpec("conv2d", dims), ("o",) if rng.random() < 0.7 else ("y", "x"))


def _matmul(rng: Rng, family: str) -> Case:
    """Heads of small products, as attention has them; every fourth reduction is done in two."""
    in_two = bool(rng.random() < 0.25)
    depth = 2 * _channels(rng, 64) if in_two else _channels(rng, 128)
    dims = (("h", _log(rng, 1, 12)), ("y", _log(rng, 1, 64)), ("o", _channels(rng, 64)), ("i", depth))
    offsets = (bool(rng.random() < 0.3), bool(rng.random() < 0.3))
    spec = KernelSpec("matmul", dims, strided=family == "matmul strided", offsets=offsets)
    return Case(family, spec, (("h",), ("y",), ("o",))[rng.integers(3)], in_two)


def _reduction_in_two(rng: Rng, family: str) -> Case:
    case = _conv(rng, "pointwise" if rng.random() < 0.5 else "dense")
    *rest, (_, inputs) = case.spec.dims
    dims = (*rest, ("i", max(2, inputs // 2 * 2)))
    spec = KernelSpec(
        "conv2d",
        dims,
        window=case.spec.window,
        stride=case.spec.stride,
        dilation=case.spec.dilation,
        padding=case.spec.padding,
        padding_adds=case.spec.padding_adds,
    )
    return Case(family, spec, case.split, in_two=True)


def _depthwise(rng: Rng, family: str) -> Case:
    stride = (2, 2) if family.endswith("2") else (1, 1)
    windows: tuple[Pair, ...] = ((3, 3), (3, 3), (5, 5), (1, 3), (2, 2))
    spec = _window(rng, "depthwise2d", (("g", _channels(rng, 128)),), windows, stride=stride)
    return Case(family, spec, ("y", "x") if rng.random() < 0.6 else ("g",))


def _binary(rng: Rng, family: str) -> Case:
    if rng.random() < 0.6:
        return Case(family, KernelSpec(family, (("n", _log(rng, 1, 30000)),), fan_in=2), ("n",))
    dims = (("y", _log(rng, 1, 400)), ("c", _log(rng, 1, 200)))
    return Case(family, KernelSpec(family, dims, fan_in=2), ("y",) if rng.random() < 0.5 else ("c",))


def _lut(rng: Rng, family: str) -> Case:
    return Case(family, KernelSpec(family, (("n", _log(rng, 1, 30000)),)), ("n",))


def _pool(rng: Rng, family: str) -> Case:
    windows: tuple[Pair, ...] = ((2, 2), (3, 3), (1, 2), (5, 5), (8, 8), (12, 3))
    spec = _window(rng, family, (("c", _channels(rng, 96)),), windows)
    return Case(family, spec, ("y", "x") if rng.random() < 0.5 else ("c",))


def _softmax(rng: Rng, family: str) -> Case:
    """Kernels on whole rows."""
    return Case(family, KernelSpec(family, (("y", _log(rng, 1, 60)), ("c", _log(rng, 2, 500)))), ("y",))


def _rope(rng: Rng, family: str) -> Case:
    dims = (("y", _log(rng, 1, 64)), ("h", _log(rng, 1, 16)), ("c", 2 * _log(rng, 1, 64)))
    return Case(family, KernelSpec("rope", dims), ("y", "h"))


def _embed(rng: Rng, family: str) -> Case:
    """Rows of words, as most tables have; of any number of bytes 64, so that each of 8 cores has 8: of eight
    the bench's rows lie as often in their words as the model expects of many."""
    words = rng.random() < 0.7
    rows, channels = _log(rng, 1, 100), _log(rng, 1, 64)
    dims = (("y", rows), ("c", 4 * channels)) if words else (("y", 64), ("c", _log(rng, 1, 256)))
    return Case(family, KernelSpec("embed", dims), ("y",))


def _concat(rng: Rng, family: str) -> Case:
    parts = int(rng.integers(2, 6))
    dims = (("y", _log(rng, 1, 200)), ("c", parts * _log(rng, 1, 60)))
    return Case(family, KernelSpec("concat", dims, fan_in=parts), ("y",))


def _transpose(rng: Rng, family: str) -> Case:
    rank = int(rng.integers(2, 5))
    dims = tuple((f"a{k}", _log(rng, 1, 20)) for k in range(rank))
    return Case(family, KernelSpec("transpose", dims), tuple(name for name, _ in dims[:-1]))


def _pad(rng: Rng, family: str) -> Case:
    y, x = ((int(rng.integers(5)), int(rng.integers(5))) for _ in range(2))
    dims = (("y", sum(y) + _log(rng, 1, 30)), ("x", sum(x) + _log(rng, 1, 30)), ("c", _channels(rng, 128)))
    return Case(family, KernelSpec("pad", dims, padding=(y, x)), ("y", "x"))


def _resize(rng: Rng, family: str) -> Case:
    dims = (("y", 2 * _log(rng, 1, 20)), ("x", 2 * _log(rng, 1, 20)), ("c", _channels(rng, 128)))
    return Case(family, KernelSpec("resize", dims), ("y", "x"))


FAMILIES: Mapping[str, Callable[[Rng, str], Case]] = {
    "dense": _conv,
    "pointwise": _conv,
    "first layer": _conv,
    "large windows": _conv,
    "grouped": _conv,
    "linear": _linear,
    "reduction in two": _reduction_in_two,
    "matmul": _matmul,
    "matmul strided": _matmul,
    "depthwise stride 1": _depthwise,
    "depthwise stride 2": _depthwise,
    "add": _binary,
    "mul": _binary,
    "idiv": _binary,
    "lut": _lut,
    "requantise": _lut,
    "maxpool": _pool,
    "avgpool": _pool,
    "softmax": _softmax,
    "isoftmax": _softmax,
    "itamax": _softmax,
    "inorm": _softmax,
    "rmsnorm": _softmax,
    "layernorm": _softmax,
    "rope": _rope,
    "embed": _embed,
    "concat": _concat,
    "transpose": _transpose,
    "pad": _pad,
    "resize": _resize,
}
"""The kernels, some in several forms: how a case of each is drawn."""


def draw(family: str, count: int, seed: int, room: Room = LARGE) -> tuple[Case, ...]:
    """`count` different cases of a family; the same for the same seed, whatever else is drawn.

    Raises ValueError for a count that the family does not have, KeyError for an unknown family.
    """
    rng = np.random.default_rng([seed, zlib.crc32(family.encode())])
    found: dict[Case, None] = {}
    for _ in range(MAX_ROUNDS * count):
        case = FAMILIES[family](rng, family)
        if _small(case.spec, room):
            found[case] = None
        if len(found) == count:
            return tuple(found)
    raise ValueError(f"{family} has no {count} different shapes of moderate size")


def stored(spec: KernelSpec) -> Pair:
    """Rows and columns of the input under a spec's windows, without padding."""
    sizes = dict(spec.dims)
    y, x = (
        (sizes.get("yx"[k], 1) - 1) * spec.stride[k]
        + (spec.window[k] - 1) * spec.dilation[k]
        + 1
        - sum(spec.padding[k])
        for k in (0, 1)
    )
    return y, x


def input_pixel(spec: KernelSpec) -> int:
    """Channels of an input pixel."""
    sizes = dict(spec.dims)
    return sizes.get("g", 1) * sizes.get("i", 1) * sizes.get("c", 1)


def _small(spec: KernelSpec, room: Room) -> bool:
    sizes = dict(spec.dims)
    if spec.kernel == "matmul":
        heads, rows, outputs, depth = sizes.values()
        largest = heads * max(rows * depth, outputs * depth, 4 * rows * outputs)
        return largest <= room.operand_bytes and heads * rows * outputs * depth <= room.macs
    rows, cols = stored(spec)
    taps = spec.window[0] * spec.window[1]
    outputs = int(np.prod([size for name, size in spec.dims if name != "i"]))
    weights = taps * sizes.get("g", 1) * sizes.get("o", 1) * sizes.get("i", 1)
    largest = max(rows * cols * input_pixel(spec), 4 * outputs, weights)
    return (
        min(rows, cols) > 0
        and largest <= room.operand_bytes
        and outputs * taps * sizes.get("i", 1) <= room.macs
    )
