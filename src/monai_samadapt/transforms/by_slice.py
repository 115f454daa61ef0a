"""Points and boxes in voxels of a source, moved to the network's input and sorted by its slices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from monai.utils.enums import MetaKeys
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.prompts import BOTTOM_RIGHT, NEGATIVE, TOP_LEFT
from monai_samadapt.transforms.grid import between_grids, file_of

Marked = tuple[list[float], int]
"""A voxel [x, y] or [x, y, z] of the source and the label of its point."""


def by_slice(points: Sequence[Marked], image: MetaTensor) -> dict[int, tuple[Tensor, Tensor]]:
    """Move the points of one object to ``image`` (3, S, S[, D]) and sort them by its slices; a picture is slice 0.

    The two corners of a box follow each other; it lies on each slice that it reaches. Points outside ``image`` are left
    out, boxes cut at its border, and slices without a positive point or a box left out. A place between the centre of
    the first or last slice and the volume's border is on that slice.

    Returns:
        slice -> points (N, 2) as (column, row) and their labels (N,).

    Raises:
        SamAdaptError: for two boxes on one slice.
    """
    places, labels = to_input([voxel for voxel, _ in points], image), [label for _, label in points]
    seen: dict[int, list[Marked]] = {}
    for (column, row, number), label in zip(places.tolist(), labels, strict=True):
        inside = -0.5 <= column <= image.shape[2] - 0.5 and -0.5 <= row <= image.shape[1] - 0.5
        if label < TOP_LEFT and inside:
            seen.setdefault(_slice(number, image), []).append(([column, row], label))
    corners = places[torch.tensor([label >= TOP_LEFT for label in labels], dtype=torch.bool)]
    for box in corners.unflatten(0, (-1, 2)):
        _add_box(seen, box, image)
    used = {number: found for number, found in sorted(seen.items()) if any(label != NEGATIVE for _, label in found)}
    return {number: _tensors(found) for number, found in used.items()}


def _add_box(seen: dict[int, list[Marked]], box: Tensor, image: MetaTensor) -> None:
    """Put a box (2, 3) on its slices."""
    low, high = box.amin(0), box.amax(0)
    last = torch.tensor([image.shape[2] - 1.0, image.shape[1] - 1.0])
    places = [point.clamp(torch.zeros(2), last).tolist() for point in (low[:2], high[:2])]
    for number in range(_slice(float(low[2]), image), _slice(float(high[2]), image) + 1):
        found = seen.setdefault(number, [])
        if any(label == TOP_LEFT for _, label in found):
            raise SamAdaptError("box", file_of(image), "has two boxes of one label on a slice", "give one for each")
        found.extend([(places[0], TOP_LEFT), (places[1], BOTTOM_RIGHT)])


def _slice(number: float, image: MetaTensor) -> int:
    return min(max(round(number), 0), image.shape[-1] - 1) if image.ndim == 4 else 0


def _tensors(found: list[Marked]) -> tuple[Tensor, Tensor]:
    return torch.tensor([place for place, _ in found]), torch.tensor([label for _, label in found])


def to_input(voxels: Sequence[Sequence[float]], image: MetaTensor) -> Tensor:
    """Map voxels of the source to (column, row, slice) of ``image`` (3, S, S[, D]), which was made of it: (N, 3).

    With the affines A of the source and A' of ``image``: ``(row, column, slice) = A'^-1 A (x, y, z)``.
    """
    places = torch.tensor([[*voxel, 0.0][:3] for voxel in voxels], dtype=torch.float64).reshape(-1, 3)
    original = torch.as_tensor(image.meta[MetaKeys.ORIGINAL_AFFINE])
    return between_grids(places, original, image.affine)[:, [1, 0, 2]].float()
