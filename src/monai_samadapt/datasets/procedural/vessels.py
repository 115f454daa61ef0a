"""Branching retinal vessel trees as tapering polylines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from monai_samadapt.datasets.procedural.fields import Array

_SUPERSAMPLING = 4


@dataclass(frozen=True)
class Vessel:
    """One segment of a tree between two branchings: points (N, 2) as (x, y) and a width at each, in pixels."""

    points: Array
    widths: Array


@dataclass(frozen=True)
class Growth:
    """How a tree grows: step length and smallest width in pixels, turn in radians per step."""

    step: float
    min_width: float
    turn: float = 0.1
    taper: float = 0.988


def grow_tree(
    rng: np.random.Generator, start: Array, heading: float, curvature: float, width: float, reach: float, growth: Growth
) -> list[Vessel]:
    """Grow a tree by a random walk that bends, tapers and forks.

    Args:
        rng: source of randomness.
        start: x, y of the root.
        heading: first direction in radians.
        curvature: mean turn per step in radians, which makes the arcades curve around the macula.
        width: width at the root in pixels.
        reach: distance from the root, in pixels, beyond which nothing grows.
        growth: step, taper and smallest width.

    Returns:
        the segments, root first. A fork gives widths w₁, w₂ with w₁³ + w₂³ = w³ (Murray's law).
    """
    pending = [(np.asarray(start, float), heading, curvature, width)]
    vessels: list[Vessel] = []
    while pending:
        point, angle, bend, size = pending.pop()
        vessel, angle = _walk(rng, point, angle, bend, size, growth)
        vessels.append(vessel)
        end, size = vessel.points[-1], float(vessel.widths[-1])
        if size < growth.min_width or np.hypot(*(end - start)) > reach:
            continue
        share = rng.uniform(0.55, 0.85)
        side = rng.choice((-1.0, 1.0))
        minor = size * (1 - share**3) ** (1 / 3) * 0.85
        pending.append((end, angle - side * rng.uniform(0.05, 0.25), bend, max(share, 0.8) * size))
        pending.append((end, angle + side * rng.uniform(0.5, 1.0), -0.3 * side * abs(bend), minor))
    return vessels


def _walk(
    rng: np.random.Generator, point: Array, angle: float, bend: float, width: float, growth: Growth
) -> tuple[Vessel, float]:
    """Walk one segment: the heading follows ``bend`` plus a smoothed random turn."""
    count = int(rng.integers(5, 16))
    turns = bend + growth.turn * np.convolve(rng.standard_normal(count + 4), np.ones(5) / 5, "valid")
    angles = angle + np.cumsum(turns)
    steps = growth.step * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.concatenate([point[None], point + np.cumsum(steps, axis=0)])
    return Vessel(points, width * growth.taper ** np.arange(count + 1)), float(angles[-1])


def draw_vessels(vessels: list[Vessel], size: tuple[int, int]) -> Array:
    """Rasterise vessels: the share of every pixel they cover.

    Args:
        vessels: segments in pixels.
        size: height and width of the image.

    Returns:
        float32 (H, W) in [0, 1].
    """
    scale = _SUPERSAMPLING
    canvas = Image.new("L", (size[1] * scale, size[0] * scale))
    draw = ImageDraw.Draw(canvas)
    for vessel in vessels:
        points = (vessel.points + 0.5) * scale - 0.5
        for first, last, width in zip(points[:-1], points[1:], vessel.widths[1:] * scale, strict=True):
            draw.line([*first, *last], fill=255, width=max(1, round(width)))
            radius = width / 2
            draw.ellipse([*(last - radius), *(last + radius)], fill=255)
    cover = np.asarray(canvas, np.float32).reshape(size[0], scale, size[1], scale)
    return cover.mean(axis=(1, 3)) / 255
