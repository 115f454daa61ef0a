"""Reading 2D pictures: PNG, JPG, TIFF and what else Pillow opens."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transposed
from numpy.typing import NDArray
from PIL import Image

from monai_samadapt.errors import SamAdaptError, first_line
from monai_samadapt.transforms.grid import on_source_grid

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
CUT_MODES = ("LA", "RGB", "RGBA")
"""Where Pillow keeps the upper 8 of 16 bits."""
LABEL_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", *WIDE_MODES)


class PictureReader:
    """Reads a picture in MONAI's order of the axes: (C, W, H), so that a row of the picture is the last axis.

    The stored pixels count: an EXIF orientation is ignored, in pictures and labels alike, as MONAI's reader does.
    """

    def image(self, path: str, key: str = "image") -> MetaTensor:
        """Read float32 (3, W, H), red, green, blue in 0…255.

        Grey is repeated, alpha is dropped, palette and CMYK are converted. Wider grey values (16-bit, 32-bit, float)
        are scaled by the picture's own minimum and maximum to 0…255.

        Raises:
            SamAdaptError: when the file is missing, unreadable, has several pages or 16 bits in each of several
                channels, or NaN or infinite values.
        """
        pixels, mode, _ = _read(path, key)
        if mode in WIDE_MODES:
            pixels = _stretch(pixels.astype(np.float64), path, key)
        rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
        return on_source_grid(np.array(rgb.transpose(2, 1, 0), dtype=np.float32), np.eye(4), path)

    def label(self, path: str, key: str = "label", channels: int = 1) -> MetaTensor:
        """Read label values (C, W, H) as int32, or float32 for float pictures.

        Palette pictures give their index, but 0 for black and 1 for white where there are only these and white comes
        first; 1-bit pictures give 0 and 1; alpha is dropped. Where one of ``channels`` is expected, equal colour
        channels are one.

        Raises:
            SamAdaptError: as for an image, or when its mode has no label values, as CMYK.
        """
        pixels, mode, raw = _read(path, key)
        if mode not in LABEL_MODES:
            raise SamAdaptError(key, path, f"is a {mode} picture", "save it as grey values or with a palette")
        if mode == "P" and _white_first(pixels, raw):
            raw = (pixels[..., 0] > 0).astype(np.uint8)
        values = raw[..., :1] if mode in ("LA", "PA") else np.atleast_3d(raw)[..., :3]
        if channels == 1 and (values == values[..., :1]).all():
            values = values[..., :1]
        dtype = np.float32 if mode == "F" else np.int32
        return on_source_grid(np.array(values.transpose(2, 1, 0), dtype=dtype), np.eye(4), path)


class Uprightd(Transposed):
    """Exchange the axes of entries (C, W, H), and unlike MONAI's `Transposed` those of their affines too.

    Args:
        keys: entries, of which each becomes (C, row, column).
    """

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(keys, indices=(0, 2, 1))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._exchange(super().__call__(data))

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return to (C, W, H)."""
        return self._exchange(super().inverse(data))

    def _exchange(self, item: dict[Hashable, Any]) -> dict[Hashable, Any]:
        for key in self.key_iterator(item):
            affine = item[key].affine
            order = [1, 0, *range(2, len(affine))]
            item[key].affine = torch.as_tensor(affine)[:, order]
        return item


def _read(path: str, key: str) -> tuple[NDArray[Any], str, NDArray[Any]]:
    """Return the pixels to look at (H, W[, 3]), the file's mode and its stored values (H, W[, C])."""
    if not os.path.isfile(path):
        raise SamAdaptError(key, path, "does not exist", "check dataset_dir and the datalist")
    try:
        with Image.open(path) as picture:
            pages = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))  # MPO: photo and preview
            cut = picture.mode in CUT_MODES and any(";16" in str(tile[3]) for tile in picture.tile)
            mode, raw = picture.mode, np.asarray(picture)
            pixels = raw if mode in WIDE_MODES or mode == "L" else np.asarray(picture.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise many kinds
        problem = f"cannot be read ({first_line(error)})"
        raise SamAdaptError(key, path, problem, "give a PNG, JPG or TIFF picture") from error
    if cut:
        problem = f"has 16 bits in each channel of {mode}, of which Pillow reads 8"
        raise SamAdaptError(key, path, problem, "save it as 16-bit grey, or as 8-bit colour")
    if pages > 1:
        raise SamAdaptError(key, path, f"has {pages} pages", "save the page to use as a picture of its own")
    return pixels, mode, raw


def _white_first(pixels: NDArray[Any], index: NDArray[Any]) -> bool:
    """Whether index 0 of a palette is white, and all others in use are black."""
    white, black = (pixels == 255).all(axis=-1), (pixels == 0).all(axis=-1)
    both = bool(white.any() and black.any())
    return both and np.array_equal(white, index == 0) and np.array_equal(black, index != 0)


def _stretch(values: NDArray[np.float64], path: str, key: str) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise SamAdaptError(key, path, "has NaN or infinite values", "replace them")
    low, high = values.min(), values.max()
    return (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
