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
