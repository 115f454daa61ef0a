from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.transforms import SaveImaged
from PIL import Image

from monai_samadapt.engines import own_cases
from monai_samadapt.errors import OneLineExit, SamAdaptError
from monai_samadapt.transforms import DataSpec, SaveSegmentationd
from monai_samadapt.transforms.save import relative_name
from monai_samadapt.transforms.volumes import VolumeReader

CT = DataSpec("ct", ["A", "B"], image_size=16, window=(0, 1))
PICTURE = DataSpec("image2d", ["A", "B"], image_size=16)
AFFINE = np.array([[0, -0.5, 0, 1], [2.0, 0, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]])


def run(spec: DataSpec, image: str, output_dir: Path, **options: object) -> dict:
    transforms = spec.inference_transforms()
    item = transforms({"image": image})
    shape = (spec.label_spec.num_channels, *item["image"].shape[1:])
    item["pred"] = torch.zeros(shape)
    item["pred"][-1] = 1.0
    return spec.postprocessing(transforms, str(output_dir), **options)(item)


def test_names(tmp_path):
    root = str(tmp_path)
    (tmp_path / "a" / "1.2.840.5").mkdir(parents=True)
    assert relative_name(f"{root}/a/ct.nii.gz", root) == Path("a/ct")
    assert relative_name(f"{root}/a/ct.nii.gz", "") == Path("ct")
    assert relative_name(f"{root}/a/b/ct.nii", [f"{root}/c", f"{root}/a", root]) == Path("b/ct")
    assert relative_name("/elsewhere/ct.1.nii", root) == Path("ct.1")
    assert relative_name(f"{root}/a/1.2.840.5/", root) == Path("a/1.2.840.5")
    assert relative_name("b/x.y.PNG", "") == Path("x.y")


def test_it_is_the_class_that_monai_label_leaves_out(tmp_path):
    steps = CT.postprocessing(CT.inference_transforms(), str(tmp_path)).transforms
    assert isinstance(steps[1], SaveSegmentationd) and isinstance(steps[1], SaveImaged)
    assert len(CT.postprocessing(CT.inference_transforms()).transforms) == 1


@pytest.mark.parametrize("extension", [None, ".nii", ".nrrd", ".mha"])
def test_volumes_lie_on_the_grid_of_the_source(nifti, tmp_path, extension):
    if extension in (".nrrd", ".mha"):
        pytest.importorskip("itk")
    image = nifti(np.zeros((5, 4, 3), np.int16), AFFINE)
    run(CT, image, tmp_path / "out", probabilities=True, output_ext=extension)
    suffix = extension or ".nii.gz"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"case_prob{suffix}", f"case_seg{suffix}"]
    seg = CT.chain.reader.label(str(tmp_path / "out" / f"case_seg{suffix}"))
    prob = CT.chain.reader.label(str(tmp_path / "out" / f"case_prob{suffix}"))
    assert seg.shape == (1, 5, 4, 3) and (seg == 2).all()
    np.testing.assert_allclose(seg.affine.numpy(), AFFINE, atol=1e-6)
    np.testing.assert_allclose(prob.affine.numpy(), AFFINE, atol=1e-6)
    np.testing.assert_allclose(prob[:, 0, 0, 0], [0.5, 1 / (1 + np.exp(-1))], atol=1e-6)
    if suffix == ".nii.gz":
        assert nib.load(tmp_path / "out" / "case_seg.nii.gz").get_data_dtype() == np.uint8


def test_a_file_has_the_type_of_its_source(nifti, tmp_path):
    """NIfTI without compression, NRRD and TIFF come back as they are; a JPG, which would lose labels, as PNG."""
    image = nifti(np.zeros((5, 4, 3), np.int16), AFFINE)
    run(CT, image, tmp_path / "nrrd", output_ext=".nrrd")
    nrrd = str((tmp_path / "nrrd" / "case_seg.nrrd").rename(tmp_path / "nrrd" / "volume.nrrd"))
    run(CT, nrrd, tmp_path / "out")
    flat = str(tmp_path / "flat.nii")
    nib.save(nib.load(image), flat)
    run(CT, flat, tmp_path / "out")
    for name in ("a.tif", "b.jpg"):
        Image.fromarray(np.zeros((6, 5, 3), np.uint8)).save(tmp_path / name)
        run(PICTURE, str(tmp_path / name), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"volume_seg.nrrd", "flat_seg.nii", "a_seg.tif", "b_seg.png"}


def test_one_slice_and_one_label_stay_three_axes(nifti, tmp_path):
    spec = DataSpec("ct", ["A"], image_size=16, window=(0, 1))
    run(spec, nifti(np.zeros((5, 4, 1), np.int16)), tmp_path / "out", probabilities=True)
    for kind in ("seg", "prob"):
        assert nib.load(tmp_path / "out" / f"case_{kind}.nii.gz").shape == (5, 4, 1)


def test_a_dicom_folder_gives_its_name(dicom, tmp_path):
    folder = dicom("1.2.840.5", np.zeros((3, 6, 5), np.int16), [0.0, 2.5, 5.0])
    run(CT, folder, tmp_path / "out")
    saved = nib.load(tmp_path / "out" / "1.2.840.5_seg.nii.gz")
    assert saved.shape == (5, 6, 3)
    np.testing.assert_allclose(
        saved.affine, [[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 2.5, 0], [0, 0, 0, 1]], atol=1e-6
    )


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_the_result_of_a_tilted_series_lies_on_its_grid(dicom, tmp_path, extension):
    folder = dicom("tilted", np.zeros((8, 6, 5), np.int16), [5.0 * number for number in range(8)], tilt=20.0)
    run(CT, folder, tmp_path / "out", output_ext=extension)
    path = tmp_path / "out" / f"tilted_seg{extension}"
    read = VolumeReader().label(str(path))
    assert read.shape == (1, 5, 6, 8)
    np.testing.assert_allclose(read.affine.numpy() @ [0, 0, 7, 1], [10, 20, 35, 1], atol=1e-5)
    np.testing.assert_allclose(read.affine.numpy() @ [0, 5, 0, 1], [10, 16.241230, -1.368081, 1], atol=1e-5)
    if extension.startswith(".nii"):  # ITK would take a qform, which has no shear
        assert nib.load(path).get_qform(coded=True)[1] == 0


def test_picture_probabilities_are_grey_values(picture, tmp_path):
    spec = DataSpec("image2d", ["optic disc", "cup/rim"], image_size=16)
    run(spec, picture(np.zeros((3, 5), np.uint8)), tmp_path / "out", probabilities=True)
    names = ["case_prob_cup_rim.png", "case_prob_optic_disc.png", "case_seg.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    values = [int(np.unique(np.asarray(Image.open(tmp_path / "out" / name)))) for name in names]
    assert values == [186, 128, 2]  # 255 σ(1) = 186.4, 255 σ(0) = 127.5


def test_cases_of_the_same_name_stay_apart_or_are_refused(nifti, tmp_path):
    zeros = np.zeros((4, 4, 2), np.int16)
    images = [nifti(zeros, name=f"{folder}/ct.nii.gz") for folder in ("one", "two")]
    transforms = CT.inference_transforms()

    def save_all(**options: str) -> None:
        post = CT.postprocessing(transforms, **options)
        for image in [*images, images[0]]:  # the same case again is no conflict
            post(transforms({"image": image}) | {"pred": torch.zeros(3, 16, 16, 2)})

    save_all(output_dir=str(tmp_path / "apart"), data_root_dir=str(tmp_path))
    assert sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "apart").rglob("*.nii.gz")) == [
        "apart/one/ct_seg.nii.gz",
        "apart/two/ct_seg.nii.gz",
    ]
    with pytest.raises(SamAdaptError, match=r"over the result of .*one/ct\.nii\.gz"):
        save_all(output_dir=str(tmp_path / "flat"))


def test_a_failed_save_leaves_nothing_and_keeps_the_old_result(nifti, picture, tmp_path, monkeypatch):
    image, grey = nifti(np.zeros((4, 4, 2), np.int16)), picture(np.zeros((3, 5), np.uint8))
    run(CT, image, tmp_path / "out")
    before = (tmp_path / "out" / "case_seg.nii.gz").read_bytes()

    def half(data: object, path: str, *args: object, **options: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(nib, "save", half)
    monkeypatch.setattr(Image.Image, "save", half)
    for spec, source in ((CT, image), (DataSpec("image2d", ["A"], image_size=16), grey)):
        with pytest.raises(RuntimeError):
            run(spec, source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["case_seg.nii.gz"]
    assert (tmp_path / "out" / "case_seg.nii.gz").read_bytes() == before


def test_unknown_suffixes_are_refused(tmp_path):
    for spec, extension in ((CT, ".png"), (DataSpec("image2d", ["A"]), ".nii.gz"), (CT, "nii.gz")):
        with pytest.raises(SamAdaptError, match="output_ext"):
            spec.postprocessing(spec.inference_transforms(), str(tmp_path), output_ext=extension)


def test_files_keep_letters_of_every_script(picture, tmp_path):
    spec = DataSpec("image2d", ["Écho (2)", "腎臓_左", "Опухоль"], overlapping=True, image_size=16)
    run(spec, picture(np.zeros((3, 5), np.uint8)), tmp_path)
    names = {path.name for path in tmp_path.glob("case_seg_*")}
    assert names == {"case_seg_Écho_2_.png", "case_seg_腎臓_左.png", "case_seg_Опухоль.png"}


def test_labels_whose_files_have_the_same_name_are_refused(nifti, tmp_path):
    labels = ["Kidney (left)", "Kidney [left]"]
    line = r"^labels='Kidney \[left\]': would be saved over 'Kidney \(left\)': .* _Kidney_left_; rename one"
    with pytest.raises(SamAdaptError, match=line):
        DataSpec("image2d", labels, overlapping=True, image_size=16)
    exclusive = DataSpec("image2d", labels, image_size=16)  # one file for both, unless probabilities are asked for
    assert exclusive.saver("out").outputs("a.png") == [Path("out/a_seg.png")]
    with pytest.raises(OneLineExit, match=line):
        own_cases([{"image": "a.png"}], exclusive, "out", probabilities=True)
    volumes = DataSpec("ct", labels, overlapping=True, image_size=16, window=(0, 1))
    run(volumes, nifti(np.zeros((5, 4, 1), np.int16)), tmp_path, probabilities=True)
    assert {path.name for path in tmp_path.glob("case_*")} == {"case_seg.nii.gz", "case_prob.nii.gz"}


@pytest.mark.parametrize(("values", "dtype"), [({"A": 6, "B": [4, 1]}, np.uint8), ({"A": 1, "B": [600, 7]}, np.int32)])
def test_results_have_the_values_of_the_label_files(nifti, picture, tmp_path, values, dtype):
    wanted = values["B"][0]
    spec = DataSpec("ct", values, image_size=16, window=(0, 1))
    run(spec, nifti(np.zeros((5, 4, 3), np.int16), AFFINE), tmp_path / "out")
    volume = nib.load(tmp_path / "out" / "case_seg.nii.gz")
    assert volume.get_data_dtype() == dtype and (volume.get_fdata() == wanted).all()
    assert (spec.chain.reader.label(str(tmp_path / "out" / "case_seg.nii.gz")) == wanted).all()
    run(DataSpec("image2d", values, image_size=16), picture(np.zeros((5, 4), np.uint8), "p.png"), tmp_path / "out")
    assert (np.asarray(Image.open(tmp_path / "out" / "p_seg.png")) == wanted).all()
