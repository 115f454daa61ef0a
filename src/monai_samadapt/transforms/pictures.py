"""Reading 2D pictures: PNG, JPG, TIFF and what else Pillow opens."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from PIL import Image

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.grid import on_source_grid

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
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
            SamAdaptError: when the file is missing, unreadable, has several pages, or NaN or infinite values.
        """
        pixels, mode, _ = _read(path, key)
        if mode in WIDE_MODES:
            pixels = _stretch(pixels.astype(np.float64), path, key)
        rgb = np.broadcast_to(np.atleast_3d(pixels), (*pixels.shape[:2], 3))
        return on_source_grid(np.array(rgb.transpose(2, 1, 0), dtype=np.float32), np.eye(4), path)

    def label(self, path: str, key: str = "label", channels: int = 1) -> MetaTensor:
        """Read label values (C, W, H) as int32, or float32 for float pictures.

        Palette pictures give their index, 1-bit pictures 0 and 1; alpha is dropped. Where one of ``channels`` is
        expected, equal colour channels are one.

        Raises:
            SamAdaptError: as for an image, or when its mode has no label values, as CMYK.
        """
        _, mode, raw = _read(path, key)
        if mode not in LABEL_MODES:
            raise SamAdaptError(key, path, f"is a {mode} picture", "save it as grey values or with a palette")
        values = raw[..., :1] if mode in ("LA", "PA") else np.atleast_3d(raw)[..., :3]
        if channels == 1 and (values == values[..., :1]).all():
            values = values[..., :1]
        dtype = np.float32 if mode == "F" else np.int32
        return on_source_grid(np.array(values.transpose(2, 1, 0), dtype=dtype), np.eye(4), path)


def _read(path: str, key: str) -> tuple[NDArray[Any], str, NDArray[Any]]:
    """Return the pixels to look at (H, W[, 3]), the file's mode and its stored values (H, W[, C])."""
    if not os.path.isfile(path):
        raise SamAdaptError(key, path, "does not exist", "check dataset_dir and the datalist")
    try:
        with Image.open(path) as picture:
            pages = 1 if picture.format == "MPO" else int(getattr(picture, "n_frames", 1))  # MPO: photo and preview
            mode, raw = picture.mode, np.asarray(picture)
            pixels = raw if mode in WIDE_MODES or mode == "L" else np.asarray(picture.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise many kinds
        problem = f"cannot be read ({str(error).splitlines()[0][:160] if str(error) else type(error).__name__})"
        raise SamAdaptError(key, path, problem, "give a PNG, JPG or TIFF picture") from error
    if pages > 1:
        raise SamAdaptError(key, path, f"has {pages} pages", "save the page to use as a picture of its own")
    return pixels, mode, raw


def _stretch(values: NDArray[np.float64], path: str, key: str) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise SamAdaptError(key, path, "has NaN or infinite values", "replace them")
    low, high = values.min(), values.max()
    return (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
