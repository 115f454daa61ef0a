"""Preprocessing only the slices of a volume that were clicked on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils.enums import TraceKeys

from monai_samadapt.transforms.by_slice import to_input
from monai_samadapt.transforms.clicks import request_voxels


class KeepClickedSlicesd(MapTransform, InvertibleTransform):
    """Keep the slices of ``image`` (C, rows, columns, slices) from the first to the last click, and one beside each.

    An image without clicks stays whole. The inverse puts zeros, the logit of nothing, where slices were left out.
    """

    def __init__(self) -> None:
        super().__init__("image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = item["image"]
        depth = image.shape[-1]
        start, stop = 0, depth
        if voxels := request_voxels(item, image):
            slices = to_input(voxels, image)[:, 2].round()
            start, stop = max(int(slices.min()) - 1, 0), min(int(slices.max()) + 2, depth)
        kept = image.as_tensor()[..., start:stop]
        out = MetaTensor(kept, meta=image.meta, applied_operations=image.applied_operations)
        affine = torch.eye(4, dtype=torch.float64)
        affine[2, 3] = start
        size = {"sp_size": list(kept.shape[1:]), "orig_size": list(image.shape[1:])}
        item["image"] = self.push_transform(out, affine=affine, extra_info={"start": start}, **size)
        return item

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return to all slices."""
        item = dict(data)
        for key in self.key_iterator(item):
            applied = self.pop_transform(item[key])
            kept, start = item[key], int(applied[TraceKeys.EXTRA_INFO]["start"])
            depth = int(applied[TraceKeys.ORIG_SIZE][2])
            if kept.shape[-1] == depth:
                continue
            whole = torch.zeros((*kept.shape[:-1], depth), dtype=kept.dtype, device=kept.device)
            whole[..., start : start + kept.shape[-1]] = kept.as_tensor()
            item[key] = MetaTensor(whole, meta=kept.meta, applied_operations=kept.applied_operations)
        return item
