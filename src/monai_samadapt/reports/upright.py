"""Arrays of the source grid as a reader of pictures expects them: upright rows and columns."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

_UPRIGHT = axcodes2ornt(("P", "L", "S"))


def upright(array: NDArray[Any], affine: NDArray[np.float64] | None) -> NDArray[Any]:
    """Turn an array of the source grid so that it can be shown.

    Args:
        array: a picture (C, W, H) in the order of MONAI's readers, or a volume (C, X, Y, Z).
        affine: the volume's affine to RAS millimetres; not used for pictures.

    Returns:
        (C, row, column), or for a volume (C, row, column, slice): rows grow to posterior, columns to the patient's
        left, slices upwards, by exchanging and flipping axes only.
    """
    if array.ndim == 3 or affine is None:
        return array.swapaxes(1, 2)
    turned = [apply_orientation(channel, _turn(affine)) for channel in array]
    return np.stack(turned)


def upright_spacing(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the size in mm of a voxel of the upright volume along row, column and slice."""
    sizes = nibabel.affines.voxel_sizes(affine)
    places = np.empty(3)
    places[_turn(affine)[:, 0].astype(int)] = sizes
    return float(places[0]), float(places[1]), float(places[2])


def _turn(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    turn: NDArray[np.float64] = ornt_transform(io_orientation(affine), _UPRIGHT)
    return turn
