"""Label pictures of public sets, decoded to label maps (rows, columns) of uint8."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_samadapt.datasets.public.describe import Made, Source
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.transforms.pictures import PictureReader

LabelMap = NDArray[np.uint8]
HALF = 128
TWO_OF_FOUR = 96
UNKNOWN, MOST_UNKNOWN = 255, 0.05


def label_picture(image: Path, decode: Callable[..., LabelMap], *files: Path) -> Made:
    """A label map that ``decode(*files)`` gives, to be written as PNG; it must have the size of its image."""
    return Made(partial(_write_label, image, decode, files))


def binary(label: Path) -> Source:
    """A label picture in place if it holds 0 and 1, or 0 and 255; else its pixels from 128 on, as 1.

    So soft edges, as JPG and resampling make them, become sharp.
    """
    values = PictureReader().label(str(label))
    found = set(values.unique().tolist()) if values.shape[0] == 1 else {-1}
    if found <= {0, 1} or found <= {0, 255}:
        return label
    return Made(lambda target: write_png(decode_binary(label), target))


def unzipped(path: Path, label: bool) -> Source:
    """A picture in place, or from a ``.gz`` file; of a label its pixels from 128 on, as 1."""
    if path.suffix.lower() != ".gz":
        return binary(path) if label else path
    return Made(partial(_write_unzipped, path, label))


def read_grey(path: Path) -> LabelMap:
    """Read a picture of any kind as grey values 0…255 (rows, columns): luma of colours, without alpha."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").convert("L"))
    except OSError as error:
        raise SamAdaptError("label", str(path), f"cannot be read ({error})", "get this file again") from error


def read_colours(path: Path) -> LabelMap:
    """Read a picture as (rows, columns, 3), without alpha."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except OSError as error:
        raise SamAdaptError("label", str(path), f"cannot be read ({error})", "get this file again") from error


def decode_binary(path: Path) -> LabelMap:
    """1 where the grey value is at least 128."""
    return (read_grey(path) >= HALF).astype(np.uint8)


def decode_instances(path: Path) -> LabelMap:
    """1 where an instance's number is stored, as grey value or palette index."""
    values = PictureReader().label(str(path)).numpy()
    return (values != 0).any(axis=0).T.astype(np.uint8)


def decode_soft_disc_cup(disc: Path, cup: Path) -> LabelMap:
    """1 rim and 2 cup where at least two of four experts agree, from maps with 255 for all four.

    One expert is 64 and two are 127 or 128: the threshold is 96, half way.
    """
    outer, inner = (read_grey(path) >= TWO_OF_FOUR for path in (disc, cup))
    return np.where(inner, 2, outer).astype(np.uint8)


def decode_dark_cup(path: Path) -> LabelMap:
    """1 rim and 2 cup from grey values 128 and 0 on white (255); others count as the nearest of the three."""
    grey = read_grey(path)
    return np.where(grey < 64, 2, grey < 192).astype(np.uint8)


def decode_ids(ids: Mapping[int, int], path: Path) -> LabelMap:
    """Grey values to label values by a table; pixels of other values take that of the nearest known pixel.

    Raises:
        SamAdaptError: when more than a twentieth of the pixels have other values.
    """
    grey = read_colours(path)[..., 0]
    table = np.full(256, UNKNOWN, np.uint8)
    table[list(ids)] = list(ids.values())
    return _completed(table[grey], grey, path)


def decode_colours(colours: Mapping[tuple[int, int, int], int], path: Path) -> LabelMap:
    """Colours to label values by a table; pixels of other colours, as smoothed edges, take the nearest known pixel's.

    Raises:
        SamAdaptError: when more than a twentieth of the pixels have other colours.
    """
    pixels = read_colours(path).astype(np.int64)
    packed = pixels @ np.array([65536, 256, 1])
    result = np.full(packed.shape, UNKNOWN, np.uint8)
    for (red, green, blue), value in colours.items():
        result[packed == red * 65536 + green * 256 + blue] = value
    return _completed(result, pixels, path)


def write_png(label: NDArray[np.uint8 | np.uint16], target: Path) -> None:
    """Write a label map, complete or not at all."""
    with atomic_path(target) as temporary:
        Image.fromarray(label).save(temporary)


def _completed(result: LabelMap, found: NDArray[np.integer], path: Path) -> LabelMap:
    """Fill the pixels of unknown value, 255, from the nearest others."""
    unknown = result == UNKNOWN
    if unknown.mean() > MOST_UNKNOWN:
        value = found[unknown][0].tolist()
        problem = f"has {100 * unknown.mean():.0f} % of pixels with values of no label, as {value}"
        raise SamAdaptError("label", str(path), problem, "get this file again")
    if not unknown.any():
        return result
    rows, columns = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled: LabelMap = result[rows, columns]
    return filled


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
