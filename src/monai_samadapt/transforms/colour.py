"""What the three channels of a fundus photograph hold."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform
from skimage.color import lab2rgb, rgb2lab
from skimage.exposure import equalize_adapthist

CHANNELS = ("rgb", "green", "clahe")
CLIP_LIMIT = 0.01


class ColourChannelsd(MapTransform):
    """Change the channels of ``image`` (3, rows, columns), 0…1.

    ``rgb`` leaves it as it is; ``green`` gives the green channel, where vessels have the most contrast, three times;
    ``clahe`` is `equalise`.

    Args:
        channels: one of the three.
    """

    def __init__(self, channels: str) -> None:
        super().__init__("image")
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        if self.channels != "rgb":
            image = item["image"]
            values = image.as_tensor()
            changed = values[1:2].expand(3, -1, -1).clone() if self.channels == "green" else equalise(values)
            item["image"] = MetaTensor(changed, meta=image.meta, applied_operations=image.applied_operations)
        return item


def equalise(image: torch.Tensor) -> torch.Tensor:
    """Equalise the lightness L* of CIE L*a*b* by contrast-limited adaptive histogram equalisation.

    Zuiderveld, Graphics Gems IV, 1994, as in scikit-image: tiles of an eighth of each side, clip limit 0.01. Black
    pixels, those outside the field of view, count as the median lightness of the others and stay black.

    Args:
        image: (3, rows, columns), 0…1.

    Returns:
        float32 (3, rows, columns), 0…1.
    """
    inside = (image.amax(dim=0) > 0).numpy()
    if not inside.any():
        return image.clone()
    lab = rgb2lab(image.permute(1, 2, 0).numpy())
    lightness = np.where(inside, lab[..., 0], np.median(lab[..., 0][inside])) / 100.0
    lab[..., 0] = 100.0 * equalize_adapthist(lightness, clip_limit=CLIP_LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it warns of colours that no screen shows, and clips them
        rgb = lab2rgb(lab) * inside[..., None]
    return torch.from_numpy(rgb).permute(2, 0, 1).float().contiguous()
