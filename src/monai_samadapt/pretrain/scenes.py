"""Scenes to train on, and the first prompts drawn for the objects in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_samadapt.pretrain.prompts import central_points, jitter_boxes, random_points
from monai_samadapt.prompts import BOTTOM_RIGHT, PADDING, POSITIVE, TOP_LEFT, tight_boxes

BOX_JITTER = 0.1


@dataclass(frozen=True)
class Scenes:
    """A batch of images and the objects in them.

    Attributes:
        images: (B, 3, S, S) in 0..1.
        masks: (B, M, S, S) bool.
        valid: (B, M) bool; the other masks are empty.
    """

    images: Tensor
    masks: Tensor
    valid: Tensor

    def split(self, images: int) -> list[Scenes]:
        """Cut into batches of ``images``."""
        parts = zip(self.images.split(images), self.masks.split(images), self.valid.split(images), strict=True)
        return [Scenes(*part) for part in parts]


@dataclass(frozen=True)
class Prompts:
    """Prompts of a batch, the first quarter of them single clicks, the others boxes.

    Attributes:
        coordinates: (B, P, T, 2) as (column, row) in input pixels.
        labels: (B, P, T), see :func:`monai_samadapt.networks.decode.embed_points`.
        target: (B, P, h, w) the share of each cell that the object covers.
        weight: (B, P) 0 where the image has no object for the prompt.
    """

    coordinates: Tensor
    labels: Tensor
    target: Tensor
    weight: Tensor

    def columns(self, index: Tensor) -> Prompts:
        """Keep the prompts at ``index``."""
        return Prompts(self.coordinates[:, index], self.labels[:, index], self.target[:, index], self.weight[:, index])

    def with_click(self, points: Tensor, labels: Tensor) -> Prompts:
        """Add a click (B, P, 2) with its label (B, P) to every prompt."""
        coordinates = torch.cat([points.unsqueeze(2), self.coordinates], dim=2)
        return replace(self, coordinates=coordinates, labels=torch.cat([labels.unsqueeze(2), self.labels], dim=2))


def choose_objects(valid: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose ``count`` objects of each image (B, M), all once in random order before any comes twice; (B, count)."""
    noise = torch.rand(valid.shape, generator=generator, device=valid.device)
    order = (noise + valid).argsort(dim=1, descending=True)
    present = valid.sum(1, keepdim=True).clamp(min=1)
    turns = torch.arange(count, device=valid.device) % present
    return order.gather(1, turns)


def first_prompts(scenes: Scenes, count: int, cells: int, generator: torch.Generator) -> Prompts:
    """Draw ``count / 4`` clicks (half of them central) and three times as many boxes for each image.

    Args:
        scenes: images and objects.
        count: prompts an image, a multiple of 8.
        cells: side of the low-resolution grid.
        generator: gives the random numbers.
    """
    masks, size = scenes.masks, scenes.masks.shape[-1]
    image = torch.arange(len(masks), device=masks.device)[:, None]
    stride = size // cells
    coverage = F.avg_pool2d(masks.float(), stride)
    boxes = tight_boxes(masks)
    clicked = choose_objects(scenes.valid, count // 4, generator)
    boxed = choose_objects(scenes.valid, count - count // 4, generator)
    central, uniform = clicked.chunk(2, dim=1)
    clicks = torch.cat(
        [
            _deep_points(masks[image, central], coverage[image, central]),
            random_points(masks[image, uniform], generator),
        ],
        dim=1,
    )
    corners = jitter_boxes(boxes[image, boxed], BOX_JITTER, size, generator).unflatten(-1, (2, 2))
    tokens = torch.cat([torch.stack([clicks, torch.zeros_like(clicks)], dim=2), corners], dim=1)
    kinds = torch.tensor([[POSITIVE, PADDING], [TOP_LEFT, BOTTOM_RIGHT]], device=masks.device)
    labels = torch.cat([kinds[:1].expand(clicked.shape[1], -1), kinds[1:].expand(boxed.shape[1], -1)])
    objects = torch.cat([clicked, boxed], dim=1)
    weight = scenes.valid.gather(1, objects).float()
    return Prompts(tokens, labels.expand(len(masks), -1, -1), coverage[image, objects], weight)


def _deep_points(masks: Tensor, coverage: Tensor) -> Tensor:
    """Pick the middle of the deepest cell where it lies in the mask, else any pixel of the mask."""
    stride = masks.shape[-1] // coverage.shape[-1]
    cell = central_points(coverage > 0.5, 2)
    pixels = (cell * stride + stride // 2).long()
    index = pixels[..., 1] * masks.shape[-1] + pixels[..., 0]
    inside = masks.flatten(-2).gather(-1, index[..., None])
    first = masks.flatten(-2).int().argmax(-1)
    fallback = torch.stack([first % masks.shape[-1], first // masks.shape[-1]], dim=-1)
    return torch.where(inside, pixels, fallback).float()
