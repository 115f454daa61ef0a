"""Prompts and shapes that follow from masks alone: the deepest pixel, the next click, larger boxes, filled boxes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from monai.transforms.utils import distance_transform_edt
from torch import Tensor

from monai_samadapt.pretrain.losses import mask_iou


def grown(boxes: Tensor, size: int) -> Tensor:
    """Move each side of boxes (P, 4) outwards by a tenth of the box, at most to the edge of the image."""
    margin = 0.1 * (boxes[:, 2:] - boxes[:, :2] + 1)
    return torch.cat([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1).clamp(0, size - 1)


def deepest_points(masks: Tensor) -> Tensor:
    """Find the pixel (P, 2), as (column, row), farthest from the border of each mask (P, H, W); edges are borders."""
    return _deepest(masks)[0]


def _deepest(masks: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(masks.float(), (1, 1, 1, 1))
    depth = torch.stack([torch.as_tensor(distance_transform_edt(mask[None]))[0] for mask in padded])[:, 1:-1, 1:-1]
    value, index = depth.flatten(1).max(1)
    return torch.stack([index % masks.shape[-1], index // masks.shape[-1]], dim=-1).float(), value


def next_clicks(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Click deepest in the deeper of the missed (positive) and the wrongly covered (negative) region of each object."""
    missed, missed_depth = _deepest(truth & ~found)
    extra, extra_depth = _deepest(found & ~truth)
    positive = missed_depth >= extra_depth
    nothing = (missed_depth == 0) & (extra_depth == 0)
    missed = torch.where(nothing[:, None], deepest_points(truth), missed)
    return torch.where(positive[:, None], missed, extra), positive.long()


def simple_shapes(boxes: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Score the filled boxes (P, 4) and the ellipses inscribed in them against masks (P, H, W)."""
    axis = torch.arange(masks.shape[-1], dtype=torch.float32)
    low, high = boxes[:, :2, None, None], boxes[:, 2:, None, None]
    centre, half = (low + high) / 2, (high - low + 1) / 2
    x, y = ((axis[None, :] - centre[:, 0]) / half[:, 0]), ((axis[:, None] - centre[:, 1]) / half[:, 1])
    filled = (x.abs() <= 1) & (y.abs() <= 1)
    truth = masks.float()
    return mask_iou(filled.float(), truth), mask_iou(((x**2 + y**2) <= 1).float(), truth)
