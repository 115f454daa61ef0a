"""Branching trees as the distance to tapering line segments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_samadapt.datasets.shapes.draw import Draw
from monai_samadapt.datasets.shapes.scene import FAR, Canvas

_BENDS = 3


def tree_distance(canvas: Canvas) -> Tensor:
    """Distance (B, 1, g, g) to one tree per image, negative inside its branches."""
    draw, count = canvas.draw, canvas.count
    starts, ends, widths = tree_segments(draw, count, int(draw.integers(3, 6, 1)))
    x, y = canvas.x[:, 0], canvas.y[:, 0]
    distance = torch.full_like(x, FAR)
    along = ends - starts
    squared = along.square().sum(-1).clamp(min=1e-8)
    for index in range(starts.shape[1]):
        (sx, sy), (ax, ay) = (vector[:, index].T[..., None, None] for vector in (starts, along))
        dx, dy = x - sx, y - sy
        share = ((dx * ax + dy * ay) / squared[:, index, None, None]).clamp(0, 1)
        gap = torch.hypot(dx - share * ax, dy - share * ay) - widths[:, index, None, None]
        distance = torch.minimum(distance, gap)
    return distance.unsqueeze(1)


def tree_segments(draw: Draw, count: int, depth: int) -> tuple[Tensor, Tensor, Tensor]:
    """Grow trees: each branch bends, tapers and forks in two.

    Returns:
        starts (B, K, 2), ends (B, K, 2) and half widths (B, K) of K = 3 (2^depth - 1) segments.
    """
    heading = draw.uniform(0, 2 * math.pi, count, 1)
    away = draw.uniform(0.1, 0.95, count, 1, 1)
    point = -away * torch.stack([torch.cos(heading), torch.sin(heading)], -1)
    heading = heading + draw.uniform(-0.4, 0.4, count, 1)
    length, width = draw.uniform(0.35, 0.7, count, 1), draw.log_uniform(0.018, 0.06, count, 1)
    starts, ends, widths = [], [], []
    for _ in range(depth):
        bend = 0.35 * draw.normal(*heading.shape)
        for _ in range(_BENDS):
            heading = heading + bend + 0.12 * draw.normal(*heading.shape)
            end = point + (length / _BENDS)[..., None] * torch.stack([torch.cos(heading), torch.sin(heading)], -1)
            starts.append(point)
            ends.append(end)
            widths.append(width)
            point = end
        fork = torch.stack([draw.uniform(0.15, 0.7, *heading.shape), -draw.uniform(0.15, 0.9, *heading.shape)], -1)
        heading = (heading[..., None] + fork).flatten(1)
        point = point.repeat_interleave(2, 1)
        length = length.repeat_interleave(2, 1) * draw.uniform(0.55, 1.0, *heading.shape)
        width = width.repeat_interleave(2, 1) * draw.uniform(0.6, 0.9, *heading.shape)
    return torch.cat(starts, 1), torch.cat(ends, 1), torch.cat(widths, 1)
