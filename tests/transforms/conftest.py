"""Writers of real files, and volumes whose right answer is known without MONAI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

Array = np.ndarray[Any, Any]


def rotation(degrees: float) -> Array:
    """A turn about the oblique axis (1, 2, 3)."""
    x, y, z = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    angle = np.radians(degrees)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@dataclass
class Upright:
    """A volume given as the network should see it: rows to posterior, columns to left, slices to superior.

    ``spacing`` is in mm along rows, columns, slices.
    """

    array: Array
    spacing: tuple[float, float, float]
    degrees: float = 0.0

    def stored_sra(self) -> tuple[Array, Array]:
        """The same volume stored with its axes to superior, right, anterior."""
        stored = self.array[::-1, ::-1].transpose(2, 1, 0)
        row, column, slices = self.spacing
        return stored, self._affine(np.array([[0, column, 0], [0, 0, row], [slices, 0, 0]]))

    def stored_lps(self) -> tuple[Array, Array]:
        """The same volume stored with its axes to left, posterior, superior, as ITK writes."""
        row, column, slices = self.spacing
        return self.array.transpose(1, 0, 2), self._affine(np.diag([-column, -row, slices]))

    def _affine(self, axes: Array) -> Array:
        affine = np.eye(4)
        affine[:3, :3] = rotation(self.degrees) @ axes
        affine[:3, 3] = (-31.5, 42.25, 107.0)
        return affine.astype(np.float32).astype(np.float64)  # NIfTI keeps float32


@pytest.fixture
def nifti(tmp_path: Path) -> Callable[..., str]:
    def write(array: Array, affine: Array | None = None, name: str = "case.nii.gz") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return str(path)

    return write


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., str]:
    def write(pixels: Array | Image.Image, name: str = "case.png", **options: Any) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
        return str(path)

    return write


@pytest.fixture
def upright() -> type[Upright]:
    return Upright


def _tilted(degrees: float) -> Array:
    """Directions of rows, columns and normal of a CT slice whose gantry is tilted about the left-right axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


@pytest.fixture
def dicom(tmp_path: Path) -> Callable[..., str]:
    """Writes (slices, rows, columns) as a CT series with pixels of 0.8 mm × 0.7 mm (rows × columns).

    The gantry is at ``tilt`` degrees.
    """
    itk = pytest.importorskip("itk")

    def write(
        name: str, volume: Array, heights: list[float], series: str = "1.2.826.0.1.3680043.2.1", tilt: float = 0.0
    ) -> str:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, height in enumerate(heights):
            image = itk.image_from_array(np.ascontiguousarray(volume[number : number + 1]))
            image.SetSpacing([0.7, 0.8, 2.5])
            image.SetOrigin([-10.0, -20.0, height])
            image.SetDirection(itk.matrix_from_array(_tilted(tilt)))
            tags = image.GetMetaDataDictionary()
            tags["0008|0060"], tags["0008|0021"], tags["0020|000d"] = "CT", "20200101", "1.2.3"
            tags["0020|000e"], tags["0020|0013"] = series, str(number)
            tags["0020|0032"] = f"-10\\-20\\{height}"
            tags["0020|0037"] = "\\".join(f"{cosine:.9f}" for cosine in _tilted(tilt)[:, :2].T.ravel())
            writer = itk.GDCMImageIO.New()
            writer.KeepOriginalUIDOn()
            file = str(folder / f"{series[-1]}_{number:03d}.dcm")
            itk.ImageFileWriter.New(Input=image, FileName=file, ImageIO=writer).Update()
        return str(folder)

    return write
