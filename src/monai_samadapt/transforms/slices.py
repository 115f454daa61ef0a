"""Drawing training slices from volumes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from numpy.typing import NDArray

from monai_samadapt.transforms.grid import FILE, file_of
from monai_samadapt.transforms.normalise import neighbours_of

FOREGROUND = "foreground_slices"


class CompactVolumed(MapTransform):
    """Prepare a fitted volume for the cache of a dataset.

    Keeps the image (1, rows, columns, slices), in 0…1, as float16 (error below 2.5e-4, or 0.1 HU in a window of 400 HU)
    and notes which slices hold a label.
    """

    def __init__(self) -> None:
        super().__init__(("image", "label"))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, label = data["image"], data["label"].as_tensor()
        present = torch.nonzero(label.amax(dim=(0, 1, 2))).flatten()
        compact = MetaTensor(image.as_tensor().half(), meta={FILE: file_of(image)})
        return {"image": compact, "label": label, FOREGROUND: present}


class RandSlicesd(MapTransform, Randomizable):
    """Draw slices from a volume prepared by `CompactVolumed`: one half of them with a label, the other from all slices.

    With an odd number the odd one is of either kind by chance. Where no slice has a label, all are drawn from all.
    A slice is drawn twice only when there are too few.

    Args:
        samples_per_volume: number of slices N.
        neighbours: give each slice with its two neighbours as channels, instead of one channel.

    Returns:
        A list of N items with ``image`` (1 or 3, rows, columns) as float32 and ``label`` (1 or K, rows, columns).
    """

    def __init__(self, samples_per_volume: int, neighbours: bool) -> None:
        super().__init__(("image", "label"))
        self.samples_per_volume, self.neighbours = samples_per_volume, neighbours

    def draw(self, foreground: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
        """Draw slice numbers from those with a label and all 0…depth - 1."""
        count = self.samples_per_volume
        half = count // 2 + (count % 2 and int(self.R.rand() < 0.5)) if len(foreground) else 0
        pools = ((foreground, half), (np.arange(depth), count - half))
        return np.concatenate([self.R.choice(pool, n, replace=n > len(pool)) for pool, n in pools if n])

    def __call__(self, data: Mapping[Hashable, Any]) -> list[dict[Hashable, Any]]:
        volume, label = data["image"].as_tensor(), data["label"]
        drawn = torch.from_numpy(self.draw(data[FOREGROUND].numpy(), volume.shape[-1]))
        images = neighbours_of(volume, drawn) if self.neighbours else volume[..., drawn]
        meta = {FILE: file_of(data["image"])}
        return [
            {"image": MetaTensor(images[..., place].float(), meta=dict(meta)), "label": label[..., index].clone()}
            for place, index in enumerate(drawn)
        ]


class KeepSampled(MapTransform):
    """Reduce a training item to ``image`` (float32, with its file name) and ``label`` (uint8).

    Items of different sources then collate, and no history of transforms is carried along.
    """

    def __init__(self) -> None:
        super().__init__(("image", "label"))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, label = data["image"], data["label"]
        plain = label.as_tensor() if isinstance(label, MetaTensor) else label
        kept = MetaTensor(image.as_tensor().contiguous(), meta={FILE: file_of(image)})
        return {"image": kept, "label": plain.to(torch.uint8).contiguous()}
