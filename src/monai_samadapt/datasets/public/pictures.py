"""Files that are used in place or made: label pictures, and unpacked pictures."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_samadapt.datasets.public.decode import HALF, LabelMap, decode_binary
from monai_samadapt.datasets.public.describe import Made, Source
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.transforms.pictures import PictureReader

MOST_COUNTED = 65536


def label_picture(image: Path, decode: Callable[..., LabelMap], *files: Path) -> Made:
    """A label map that ``decode(*files)`` gives, to be written as PNG; it must have the size of its image."""
    return Made(partial(_write_label, image, decode, files))


def binary(label: Path) -> Source:
    """A label picture in place if it holds 0 and 1, or 0 and 255; else its pixels from half of their range on, as 1.

    So soft edges, as JPG and resampling make them, become sharp.
    """
    values = PictureReader().label(str(label))
    found = stored_values(values.numpy(), label) if values.shape[0] == 1 else {-1}
    if found <= {0, 1} or found <= {0, 255}:
        return label
    return Made(lambda target: write_png(decode_binary(label), target))


def stored_values(label: NDArray[np.number], path: Path) -> set[int]:
    """The values in the label map of a file; counting is faster than sorting.

    Raises:
        SamAdaptError: when one is no whole number.
    """
    if np.issubdtype(label.dtype, np.integer) and label.size and label.min() >= 0 and label.max() < MOST_COUNTED:
        return set(np.flatnonzero(np.bincount(label.ravel())).tolist())
    values = np.unique(label)
    with np.errstate(invalid="ignore"):
        wrong = values[values % 1 != 0]  # NaN and infinite ones too
    if wrong.size:
        raise SamAdaptError("label", str(path), f"has the value {wrong[0]:g}, no whole number", "save an integer map")
    return {int(value) for value in values}


def unzipped(path: Path, label: bool) -> Source:
    """A picture in place, or from a ``.gz`` file; of a label its pixels from 128 on, as 1."""
    if path.suffix.lower() != ".gz":
        return binary(path) if label else path
    return Made(partial(_write_unzipped, path, label))


def write_png(label: NDArray[np.uint8 | np.uint16], target: Path) -> None:
    """Write a label map, complete or not at all."""
    with atomic_path(target) as temporary:
        Image.fromarray(label).save(temporary)


def _write_label(image: Path, decode: Callable[..., LabelMap], files: Sequence[Path], target: Path) -> None:
    label = decode(*files)
    with Image.open(image) as picture:
        size = picture.size
    if label.shape[::-1] != size:
        problem = f"gives {label.shape[1]} by {label.shape[0]} pixels, its image {image} has {size[0]} by {size[1]}"
        raise SamAdaptError("label", str(files[0]), problem, "get both files again")
    write_png(label, target)


def _write_unzipped(path: Path, label: bool, target: Path) -> None:
    try:
        with Image.open(BytesIO(gzip.decompress(path.read_bytes()))) as picture:
            pixels = np.asarray(picture)
    except (OSError, EOFError) as error:
        raise SamAdaptError("file", str(path), f"cannot be read ({error})", "get this file again") from error
    if label:
        pixels = (np.atleast_3d(pixels)[..., 0] >= HALF).astype(np.uint8) if pixels.dtype != bool else pixels
    write_png(pixels, target)
