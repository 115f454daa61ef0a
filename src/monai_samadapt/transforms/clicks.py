"""Clicks and boxes of an annotator, as MONAI Label's requests have them, brought to the network's input.

A request has ``foreground`` and ``background``, lists of voxels [x, y] or [x, y, z] of the source in the order of its
axes, ``roi`` and ``label``, the name of the label that they are for. ``roi`` is [x0, y0, x1, y1] of a picture (CVAT)
or [x0, x1, y0, y1, z0, z1] (3D Slicer).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils.enums import MetaKeys
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.prompts import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT
from monai_samadapt.transforms.by_slice import by_slice
from monai_samadapt.transforms.grid import file_of

CLICKS = "clicks"
EXAMPLE = 'give e.g. {"label": "Liver", "foreground": [[120, 80, 31]]}'
Item = dict[Hashable, Any]


@dataclass(frozen=True)
class Clicks:
    """Prompts for one label on some slices of the network's input.

    Attributes:
        label: index of the label, without background.
        slices: slice → points (N, 2) as (column, row) and their labels (N,); a picture is slice 0.
    """

    label: int
    slices: dict[int, tuple[Tensor, Tensor]]


class ClicksToNetworkd(MapTransform):
    """Put the `Clicks` of a request into the meta of ``image``, the only thing MONAI Label hands on to an inferer.

    With the affines A of the source and A' of ``image``: ``(row, column, slice) = A'^-1 A (x, y, z)``. An item without
    clicks stays what it is.

    Args:
        label_spec: the labels.

    Raises:
        SamAdaptError: for clicks that are malformed, outside the image, of no label, or only in the background.
    """

    def __init__(self, label_spec: LabelSpec) -> None:
        super().__init__("image")
        self.label_spec = label_spec

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        item = dict(data)
        image = item["image"]
        if points := _points(item, image):
            clicks = Clicks(self._label(item), by_slice(points, image))
            if not clicks.slices:
                remedy = "give foreground or roi on the part of the image that the network sees"
                raise SamAdaptError("foreground", file_of(image), "has no click on an object", remedy)
            operations, meta = image.applied_operations, {**image.meta, CLICKS: clicks}
            item["image"] = MetaTensor(image.as_tensor(), meta=meta, applied_operations=operations)
        return item

    def _label(self, item: Item) -> int:
        names = [name.lower() for name in self.label_spec.names]
        label = str(item.get("label") or "").lower()
        if not label and len(names) == 1:
            return 0
        if label not in names:
            remedy = f"give label, one of {', '.join(self.label_spec.names)}"
            raise SamAdaptError("label", item.get("label"), "is no label to put the clicks to", remedy)
        return names.index(label)


def request_voxels(item: Mapping[Any, Any], image: MetaTensor) -> list[list[float]]:
    """All voxels that a request names, corners of its box among them; none for one without clicks."""
    return [voxel for voxel, _ in _points(item, image)]


def _points(item: Mapping[Any, Any], image: MetaTensor) -> list[tuple[list[float], int]]:
    """All prompts of a request as voxels of the source with their labels."""
    given = {key: item.get(key) or [] for key in ("foreground", "background", "roi")}
    size = [int(side) for side in image.meta[MetaKeys.SPATIAL_SHAPE]]
    points = [(_voxel(point, size, key), label) for key, label in _KINDS for point in _sequence(given[key], key)]
    if given["roi"]:
        low, high = _corners(given["roi"], size)
        points += [(low, TOP_LEFT), (high, BOTTOM_RIGHT)]
    return points


_KINDS = (("foreground", POSITIVE), ("background", NEGATIVE))


def _sequence(points: Any, key: str) -> Sequence[Any]:
    if not isinstance(points, list):
        raise SamAdaptError(key, points, "is no list of voxels", EXAMPLE)
    return points


def _voxel(point: Any, size: list[int], key: str) -> list[float]:
    if not isinstance(point, list) or len(point) < len(size) or not all(_is_number(value) for value in point):
        raise SamAdaptError(key, point, f"is no voxel of an image with {len(size)} axes", EXAMPLE)
    voxel = [float(value) for value in point[: len(size)]]
    if not all(-0.5 <= value <= side - 0.5 for value, side in zip(voxel, size, strict=True)):
        raise SamAdaptError(key, point, f"lies outside the image of {' x '.join(map(str, size))}", EXAMPLE)
    return voxel


def _corners(roi: Any, size: list[int]) -> tuple[list[float], list[float]]:
    length = len(roi) if isinstance(roi, list) and all(_is_number(value) for value in roi) else 0
    if length == 4 and len(size) == 2:
        pairs = [(roi[0], roi[2]), (roi[1], roi[3])]
    elif length == 6:
        pairs = [(roi[0], roi[1]), (roi[2], roi[3]), (roi[4], roi[5])]
    else:
        raise SamAdaptError("roi", roi, "is no box", "give [x0, y0, x1, y1], or [x0, x1, y0, y1, z0, z1] of a volume")
    bounds = [sorted(min(max(float(v), 0), side - 1) for v in pair) for pair, side in zip(pairs, size, strict=False)]
    return [low for low, _ in bounds], [high for _, high in bounds]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
