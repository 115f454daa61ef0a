"""Smooth random fields: the noise that procedural shapes and images are disturbed by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], cells: Sequence[int]) -> Array:
    """Draw a smooth random field in [-1, 1].

    Uniform values on a coarse grid of ``cells`` + 1 points per axis, interpolated with cubic splines one axis at a
    time (the product of one matrix per axis), then clipped.

    Args:
        rng: source of randomness.
        shape: size of the field.
        cells: number of coarse cells along each axis; more cells, finer structure.

    Returns:
        float32 array of ``shape``.
    """
    field = rng.uniform(-1, 1, [count + 1 for count in cells]).astype(np.float32)
    for axis, (length, count) in enumerate(zip(shape, cells, strict=True)):
        weights = _interpolation(length, count)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return np.clip(field, -1, 1)


def correlated_noise(rng: np.random.Generator, shape: Sequence[int], sigma: float | Sequence[float]) -> Array:
    """Draw Gaussian noise correlated over ``sigma`` voxels, with mean 0 and standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return (noise - noise.mean()) / noise.std()


def sigmoid_edge(distance: Array, width: float) -> Array:
    """Return 1 inside (negative distance), 0 outside, with a linear ramp of ``width`` across the border."""
    return np.clip(0.5 - distance / width, 0, 1).astype(np.float32)


def _interpolation(length: int, cells: int) -> Array:
    """Matrix (length, cells + 1) that interpolates cells + 1 values at ``length`` points between the outermost."""
    identity = np.eye(cells + 1, dtype=np.float32)
    zoom = (length / (cells + 1), 1)
    return ndimage.zoom(identity, zoom, order=min(3, cells), mode="nearest", grid_mode=False)[:length]
