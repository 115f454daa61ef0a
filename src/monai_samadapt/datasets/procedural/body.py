"""The parts of a trunk as implicit functions: negative inside, zero on the surface, positive outside.

Coordinates are normalised: x from -1 (patient's left) to 1 (right), y from -1 (back) to 1 (front), both in units of
half the smaller in-plane side, and z from -1 (feet) to 1 (head) over the height of the volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_samadapt.datasets.procedural.fields import Array, smooth_noise

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid in normalised coordinates.

    Attributes:
        centre: x, y, z of the centre.
        radii: half axes; infinite for a cylinder.
        shear: shift of x per unit of y, which tilts the ellipsoid in the slice.
        wobble: amplitude of the surface's disturbance, relative to the radii.
    """

    centre: Triple
    radii: Triple
    shear: float = 0.0
    wobble: float = 0.12


class Canvas:
    """The normalised grid of a volume, and the random fields that disturb surfaces on it.

    Args:
        rng: source of randomness.
        shape: voxels along x, y, z.
        spacing: millimetres along x, y, z.
    """

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], spacing: Triple) -> None:
        half = min(shape[0] * spacing[0], shape[1] * spacing[1]) / 2
        axes = [(np.arange(count) - (count - 1) / 2) * step for count, step in zip(shape, spacing, strict=True)]
        x, y = axes[0] / half, axes[1] / half
        z = axes[2] / max(shape[2] * spacing[2] / 2, 1e-6)
        self.x = x.astype(np.float32)[:, None, None]
        self.y = y.astype(np.float32)[None, :, None]
        self.z = z.astype(np.float32)[None, None, :]
        self.shape = shape
        self.rng = rng
        self._noise = [smooth_noise(rng, shape, (6, 6, 4)) for _ in range(4)]
        self._drawn = 0

    def jitter(self, part: Ellipsoid, move: float = 0.04, scale: float = 0.12) -> Ellipsoid:
        """Return a variation of ``part``: centre moved by up to ``move``, each radius scaled by 1 ± ``scale``."""
        shift, factors = self.rng.uniform(-move, move, 3), self.rng.uniform(1 - scale, 1 + scale, 3)
        centre = tuple(float(value + delta) for value, delta in zip(part.centre, shift, strict=True))
        radii = tuple(float(value * factor) for value, factor in zip(part.radii, factors, strict=True))
        return Ellipsoid(centre, radii, part.shear, part.wobble)  # type: ignore[arg-type]

    def distance(self, part: Ellipsoid) -> Array:
        """Return sqrt(((x-cx)/rx)² + ((y-cy)/ry)² + ((z-cz)/rz)²) - 1 plus noise, an array of the volume's shape."""
        (cx, cy, cz), (rx, ry, rz) = part.centre, part.radii
        y = (self.y - cy) / ry
        x = (self.x - cx - part.shear * (self.y - cy)) / rx
        z = (self.z - cz) / rz
        radius = np.sqrt((x * x + y * y) + z * z) - 1
        return radius + part.wobble * self.next_noise() if part.wobble else radius

    def inside(self, part: Ellipsoid) -> Array:
        """Return the boolean mask of ``part``."""
        return self.distance(part) < 0

    def next_noise(self) -> Array:
        """Return one of a few smooth noise fields, in turn."""
        self._drawn += 1
        return self._noise[self._drawn % len(self._noise)]


def union(first: Array, second: Array, blend: float = 0.15) -> Array:
    """Join two implicit shapes with a smooth seam: the polynomial minimum of I. Quilez."""
    overlap = np.clip(blend - np.abs(first - second), 0, None)
    return np.minimum(first, second) - overlap * overlap / (4 * blend)
