"""Prompts of pictures as files give them, checked and as tensors.

In a file they are ``{label name: {"points": [[x, y], …], "point_labels": [1, 0, …], "box": [x0, y0, x1, y1]}}`` in
pixels of the source (column, row), the centre of a pixel at integers. Points and box may each be left out, and so may
labels.
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
EXAMPLE = 'give e.g. {"Disc": {"points": [[30, 12]], "point_labels": [1], "box": [20, 5, 41, 22]}}'

Corners = list[list[float]]


def source_size(image: MetaTensor) -> tuple[int, int]:
    """Width and height of the source picture.

    Raises:
        SamAdaptError: for a volume, whose slices would each need prompts.
    """
    size = image.meta[MetaKeys.SPATIAL_SHAPE]
    if len(size) != 2:
        problem = "is a volume: prompts are for pictures"
        raise SamAdaptError("prompts", file_of(image), problem, "segment it without prompts (prompt_modes none)")
    return int(size[0]), int(size[1])


def require_prompts(item: Mapping[Any, Any]) -> None:
    """Refuse the mode ``file`` for an item without prompts."""
    if not item.get("prompts"):
        image = item["image"]
        file = file_of(image) if isinstance(image, MetaTensor) else str(image)
        raise SamAdaptError("prompts", file, "has none", "add them to the datalist or give prompts_file")


def parse_prompts(given: Any, label_spec: LabelSpec, size: tuple[int, int], file: str) -> tuple[Tensor, Tensor]:
    """Read prompts as a file has them.

    Args:
        given: label name → points, point_labels, box; see the module.
        label_spec: the K labels.
        size: width and height of the source in pixels.
        file: name of the image, for the errors.

    Returns:
        points (K, N, 2) in pixels of the source and their labels (K, N), padded to the longest.

    Raises:
        SamAdaptError: when they are malformed, of an unknown label or not in the image.
    """
    check_names(given, label_spec, file)
    parts = [_of_label(given.get(name, {}), name, size, file) for name in label_spec.names]
    longest = max(1, *(len(labels) for _, labels in parts))
    points = torch.zeros(len(parts), longest, 2)
    point_labels = torch.full((len(parts), longest), PADDING)
    for index, (places, labels) in enumerate(parts):
        if labels:
            points[index, : len(labels)] = torch.tensor(places)
            point_labels[index, : len(labels)] = torch.tensor(labels)
    return points, point_labels


def check_names(given: Any, label_spec: LabelSpec, file: str) -> None:
    """Refuse prompts that are not listed by label."""
    if not isinstance(given, Mapping) or not all(isinstance(part, Mapping) for part in given.values()):
        raise SamAdaptError("prompts", file, "are not listed by label", EXAMPLE)
    if unknown := [name for name in given if name not in label_spec.names]:
        raise SamAdaptError("prompts", file, f"name {unknown[0]!r}", f"give labels of {list(label_spec.names)}")
    if wrong := [key for part in given.values() for key in part if key not in PARTS]:
        raise SamAdaptError("prompts", file, f"have an entry {wrong[0]!r}", f"give {', '.join(PARTS)}")


def _of_label(part: Mapping[str, Any], name: str, size: tuple[int, int], file: str) -> tuple[Corners, list[int]]:
    points, labels, box = part.get("points") or [], part.get("point_labels") or [], part.get("box")
    if not isinstance(points, list) or not all(_numbers(point, 2) for point in points):
        raise SamAdaptError("prompts", file, f"points of {name!r} are no list of [x, y]", EXAMPLE)
    if not isinstance(labels, list) or len(labels) != len(points) or not all(label in (0, 1) for label in labels):
        problem = f"{name!r} has {len(points)} points and point_labels {labels}"
        raise SamAdaptError("prompts", file, problem, "give a 1 (object) or 0 (background) for each point")
    corners = [] if box is None else _corners(box, name, file)
    for x, y in (*points, *corners):
        if not (-0.5 <= x <= size[0] - 0.5 and -0.5 <= y <= size[1] - 0.5):
            problem = f"point ({x}, {y}) of {name!r} lies outside its {size[0]} x {size[1]} pixels"
            raise SamAdaptError("prompts", file, problem, "give (column, row) in pixels of the source")
    return [*points, *corners], [*labels, *((TOP_LEFT, BOTTOM_RIGHT) if corners else ())]


def _corners(box: Any, name: str, file: str) -> Corners:
    if not _numbers(box, 4) or box[0] >= box[2] or box[1] >= box[3]:
        remedy = "give [x0, y0, x1, y1] with x0 < x1 and y0 < y1"
        raise SamAdaptError("prompts", file, f"box {box} of {name!r} has no area", remedy)
    return [list(box[:2]), list(box[2:])]


def _numbers(values: Any, count: int) -> bool:
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
