"""Write volumes and images in the formats the project reads: NIfTI, NRRD, DICOM series, PNG."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from monai_samadapt.datasets.procedural.fields import Array
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_ct(path: str | os.PathLike[str], volume: Array, affine: Array) -> Path:
    """Write a volume in the format that ``path`` names.

    ``.nii`` and ``.nii.gz`` are NIfTI, ``.nrrd`` is NRRD; a path without suffix becomes a folder with a DICOM series,
    one file per slice of the last axis. A DICOM reader sorts slices along the cross product of the first two axes: on a
    left-handed grid the last axis comes back reversed, each voxel at its place in the patient.

    Args:
        path: file or folder; a file that is there is replaced.
        volume: integer array (X, Y, Z).
        affine: (4, 4) from voxels to RAS millimetres.

    Raises:
        SamAdaptError: when the suffix is of no known format, or the folder of a series is there already.
    """
    target = Path(path)
    if target.name.endswith((".nii", ".nii.gz")):
        with atomic_path(target) as temporary:
            nib.save(nib.Nifti1Image(volume, affine), temporary)
    elif target.suffix == ".nrrd":
        with atomic_path(target) as temporary:
            import itk  # takes seconds to load, and the demo writes NIfTI

            itk.imwrite(_to_itk(volume, affine), str(temporary), compression=True)
    elif not target.suffix:
        _write_series(target, volume, affine)
    else:
        raise SamAdaptError("path", str(target), "is of no known format", "end it in .nii.gz, .nrrd, or name a folder")
    return target


def write_png(path: str | os.PathLike[str], image: Array) -> Path:
    """Write a uint8 image (H, W) or (H, W, 3) as PNG."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)
    return Path(path)


def _to_itk(volume: Array, affine: Array) -> Any:
    """ITK image with LPS geometry; ITK's arrays have the axes reversed."""
    import itk

    lps = _RAS_TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = itk.image_from_array(np.ascontiguousarray(volume.transpose()))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
    return image


def _write_series(folder: Path, volume: Array, affine: Array) -> None:
    """Write all slices into a temporary folder beside ``folder``, then rename it."""
    if folder.exists():
        raise SamAdaptError("path", str(folder), "is there already", "name a new folder for the series")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_slices(temporary, volume.astype(np.int16), affine)
        temporary.chmod(0o755)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_slices(folder: Path, volume: Array, affine: Array) -> None:
    import itk

    series = f"2.25.{int(hashlib.sha256(volume.tobytes()).hexdigest()[:24], 16)}"
    tags = {
        "0008|0060": "CT",
        "0010|0010": "Procedural^Phantom",
        "0018|0050": f"{np.linalg.norm(affine[:3, 2]):.10g}",
        "0020|000d": f"{series}.1",
        "0020|000e": f"{series}.2",
        "0028|1052": "-1024",
        "0028|1053": "1",
        "0028|1054": "HU",
    }
    for index in range(volume.shape[2]):
        shift = np.eye(4)
        shift[2, 3] = index
        image = _to_itk(volume[:, :, index : index + 1], affine @ shift)
        metadata = image.GetMetaDataDictionary()
        for tag, value in (*tags.items(), ("0020|0013", str(index + 1))):
            metadata[tag] = value
        image.SetMetaDataDictionary(metadata)
        writer = itk.GDCMImageIO.New()
        writer.KeepOriginalUIDOn()
        itk.imwrite(image, str(folder / f"{index:04d}.dcm"), imageio=writer)
