"""The field of view of a fundus photograph: the bright part inside the black border."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from monai_samadapt.transforms.fit import fitted_size, resample_in_plane
from monai_samadapt.transforms.read import ReadMaskd, SourceReader

SIDE = 512
DARK_SHARE = 0.1
OPENING = 0.03


def find_field_of_view(image: torch.Tensor) -> torch.Tensor:
    """Find the field of view of a photograph.

    On a copy whose longer side has 512 pixels: the pixels whose largest channel is above a tenth of its 95th
    percentile, so that a dark photograph has its own threshold; without what is narrower than 6 % of the side (marks,
    noise, text); of that the largest connected part; of that the convex hull, which fills shadows at its edge. A
    photograph without a dark border gives the whole frame, and so does one where nothing is found.

    Args:
        image: (3, W, H), 0…255.

    Returns:
        bool (W, H).
    """
    longest = max(image.shape[1:])
    size = fitted_size(image.shape[1:], (1.0, 1.0), min(SIDE, longest), None)
    brightness = resample_in_plane(image.amax(dim=0, keepdim=True), size, "bilinear")[0].numpy()
    bright = brightness > DARK_SHARE * np.percentile(brightness, 95)
    part = largest_part(bright, OPENING * max(size))
    if not part.any():
        return torch.ones(image.shape[1:], dtype=torch.bool)
    hull = torch.from_numpy(convex_hull_image(part)).float()[None]
    return resample_in_plane(hull, (image.shape[1], image.shape[2]), "bilinear")[0] > 0.5


def largest_part(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Open a mask by a disc of ``radius`` pixels and keep its largest part; outside the frame counts as inside."""
    if mask.all():
        return mask
    framed = np.pad(mask, 1, constant_values=True)
    core = ndimage.distance_transform_edt(framed)[1:-1, 1:-1] > radius
    if not core.any():
        return core
    parts, _ = ndimage.label(core)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    grown: NDArray[np.bool_] = mask & (ndimage.distance_transform_edt(~largest) <= radius)
    return grown


class FieldOfViewd(MapTransform):
    """Give an item its field of view ``mask`` (1, W, H), and make ``image`` (3, W, H) black outside.

    The mask is the file that the item names, or one read before, or else what `find_field_of_view` finds.

    Args:
        reader: reads the file.
    """

    def __init__(self, reader: SourceReader) -> None:
        super().__init__("image")
        self.read = ReadMaskd(reader)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data) if isinstance(data.get("mask"), MetaTensor) else self.read(data)
        image = item["image"]
        if "mask" not in item:
            found = find_field_of_view(image.as_tensor()).to(torch.uint8)
            item["mask"] = MetaTensor(found[None], meta=dict(image.meta))
        inside = item["mask"].as_tensor() > 0
        item["image"] = MetaTensor(image.as_tensor() * inside, meta=image.meta)
        return item
