"""Scaling a volume by its own intensities."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.transforms.utils_pytorch_numpy_unification import percentile


class ScaleByPercentilesd(MapTransform):
    r"""Map the ``low``-th to the ``high``-th percentile p of ``image`` to 0…1 and clip: (v - p_low) / (p_high - p_low).

    Where both are one value, as with little signal in a masked volume, lowest and highest value take their place; a
    volume of one value becomes 0. MONAI's ``ScaleIntensityRangePercentilesd`` leaves such volumes unscaled.

    Args:
        low, high: in percent.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__("image")
        self.low, self.high = low, high

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = item["image"]
        values = image.as_tensor()
        first, last = (float(percentile(values, share)) for share in (self.low, self.high))
        if first == last:
            first, last = float(values.min()), float(values.max())
        scaled = values.sub(first).div_(max(last - first, 1e-30)).clamp_(0, 1)
        item["image"] = MetaTensor(scaled, meta=image.meta, applied_operations=image.applied_operations)
        return item
