"""Prompts: what points, boxes and their labels mean in the whole package, and how they are drawn from true masks.

Points (B, P, N, 2) are (x, y) = (column, row) in pixels, the centre of a pixel at integers. Each has a label
(B, P, N): 1 `POSITIVE`, 0 `NEGATIVE`, 2 `TOP_LEFT` and 3 `BOTTOM_RIGHT` corner of a box, -1 `PADDING`. The corners of a
box are the centres of its first and last pixels. So boxes are points, as in the predictor of SAM2, and prompts of
different kinds share a batch. Where P = K, the prompts are those of the labels in their order; a label without a prompt
has nothing but padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_samadapt.errors import SamAdaptError

NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT, PADDING = 0, 1, 2, 3, -1

NOWHERE = -1e3
"""Logit of a label where it was not asked for."""

EROSION = 2
"""Positive points keep this distance in pixels from the border of the object, where it is thick enough."""


@dataclass(frozen=True)
class PromptMode:
    """What is drawn for each object.

    Attributes:
        positive: number of points in the object.
        negative: number of points in the background.
        box: whether its tight box is given.
    """

    positive: int = 0
    negative: int = 0
    box: bool = False


MODES = {
    "none": PromptMode(),
    "1_point": PromptMode(1),
    "2_points": PromptMode(2),
    "5_points": PromptMode(5),
    "5_points_1_negative": PromptMode(5, 1),
    "box": PromptMode(box=True),
    "points_box": PromptMode(5, box=True),
}


def check_modes(modes: Sequence[str], key: str, others: tuple[str, ...] = ()) -> Sequence[str]:
    """Refuse what is no list of known modes.

    Raises:
        SamAdaptError: naming the setting ``key``.
    """
    known = (*MODES, *others)
    if isinstance(modes, str) or not modes or len(set(modes)) != len(modes) or set(modes) - set(known):
        raise SamAdaptError(key, modes, "is no list of different prompt modes", f"give some of {', '.join(known)}")
    return modes


def draw_prompts(
    masks: Tensor, mode: PromptMode, inside: Tensor | None = None, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw prompts from true masks, without waiting for the device.

    Positive points are uniform over the object eroded by `EROSION` pixels, or over the object where nothing would be
    left of it (vessels); they never lie on background. Negative points are uniform over the background. A point is
    drawn twice only when there are too few pixels. An empty object has no prompt.

    Args:
        masks: (B, K, H, W) bool.
        mode: what to draw; N is the number of its points, the box's two corners among them.
        inside: bool, broadcast to ``masks``: where negative points may lie; everywhere by default.
        generator: gives the random numbers; the device's own by default.

    Returns:
        points (B, K, N, 2) as float32, zero where padding, and their labels (B, K, N) as int64.
    """
    empty = torch.zeros((*masks.shape[:2], 0, 2), device=masks.device)
    parts = [(empty, empty[..., 0].long())]
    if mode.positive:
        parts.append(_draw(eroded(masks), mode.positive, POSITIVE, generator))
    if mode.negative:
        background = ~masks if inside is None else inside & ~masks
        parts.append(_draw(background, mode.negative, NEGATIVE, generator))
    if mode.box:
        corners = torch.tensor([TOP_LEFT, BOTTOM_RIGHT], device=masks.device)
        parts.append((tight_boxes(masks).unflatten(-1, (2, 2)), corners.expand(*masks.shape[:2], 2)))
    points, labels = (torch.cat(part, dim=2) for part in zip(*parts, strict=True))
    labels = labels.masked_fill(~masks.flatten(2).any(-1, keepdim=True), PADDING)
    return points * (labels != PADDING)[..., None], labels


def eroded(masks: Tensor) -> Tensor:
    """Take `EROSION` pixels off the borders of masks (B, K, H, W) with the background; a mask that vanishes stays."""
    core = F.max_pool2d((~masks).float(), 2 * EROSION + 1, stride=1, padding=EROSION) < 0.5
    return torch.where(core.flatten(2).any(-1)[..., None, None], core, masks)


def tight_boxes(masks: Tensor) -> Tensor:
    """Bound each mask (..., H, W): boxes (..., 4) as x0 y0 x1 y1, the indexes of its first and last pixels.

    An empty mask gets a box of zeros.
    """
    columns, rows = masks.any(-2), masks.any(-1)
    low = torch.stack([_first(columns), _first(rows)], dim=-1)
    high = torch.stack([_last(columns), _last(rows)], dim=-1)
    return torch.cat([low, high], dim=-1).float() * rows.any(-1, keepdim=True)


def _draw(region: Tensor, count: int, label: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw ``count`` pixels of each region (B, K, H, W); those of an empty region are labelled padding."""
    width = region.shape[-1]
    noise = torch.rand(region.shape, generator=generator, device=region.device).masked_fill(~region, -1.0)
    largest, index = noise.flatten(2).topk(count)
    found = largest >= 0
    index = torch.where(found, index, index[..., :1])
    labels = torch.where(found[..., :1], label, PADDING).expand(-1, -1, count)
    return torch.stack([index % width, index // width], dim=-1).float(), labels


def _first(occupied: Tensor) -> Tensor:
    return occupied.int().argmax(-1)


def _last(occupied: Tensor) -> Tensor:
    return occupied.shape[-1] - 1 - occupied.flip(-1).int().argmax(-1)
