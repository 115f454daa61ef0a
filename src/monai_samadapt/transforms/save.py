"""Saving label maps and probabilities on the source grid."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import ITKWriter, MetaTensor, NibabelWriter
from monai.transforms import SaveImaged
from monai.utils.enums import MetaKeys
from numpy.typing import NDArray
from PIL import Image

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path
from monai_samadapt.labels import LabelSpec
from monai_samadapt.transforms.grid import file_of, shear_of
from monai_samadapt.transforms.settings import file_names
from monai_samadapt.transforms.volumes import NIFTI

VOLUME_FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")
PICTURE_FORMATS = (".png", ".tif", ".tiff")
SHEAR = 1e-3
"""Cosine between two axes above which NIfTI gets no qform, which has perpendicular axes and is read first by some."""


class SaveSegmentationd(SaveImaged):
    """Write ``pred`` to ``NAME_seg.EXT`` and, where there is one, ``prob`` to ``NAME_prob.EXT``.

    NAME is that of the source file without its suffix, or of the DICOM folder, below the folders it has inside
    ``data_root_dir``. A file is complete or absent.

    Volumes keep shape and affine of the source: each label has the value, or the first of the values, that it has in
    the label files; overlapping labels have a channel each (last axis); probabilities are float32, with channels for
    K > 1. Pictures have the size of the source and stand upright: grey values as in volumes, or for overlapping labels
    a file ``NAME_seg_LABEL.png`` of 0 and 255 each; probabilities are ``NAME_prob_LABEL.png`` with 0…255 for 0…1.

    It is a `SaveImaged` because MONAI Label leaves the transforms of that class out and writes by itself.

    Args:
        output_dir: folder, made when something is written.
        label_spec: the K labels.
        formats: suffixes that may be written, of `VOLUME_FORMATS` or `PICTURE_FORMATS`: a file has that of its source,
            or the first where its source has another, as DICOM and JPG.
        data_root_dir: the folder, or several, below which the sources' folders are kept.

    Raises:
        SamAdaptError: when two sources, or two labels, would be written to the same file.
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        label_spec: LabelSpec,
        formats: Sequence[str],
        data_root_dir: str | Sequence[str] = "",
    ) -> None:
        super().__init__(keys="pred", output_dir=str(output_dir), output_ext=formats[0], print_log=False)
        self.output_dir, self.label_spec = Path(output_dir), label_spec
        self.formats, self.data_root_dir = tuple(formats), data_root_dir
        self.written: dict[str, str] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        source = file_of(item["image"])
        base, extension = self._base(source), self._extension(source)
        maps = MetaTensor(self.label_spec.decode(item["pred"]), meta=item["pred"].meta)
        self._save(maps, f"{base}_seg", extension, split=not self.label_spec.exclusive)
        if "prob" in item:
            self._save(item["prob"], f"{base}_prob", extension, split=True)
        return item

    def outputs(self, source: str, probabilities: bool = False) -> list[Path]:
        """The files that the result of a source is written to."""
        base, extension = self._base(source), self._extension(source)
        one_file = extension in VOLUME_FORMATS
        maps = (
            [f"{base}_seg{extension}"]
            if one_file or self.label_spec.exclusive
            else self._names(f"{base}_seg", extension)
        )
        if probabilities:
            maps += [f"{base}_prob{extension}"] if one_file else self._names(f"{base}_prob", extension)
        return [Path(name) for name in maps]

    def _extension(self, source: str) -> str:
        return next((suffix for suffix in self.formats if source.lower().endswith(suffix)), self.formats[0])

    def _base(self, source: str) -> str:
        base = str(self.output_dir / relative_name(source, self.data_root_dir))
        if self.written.setdefault(base, source) != source:
            problem = f"would be saved over the result of {self.written[base]}"
            remedy = "give a dataset_dir, or a root in the datalist, that holds both"
            raise SamAdaptError("image", source, problem, remedy)
        return base

    def _save(self, maps: MetaTensor, base: str, extension: str, split: bool) -> None:
        """Write (C, …); ``split`` when the channels are labels."""
        if maps.ndim == 4:
            write_volume(maps, base + extension)
        elif not split:
            write_picture(maps.as_tensor()[0], base + extension)
        else:
            for path, channel in zip(self._names(base, extension), maps.as_tensor(), strict=True):
                write_picture(channel * 255, path)

    def _names(self, base: str, extension: str) -> list[str]:
        """A file for each label."""
        return [f"{base}_{name}{extension}" for name in file_names(self.label_spec)]


def relative_name(source: str, root: str | Sequence[str]) -> Path:
    """Return the source's name without suffix, with its folders below the first ``root`` in which it lies.

    ``/data/a/ct.nii.gz`` gives ``a/ct`` for the root ``/data``, else ``ct``. A folder's name is kept whole.
    """
    path = Path(os.path.abspath(source))
    parents = [Path(os.path.abspath(folder)) for folder in ([root] if isinstance(root, str) else root) if folder]
    folder = next((path.parent.relative_to(each) for each in parents if path.parent.is_relative_to(each)), Path())
    return folder / (path.name if path.is_dir() else stem(path.name))


def stem(name: str) -> str:
    """Return a file name without suffix; ``.nii.gz`` is one."""
    for suffix in NIFTI[::-1]:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def write_volume(maps: MetaTensor, path: str) -> None:
    """Write (C, X, Y, Z) in the order of the source's axes with its affine; a single channel gives a 3D file."""
    affine = np.asarray(maps.meta[MetaKeys.ORIGINAL_AFFINE])
    array = maps.as_tensor().cpu().numpy()
    single = len(array) == 1
    array = array[0] if single else np.moveaxis(array, 0, -1)
    with atomic_path(path) as temporary:
        if path.endswith(NIFTI):
            nib.save(nifti(array, affine), temporary)
        else:
            import itk

            image = ITKWriter.create_backend_obj(array, None if single else -1, affine, array.dtype)
            itk.imwrite(image, str(temporary), compression=True)


def nifti(array: NDArray[Any], affine: NDArray[np.floating]) -> nib.Nifti1Image:
    """A NIfTI image with the affine as sform, and as qform unless it is sheared."""
    image = NibabelWriter.create_backend_obj(array, affine)
    image.set_sform(affine, code=1)
    if shear_of(affine) <= SHEAR:
        image.set_qform(affine, code=1)
    return image


def write_picture(values: torch.Tensor, path: str) -> None:
    """Write one channel (W, H), rounded, as an upright grey picture: 8-bit, or 16-bit for integers that need it."""
    dtype = np.uint16 if values.dtype == torch.int32 else np.uint8
    pixels = values.cpu().round().numpy().T.astype(dtype)
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary)


def check_extension(extension: str, known: Sequence[str]) -> str:
    """Return a known file suffix.

    Raises:
        SamAdaptError: for another one.
    """
    if extension not in known:
        raise SamAdaptError("output_ext", extension, "cannot be written for this modality", f"give {', '.join(known)}")
    return extension
