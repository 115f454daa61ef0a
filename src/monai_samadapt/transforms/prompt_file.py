"""Prompts as files give them, checked and as tensors.

In a file they are ``{label name: {"points": [[x, y], …], "point_labels": [1, 0, …], "box": [x0, y0, x1, y1]}}`` in
pixels of the source (column, row), the centre of a pixel at integers. Points and box may each be left out, and so may
labels. Those of a volume are voxels in the order of its axes, ``[x, y, z]`` and ``[x0, y0, z0, x1, y1, z1]``; a box
lies on each slice that it reaches, and ``box`` may be a list of boxes on different slices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.utils.enums import MetaKeys
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.prompts import BOTTOM_RIGHT, PADDING, TOP_LEFT
from monai_samadapt.transforms.grid import file_of

PARTS = ("points", "point_labels", "box")
AXES = {2: "[x, y]", 3: "[x, y, z]"}
BOXES = {2: "[x0, y0, x1, y1]", 3: "[x0, y0, z0, x1, y1, z1]"}
UNITS = {2: "pixels", 3: "voxels"}
REMEDY = {2: "give (column, row) in pixels of the source", 3: "give voxels of the source in the order of its axes"}
EXAMPLE = {
    2: 'give e.g. {"Disc": {"points": [[30, 12]], "point_labels": [1], "box": [20, 5, 41, 22]}}',
    3: 'give e.g. {"Liver": {"points": [[30, 12, 7]], "point_labels": [1], "box": [20, 5, 6, 41, 22, 9]}}',
}

Corners = list[list[float]]
Size = tuple[int, ...]


def source_size(image: MetaTensor) -> Size:
    """Width and height of a source picture; sides of a source volume along its axes."""
    return tuple(int(side) for side in image.meta[MetaKeys.SPATIAL_SHAPE])


def require_prompts(item: Mapping[Any, Any]) -> None:
    """Refuse the mode ``file`` for an item without prompts."""
    if not item.get("prompts"):
        image = item["image"]
        file = file_of(image) if isinstance(image, MetaTensor) else str(image)
        raise SamAdaptError("prompts", file, "has none", "add them to the datalist or give prompts_file")


def parse_prompts(given: Any, label_spec: LabelSpec, size: Size, file: str) -> tuple[Tensor, Tensor]:
    """Read prompts as a file has them.

    Args:
        given: label name → points, point_labels, box; see the module.
        label_spec: the K labels.
        size: sides of the source in pixels or voxels.
        file: name of the image, for the errors.

    Returns:
        points (K, N, 2 or 3) in pixels or voxels of the source and their labels (K, N), padded to the longest.

    Raises:
        SamAdaptError: when they are malformed, of an unknown label or not in the image.
    """
    check_names(given, label_spec, file, EXAMPLE[len(size)])
    parts = [_of_label(given.get(name, {}), name, size, file) for name in label_spec.names]
    longest = max(1, *(len(labels) for _, labels in parts))
    points = torch.zeros(len(parts), longest, len(size))
    point_labels = torch.full((len(parts), longest), PADDING)
    for index, (places, labels) in enumerate(parts):
        if labels:
            points[index, : len(labels)] = torch.tensor(places)
            point_labels[index, : len(labels)] = torch.tensor(labels)
    return points, point_labels


def check_names(given: Any, label_spec: LabelSpec, file: str, example: str) -> None:
    """Refuse prompts that are not listed by label."""
    if not isinstance(given, Mapping) or not all(isinstance(part, Mapping) for part in given.values()):
        raise SamAdaptError("prompts", file, "are not listed by label", example)
    if unknown := [name for name in given if name not in label_spec.names]:
        raise SamAdaptError("prompts", file, f"name {unknown[0]!r}", f"give labels of {list(label_spec.names)}")
    if wrong := [key for part in given.values() for key in part if key not in PARTS]:
        raise SamAdaptError("prompts", file, f"have an entry {wrong[0]!r}", f"give {', '.join(PARTS)}")


def _of_label(part: Mapping[str, Any], name: str, size: Size, file: str) -> tuple[Corners, list[int]]:
    points, labels, box = part.get("points") or [], part.get("point_labels") or [], part.get("box")
    if not isinstance(points, list) or not all(_numbers(point, len(size)) for point in points):
        problem = f"points of {name!r} are no list of {AXES[len(size)]}"
        raise SamAdaptError("prompts", file, problem, EXAMPLE[len(size)])
    if not isinstance(labels, list) or len(labels) != len(points) or not all(label in (0, 1) for label in labels):
        problem = f"{name!r} has {len(points)} points and point_labels {labels}"
        raise SamAdaptError("prompts", file, problem, "give a 1 (object) or 0 (background) for each point")
    if len(size) == 3 and points and 1 not in labels and box is None:
        problem = f"{name!r} has background points alone, which ask for nothing"
        raise SamAdaptError("prompts", file, problem, "add a point on the object, or a box")
    corners = [corner for one in _boxes(box, size) for corner in _corners(one, name, size, file)]
    for place in (*points, *corners):
        if not all(-0.5 <= value <= side - 0.5 for value, side in zip(place, size, strict=True)):
            shown = ", ".join(map(str, place))
            problem = f"point ({shown}) of {name!r} lies outside its {' x '.join(map(str, size))} {UNITS[len(size)]}"
            raise SamAdaptError("prompts", file, problem, REMEDY[len(size)])
    return [*points, *corners], [*labels, *((TOP_LEFT, BOTTOM_RIGHT) * (len(corners) // 2))]


def _boxes(box: Any, size: Size) -> list[Any]:
    """The boxes of a label: none, one, or several of a volume."""
    several = len(size) == 3 and isinstance(box, list) and box and all(isinstance(one, list) for one in box)
    return [] if box is None else list(box) if several else [box]


def _corners(box: Any, name: str, size: Size, file: str) -> Corners:
    """The corners of a box, which has an area in a picture; in a volume it may be one voxel thick."""
    axes = len(size)
    sides = [box[axis + axes] - box[axis] for axis in range(axes)] if _numbers(box, 2 * axes) else [-1]
    if min(sides) < 0 or (axes == 2 and 0 in sides):
        problem = f"box {box} of {name!r} has no area"
        raise SamAdaptError("prompts", file, problem, f"give {BOXES[axes]}, the larger value of an axis last")
    return [box[:axes], box[axes:]]


def _numbers(values: Any, count: int) -> bool:
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
