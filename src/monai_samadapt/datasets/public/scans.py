"""Volumes: which files are such, their label values, whether they are in HU, and changed label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from monai_samadapt.datasets.public.describe import Source
from monai_samadapt.datasets.public.pictures import stored_values
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.transforms.pictures import PictureReader
from monai_samadapt.transforms.volumes import VolumeReader

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")
AIR = -500
MOST_SCANS = 5


def is_volume(file: Source) -> bool:
    """Whether a file holds a volume, by its suffix; a folder is a DICOM series."""
    return isinstance(file, Path) and (file.is_dir() or file.name.lower().endswith(SUFFIXES))


def label_values_in(path: Path) -> set[int]:
    """The values in a label file.

    Raises:
        SamAdaptError: when it has several channels, or a value that is no whole number.
    """
    reader = VolumeReader() if is_volume(path) else PictureReader()
    label = reader.label(str(path)).numpy()
    if label.shape[0] != 1:
        raise SamAdaptError("label", str(path), f"has {label.shape[0]} channels, as colours", "save an integer map")
    return stored_values(label, path)


def modality_of(images: Sequence[Source]) -> str:
    """The id ``modality``: ``image2d`` for pictures; of volumes ``ct``, or ``mri`` where they are not in HU.

    Intensities are taken for HU when every one of the first scans has air, below −500.
    """
    scans = [path for path in images[:MOST_SCANS] if isinstance(path, Path)]
    if not is_volume(images[0]):
        return "image2d"
    return "ct" if all(VolumeReader().image(str(path)).min() < AIR for path in scans) else "mri"


def write_mapped(path: Path, values: Mapping[int, int], target: Path) -> None:
    """Write a NIfTI label map with other values, on the same grid; values that are not named become 0.

    Raises:
        SamAdaptError: when the file cannot be read.
    """
    try:
        source: Any = nib.load(path)
        label = np.asarray(source.dataobj)
    except (OSError, nib.filebasedimages.ImageFileError, EOFError) as error:
        raise SamAdaptError("label", str(path), f"cannot be read ({error})", "get this file again") from error
    mapped = np.zeros(label.shape, np.uint8)
    for old, new in values.items():
        mapped[label == old] = new
    header = source.header.copy()
    header.set_data_dtype(np.uint8)
    with atomic_path(target) as temporary:
        nib.save(nib.Nifti1Image(mapped, source.affine, header), temporary)
