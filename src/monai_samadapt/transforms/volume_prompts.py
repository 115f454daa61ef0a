"""Prompts of volumes: drawn slice by slice from the truth, and sorted by the slices of the network's input."""

from __future__ import annotations

import torch
from monai.data import MetaTensor
from monai.transforms import Orientation
from torch import Tensor

from monai_samadapt.labels import LabelSpec
from monai_samadapt.prompts import PADDING, PromptMode, draw_prompts
from monai_samadapt.transforms.by_slice import by_slice
from monai_samadapt.transforms.grid import RAS_PAIRS, UPRIGHT, between_grids


def draw_in_volume(
    target: MetaTensor, inside: MetaTensor | None, label_spec: LabelSpec, mode: PromptMode, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw prompts on every slice that shows a label, as for a picture of it; see `monai_samadapt.prompts`.

    Args:
        target: the truth (1, X, Y, Z) or (K, X, Y, Z) on the source grid, with its affine.
        inside: (1, X, Y, Z) on the same grid, positive where negative points may lie.
        label_spec: the K labels.
        mode: what to draw.
        generator: gives the random numbers.

    Returns:
        points (K, N, 3) in voxels of the source and their labels (K, N).
    """
    upright = stand_upright(target)
    masks = label_spec.masks(upright.as_tensor()[None])[0]
    region = None if inside is None else stand_upright(inside).as_tensor() > 0
    points, labels = [torch.zeros(len(masks), 0, 3)], [torch.zeros(len(masks), 0, dtype=torch.int64)]
    for number in masks.flatten(0, 2).any(0).nonzero().flatten().tolist():
        part = None if region is None else region[None, ..., number]
        place, label = draw_prompts(masks[None, ..., number], mode, part, generator)
        points.append(torch.cat([place[0], torch.full_like(place[0, ..., :1], number)], -1))
        labels.append(label[0])
    rows_first = torch.cat(points, 1)[..., [1, 0, 2]]
    voxels = between_grids(rows_first, upright.affine, target.affine).round().float()  # whole numbers but for rounding
    return voxels, torch.cat(labels, 1)


def stand_upright(array: MetaTensor) -> MetaTensor:
    """Turn a volume (C, X, Y, Z) to rows, columns and slices as the network sees them, without resampling."""
    turned = Orientation(UPRIGHT, labels=RAS_PAIRS)(array)
    assert isinstance(turned, MetaTensor)
    return turned


def to_slices(points: Tensor, labels: Tensor, image: MetaTensor) -> tuple[Tensor, Tensor]:
    """Move prompts to the slices of ``image`` (3, S, S, D).

    Args:
        points: (K, N, 3) in voxels of the source; the two corners of a box follow each other.
        labels: (K, N).
        image: the network's input, made of the source.

    Returns:
        points (K, D, M, 2) as (column, row) in pixels of the input and their labels (K, D, M), padded to the most on a
        slice.
    """
    sorted_ = [
        by_slice([(voxel, label) for voxel, label in zip(*pair, strict=True) if label != PADDING], image)
        for pair in zip(points.tolist(), labels.tolist(), strict=True)
    ]
    most = max([1, *(len(found) for slices in sorted_ for _, found in slices.values())])
    places = torch.zeros(len(points), image.shape[-1], most, 2)
    kinds = torch.full(places.shape[:-1], PADDING)
    for index, slices in enumerate(sorted_):
        for number, (place, label) in slices.items():
            places[index, number, : len(label)], kinds[index, number, : len(label)] = place, label
    return places, kinds
