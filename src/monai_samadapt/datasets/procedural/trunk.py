"""What surrounds the labelled organs in a procedural CT: body wall, skeleton, vessels, bowel and lung bases."""

from __future__ import annotations

import numpy as np

from monai_samadapt.datasets.procedural.body import Canvas, Ellipsoid
from monai_samadapt.datasets.procedural.fields import Array

FAT, MUSCLE, BLOOD, BONE, CORTEX, GAS, LUNG = -100.0, 52.0, 42.0, 220.0, 600.0, -950.0, -830.0
_TALL = 1e6


def paint_trunk(canvas: Canvas, hu: Array) -> tuple[Array, Array]:
    """Paint skin, fat, body wall, table and great vessels.

    Returns:
        masks of the abdominal cavity and of the body wall around it.
    """
    rng = canvas.rng
    width, depth = rng.uniform(0.86, 0.95), rng.uniform(0.62, 0.72)
    body = _squircle(canvas, width, depth) + 0.03 * canvas.next_noise()
    fat = rng.uniform(0.07, 0.16)
    hu[body < 0] = FAT
    hu[(body < 0) & (body > -0.025)] = 20
    hu[body < -fat] = MUSCLE
    cavity = body < -fat - rng.uniform(0.09, 0.12)
    hu[cavity] = FAT + 6 * canvas.next_noise()[cavity]
    table = canvas.y + depth + 0.06 - 0.12 * canvas.x * canvas.x
    hu[(np.abs(table) < 0.018) & (body > 0)] = -40
    for side in (-1, 1):
        _fill(canvas, hu, Ellipsoid((side * 0.2, -0.5, 0), (0.19, 0.14, _TALL)), MUSCLE)
        _fill(canvas, hu, Ellipsoid((side * 0.2, -0.3, -0.9), (0.1, 0.12, 0.9)), MUSCLE)
    _fill(canvas, hu, canvas.jitter(Ellipsoid((-0.05, -0.12, 0), (0.065, 0.065, _TALL), wobble=0.0), 0.015), BLOOD)
    _fill(canvas, hu, canvas.jitter(Ellipsoid((0.1, -0.13, 0), (0.075, 0.06, _TALL), wobble=0.1), 0.015), BLOOD - 3)
    return cavity, (body < -fat) & ~cavity


def paint_bowel(canvas: Canvas, hu: Array, cavity: Array) -> None:
    """Paint stomach and loops of bowel, some with gas on top of the fluid."""
    rng = canvas.rng
    loops = [canvas.jitter(Ellipsoid((-0.36, 0.18, 0.5), (0.24, 0.22, 0.5), shear=0.3))]
    for _ in range(9):
        centre = (rng.uniform(-0.6, 0.5), rng.uniform(-0.05, 0.35), rng.uniform(-1.0, 0.05))
        loops.append(Ellipsoid(centre, (rng.uniform(0.08, 0.15), rng.uniform(0.07, 0.12), rng.uniform(0.2, 0.4))))
    for loop in loops:
        mask = canvas.inside(loop) & cavity
        hu[mask] = rng.uniform(15, 45)
        if rng.random() < 0.5:
            level = loop.centre[1] + rng.uniform(-0.1, 0.6) * loop.radii[1]
            inner = Ellipsoid(loop.centre, (loop.radii[0] * 0.85, loop.radii[1] * 0.85, loop.radii[2]), wobble=0.1)
            hu[mask & canvas.inside(inner) & (canvas.y > level)] = GAS
    _scatter_vessels(canvas, hu, cavity)


def paint_lung_bases(canvas: Canvas, hu: Array, label: Array, cavity: Array) -> None:
    """Fill the cavity above the two domes of the diaphragm with lung, and the space between them with the heart."""
    rng = canvas.rng
    x, y = (np.abs(canvas.x) - 0.38) / 0.6, (canvas.y + 0.05) / 0.65
    dome = rng.uniform(0.85, 1.05) - 0.8 * (x * x + y * y) + 0.1 * canvas.next_noise()
    between = canvas.inside(Ellipsoid((-0.02, 0.0, 0.0), (0.2, 0.42, _TALL), wobble=0.25))
    lung = cavity & (canvas.z > dome) & ~between
    hu[lung] = LUNG + 40 * canvas.next_noise()[lung]
    heart = cavity & canvas.inside(canvas.jitter(Ellipsoid((-0.14, 0.22, 1.25), (0.36, 0.27, 0.55))))
    hu[heart] = BLOOD
    label[lung | heart] = 0


def paint_skeleton(canvas: Canvas, hu: Array, label: Array, wall: Array) -> None:
    """Paint the spine with its discs and processes, and the ribs inside the body wall."""
    phase = canvas.rng.uniform(0, 2 * np.pi)
    level = np.sin(5 * canvas.z + phase)
    vertebra = canvas.distance(Ellipsoid((0, -0.33, 0), (0.145, 0.115, _TALL), wobble=0.05))
    bone, disc = vertebra < 0, level > 0.8
    posterior = _arch(canvas, level) & ~bone
    hu[posterior] = BONE + 150
    hu[bone] = BONE + 30 * canvas.next_noise()[bone]
    hu[bone & (vertebra > -0.12)] = CORTEX
    hu[bone & disc] = 85
    label[bone | posterior] = 0
    _fill(canvas, hu, Ellipsoid((0, -0.475, 0), (0.058, 0.05, _TALL), wobble=0.0), 25)
    _paint_ribs(canvas, hu, wall, phase)


def _arch(canvas: Canvas, level: Array) -> Array:
    """Mask of the vertebral arches with their spinous and transverse processes."""
    arch = canvas.inside(Ellipsoid((0, -0.48, 0), (0.1, 0.08, _TALL), wobble=0.05))
    spinous = (np.abs(canvas.x) < 0.022) & (canvas.y < -0.5) & (canvas.y > -0.62) & (level < 0.2)
    slant = np.abs(canvas.y + 0.42 + 0.25 * np.abs(canvas.x))
    transverse = (slant < 0.025) & (np.abs(canvas.x) < 0.22) & (level < -0.4)
    return (arch & (level < 0.8)) | spinous | transverse


def _paint_ribs(canvas: Canvas, hu: Array, wall: Array, phase: float) -> None:
    """Paint ribs as bands that descend from the spine to the front, so that a slice cuts several of them."""
    angle = np.arctan2(canvas.y, np.abs(canvas.x))
    band = np.sin(8 * canvas.z + 7 * angle + phase + 0.4 * canvas.next_noise())
    rib = wall & (band > 0.72) & (canvas.z > -0.5 - 0.4 * angle) & (np.abs(canvas.x) > 0.25)
    hu[rib] = BONE + 200
    hu[rib & (band > 0.9)] = BONE


def _scatter_vessels(canvas: Canvas, hu: Array, cavity: Array) -> None:
    """Put small mesenteric vessels into the fat."""
    texture = canvas.next_noise() * canvas.next_noise()
    fine = np.sin(23 * canvas.x + 9 * texture) * np.sin(19 * canvas.y - 7 * texture + 3 * canvas.z)
    hu[cavity & (fine > 0.93) & (hu < -60) & (hu > -200)] = 20


def _squircle(canvas: Canvas, width: float, depth: float) -> Array:
    """Return ((x/w)^p + (y/d)^p)^(1/p) - 1 with p = 2.4, the outline of a trunk, for the whole volume."""
    radius = (np.abs(canvas.x / width) ** 2.4 + np.abs(canvas.y / depth) ** 2.4) ** (1 / 2.4) - 1
    return np.broadcast_to(radius, canvas.shape) + 0.02 * canvas.z


def _fill(canvas: Canvas, hu: Array, part: Ellipsoid, value: float) -> None:
    hu[canvas.inside(part)] = value
