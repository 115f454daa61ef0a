"""Label pictures of public sets, decoded to label maps (rows, columns) of uint8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.pictures import PictureReader

LabelMap = NDArray[np.uint8]
HALF = 128
SIXTEEN_BITS = "I;16"  # how Pillow's modes of it begin
TWO_OF_FOUR = 96
UNKNOWN, MOST_UNKNOWN = 255, 0.05


def read_grey(path: Path) -> LabelMap:
    """Read a picture of any kind as grey values 0…255 (rows, columns): luma of colours, without alpha.

    Of 16-bit values, 0…65535, it is the upper byte.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith(SIXTEEN_BITS):
                return (np.asarray(picture) >> 8).astype(np.uint8)
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


def half_of(path: Path) -> int:
    """The middle of the range of a picture's stored values: 128, or 32768 of 16 bits."""
    with Image.open(path) as picture:
        return HALF << 8 if picture.mode.startswith(SIXTEEN_BITS) else HALF


def decode_binary(path: Path) -> LabelMap:
    """1 where the grey value is at least 128 of 255, or 32768 of 65535."""
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
