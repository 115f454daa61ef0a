"""Prompts drawn from true masks: clicks, boxes and the correction clicks that follow a first answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segment_anything.modeling import PromptEncoder
from torch import Tensor

NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT, PADDING = 0, 1, 2, 3, -1


def random_points(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one pixel of each mask (..., H, W) uniformly.

    Returns:
        Points (..., 2) as (column, row); a pixel of an empty mask is arbitrary.
    """
    noise = torch.rand(masks.shape, generator=generator, device=masks.device)
    return _argmax(noise.masked_fill(~masks, -1.0))


def central_points(masks: Tensor, blur: int) -> Tensor:
    """Pick a pixel deep inside each mask (..., H, W): the one with most of its mask around it.

    "Around" is a window of side ``2 blur + 1`` applied twice, a cheap stand-in for the largest distance to the border.
    """
    dense = masks.float().flatten(0, -3).unsqueeze(1)
    for _ in range(2):
        dense = F.avg_pool2d(dense, 2 * blur + 1, stride=1, padding=blur)
    return _argmax(dense.reshape(masks.shape).masked_fill(~masks, -1.0))


def _argmax(score: Tensor) -> Tensor:
    width = score.shape[-1]
    index = score.flatten(-2).argmax(-1)
    return torch.stack([index % width, index // width], dim=-1).float()


def tight_boxes(masks: Tensor) -> Tensor:
    """Bound each mask (..., H, W): boxes (..., 4) as x0 y0 x1 y1, the indexes of its first and last pixels.

    An empty mask gets a box of zeros.
    """
    columns, rows = masks.any(-2), masks.any(-1)
    low = torch.stack([_first(columns), _first(rows)], dim=-1)
    high = torch.stack([_last(columns), _last(rows)], dim=-1)
    return torch.cat([low, high], dim=-1).float() * rows.any(-1, keepdim=True)


def _first(occupied: Tensor) -> Tensor:
    return occupied.int().argmax(-1)


def _last(occupied: Tensor) -> Tensor:
    return occupied.shape[-1] - 1 - occupied.flip(-1).int().argmax(-1)


def jitter_boxes(boxes: Tensor, scale: float, size: int, generator: torch.Generator) -> Tensor:
    """Move each corner of boxes (..., 4) by normal noise of ``scale`` times the side, at most 20 pixels (SAM, app. A).

    A third of the boxes stays tight. Corners stay inside the image of side ``size`` and in order.
    """
    sides = (boxes[..., 2:] - boxes[..., :2] + 1).repeat_interleave(2, -1)[..., [0, 2, 1, 3]]
    noise = torch.randn(boxes.shape, generator=generator, device=boxes.device) * scale
    loose = torch.rand(boxes.shape[:-1], generator=generator, device=boxes.device)[..., None] > 1 / 3
    moved = (boxes + (noise * sides).clamp(-20, 20) * loose).clamp(0, size - 1)
    return torch.cat([torch.minimum(moved[..., :2], moved[..., 2:]), torch.maximum(moved[..., :2], moved[..., 2:])], -1)


def correction_clicks(logits: Tensor, target: Tensor, stride: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Click where the answer is wrong: positive on missed object, negative on wrongly covered background.

    Half of the clicks are uniform over the error region, as in SAM, half lie deep inside it. Without any error the
    click is a pixel of the object.

    Args:
        logits: (..., h, w) the answer so far.
        target: (..., h, w) bool, the object on the same grid.
        stride: input pixels per grid cell.
        generator: gives the random numbers.

    Returns:
        Points (..., 2) in input pixels and their labels (...).
    """
    error = (logits > 0) != target
    region = torch.where(error.flatten(-2).any(-1)[..., None, None], error, target)
    uniform = torch.rand(error.shape[:-2], generator=generator, device=error.device)[..., None] < 0.5
    cells = torch.where(uniform, random_points(region, generator), central_points(region, 2))
    index = (cells[..., 1] * region.shape[-1] + cells[..., 0]).long()
    labels = target.flatten(-2).gather(-1, index[..., None])[..., 0].long()
    return cells * stride + (stride - 1) / 2, labels


def embed_clicks(encoder: PromptEncoder, coordinates: Tensor, labels: Tensor) -> Tensor:
    """Embed points and box corners as SAM's prompt encoder does, mixed freely in one batch.

    Args:
        encoder: gives the frequencies and the embedding of each label.
        coordinates: (B, P, T, 2) as (column, row) in input pixels.
        labels: (B, P, T): 1 positive, 0 negative, 2 and 3 the corners of a box, -1 padding.

    Returns:
        sparse_prompts (B, P, T, C).
    """
    table = torch.cat([encoder.not_a_point_embed.weight, *(item.weight for item in encoder.point_embeddings)])
    position = encoder.pe_layer.forward_with_coords((coordinates + 0.5).flatten(0, 1), encoder.input_image_size)
    position = position.reshape(*labels.shape, -1) * (labels != PADDING)[..., None]
    return position + table[labels + 1]
