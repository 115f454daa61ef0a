"""Images with object masks to score a model on: procedural families and folders of real pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage
from torch import Tensor

from monai_samadapt.backbones.sam import PIXEL_MEAN, PIXEL_STD
from monai_samadapt.datasets.shapes import ShapesGenerator
from monai_samadapt.errors import SamAdaptError

REAL_SETS = ("kvasir_polyp", "bus_bra", "glas", "drishti_gs_1024")
SMALLEST = 100  # pixels of the source image; smaller pieces are no objects
SEED = 20_000_003  # far from the seeds of training steps


@dataclass(frozen=True)
class Sample:
    """An image and its objects on the model's input grid.

    Attributes:
        image: (3, S, S), normalised.
        masks: (P, S, S) bool, none empty.
    """

    image: Tensor
    masks: Tensor


def normalise(images: Tensor) -> Tensor:
    """Normalise images (..., 3, H, W) in 0..1 by SAM's pixel mean and standard deviation."""
    mean, std = (torch.tensor(value, device=images.device).view(3, 1, 1) for value in (PIXEL_MEAN, PIXEL_STD))
    return (images * 255 - mean) / std


def procedural_samples(family: str, size: int, images: int) -> Iterator[Sample]:
    """Make ``images`` scenes of one family, always the same ones; scenes without a visible object are left out."""
    generator = torch.Generator().manual_seed(SEED)
    batch = ShapesGenerator(size, images, families=[family], generator=generator)()
    for image, masks, valid in zip(*batch, strict=True):
        if valid.any():
            yield Sample(normalise(image), masks[valid])


def real_samples(folder: Path, size: int) -> Iterator[Sample]:
    """Read ``images/`` and ``labels/`` of the same stems; every connected piece of the labels > 0 is an object.

    The longer side is resized to ``size``, the rest padded with zeros after normalising, at the right and the bottom.

    Raises:
        SamAdaptError: for a folder without labels.
    """
    labels = sorted((folder / "labels").glob("*"))
    if not labels:
        raise SamAdaptError("data", str(folder), "has no labels/ with files", "give the folder of the sample sets")
    for path in labels:
        (image_path,) = (folder / "images").glob(f"{path.stem}.*")
        yield _fit(Image.open(image_path).convert("RGB"), np.asarray(Image.open(path)) > 0, size)


def _fit(image: Image.Image, label: np.ndarray, size: int) -> Sample:
    scale = size / max(image.size)
    shape = (round(image.height * scale), round(image.width * scale))
    pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, shape, mode="bilinear", align_corners=False, antialias=True)[0]
    pieces, count = ndimage.label(label)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    masks = torch.from_numpy(np.stack([pieces == k for k in range(1, count + 1) if sizes[k] > SMALLEST]))
    masks = F.interpolate(masks[None].float(), shape, mode="nearest-exact")[0] > 0
    padding = (0, size - shape[1], 0, size - shape[0])
    return Sample(F.pad(normalise(pixels), padding), F.pad(masks[masks.any(-1).any(-1)], padding))
