from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms.volumes import VolumeReader

READER = VolumeReader()
HU = np.random.default_rng(0).integers(-1000, 1000, (5, 4, 3)).astype(np.int16)


def test_nifti_keeps_axes_values_and_affine(nifti):
    affine = np.array([[0, -0.5, 0, 1], [2.0, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]])
    image = READER.image(nifti(HU, affine))
    assert image.shape == (1, 5, 4, 3) and image.dtype.is_floating_point
    np.testing.assert_array_equal(image.numpy()[0], HU)
    np.testing.assert_array_equal(image.affine.numpy(), affine)
    np.testing.assert_array_equal(image.meta["spatial_shape"], (5, 4, 3))


def test_scaled_nifti_gives_hounsfield_units(tmp_path):
    picture = nib.Nifti1Image(HU, np.eye(4))
    picture.header.set_slope_inter(2.0, -1024.0)
    nib.save(picture, tmp_path / "scaled.nii")
    image = READER.image(str(tmp_path / "scaled.nii"))
    np.testing.assert_array_equal(image.numpy()[0], HU * 2.0 - 1024.0)


def test_a_last_axis_of_one_is_no_channel(nifti):
    assert READER.image(nifti(HU[..., None])).shape == (1, 5, 4, 3)


def test_label_channels_are_the_last_axis(nifti):
    channels = np.stack([HU > 0, HU < 0], axis=-1).astype(np.uint8)
    label = READER.label(nifti(channels))
    np.testing.assert_array_equal(label.numpy(), np.moveaxis(channels, -1, 0))


def test_nrrd_and_dicom_series_give_the_same_volume(tmp_path, dicom):
    itk = pytest.importorskip("itk")
    slices = np.random.default_rng(1).integers(-1000, 1000, (3, 6, 5)).astype(np.int16)
    image = itk.image_from_array(slices)
    image.SetSpacing([0.7, 0.8, 2.5])
    image.SetOrigin([-10.0, -20.0, 30.0])
    itk.imwrite(image, str(tmp_path / "case.nrrd"))
    folder = dicom("series.1", slices, [30.0, 32.5, 35.0])
    ras = np.array([[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1]])
    for path in (str(tmp_path / "case.nrrd"), folder):
        read = READER.image(path)
        np.testing.assert_array_equal(read.numpy()[0], slices.transpose(2, 1, 0))
        np.testing.assert_allclose(read.affine.numpy(), ras, atol=1e-6)


def test_a_tilted_gantry_keeps_each_slice_where_its_file_says(dicom):
    slices = np.random.default_rng(2).integers(-1000, 1000, (8, 6, 5)).astype(np.int16)
    image = READER.image(dicom("tilted", slices, [5.0 * number for number in range(8)], tilt=20.0))
    np.testing.assert_array_equal(image.numpy()[0], slices.transpose(2, 1, 0))
    cos, sin = np.cos(np.radians(20)), np.sin(np.radians(20))
    ras = np.array([[-0.7, 0, 0, 10], [0, -0.8 * cos, 0, 20], [0, -0.8 * sin, 5, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(image.affine.numpy(), ras, atol=1e-6)
    gap = dicom("tilted_gap", slices[:3], [0.0, 5.0, 20.0], tilt=20.0)
    with pytest.raises(SamAdaptError, match="slices missing"):
        READER.image(gap)


def test_positions_rounded_in_the_file_shear_nothing(dicom):
    folder = dicom("rounded", np.zeros((3, 6, 5), np.int16), [0.0, 2.5, 5.0], tilt=0.05)
    axes = READER.image(folder).affine.numpy()[:3, :3]
    assert np.abs(np.triu(axes.T @ axes, 1)).max() < 1e-12


def test_dicom_folder_must_hold_one_whole_series(tmp_path, dicom):
    slices = np.zeros((3, 6, 5), np.int16)
    gap = dicom("gap", slices, [0.0, 2.5, 10.0])
    two = dicom("two", slices, [0.0, 2.5, 5.0])
    dicom("two", slices, [0.0, 2.5, 5.0], series="1.2.826.0.1.3680043.2.2")
    (tmp_path / "none").mkdir()
    for folder, problem in ((gap, "slices missing"), (two, "holds 2 DICOM series"), (tmp_path / "none", "holds 0")):
        with pytest.raises(SamAdaptError, match=problem):
            READER.image(str(folder))


def _with(value: float) -> np.ndarray:
    volume = HU.astype(np.float32)
    volume[0, 0, 0] = value
    return volume


@pytest.mark.parametrize(
    ("array", "affine", "problem"),
    [
        (np.zeros((4, 4, 4, 2), np.int16), None, "several channels or time points"),
        (np.zeros((4, 4), np.int16), None, "not three axes"),
        (np.zeros((4, 4, 4), np.complex64), None, "complex64"),
        (np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), None, "values of type"),
        (_with(np.nan), None, "1 NaN or infinite"),
        (_with(np.inf), None, "1 NaN or infinite"),
        (HU, np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "no usable affine"),
    ],
)
def test_a_file_that_is_no_ct_volume_is_refused_in_one_line(nifti, array, affine, problem):
    path = nifti(array, affine)
    with pytest.raises(SamAdaptError, match=problem) as raised:
        READER.image(path)
    assert path in str(raised.value) and "\n" not in str(raised.value) and str(raised.value).startswith("image=")


def test_missing_and_broken_files_are_refused_in_one_line(tmp_path: Path, nifti):
    (tmp_path / "text.nii.gz").write_text("not a volume")
    cut = Path(nifti(np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)))
    cut.write_bytes(cut.read_bytes()[:5000])
    for path, problem in (("absent.nii.gz", "does not exist"), ("text.nii.gz", "cannot be read"), (cut, "cannot be")):
        with pytest.raises(SamAdaptError, match=problem) as raised:
            READER.label(str(tmp_path / path))
        assert "\n" not in str(raised.value) and str(raised.value).startswith("label=")
