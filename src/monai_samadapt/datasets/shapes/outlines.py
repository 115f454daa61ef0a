"""Outlines of single shapes as implicit functions, for all shapes of a batch at once.

Each takes a canvas, centres (B, K, 2) and radii (B, K), draws the rest, and returns distances (B, K, g, g).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.scene import FAR, Canvas

Outline = Callable[[Canvas, Tensor, Tensor], Tensor]


def ellipse(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Superellipses |u|^p + |v|^p = 1, half of them ellipses, others up to rounded boxes."""
    draw, shape = canvas.draw, radius.shape
    aspect = draw.uniform(0.35, 1, *shape)
    u, v = canvas.local(centre, radius, draw.uniform(0, math.pi, *shape), aspect)
    power = torch.where(draw.chance(0.5, *shape), 2.0, draw.uniform(2.2, 6, *shape))[..., None, None]
    norm = (u.abs().clamp(min=1e-4) ** power + v.abs().clamp(min=1e-4) ** power) ** (1 / power)
    return (norm - 1) * (radius * aspect)[..., None, None]


def polygon(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Irregular convex polygons: the largest of up to eight half planes."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, math.pi, *shape), draw.uniform(0.5, 1, *shape))
    sides = draw.integers(3, 9, *shape)
    distance = torch.full_like(u, -FAR)
    for side in range(8):
        angle = (side + draw.uniform(-0.25, 0.25, *shape)) * 2 * math.pi / sides
        offset = draw.uniform(0.6, 0.95, *shape)
        plane = torch.cos(angle)[..., None, None] * u + torch.sin(angle)[..., None, None] * v - offset[..., None, None]
        distance = torch.where((side < sides)[..., None, None], torch.maximum(distance, plane), distance)
    return distance * radius[..., None, None]


def blob(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Smooth outlines r(θ) = 1 + Σ aₖ cos(kθ + φₖ), k = 2 … 5, aₖ up to .5 / k."""
    return _waves(canvas, centre, radius, orders=5, amplitude=0.5, deepest=0.3)


def lobed(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Outlines as those of :func:`blob` with deep bays, k = 2 … 7, aₖ up to 1.1 / k."""
    return _waves(canvas, centre, 0.8 * radius, orders=7, amplitude=1.1, deepest=0.15)


def _waves(canvas: Canvas, centre: Tensor, radius: Tensor, orders: int, amplitude: float, deepest: float) -> Tensor:
    """r(θ) = max(deepest, 1 + Σ aₖ cos(kθ + φₖ)); cos(kθ) by complex powers."""
    draw, shape = canvas.draw, radius.shape
    aspect = draw.uniform(0.5, 1, *shape)
    u, v = canvas.local(centre, radius, draw.uniform(0, math.pi, *shape), aspect)
    norm = torch.hypot(u, v).clamp(min=1e-4)
    cos, sin = u / norm, v / norm
    outline, real, imaginary = torch.ones_like(u), cos, sin
    for order in range(2, orders + 1):
        real, imaginary = real * cos - imaginary * sin, real * sin + imaginary * cos
        size, phase = draw.uniform(0, amplitude, *shape) / order, draw.uniform(0, 2 * math.pi, *shape)
        outline = outline + (size * torch.cos(phase))[..., None, None] * real
        outline = outline - (size * torch.sin(phase))[..., None, None] * imaginary
    return (norm / outline.clamp(min=deepest) - 1) * (radius * aspect)[..., None, None]


def star(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Outlines with four to seven pointed arms."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, math.pi, *shape), draw.uniform(0.8, 1, *shape))
    arms, depth = draw.integers(4, 8, *shape)[..., None, None], draw.uniform(0.35, 0.6, *shape)[..., None, None]
    wave = torch.cos(arms * torch.atan2(v, u)) * 0.5 + 0.5
    outline = 1 - depth + depth * wave * wave
    return (torch.hypot(u, v) / outline - 1) * 0.6 * radius[..., None, None]


def crescent(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """A disc without a part of another disc."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, 2 * math.pi, *shape), draw.uniform(0.8, 1, *shape))
    shift, hole = draw.uniform(0.5, 0.9, *shape)[..., None, None], draw.uniform(0.7, 1, *shape)[..., None, None]
    bite = torch.hypot(u - shift, v) - hole
    return torch.maximum(torch.hypot(u, v) - 1, -bite) * radius[..., None, None]


def jagged(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Polygons that need not be convex: 5 to 13 corners at equal angles, each .2 to 1 away from the centre.

    The edge between corners r₁ and r₂ is r(t) = r₁ r₂ sin Δ / (r₁ sin tΔ + r₂ sin (1 - t)Δ), Δ the angle between them.
    """
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, 2 * math.pi, *shape), draw.uniform(0.6, 1, *shape))
    corners = draw.integers(5, 14, *shape)[..., None, None]
    away = draw.uniform(0.2, 1, *shape, 13)
    place = (torch.atan2(v, u) / (2 * math.pi) + 0.5).clamp(0, 0.999999) * corners
    index, share, between = place.long(), place % 1, 2 * math.pi / corners
    first, second = (
        away.gather(2, chosen.flatten(2)).view_as(u) for chosen in (index, (index + 1) % corners.expand_as(index))
    )
    edge = first * torch.sin(share * between) + second * torch.sin((1 - share) * between)
    outline = first * second * torch.sin(between) / edge
    return (torch.hypot(u, v) / outline - 1) * 0.6 * radius[..., None, None]


def bent(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Bands of one width with round ends along an arc of 80 to 320 degrees, as of bowel, wall or muscle."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, 2 * math.pi, *shape), draw.uniform(0.6, 1, *shape))
    width, half = (draw.uniform(low, high, *shape)[..., None, None] for low, high in ((0.1, 0.32), (0.7, 2.8)))
    middle = 1 - width
    along = torch.atan2(v, u).abs() < half
    end = torch.hypot(u - middle * torch.cos(half), v.abs() - middle * torch.sin(half))
    return (torch.where(along, (torch.hypot(u, v) - middle).abs(), end) - width) * radius[..., None, None]


def islands(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Patches with bays, necks, holes and islands: u² + v² + Σ aₖ cos(wₖ·(u, v) + φₖ) < .6, six waves, |wₖ| 2 to 8."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, 1.1 * radius, draw.uniform(0, math.pi, *shape), draw.uniform(0.5, 1, *shape))
    field = u * u + v * v - 0.6
    for _ in range(6):
        turn, phase = draw.uniform(0, 2 * math.pi, 2, *shape)[..., None, None]
        size, speed = (
            draw.uniform(0.05, 0.35, *shape)[..., None, None],
            draw.log_uniform(2, 8, *shape)[..., None, None],
        )
        field = field + size * torch.cos(speed * (torch.cos(turn) * u + torch.sin(turn) * v) + phase)
    return field * 0.35 * radius[..., None, None]
