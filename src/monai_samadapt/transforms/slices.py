"""Drawing training slices from volumes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from numpy.typing import NDArray
from torch import Tensor

from monai_samadapt.transforms.grid import FILE, file_of
from monai_samadapt.transforms.normalise import neighbours_of

HELD = "slices_of_labels"


class CompactVolumed(MapTransform):
    """Prepare a fitted volume for the cache of a dataset.

    Keeps the image (1, rows, columns, slices), in 0…1, as float16 (error below 2.5e-4, or 0.1 HU in a window of 400 HU)
    and notes which slices hold which label.
    """

    def __init__(self) -> None:
        super().__init__(("image", "label"))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, label = data["image"], data["label"].as_tensor()
        compact = MetaTensor(image.as_tensor().half(), meta={FILE: file_of(image)})
        return {"image": compact, "label": label, HELD: slices_of_labels(label)}


def slices_of_labels(label: Tensor) -> list[Tensor]:
    """List the numbers of the slices with each label; a label that no slice holds is left out.

    Args:
        label: (1, rows, columns, slices) with the values 1 to K, or (K, rows, columns, slices) with 0 and 1.
    """
    if len(label) > 1:
        present = label.amax(dim=(1, 2)) > 0
    else:
        values = int(label.max()) + 1
        counts = [torch.bincount(plane.flatten().long(), minlength=values) for plane in label[0].unbind(-1)]
        present = torch.stack(counts, dim=1)[1:] > 0
    return [torch.nonzero(row).flatten() for row in present if row.any()]


class RandSlicesd(MapTransform, Randomizable):
    """Draw slices from a volume prepared by `CompactVolumed`: one half of them with a label, the other from all slices.

    The labels of the volume take turns, in a random order, so that one that few slices hold is seen as often as the
    others. With an odd number the odd one is of either kind by chance. Where no slice has a label, all are drawn from
    all. Within a half a slice is drawn twice only when there are too few.

    Args:
        samples_per_volume: number of slices N.
        neighbours: give each slice with its two neighbours as channels, instead of one channel.

    Returns:
        A list of N items with ``image`` (1 or 3, rows, columns) as float32 and ``label`` (1 or K, rows, columns).
    """

    def __init__(self, samples_per_volume: int, neighbours: bool) -> None:
        super().__init__(("image", "label"))
        self.samples_per_volume, self.neighbours = samples_per_volume, neighbours

    def draw(self, held: Sequence[NDArray[np.int64]], depth: int) -> NDArray[np.int64]:
        """Draw slice numbers from those with each label and from all 0…depth - 1."""
        count = self.samples_per_volume
        half = count // 2 + (count % 2 and int(self.R.rand() < 0.5)) if held else 0
        others = self.R.choice(depth, count - half, replace=count - half > depth)
        return np.concatenate([np.array(self._in_turns(held, half), np.int64), others])

    def _in_turns(self, held: Sequence[NDArray[np.int64]], count: int) -> list[int]:
        drawn: list[int] = []
        while len(drawn) < count:
            before = len(drawn)
            for place in self.R.permutation(len(held)):
                fresh = np.setdiff1d(held[place], drawn)
                if len(fresh) and len(drawn) < count:
                    drawn.append(int(self.R.choice(fresh)))
            if len(drawn) == before:  # no slice with a label is left
                drawn.extend(self.R.choice(np.concatenate(held), count - before).tolist())
        return drawn

    def __call__(self, data: Mapping[Hashable, Any]) -> list[dict[Hashable, Any]]:
        volume, label = data["image"].as_tensor(), data["label"]
        drawn = torch.from_numpy(self.draw([slices.numpy() for slices in data[HELD]], volume.shape[-1]))
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
