"""A square around the optic disc, cut out before the network and put back after it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Crop, Cropd
from numpy.typing import NDArray
from scipy import ndimage

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.fit import fitted_size, resample_in_plane
from monai_samadapt.transforms.grid import file_of

SIDE = 256
NEAR, FAR = 0.03, 0.12
RIM = 0.1


def find_disc(image: torch.Tensor, mask: torch.Tensor) -> tuple[float, float]:
    """Find the optic disc as the brightest smoothed region inside the field of view, seen against its surroundings.

    On a copy whose longer side has 256 pixels, with D the longer side of the field of view: the mean of the channels
    smoothed by a Gaussian of 0.03 D (a disc is about 0.15 D wide) minus the same of 0.12 D, both over the field of view
    only; its largest value further than 0.1 D from the border, where glare is. A lesion as bright and as wide as a disc
    misleads it; an item's ``centre`` overrides it.

    Args:
        image: (3, W, H).
        mask: bool (W, H), the field of view.

    Returns:
        x and y in pixels, 0 at the outer edge of the first.
    """
    size = fitted_size(mask.shape, (1.0, 1.0), min(SIDE, max(mask.shape)), None)
    grey = resample_in_plane(image.mean(dim=0, keepdim=True), size, "bilinear")[0].numpy()
    inside = resample_in_plane(mask[None], size, "nearest")[0].numpy()
    diameter = view_diameter(torch.from_numpy(inside))
    near, far = (_smooth(grey, inside, share * diameter) for share in (NEAR, FAR))
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    score = np.where(depth > min(RIM * diameter, depth.max() / 2), near - far, -np.inf)
    place = np.unravel_index(score.argmax(), score.shape)
    x, y = (float(index + 0.5) * full / small for index, full, small in zip(place, mask.shape, size, strict=True))
    return x, y


def _smooth(values: NDArray[np.float32], inside: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Gaussian mean over the pixels inside."""
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma)
    mean: NDArray[np.float32] = ndimage.gaussian_filter(values * inside, sigma) / np.maximum(weight, 1e-3)
    return mean


def view_diameter(mask: torch.Tensor) -> int:
    """Return the longer side of the box around a field of view (W, H)."""
    return max(int(mask.any(dim=axis).sum()) for axis in (0, 1))


def given_centre(item: Mapping[Hashable, Any]) -> tuple[float, float] | None:
    """Return the ``centre`` [x, y] that a datalist gives in source pixels, or None.

    Raises:
        SamAdaptError: when it is not a point of the item's image (C, W, H).
    """
    centre, image = item.get("centre"), item["image"]
    if centre is None:
        return None
    if not isinstance(centre, Sequence) or len(centre) != 2 or not all(isinstance(v, (int, float)) for v in centre):
        problem = f"of {file_of(image)} is no point"
        raise SamAdaptError("centre", centre, problem, "give [x, y] of the disc in pixels, or leave it out")
    if not all(
        math.isfinite(value) and 0 <= value <= side for value, side in zip(centre, image.shape[1:], strict=True)
    ):
        problem = f"lies outside {file_of(image)} of {image.shape[1]} by {image.shape[2]} pixels"
        raise SamAdaptError("centre", list(centre), problem, "give [x, y] of the disc in pixels, or leave it out")
    return float(centre[0]), float(centre[1])


def window(centre: Sequence[float], side: int, shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the slices of a square around a point, moved to lie inside the picture; it is cut where it is larger."""
    starts = [min(max(round(at - side / 2), 0), max(size - side, 0)) for at, size in zip(centre, shape, strict=True)]
    first, second = (slice(start, min(start + side, size)) for start, size in zip(starts, shape, strict=True))
    return first, second


class CropAtDiscd(Cropd):
    """Cut a square around the optic disc out of entries (C, W, H); the inverse puts them back, 0 around them.

    The centre is the item's ``centre`` [x, y] in source pixels, else what `find_disc` finds in the image: never the
    ground truth, in training as in inference.

    Args:
        keys: ``image`` and perhaps ``label``.
        crop: side of the square: up to 1 a share of the longer side of the field of view, above in source pixels.
    """

    def __init__(self, keys: Sequence[str], crop: float) -> None:
        super().__init__(keys, Crop())
        self.crop = crop

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        item = dict(data)
        image, mask = item["image"].as_tensor(), item["mask"].as_tensor()[0] > 0
        centre = given_centre(item) or find_disc(image, mask)
        side = round(self.crop if self.crop > 1 else self.crop * view_diameter(mask))
        slices = window(centre, max(side, 1), mask.shape)
        for key in self.keys:
            item[key] = self.cropper(item[key], slices)
        return item
