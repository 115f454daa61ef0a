"""Reading volumes: NIfTI, NRRD, MetaImage and folders with a DICOM series."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import ITKReader, MetaTensor, NibabelReader
from numpy.typing import NDArray

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.grid import VOXEL_TOLERANCE, Affine, check_affine, on_source_grid

FORMATS = "give NIfTI (.nii, .nii.gz), NRRD, MetaImage or the folder of one DICOM series"
NIFTI = (".nii", ".nii.gz")
UNEVEN = "ITK_non_uniform_sampling_deviation"
UNEVEN_LIMIT = 0.1


class VolumeReader:
    """Reads a volume in the order of the file's axes, with its affine to RAS millimetres."""

    def image(self, path: str, key: str = "image") -> MetaTensor:
        """Read intensities as float32 (1, X, Y, Z).

        Raises:
            SamAdaptError: when the file is missing, unreadable, without a usable affine, no single 3D channel, or has
                NaN or infinite values.
        """
        array, affine = _read(path, key)
        if array.ndim != 3:
            problem = f"has shape {array.shape}: several channels or time points"
            raise SamAdaptError(key, path, problem, "give one 3D volume with one channel")
        volume = np.array(array[None], dtype=np.float32)
        if not np.isfinite(volume).all():
            count = int((~np.isfinite(volume)).sum())
            raise SamAdaptError(key, path, f"has {count} NaN or infinite values", "replace them, e.g. by air")
        return on_source_grid(volume, affine, path)

    def label(self, path: str, key: str = "label", channels: int = 1) -> MetaTensor:
        """Read label values (C, X, Y, Z) as int32, or float32 when the file holds fractions.

        Channels are the last axis of the file; ``channels``, their expected number, is checked with the values.

        Raises:
            SamAdaptError: as for an image.
        """
        array, affine = _read(path, key)
        array = array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0)
        dtype = np.int32 if np.issubdtype(array.dtype, np.integer) else np.float32
        return on_source_grid(np.array(array, dtype=dtype), affine, path)


def _read(path: str, key: str) -> tuple[NDArray[Any], Affine]:
    """Return the array (X, Y, Z) or (X, Y, Z, C), a view where possible, and its checked affine."""
    if not os.path.exists(path):
        raise SamAdaptError(key, path, "does not exist", "check dataset_dir and the datalist")
    try:
        array, meta = _read_dicom(path, key) if os.path.isdir(path) else _read_file(path)
    except SamAdaptError:
        raise
    except Exception as error:  # each library raises its own kinds
        raise SamAdaptError(key, path, f"cannot be read ({_reason(error)})", FORMATS) from error
    if array.dtype.names or np.iscomplexobj(array):
        raise SamAdaptError(key, path, f"has values of type {array.dtype}", "give one real number for each voxel")
    while array.ndim > 3 and array.shape[3] == 1:
        array = array[:, :, :, 0]
    if array.ndim not in (3, 4):
        raise SamAdaptError(key, path, f"has shape {array.shape}, not three axes", "give a 3D volume")
    affine = np.asarray(meta["affine"], dtype=np.float64)
    if affine.shape != (4, 4):
        raise SamAdaptError(key, path, f"lies in {len(affine) - 1} dimensions", "give a 3D volume")
    check_affine(affine, key, path)
    return array, affine


def _read_file(path: str) -> tuple[NDArray[Any], dict[str, Any]]:
    reader = NibabelReader() if path.lower().endswith(NIFTI) else ITKReader()
    return reader.get_data(reader.read(path))


def _read_dicom(folder: str, key: str) -> tuple[NDArray[Any], dict[str, Any]]:
    import itk  # takes seconds to load, and most data is NIfTI

    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")  # series date
    names.SetDirectory(str(Path(folder)))
    series = list(names.GetSeriesUIDs())
    if len(series) != 1:
        remedy = "put the files of each series in a folder of its own and name that folder"
        raise SamAdaptError(key, folder, f"holds {len(series)} DICOM series, not one", remedy)
    files = list(names.GetFileNames(series[0]))
    volume = _stack(files) if len(files) > 1 else itk.imread(files[0])
    tags = volume.GetMetaDataDictionary()
    if tags.HasKey(UNEVEN) and tags[UNEVEN] > UNEVEN_LIMIT * volume.GetSpacing()[2]:
        problem = f"has slices missing or unevenly spaced, by up to {tags[UNEVEN]:.3g} mm"
        raise SamAdaptError(key, folder, problem, "complete the series, or resample it to even slices")
    return ITKReader().get_data(volume)


def _stack(files: list[str]) -> Any:
    """Read the slices of a series.

    ITK stacks them along their normal by default. Where that puts the last one elsewhere than its file says, as for a
    tilted gantry, the axis follows the slices' positions and the grid is sheared.
    """
    import itk

    reader = itk.ImageSeriesReader.New(FileNames=files)
    places = []
    for orthogonal in (False, True):
        reader.SetForceOrthogonalDirection(orthogonal)
        reader.UpdateOutputInformation()
        volume = reader.GetOutput()
        last = [int(size) - 1 for size in itk.size(volume)]
        places.append(np.asarray(volume.TransformIndexToPhysicalPoint([0, 0, *last[2:]])))
    distance = np.linalg.norm(places[0] - places[1])
    reader.SetForceOrthogonalDirection(bool(distance <= VOXEL_TOLERANCE * min(volume.GetSpacing())))
    reader.Update()
    return reader.GetOutput()


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:160] if lines else type(error).__name__
