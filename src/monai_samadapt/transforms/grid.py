"""The grid that an array lies on: its shape, and the affine from voxels to millimetres."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils.enums import MetaKeys, SpaceKeys
from numpy.typing import NDArray
from torch import Tensor

from monai_samadapt.errors import SamAdaptError

Affine = NDArray[np.float64]
FILE = "filename_or_obj"
VOXEL_TOLERANCE = 0.1
UPRIGHT = "PLS"
"""The axes of a volume as the network sees it: rows to posterior, columns to the patient's left, slices to superior."""
RAS_PAIRS = (("L", "R"), ("P", "A"), ("I", "S"))


def on_source_grid(array: NDArray[Any], affine: Affine, file: str) -> MetaTensor:
    """Wrap a (C, …) array as read from ``file``, with no more metadata than the geometry needs.

    Files of different formats then collate into one batch, and MONAI's inverse transforms and writers find what they
    look for.
    """
    meta = {
        MetaKeys.ORIGINAL_AFFINE: affine.copy(),
        MetaKeys.SPATIAL_SHAPE: np.asarray(array.shape[1:]),
        MetaKeys.SPACE: SpaceKeys.RAS,
        FILE: file,
    }
    return MetaTensor(torch.from_numpy(array), affine=torch.from_numpy(affine.copy()), meta=meta)


def file_of(image: MetaTensor) -> str:
    """The file that a tensor was read from."""
    return str(image.meta[FILE])


def between_grids(voxels: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Voxels of one grid in those of another, :math:`A'^{-1} A v`, as float64.

    Args:
        voxels: (…, 3).
        source, target: the affines A and A' (4, 4) from voxels to millimetres.

    Returns:
        (…, 3).
    """
    change = torch.linalg.solve(target.double(), source.double())
    return voxels.double() @ change[:3, :3].T + change[:3, 3]


def check_affine(affine: Affine, key: str, file: str) -> None:
    """Refuse an affine that maps voxels to no volume.

    Raises:
        SamAdaptError: when it is not finite, or its axes do not span the space.
    """
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if np.isfinite(affine).all() and lengths.all() and abs(np.linalg.det(axes / lengths)) > 1e-3:
        return
    raise SamAdaptError(key, file, f"has no usable affine: {axes.tolist()}", "write the file again with its geometry")


def shear_of(affine: Affine) -> float:
    """The largest cosine between two of the axes: 0 where they are perpendicular."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def check_same_grid(image: MetaTensor, other: MetaTensor, key: str) -> None:
    """Check that ``other`` lies on the grid of ``image``.

    Both must have the same shape, and the same affine up to a tenth of a voxel at the corners of the array.

    Raises:
        SamAdaptError: when they do not, naming both files.
    """
    shape, found = (tuple(int(size) for size in item.meta[MetaKeys.SPATIAL_SHAPE]) for item in (image, other))
    if shape != found:
        problem = f"has shape {found}, its image {file_of(image)} has {shape}"
        raise SamAdaptError(key, file_of(other), problem, "give a file on the grid of its image")
    affines = [np.asarray(item.meta[MetaKeys.ORIGINAL_AFFINE], dtype=np.float64) for item in (image, other)]
    corners = np.array([(*corner, 1) for corner in product(*((0, size - 1) for size in shape))])
    if len(shape) == 3:
        distance = np.linalg.norm(corners @ (affines[0] - affines[1])[:3].T, axis=1).max()
        if distance > VOXEL_TOLERANCE * np.linalg.norm(affines[0][:3, :3], axis=0).min():
            problem = f"lies up to {distance:.3g} mm away from its image {file_of(image)}"
            raise SamAdaptError(key, file_of(other), problem, "resample it to the grid of its image, with its affine")
