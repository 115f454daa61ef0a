"""The three channels that SAM expects, with its mean and standard deviation."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def neighbours_of(volume: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return slices with those below and above as channels.

    Args:
        volume: (1, rows, columns, slices).
        index: N slice numbers.

    Returns:
        (3, rows, columns, N): slices i - 1, i, i + 1; the first and the last slice stand in for their missing
        neighbour.
    """
    last = volume.shape[-1] - 1
    return torch.cat([volume[..., (index + step).clamp(0, last)] for step in (-1, 0, 1)])


class NeighbourChannelsd(MapTransform):
    """Turn a volume (1, rows, columns, slices) into three channels: each slice with its two neighbours."""

    def __init__(self) -> None:
        super().__init__("image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = item["image"]
        channels = neighbours_of(image.as_tensor(), torch.arange(image.shape[-1]))
        item["image"] = MetaTensor(channels, meta=image.meta, applied_operations=image.applied_operations)
        return item


class NormaliseForSAMd(MapTransform):
    """Normalise intensities of 0…1 as SAM was trained: ``(255 x - mean_c) / std_c`` for red, green, blue.

    One channel is used for all three. Means and deviations are those of ``segment_anything.build_sam``.
    """

    def __init__(self) -> None:
        super().__init__("image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = item["image"]
        values = image.as_tensor()
        out = torch.empty((3, *values.shape[1:]), dtype=torch.float32, device=values.device)
        for channel, (mean, std) in enumerate(zip(PIXEL_MEAN, PIXEL_STD, strict=True)):
            source = values[channel if len(values) == 3 else 0]
            torch.mul(source, 255.0 / std, out=out[channel]).sub_(mean / std)
        item["image"] = MetaTensor(out, meta=image.meta, applied_operations=image.applied_operations)
        return item
