"""Where a dataset's cache ends."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import MapTransform
from monai.transforms.traits import RandomizableTrait


class EndOfCached(MapTransform, RandomizableTrait):
    """Changes nothing; MONAI's `CacheDataset` caches what comes before it, and computes the rest each time.

    MONAI stops at the first transform that says it is random. Before the conversion to the network's input a volume
    has one channel instead of three.
    """

    def __init__(self) -> None:
        super().__init__("image")

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return dict(data)
