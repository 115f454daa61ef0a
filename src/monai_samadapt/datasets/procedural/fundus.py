"""Procedural fundus photographs with optic disc, cup, vessels and field of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_samadapt.datasets.procedural.fields import Array, correlated_noise, sigmoid_edge, smooth_noise
from monai_samadapt.datasets.procedural.vessels import Growth, Vessel, draw_vessels, grow_tree
from monai_samadapt.errors import SamAdaptError

FUNDUS_LABELS: dict[str, list[int]] = {"Disc": [1, 2], "Cup": [2]}


@dataclass(frozen=True)
class Eye:
    """Where things are, in pixels: field of view, disc, cup and macula as (x, y); ``side`` is 1 or -1 (temporal)."""

    centre: Array
    radius: float
    side: float
    disc: Array
    disc_radii: Array
    cup: Array
    cup_radii: Array

    @property
    def macula(self) -> Array:
        """Centre of the macula, about 2.4 disc diameters towards the temple."""
        return self.disc + np.array([self.side * 4.8, 0.5]) * self.disc_radii.mean()


def make_fundus(seed: int, size: Sequence[int] = (256, 288)) -> tuple[Array, Array, Array, Array]:
    """Make one fundus photograph.

    Args:
        seed: the same seed and size give the same image.
        size: height and width in pixels.

    Returns:
        uint8 arrays: RGB (H, W, 3); disc (0 background, 1 rim, 2 cup), vessels (0, 1) and field of view (0, 1), (H, W).

    Raises:
        SamAdaptError: when ``size`` is not a height and a width of at least 32 pixels.
    """
    if len(size) != 2 or min(size) < 32:
        raise SamAdaptError("size", tuple(size), "is no image of at least 32 pixels a side", "give e.g. (256, 288)")
    height, width = (int(side) for side in size)
    rng = np.random.default_rng(seed)
    eye = _draw_eye(rng, height, width)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(columns - eye.centre[0], rows - eye.centre[1]) - eye.radius
    fov = distance < 0
    disc, cup = (_ellipse(rows, columns, *part) for part in ((eye.disc, eye.disc_radii), (eye.cup, eye.cup_radii)))
    cup = np.maximum(cup, disc + 0.5)
    arteries, veins = (_vessel_cover(rng, eye, (height, width), vein) for vein in (False, True))
    colour = _retina(rng, eye, rows, columns)
    colour = _paint_disc(rng, colour, disc, cup)
    colour = _paint_vessels(colour, arteries, veins)
    rgb = _photograph(rng, colour, distance)
    labels = np.where(disc < 0, 1 + (cup < 0), 0)
    vessels = ((np.maximum(arteries, veins) > 0.5) & fov).astype(np.uint8)
    return rgb, labels.astype(np.uint8), vessels, fov.astype(np.uint8)


def _draw_eye(rng: np.random.Generator, height: int, width: int) -> Eye:
    centre = np.array([width / 2, height / 2]) + rng.uniform(-0.01, 0.01, 2) * width
    radius = rng.uniform(0.47, 0.5) * max(height, width * 0.97)
    side = float(rng.choice((-1.0, 1.0)))
    disc = centre + radius * np.array([-side * rng.uniform(0.05, 0.5), rng.uniform(-0.12, 0.12)])
    mean = radius * rng.uniform(0.13, 0.19)
    disc_radii = mean * np.array([rng.uniform(0.88, 0.98), rng.uniform(1.0, 1.1)])
    cup_radii = disc_radii * rng.uniform(0.35, 0.72) * rng.uniform(0.92, 1.08, 2)
    room = np.clip(0.92 * disc_radii - cup_radii, 0, None)
    cup = disc + room * np.array([side * rng.uniform(-0.1, 0.6), rng.uniform(-0.4, 0.4)])
    return Eye(centre, radius, side, disc, disc_radii, cup, cup_radii)


def _ellipse(rows: Array, columns: Array, centre: Array, radii: Array) -> Array:
    """Return the distance to an ellipse in pixels, approximately: negative inside."""
    radius = np.hypot((columns - centre[0]) / radii[0], (rows - centre[1]) / radii[1])
    return (radius - 1) * radii.mean()


def _vessel_cover(rng: np.random.Generator, eye: Eye, size: tuple[int, int], vein: bool) -> Array:
    """Grow four arcades from the disc, upwards and downwards on both sides, and rasterise them."""
    disc = float(eye.disc_radii.mean())
    growth = Growth(step=0.16 * disc, min_width=0.05 * disc)
    vessels: list[Vessel] = []
    for up in (-1.0, 1.0):
        for towards, spread in ((eye.side, 0.95), (-eye.side, 0.6)):
            heading = np.arctan2(up * (spread + rng.uniform(-0.15, 0.25)), 0.45 * towards)
            curve = -up * towards * rng.uniform(0.015, 0.03) * (1.0 if towards == eye.side else 0.3)
            start = eye.disc + disc * rng.uniform(-0.18, 0.18, 2)
            width = disc * rng.uniform(0.13, 0.17) * (1.25 if vein else 0.95)
            vessels += grow_tree(rng, start, float(heading), curve, width, 2.2 * eye.radius, growth)
    return draw_vessels(vessels, size)


def _retina(rng: np.random.Generator, eye: Eye, rows: Array, columns: Array) -> Array:
    """Reddish-orange background with choroid texture, macula and uneven light."""
    shape = rows.shape
    orange = np.array([rng.uniform(150, 215), rng.uniform(62, 105), rng.uniform(18, 48)], np.float32)
    texture = 0.05 * smooth_noise(rng, shape, (7, 7)) + 0.035 * smooth_noise(rng, shape, (26, 26))
    offset = np.stack([columns - eye.centre[0], rows - eye.centre[1]], -1) / eye.radius
    gradient = offset @ (rng.uniform(-0.22, 0.22, 2)).astype(np.float32)
    vignette = 1.06 - 0.3 * (offset**2).sum(-1) ** 1.5
    macula = _bump(rows, columns, eye.macula, 1.1 * eye.disc_radii.mean())
    halo = _bump(rows, columns, eye.disc, 2.6 * eye.disc_radii.mean())
    light = vignette + gradient + texture + 0.16 * halo - 0.3 * macula
    tint = 1 + np.stack([0.2 * texture, 1.6 * texture + 0.12 * halo, 2.0 * texture + 0.1 * halo], -1)
    return orange * tint * light[..., None]


def _bump(rows: Array, columns: Array, centre: Array, radius: float) -> Array:
    return np.exp(-((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2) / (2 * radius**2)).astype(np.float32)


def _paint_disc(rng: np.random.Generator, colour: Array, disc: Array, cup: Array) -> Array:
    """Blend the yellowish rim and the brighter cup into the retina, with soft borders."""
    blur = rng.uniform(1.0, 2.5)
    rim = colour * np.array([1.05, 1.3, 1.4], np.float32) + np.array([10, rng.uniform(15, 35), rng.uniform(5, 20)])
    pale = rim * np.array([1.08, 1.2, 1.35], np.float32) + np.array([8, rng.uniform(18, 32), rng.uniform(20, 50)])
    colour = colour + (rim - colour) * sigmoid_edge(disc, 2 * blur)[..., None]
    return colour + (pale - colour) * sigmoid_edge(cup, 2.5 * blur)[..., None]


def _paint_vessels(colour: Array, arteries: Array, veins: Array) -> Array:
    """Darken the vessels: veins more than arteries, green more than red."""
    for cover, absorbed in ((veins, (0.36, 0.6, 0.5)), (arteries, (0.16, 0.42, 0.4))):
        soft = ndimage.gaussian_filter(cover, 0.6)[..., None]
        colour = colour * (1 - np.array(absorbed, np.float32) * soft)
    return colour


def _photograph(rng: np.random.Generator, colour: Array, distance: Array) -> Array:
    """Expose, blur, add sensor noise and close the field of view; return uint8 RGB."""
    exposure = rng.uniform(0.72, 1.12)
    blurred = ndimage.gaussian_filter(colour * exposure, (0.5, 0.5, 0))
    noise = rng.uniform(1.5, 3.5) * correlated_noise(rng, colour.shape, (0.5, 0.5, 0))
    inside = sigmoid_edge(distance, 2.5)[..., None]
    glare = rng.uniform(-40, 60) * np.exp(distance / 14)[..., None] * np.array([1, 0.8, 0.4], np.float32)
    image = (blurred + noise + glare * (distance < 0)[..., None]) * inside + rng.uniform(1, 6) * (1 - inside)
    return np.clip(np.rint(255 * _shoulder(image / 255)), 0, 255).astype(np.uint8)


def _shoulder(value: Array) -> Array:
    """Compress highlights above 0.8 smoothly, as film and sensors do."""
    return np.where(value > 0.8, 0.8 + 0.2 * np.tanh((value - 0.8) / 0.2), value)
