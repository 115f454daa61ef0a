"""Images that are not square: cut off at the bottom or the right, and padded as SAM pads."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_samadapt.backbones.sam import PIXEL_MEAN
from monai_samadapt.datasets.shapes.generator import enough_left
from monai_samadapt.pretrain.scenes import Scenes

SHARE, SHORTEST = 0.5, 0.55


def pad_some(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """Cut half of the images to .55 to 1 of their height or width, and pad them to squares.

    The padding is SAM's pixel mean, which normalising turns into SAM's zeros. Objects of which too little is left, as
    the generator of the images judges it, are no objects any more.

    Args:
        scenes: square images and their objects.
        generator: gives the random numbers, on the scenes' device.
    """
    inside = _inside(scenes.images, generator)
    mean = torch.tensor(PIXEL_MEAN, device=inside.device).view(3, 1, 1) / 255
    images = torch.where(inside[:, None], scenes.images, mean)
    masks = scenes.masks & inside[:, None]
    before, after = (part.flatten(2).sum(2) for part in (scenes.masks, masks))
    valid = scenes.valid & enough_left(after, before, inside[0].numel())
    return Scenes(images, masks & valid[..., None, None], valid)


def _inside(images: Tensor, generator: torch.Generator) -> Tensor:
    """(B, S, S) bool, False on the padding."""
    count, size = len(images), images.shape[-1]
    chosen, side, length = torch.rand(3, count, 1, generator=generator, device=images.device)
    length = torch.where(chosen < SHARE, SHORTEST + (1 - SHORTEST) * length, 1.0) * size
    kept = torch.arange(size, device=images.device) < length
    return torch.where((side < 0.5)[..., None], kept[:, None, :], kept[:, :, None]).expand(-1, size, size)
