"""Random changes of training samples, moderate by default."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from monai.transforms import (
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandomizableTransform,
    RandScaleIntensityd,
    RandShiftIntensityd,
    Transform,
)

BOTH = ("image", "label")
SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


def sided(names: Sequence[str]) -> bool:
    """Whether a label's name says left or right, so that a mirrored image would carry the wrong label."""
    return any(SIDED.search(re.sub(r"[_\W]|(?<=[a-z])(?=[A-Z])", " ", name)) for name in names)


def flips(names: Sequence[str]) -> list[Transform]:
    """Flip rows and columns, each in one of two samples; no columns where a label's name has a side."""
    axes = (0,) if sided(names) else (0, 1)
    return [RandFlipd(keys=BOTH, spatial_axis=axis, prob=0.5) for axis in axes]


def move(image_size: int, degrees: float) -> Transform:
    """Rotate by up to ``degrees``, scale by up to 10 %, shift by up to 5 % of S; in one of two samples.

    What comes in from outside is 0: the window's lower end or black.
    """
    return RandAffined(
        keys=BOTH,
        prob=0.5,
        rotate_range=math.radians(degrees),
        scale_range=(0.1, 0.1),
        translate_range=(0.05 * image_size, 0.05 * image_size),
        mode=("bilinear", "nearest"),
        padding_mode="zeros",
    )


def volume_augmentation(image_size: int) -> list[Transform]:
    """Small movements, gain, offset and noise; no flips, since a body has a left and a right."""
    return [
        move(image_size, degrees=10.0),
        RandScaleIntensityd(keys="image", factors=0.1, prob=0.5),
        RandShiftIntensityd(keys="image", offsets=0.1, prob=0.5),
        RandGaussianNoised(keys="image", std=0.03, prob=0.2),
    ]


def picture_augmentation(image_size: int, names: Sequence[str]) -> list[Transform]:
    """Flips, movements, brightness, contrast, saturation."""
    return [
        *flips(names),
        move(image_size, degrees=15.0),
        RandScaleIntensityd(keys="image", factors=0.15, prob=0.5),
        RandAdjustContrastd(keys="image", gamma=(0.8, 1.25), prob=0.3),
        RandSaturationd(strength=0.2, prob=0.3),
    ]


class RandSaturationd(RandomizableTransform, MapTransform):
    """Change the saturation of RGB images: ``grey + f (x - grey)`` with f drawn from ``1 ± strength``.

    ``grey = 0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601); a grey image stays as it is.

    Args:
        strength: largest relative change.
        prob: share of the images that are changed.
    """

    def __init__(self, strength: float, prob: float) -> None:
        MapTransform.__init__(self, "image")
        RandomizableTransform.__init__(self, prob)
        self.strength = strength

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        self.randomize(None)
        if self._do_transform:
            factor = self.R.uniform(1 - self.strength, 1 + self.strength)
            image = item["image"]
            grey = 0.299 * image[:1] + 0.587 * image[1:2] + 0.114 * image[2:3]
            item["image"] = grey + factor * (image - grey)
        return item
