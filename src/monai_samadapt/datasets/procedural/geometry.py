"""Array axes and affines of the procedural volumes."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from monai_samadapt.datasets.procedural.fields import Array
from monai_samadapt.errors import SamAdaptError

_TILT = np.array([0.3, 0.5, 0.81])


def rotation(degrees: float, axis: Array = _TILT) -> Array:
    """Return the rotation matrix (3, 3) about ``axis`` by Rodrigues' formula R = I + sin a K + (1 - cos a) K²."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def place(
    image: Array, label: Array, spacing: tuple[float, float, float], axcodes: str, oblique_degrees: float
) -> tuple[Array, Array, Array]:
    """Give a volume with RAS axes an affine centred on the origin, and reorder its axes to ``axcodes``.

    Returns:
        image, label and the affine (4, 4); a voxel and its label keep their place in the patient.

    Raises:
        SamAdaptError: when ``axcodes`` does not name each of the three directions once.
    """
    codes = tuple(axcodes.upper())
    if len(codes) != 3 or sorted("RAS".find(c) if c in "RAS" else "LPI".find(c) for c in codes) != [0, 1, 2]:
        raise SamAdaptError("axcodes", axcodes, "does not name three directions", "give e.g. 'RAS' or 'LPS'")
    affine = np.eye(4)
    affine[:3, :3] = rotation(oblique_degrees) * np.asarray(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(image.shape) - 1) / 2)
    orientation = nib.orientations.axcodes2ornt(codes)
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), orientation)
    reordered = affine @ nib.orientations.inv_ornt_aff(turn, image.shape)
    arrays = (np.ascontiguousarray(nib.orientations.apply_orientation(array, turn)) for array in (image, label))
    return next(arrays), next(arrays), reordered
