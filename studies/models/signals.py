"""Seeded inputs with structure: smooth fields with edges and noise, as pictures and spectra have.

White noise would average out to the same features for every sample, so a network would answer a
constant. Every value lies on a grid of 1/256, exact in float32.
"""

import numpy as np
from numpy.typing import NDArray

from studies.models.rounding import FloatArray

_GRID = 256.0


def pictures(rng: np.random.Generator, samples: int, size: int) -> FloatArray:
    """Colour pictures of shape (samples, 3, size, size), NCHW, values in [0, 1]."""
    return _on_grid(np.stack([_picture(rng, size) for _ in range(samples)]).clip(0.0, 1.0))


def cepstra(rng: np.random.Generator, samples: int, frames: int, coefficients: int) -> FloatArray:
    """Cepstral coefficients of shape (samples, 1, frames, coefficients): skewed, the low ones largest."""
    decay = 6.0 / (1.0 + np.arange(coefficients))
    fields = [_smooth(rng, (frames, coefficients), int(rng.integers(2, 9))) for _ in range(samples)]
    offsets = rng.standard_normal((samples, 1, coefficients))
    signal = decay * (np.stack(fields) + offsets) + 0.2 * rng.standard_normal((samples, frames, coefficients))
    return _on_grid(signal)[:, np.newaxis]


def spectra(rng: np.random.Generator, samples: int, frames: int, bands: int) -> FloatArray:
    """Log-mel windows of shape (samples, frames * bands): a tilted spectrum with a few lines, in [-3, 5]."""
    tilt = np.linspace(2.0, -1.0, bands)
    windows = [tilt + _lines(rng, bands) + _smooth(rng, (frames, bands), 4) for _ in range(samples)]
    noise = 0.2 * rng.standard_normal((samples, frames, bands))
    return _on_grid((np.stack(windows) + noise).clip(-3.0, 5.0)).reshape(samples, frames * bands)


def _picture(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """A smooth coloured field, half of it covered by another, at a random straight edge, and noise."""
    fields = [
        np.stack([_smooth(rng, (size, size), int(rng.integers(2, size // 2))) for _ in range(3)])
        for _ in range(2)
    ]
    slope_y, slope_x, offset = rng.standard_normal(3)
    axis = np.linspace(-1.0, 1.0, size)
    covered = slope_y * axis[:, np.newaxis] + slope_x * axis > 0.5 * offset
    brightness, contrast = rng.uniform(0.25, 0.75), rng.uniform(0.1, 0.35)
    mixed = np.where(covered, fields[0], fields[1]) + 0.15 * rng.standard_normal((3, size, size))
    result: NDArray[np.float64] = brightness + contrast * mixed
    return result


def _lines(rng: np.random.Generator, bands: int) -> NDArray[np.float64]:
    """A few triangular spectral lines of random place, width and height; shape (bands,)."""
    places = rng.uniform(0, bands, (3, 1))
    widths, heights = rng.uniform(2, 8, (3, 1)), rng.uniform(0.5, 2.0, (3, 1))
    triangles = np.maximum(0.0, 1.0 - np.abs(np.arange(bands) - places) / widths)
    result: NDArray[np.float64] = (heights * triangles).sum(axis=0)
    return result


def _smooth(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> NDArray[np.float64]:
    """A field of `shape`, unit variance at its knots: `cells` + 1 knots a side, bilinear between them."""
    knots = rng.standard_normal((cells + 1, cells + 1))
    result: NDArray[np.float64] = _hats(shape[0], cells) @ knots @ _hats(shape[1], cells).T
    return result


def _hats(points: int, cells: int) -> NDArray[np.float64]:
    """Weights of linear interpolation, shape (points, cells + 1); each row sums to one."""
    places = np.linspace(0.0, cells, points)[:, np.newaxis]
    return np.maximum(0.0, 1.0 - np.abs(places - np.arange(cells + 1)))


def _on_grid(values: NDArray[np.floating]) -> FloatArray:
    return (np.round(values * _GRID) / _GRID).astype(np.float32)
