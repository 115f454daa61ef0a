"""Procedural abdominal CT volumes in Hounsfield units, with their label maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from monai_samadapt.datasets.procedural.body import Canvas, Ellipsoid, union
from monai_samadapt.datasets.procedural.fields import Array, correlated_noise, smooth_noise
from monai_samadapt.datasets.procedural.geometry import place
from monai_samadapt.datasets.procedural.trunk import paint_bowel, paint_lung_bases, paint_skeleton, paint_trunk
from monai_samadapt.errors import SamAdaptError

CT_LABELS: dict[str, int] = {"Liver": 1, "Spleen": 2, "Kidneys": 3, "Lesion": 4}
ORGAN_HU: dict[str, float] = {"Liver": 60.0, "Spleen": 50.0, "Kidneys": 32.0, "Lesion": 20.0}
LESION_SHARE = 0.7

_LIVER = Ellipsoid((0.42, 0.08, 0.3), (0.4, 0.46, 0.85), shear=-0.1)
_LEFT_LOBE = Ellipsoid((0.02, 0.27, 0.5), (0.42, 0.19, 0.45))
_SPLEEN = Ellipsoid((-0.6, -0.2, 0.35), (0.17, 0.28, 0.55), shear=0.25)
_KIDNEY = Ellipsoid((0.37, -0.3, -0.45), (0.15, 0.17, 0.5), shear=-0.35, wobble=0.08)
_SINUS = Ellipsoid((0.27, -0.28, -0.45), (0.09, 0.06, 0.24), wobble=0.1)


def make_ct(
    seed: int,
    shape: Sequence[int] = (96, 96, 40),
    spacing: Sequence[float] = (1.6, 1.6, 3.0),
    lesion: bool | None = None,
    axcodes: str = "RAS",
    oblique_degrees: float = 0.0,
    noise_hu: float = 12.0,
) -> tuple[Array, Array, Array]:
    """Make one CT volume of an upper abdomen, as large as the field of view.

    A body with fat, muscles, spine, ribs, lung bases, bowel and four labelled structures (``CT_LABELS``) whose mean
    is within a few HU of ``ORGAN_HU``. Position, size, surface and density vary between seeds.

    Args:
        seed: the same seed and arguments give the same volume.
        shape: voxels from left to right, back to front, feet to head (before ``axcodes`` reorders the axes).
        spacing: millimetres along the same axes.
        lesion: whether the liver has a lesion; by default in 7 of 10 cases.
        axcodes: direction of the array's axes, e.g. ``LPS``; any of the 48.
        oblique_degrees: angle between the array's axes and the patient's.
        noise_hu: standard deviation of the noise.

    Returns:
        int16 HU and uint8 labels of the same shape, and the float64 affine (4, 4) from voxels to RAS millimetres.

    Raises:
        SamAdaptError: when ``shape``, ``spacing`` or ``axcodes`` is not a grid in space.
    """
    grid, step = _grid(shape, spacing)
    rng = np.random.default_rng(seed)
    has_lesion = bool(rng.random() < LESION_SHARE) if lesion is None else lesion
    canvas = Canvas(rng, grid, step)
    hu = np.full(grid, -1000, np.float32)
    cavity, wall = paint_trunk(canvas, hu)
    paint_bowel(canvas, hu, cavity)
    label = _paint_organs(canvas, hu, cavity)
    paint_lung_bases(canvas, hu, label, cavity)
    paint_skeleton(canvas, hu, label, wall)
    if has_lesion:
        _paint_lesion(canvas, hu, label)
    image = _scan(rng, hu, noise_hu)
    return place(image, label, step, axcodes, oblique_degrees)


def _grid(shape: Sequence[int], spacing: Sequence[float]) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    if len(shape) != 3 or min(shape) < 8:
        raise SamAdaptError("shape", tuple(shape), "is no volume of at least 8 voxels a side", "give e.g. (96, 96, 40)")
    if len(spacing) != 3 or min(spacing) <= 0:
        raise SamAdaptError("spacing", tuple(spacing), "is not three positive lengths", "give mm, e.g. (1.6, 1.6, 3)")
    width, depth, height = (int(count) for count in shape)
    across, along, up = (float(step) for step in spacing)
    return (width, depth, height), (across, along, up)


def _paint_organs(canvas: Canvas, hu: Array, cavity: Array) -> Array:
    """Paint liver, spleen and kidneys into ``hu`` and return their label map."""
    label = np.zeros(canvas.shape, np.uint8)
    liver = union(canvas.distance(canvas.jitter(_LIVER)), canvas.distance(canvas.jitter(_LEFT_LOBE)))
    masks = {"Kidneys": _kidneys(canvas, hu), "Spleen": canvas.inside(canvas.jitter(_SPLEEN)), "Liver": liver < 0}
    texture = 4 * smooth_noise(canvas.rng, canvas.shape, (12, 12, 6))
    for name, mask in masks.items():
        mask &= cavity
        label[mask] = CT_LABELS[name]
        hu[mask] = ORGAN_HU[name] + canvas.rng.uniform(-4, 4) + texture[mask]
    return label


def _kidneys(canvas: Canvas, hu: Array) -> Array:
    """Paint the fat around both kidneys and return the kidneys without the fat of the renal sinus."""
    kidneys = np.zeros(canvas.shape, bool)
    for side in (-1, 1):
        part, sinus = canvas.jitter(_mirror(_KIDNEY, side), 0.03), _mirror(_SINUS, side)
        shift = [part.centre[0] - side * _KIDNEY.centre[0], part.centre[1] - _KIDNEY.centre[1], 0.0]
        centre = tuple(float(value + delta) for value, delta in zip(sinus.centre, shift, strict=True))
        hollow = Ellipsoid(centre, sinus.radii, sinus.shear, sinus.wobble)  # type: ignore[arg-type]
        surface = canvas.distance(part)
        hu[(surface < 0.35) & (hu > -500) & (hu < 200)] = -95
        kidneys |= (surface < 0) & ~canvas.inside(hollow)
    return kidneys


def _mirror(part: Ellipsoid, side: int) -> Ellipsoid:
    x, y, z = part.centre
    return Ellipsoid((side * x, y, z), part.radii, side * part.shear, part.wobble)


def _paint_lesion(canvas: Canvas, hu: Array, label: Array) -> None:
    """Paint a rounded, darker lesion around one of the liver's inner voxels; it stays inside the liver."""
    depth = ndimage.distance_transform_edt(label == CT_LABELS["Liver"])
    inner = np.argwhere(depth >= 0.6 * depth.max())
    i, j, k = (int(value) for value in inner[canvas.rng.integers(len(inner))])
    radius = float(canvas.rng.uniform(0.12, 0.19))
    centre = (float(canvas.x[i, 0, 0]), float(canvas.y[0, j, 0]), float(canvas.z[0, 0, k]))
    part = canvas.jitter(Ellipsoid(centre, (radius, radius, 1.8 * radius), wobble=0.2), move=0.0)
    mask = canvas.inside(part) & (depth >= min(1.5, depth.max()))
    mask[i, j, k] = True
    label[mask] = CT_LABELS["Lesion"]
    hu[mask] = ORGAN_HU["Lesion"] + canvas.rng.uniform(-4, 4)


def _scan(rng: np.random.Generator, hu: Array, noise_hu: float) -> Array:
    """Add what a scanner adds: partial volume, correlated noise, faint streaks and cupping; round to int16."""
    body = ndimage.gaussian_filter(hu, (0.5, 0.5, 0.35))
    noise = noise_hu * correlated_noise(rng, hu.shape, (0.6, 0.6, 0.2))
    streaks = 0.3 * noise_hu * correlated_noise(rng, hu.shape, (10, 0.5, 0))
    cupping = 4 * smooth_noise(rng, hu.shape, (2, 2, 2))
    return np.clip(np.rint(body + noise + streaks + cupping), -1024, 3071).astype(np.int16)
