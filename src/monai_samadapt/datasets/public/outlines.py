"""Outlines and MATLAB files of public sets, decoded to label maps (rows, columns) of uint8."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.draw import polygon2mask

from monai_samadapt.datasets.public.decode import LabelMap
from monai_samadapt.errors import SamAdaptError

Points = Sequence[Sequence[float]]


def fill(points: Points | NDArray[np.floating], shape: tuple[int, int], file: Path) -> NDArray[np.bool_]:
    """The pixels whose centre, at whole numbers, lies in a polygon of (x, y) = (column, row); none for two points.

    Raises:
        SamAdaptError: naming ``file`` when these are no points.
    """
    try:
        outline = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError):
        outline = np.empty(0)
    if outline.ndim != 2 or outline.shape[1] != 2:
        raise SamAdaptError("label", str(file), "holds an outline that is no list of x, y", "get this file again")
    if len(outline) < 3:
        return np.zeros(shape, bool)
    inside: NDArray[np.bool_] = polygon2mask(shape, outline[:, ::-1])
    return inside


def image_shape(image: Path) -> tuple[int, int]:
    """Rows and columns of a picture."""
    with Image.open(image) as picture:
        return picture.height, picture.width


def decode_labelme(names: Mapping[str, int], image: Path, path: Path) -> LabelMap:
    """A map of the polygons in a JSON file of labelme; later values of ``names`` lie over earlier ones.

    Args:
        names: label in the file, in lower case → value; other labels are left out.
        image: the image, for its size.
        path: the file; its ``shapes`` have ``label`` and ``points`` (x, y).

    Raises:
        SamAdaptError: when the file has no polygon of the first value.
    """
    shapes = load_json(path, "shapes")
    size = image_shape(image)
    label = np.zeros(size, np.uint8)
    for value in sorted(set(names.values())):
        for shape in shapes:
            if names.get(str(shape.get("label")).strip().lower()) == value:
                label[fill(shape.get("points", ()), size, path)] = value
        if value == 1 and not label.any():
            known = "/".join(name for name in names if names[name] == 1)
            raise SamAdaptError("label", str(path), f"has no polygon {known}", "get this file again")
    return label


def decode_contours(image: Path, disc: Path, cup: Path) -> LabelMap:
    """1 rim and 2 cup from two text files with a point ``x y`` in each line.

    Raises:
        SamAdaptError: when a file holds no points, or the disc covers no pixel of the image.
    """
    shape = image_shape(image)
    outer, inner = (fill(_points(path), shape, path) for path in (disc, cup))
    if not outer.any():
        raise SamAdaptError("label", str(disc), "covers no pixel of its image", "get both files again")
    return np.where(inner, 2, outer).astype(np.uint8)


def decode_mat(image: Path, path: Path) -> LabelMap:
    """The array ``mask`` of a MATLAB file, 0, 1 and 2, cut to its image: columns on both sides, rows below.

    Raises:
        SamAdaptError: when the file is unreadable, or its array is smaller than the image or has other values.
    """
    from scipy.io import loadmat

    rows, columns = image_shape(image)
    try:
        mask = np.asarray(loadmat(path)["mask"])
    except (KeyError, OSError, ValueError, NotImplementedError) as error:
        raise SamAdaptError("label", str(path), f"has no readable mask ({error})", "get this file again") from error
    if mask.ndim != 2 or mask.shape[0] < rows or mask.shape[1] < columns or not np.isin(mask, (0, 1, 2)).all():
        problem = f"has shape {mask.shape} for an image {(rows, columns)}, or values other than 0, 1, 2"
        raise SamAdaptError("label", str(path), problem, "get both files again")
    left = (mask.shape[1] - columns) // 2
    return mask[:rows, left : left + columns].astype(np.uint8)


def load_json(path: Path, key: str | None = None) -> Any:
    """Return a JSON file, or one entry of its object.

    Raises:
        SamAdaptError: when it is unreadable or lacks the entry.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return content if key is None else content[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"is no readable JSON ({type(error).__name__}: {error})"
        raise SamAdaptError("file", str(path), problem, "get this file again") from error


def _points(path: Path) -> NDArray[np.floating]:
    try:
        return np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise SamAdaptError("label", str(path), f"holds no points ({error})", "get this file again") from error
