"""Prompts drawn from true masks for pretraining: clicks, loose boxes and the corrections of a first answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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


def jitter_boxes(boxes: Tensor, scale: float, size: int, generator: torch.Generator) -> Tensor:
    """Move the corners of a quarter of the boxes (..., 4) by normal noise of ``scale`` times the side.

    Half of these only grow, as boxes drawn around an object are; the others move as SAM's do (Kirillov et al. 2023,
    app. A). Where many boxes are loose, masks neither fill nor keep within those that fit. Corners move by 20 pixels at
    most, stay inside the image of side ``size`` and in order.
    """
    sides = (boxes[..., 2:] - boxes[..., :2] + 1).repeat_interleave(2, -1)[..., [0, 2, 1, 3]]
    noise = (torch.randn(boxes.shape, generator=generator, device=boxes.device) * scale * sides).clamp(-20, 20)
    kind = torch.rand(boxes.shape[:-1], generator=generator, device=boxes.device)[..., None]
    outwards = torch.tensor([-1, -1, 1, 1], device=boxes.device) * noise.abs()
    moved = (boxes + torch.where(kind < 7 / 8, outwards, noise) * (kind > 3 / 4)).clamp(0, size - 1)
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
