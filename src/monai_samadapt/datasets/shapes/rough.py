"""Outlines that are rough or put together: spikes, teeth, rods, and two shapes made into one.

As in :mod:`monai_samadapt.datasets.shapes.outlines`, each takes a canvas, centres (B, K, 2) and radii (B, K), draws the
rest, and returns distances (B, K, g, g).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.outlines import Outline, blob, ellipse, islands, jagged, lobed, polygon
from monai_samadapt.datasets.shapes.scene import FAR, Canvas

SPIKES = 8
PIECES: tuple[Outline, ...] = (ellipse, polygon, blob, lobed, jagged, islands)


def spiked(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Round bodies with one to eight tapering spikes in any directions, as of spiculated masses and nerve cells."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, 2 * math.pi, *shape), draw.uniform(0.6, 1, *shape))
    distance = torch.hypot(u, v) - draw.uniform(0.2, 0.6, *shape)[..., None, None]
    count = draw.integers(1, SPIKES + 1, *shape)
    for index in range(SPIKES):
        turn = draw.uniform(0, 2 * math.pi, *shape)
        length, width = (draw.uniform(low, high, *shape)[..., None, None] for low, high in ((0.6, 1.1), (0.05, 0.25)))
        cos, sin = torch.cos(turn)[..., None, None], torch.sin(turn)[..., None, None]
        along, across = u * cos + v * sin, (v * cos - u * sin).abs()
        spike = torch.maximum(across - width * (1 - along / length), -along)
        distance = torch.where((index < count)[..., None, None], torch.minimum(distance, spike), distance)
    return distance * radius[..., None, None]


def serrated(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Outlines r(θ) = 1 + a cos(2θ + φ) + b cos(kθ + ψ), k = 6 … 18, a up to .25, b .04 to .2: teeth, papillae."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, 0.85 * radius, draw.uniform(0, math.pi, *shape), draw.uniform(0.5, 1, *shape))
    angle = torch.atan2(v, u)
    order, phase, other = draw.integers(6, 19, *shape), *draw.uniform(0, 2 * math.pi, 2, *shape)
    low, high = draw.uniform(0, 0.25, *shape), draw.uniform(0.04, 0.2, *shape)
    order, phase, other, low, high = (part[..., None, None] for part in (order, phase, other, low, high))
    outline = 1 + low * torch.cos(2 * angle + phase) + high * torch.cos(order * angle + other)
    return (torch.hypot(u, v) / outline - 1) * 0.6 * radius[..., None, None]


def rod(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Long bars that taper, half as wide as long at most: instruments, needles, bones; many go on outside the image."""
    draw, shape = canvas.draw, radius.shape
    u, v = canvas.local(centre, radius, draw.uniform(0, 2 * math.pi, *shape), torch.ones_like(radius))
    length, width, taper = (
        draw.uniform(low, high, *shape)[..., None, None] for low, high in ((0.9, 1.8), (0.05, 0.3), (-0.3, 0.3))
    )
    sides = v.abs() - width * (1 + taper * u)
    return torch.maximum(sides, u.abs() - length) * radius[..., None, None]


def joined(canvas: Canvas, centre: Tensor, radius: Tensor) -> Tensor:
    """Two outlines of any kinds made into one: their union, what both share, or the first without the second."""
    draw, shape = canvas.draw, radius.shape
    turn, away = draw.uniform(0, 2 * math.pi, *shape), radius * draw.uniform(0.3, 0.9, *shape)
    shifted = centre + torch.stack([torch.cos(turn), torch.sin(turn)], -1) * away[..., None]
    chosen = draw.integers(0, len(PIECES), 2).tolist()
    first = PIECES[chosen[0]](canvas, centre, radius)
    second = PIECES[chosen[1]](canvas, shifted, radius * draw.uniform(0.4, 0.9, *shape))
    kind = draw.integers(0, 3, *shape)[..., None, None]
    union, shared, rest = torch.minimum(first, second), torch.maximum(first, second), torch.maximum(first, -second)
    return torch.where(kind == 0, union, torch.where(kind == 1, shared, rest)).clamp(max=FAR)
