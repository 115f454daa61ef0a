"""Random changes of fundus photographs for training, after SAM2LoRA (arXiv 2510.10288)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform, Transform
from numpy.typing import NDArray
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as TF

from monai_samadapt.transforms.augment import BOTH, flips

DEGREES = 8.0
SMALLEST_WINDOW = 0.8
SMALLEST_SCALE = 0.8
PERSPECTIVE = 0.1


def fundus_augmentation(names: Sequence[str]) -> list[Transform]:
    """Flips, each in half the samples (none to the side where a label has one), `RandViewd` and `RandPhotographd`."""
    return [*flips(names), RandViewd(prob=0.5), RandPhotographd(prob=0.5)]


class RandViewd(RandomizableTransform, MapTransform):
    """Look at ``image`` and ``label`` from elsewhere: window, rotation, scale and perspective as one homography.

    In order: a window of 0.8 to 1 of the sides, anywhere, fills the picture; it is turned by up to 8 degrees and shrunk
    to 0.8 to 1; each corner moves inwards by up to 5 % of the sides (a perspective of 0.1). All are uniform. The image
    is interpolated once, linearly, the label takes the nearest; what comes in from outside is 0.

    The authors' code has, one after the other: perspective .1 in 60 %, a resized crop of 8 to 100 % of the area with
    changed aspect, a rotation by up to 8 degrees, an affine map by up to 8 degrees, a shift of up to 20 % and a scale
    of .2 to .8. Together they shrink a retina to as little as a fifth, where vessels of a few pixels vanish, or show a
    patch without disc; windows and scales down to .8 keep its appearance near that of a test image.

    Args:
        prob: share of the samples that are changed.
    """

    def __init__(self, prob: float) -> None:
        MapTransform.__init__(self, BOTH)
        RandomizableTransform.__init__(self, prob)

    def corners(self, size: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the four corners of a picture of ``size`` (columns, rows) as x and y, and where they go."""
        signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
        part, scale = self.R.uniform(SMALLEST_WINDOW, 1), self.R.uniform(SMALLEST_SCALE, 1)
        middle = self.R.uniform(-0.5, 0.5, 2) * (1 - part) * size
        angle = math.radians(self.R.uniform(-DEGREES, DEGREES))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        inwards = self.R.uniform(0, PERSPECTIVE / 2, (4, 2)) * size
        moved = (signs * size / 2 - middle) * (scale / part) @ turn.T - signs * inwards
        return signs * size / 2 + size / 2, moved + size / 2

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        self.randomize(None)
        if self._do_transform:
            rows, columns = item["image"].shape[1:]
            start, end = (points.tolist() for points in self.corners(np.array([columns, rows], dtype=np.float64)))
            for key, mode in zip(BOTH, (InterpolationMode.BILINEAR, InterpolationMode.NEAREST), strict=True):
                item[key] = _like(item[key], TF.perspective(_plain(item[key]), start, end, interpolation=mode))
        return item


class RandPhotographd(RandomizableTransform, MapTransform):
    """Photograph ``image`` (3, rows, columns), 0…1, again: brightness, hue, blur, sharpness, as the authors' code.

    Brightness times 0.9 to 1.1; hue turned by up to 0.02 of a circle; a Gaussian of 0.1 to 0.4 pixels in a window of
    3 × 3; in half of the changed samples sharpness 1.2. Black stays black, but for the blur at its border.

    Args:
        prob: share of the samples that are changed.
    """

    def __init__(self, prob: float) -> None:
        MapTransform.__init__(self, "image")
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        self.randomize(None)
        if self._do_transform:
            image = TF.adjust_brightness(_plain(item["image"]), self.R.uniform(0.9, 1.1))
            image = TF.adjust_hue(image, self.R.uniform(-0.02, 0.02))
            image = TF.gaussian_blur(image, [3, 3], [self.R.uniform(0.1, 0.4)])
            image = TF.adjust_sharpness(image, 1.2) if self.R.rand() < 0.5 else image
            item["image"] = _like(item["image"], image)
        return item


def _plain(values: torch.Tensor) -> torch.Tensor:
    return values.as_tensor() if isinstance(values, MetaTensor) else values


def _like(before: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return MetaTensor(values, meta=before.meta) if isinstance(before, MetaTensor) else values
