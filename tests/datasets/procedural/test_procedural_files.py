"""Round trips of written volumes through MONAI's readers."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.transforms import LoadImage

from monai_samadapt.datasets.procedural import make_ct, write_ct, write_png
from monai_samadapt.errors import SamAdaptError

GRID = {"shape": (20, 24, 12), "spacing": (2.1, 1.7, 4.3), "oblique_degrees": 17.0}


@pytest.mark.parametrize("name", ["case.nii.gz", "case.nrrd", "series"])
@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "SRA"])
def test_readers_return_voxels_and_affine(tmp_path: Path, name: str, axcodes: str) -> None:
    hu, _, affine = make_ct(1, axcodes=axcodes, **GRID)
    path = write_ct(tmp_path / "sub" / name, hu, affine)
    reader = "NibabelReader" if name.endswith(".gz") else "ITKReader"
    image = LoadImage(reader=reader, image_only=True)(path)
    assert np.array_equal(image.numpy(), hu)
    assert np.allclose(image.affine.numpy(), affine, atol=1e-4)
    assert [child.name for child in path.parent.iterdir()] == [name]


def test_left_handed_series_keeps_every_voxel_in_its_place(tmp_path: Path) -> None:
    hu, _, affine = make_ct(1, axcodes="LAS", **GRID)
    image = LoadImage(reader="ITKReader", image_only=True)(write_ct(tmp_path / "series", hu, affine))
    assert np.linalg.det(affine) < 0 < np.linalg.det(image.affine.numpy())
    assert np.array_equal(image.numpy()[..., ::-1], hu)
    here, there = image.affine.numpy() @ [3, 4, 11 - 5, 1], affine @ [3, 4, 5, 1]
    assert np.allclose(here, there, atol=1e-4)


def test_series_is_ct_with_slice_spacing_and_the_same_identifiers_each_time(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    hu, _, affine = make_ct(1, **GRID)
    first, second = (sorted(write_ct(tmp_path / name, hu, affine).iterdir()) for name in ("a", "b"))
    assert len(first) == 12
    header, again = pydicom.dcmread(first[3]), pydicom.dcmread(second[7])
    assert header.SeriesInstanceUID == again.SeriesInstanceUID
    assert header.Modality == "CT" and float(header.RescaleIntercept) == -1024
    assert float(header.SpacingBetweenSlices) == pytest.approx(4.3)
    assert [float(value) for value in header.PixelSpacing] == pytest.approx([1.7, 2.1])


def test_nifti_is_integer(tmp_path: Path) -> None:
    hu, label, affine = make_ct(1, **GRID)
    paths = write_ct(tmp_path / "hu.nii.gz", hu, affine), write_ct(tmp_path / "label.nii", label, affine)
    assert [str(nib.load(path).get_data_dtype()) for path in paths] == ["int16", "uint8"]


def test_unknown_suffix_and_existing_series_are_refused(tmp_path: Path) -> None:
    hu, _, affine = make_ct(1, **GRID)
    with pytest.raises(SamAdaptError, match="no known format"):
        write_ct(tmp_path / "case.xyz", hu, affine)
    with pytest.raises(SamAdaptError, match="is there already"):
        write_ct(tmp_path, hu, affine)
    assert not list(tmp_path.iterdir())


def test_failed_series_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception):  # noqa: B017
        write_ct(tmp_path / "series", np.zeros((4, 4, 2), np.int16), np.full((4, 4), np.nan))
    assert not list(tmp_path.iterdir())


def test_png_keeps_values(tmp_path: Path) -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 15)
    loaded = LoadImage(image_only=True)(write_png(tmp_path / "a.png", image))
    assert np.array_equal(loaded.numpy().T, image)
