"""The inference command: results lie on the source grid, whatever its axes, spacing, obliqueness and file format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_samadapt.datasets.procedural import make_ct
from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.transforms.volumes import VolumeReader

SHAPE, SPACING = (44, 36, 10), (5.5, 7.0, 9.0)
STEMS = {"ras": "ras.nii.gz", "lps": "lps.nii.gz", "nrrd": "nrrd.nrrd", "series": "series"}


def volume(axcodes: str) -> tuple[Any, Any]:
    hu, _, affine = make_ct(3, SHAPE, SPACING, axcodes=axcodes, oblique_degrees=17.0)
    return hu, affine.astype(np.float32).astype(np.float64)  # NIfTI keeps float32


@pytest.fixture(scope="module")
def predictions(bundle: Any, ct_run: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, nib.Nifti1Image]:
    """One volume in four files, segmented by one inference run; the probabilities of labels are written too."""
    source, output = tmp_path_factory.mktemp("volumes"), tmp_path_factory.mktemp("segmented")
    for stem, name in STEMS.items():
        write_ct(source / "images" / name, *volume("RAS" if stem == "ras" else "LPS"))
    ids = {**ct_run.model, "dataset_dir": str(source), "probabilities": True}
    bundle.run("inference+ct", output_dir=str(output), **ids)
    files = {path.name.split(".")[0]: path for path in (output / "images").iterdir()}
    suffixes = {stem: ".nrrd" if stem == "nrrd" else ".nii.gz" for stem in STEMS}  # a series comes back as NIfTI
    expected = {f"{stem}_{kind}{suffixes[stem]}" for stem in STEMS for kind in ("seg", "prob")}
    assert {path.name for path in files.values()} == expected
    return {name: load(path) for name, path in files.items()}


def load(path: Path) -> nib.Nifti1Image:
    """A NIfTI file, or an NRRD file as one."""
    if path.suffix != ".nrrd":
        return nib.load(path)
    maps = VolumeReader().label(str(path))
    array = np.moveaxis(maps.numpy(), 0, -1)
    return nib.Nifti1Image(array[..., 0] if len(maps) == 1 else array, maps.affine.numpy())


@pytest.mark.parametrize("stem", STEMS)
def test_result_has_the_shape_and_affine_of_its_source(
    predictions: dict[str, nib.Nifti1Image], stem: str, ct_run: Any
) -> None:
    hu, affine = volume("RAS" if stem == "ras" else "LPS")
    pred, prob = predictions[f"{stem}_seg"], predictions[f"{stem}_prob"]
    assert pred.shape == hu.shape == SHAPE
    assert prob.shape == (*SHAPE, len(ct_run.ids["labels"]))
    # an affine through ITK loses the last digits of its directions
    tolerance = 0 if STEMS[stem].endswith(".nii.gz") else 1e-4
    for image in (pred, prob):
        np.testing.assert_allclose(image.affine, affine, atol=tolerance, rtol=0)
        assert nib.aff2axcodes(image.affine) == tuple("RAS" if stem == "ras" else "LPS")
        np.testing.assert_allclose(image.header.get_zooms()[:3], SPACING, rtol=1e-5)


def test_label_map_is_that_of_the_probabilities(predictions: dict[str, nib.Nifti1Image]) -> None:
    pred = np.asarray(predictions["lps_seg"].dataobj)
    prob = np.asarray(predictions["lps_prob"].dataobj)
    assert pred.dtype == np.uint8
    assert prob.dtype == np.float32
    assert 0 < prob.min() < prob.max() < 1
    assert 50 < np.count_nonzero(pred) < pred.size - 50
    expected = np.where(prob.max(-1) > 0.5, prob.argmax(-1) + 1, 0)  # the background's logit is 0
    assert np.mean(pred != expected) < 1e-3  # equal but for rounding at one half


@pytest.mark.parametrize("stem", ["lps", "nrrd", "series"])
def test_voxels_are_where_those_of_the_ras_file_are(predictions: dict[str, nib.Nifti1Image], stem: str) -> None:
    expected = np.asarray(predictions["ras_prob"].dataobj)
    found = np.asarray(nib.as_closest_canonical(predictions[f"{stem}_prob"]).dataobj)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found[::-1] - expected).max() > 0.01  # a wrong direction would show


def test_pictures_come_back_in_their_size_and_type(bundle: Any, picture_run: Any, tmp_path: Path) -> None:
    sizes = {"a.png": (61, 47), "b.jpg": (33, 77), "c.tiff": (50, 30), "grey.png": (45, 53)}
    rng = np.random.default_rng(0)
    for name, (width, height) in sizes.items():
        pixels = rng.integers(0, 255, (height, width) if name == "grey.png" else (height, width, 3), dtype=np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    ids = {**picture_run.model, "dataset_dir": str(tmp_path / "in")}
    bundle.run("inference+image2d", output_dir=str(tmp_path / "out"), **ids)
    found = {}
    for path in (tmp_path / "out").iterdir():
        with Image.open(path) as picture:
            found[path.name] = picture.size
            assert (picture.format, picture.mode) == ("TIFF" if path.suffix == ".tiff" else "PNG", "L")
            assert set(np.unique(picture)) <= {0, 1, 2}
    assert found == {"a_seg.png": (61, 47), "b_seg.png": (33, 77), "c_seg.tiff": (50, 30), "grey_seg.png": (45, 53)}


def test_one_file_and_a_name_with_a_hash_sign_are_taken(
    bundle: Any, ct_run: Any, ct_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "case#1.nii.gz").write_bytes((ct_data / "images" / "ct_004.nii.gz").read_bytes())
    bundle.run("inference+ct", output_dir=str(tmp_path / "a"), **{**ct_run.model, "dataset_dir": str(tmp_path / "in")})
    one = str(ct_data / "images" / "ct_004.nii.gz")
    bundle.run("inference+ct", output_dir=str(tmp_path / "b"), **{**ct_run.model, "dataset_dir": one})
    first, second = nib.load(tmp_path / "a" / "case#1_seg.nii.gz"), nib.load(tmp_path / "b" / "ct_004_seg.nii.gz")
    np.testing.assert_array_equal(np.asarray(first.dataobj), np.asarray(second.dataobj))
