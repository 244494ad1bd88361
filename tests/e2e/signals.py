"""Structured inputs for networks whose data we do not have, over the range of their input codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend import Binding
from studies.models import signals

Reals = npt.NDArray[np.floating[Any]]

LEAVES = (4, 24)
NOISE = 0.01


def draw(rng: np.random.Generator, binding: Binding, samples: int) -> Reals:
    """`samples` inputs in the shape of the ONNX tensor (batch first), by what that shape looks like."""
    raw, quant = _raw(rng, binding.shape, samples), binding.quant
    low, high = np.quantile(raw, (0.002, 0.998))
    unit = np.clip((raw - low) / (high - low), 0, 1)
    reals: Reals = (quant.low + unit * (quant.high - quant.low)).astype(np.float32)
    return reals


def _raw(rng: np.random.Generator, shape: tuple[int, ...], samples: int) -> Reals:
    if len(shape) == 2:
        return signals.spectra(rng, samples, 5, shape[1] // 5)
    if 3 in shape[1:]:
        pictures = np.stack([_dead_leaves(rng, max(shape)) for _ in range(samples)])
        return np.moveaxis(pictures, -1, 1) if shape[1] == 3 else pictures
    return signals.cepstra(rng, samples, *(n for n in shape if n > 1)).reshape(samples, *shape[1:])


def _dead_leaves(rng: np.random.Generator, size: int) -> Reals:
    """A picture (size, size, 3) in [0, 1] of shaded ellipses over each other.

    Radii follow the 1/r law that gives such pictures the statistics of natural ones (Lee, Mumford,
    Huang, "Occlusion models for natural images", IJCV 2001).
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    base = rng.uniform(0, 1, 3)
    picture = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
    for _ in range(rng.integers(*LEAVES)):
        radius, angle, stretch = 0.08 / rng.uniform(0.15, 1), rng.uniform(0, np.pi), rng.uniform(0.5, 2)
        down, right = y - rng.uniform(-0.1, 1.1), x - rng.uniform(-0.1, 1.1)
        along = np.cos(angle) * right + np.sin(angle) * down
        across = np.cos(angle) * down - np.sin(angle) * right
        cover = np.clip((radius - np.hypot(along * stretch, across / stretch)) / 0.04 + 0.5, 0, 1)[..., None]
        colour = np.clip(base + rng.normal(0, 0.3) + rng.normal(0, 0.1, 3), 0, 1)
        shade = 1 + rng.normal(0, 0.15) * (along / radius)[..., None]
        picture = picture * (1 - cover) + cover * np.clip(colour * shade, 0, 1)
    return np.clip(picture + NOISE * rng.standard_normal(picture.shape), 0, 1)
