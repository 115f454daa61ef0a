"""Wrong data ends a run in one line that names the file, before anything is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

Edit = Callable[[Any], Any]


@pytest.fixture
def data(ct_data: Path, tmp_path: Path) -> Path:
    """A copy of the CT data to spoil."""
    return Path(shutil.copytree(ct_data, tmp_path / "data"))


def change(path: Path, edit: Edit = lambda array: array, affine: Edit = lambda affine: affine) -> None:
    """Write a NIfTI file anew with another array or affine."""
    image = nib.load(path)
    array = edit(np.array(image.dataobj))
    nib.save(nib.Nifti1Image(array, affine(image.affine)), path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def not_finite(array: Any) -> Any:
    array = array.astype(np.float32)
    array[3, 4, 5] = np.nan
    array[6, 7, 8] = np.inf
    return array


def other_values(array: Any) -> Any:
    array[:2] = 7
    return array


def moved(affine: Any) -> Any:
    affine = affine.copy()
    affine[0, 3] += 9.0
    return affine


IMAGE, LABEL = "images/ct_001.nii.gz", "labels/ct_001.nii.gz"
FAULTS: dict[str, tuple[str, Callable[[Path], Any], str, str]] = {
    "missing image": (IMAGE, Path.unlink, "image", "no such file"),
    "missing label": (LABEL, Path.unlink, "label", "no such file"),
    "truncated image": (IMAGE, truncate, "image", "cannot be read"),
    "truncated label": (LABEL, truncate, "label", "cannot be read"),
    "empty file": (IMAGE, lambda path: path.write_bytes(b""), "image", "cannot be read"),
    "shape": (LABEL, lambda path: change(path, lambda array: array[:, :-1]), "label", "shape"),
    "spacing": (LABEL, lambda path: change(path, affine=lambda old: old @ np.diag([1.2, 1, 1, 1])), "label", "mm away"),
    "position": (LABEL, lambda path: change(path, affine=moved), "label", "lies up to 9 mm away from its image"),
    "values": (LABEL, lambda path: change(path, other_values), "label", "has values 7 outside [0, 1, 2"),
    "not finite": (IMAGE, lambda path: change(path, not_finite), "image", "has 2 NaN or infinite values"),
    "channels": (
        IMAGE,
        lambda path: change(path, lambda array: np.stack([array] * 3, -1)),
        "image",
        "several channels",
    ),
    "label channels": (LABEL, lambda path: change(path, lambda a: np.stack([a] * 2, -1)), "label", "2 channels"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_file_is_named(bundle: Any, ct_training: dict[str, Any], data: Path, tmp_path: Path, fault: str) -> None:
    name, spoil, key, problem = FAULTS[fault]
    spoil(data / name)
    ids = {**ct_training, "dataset_dir": str(data)}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert error.key == key
    assert str(data / name) in str(error)
    assert problem in error.problem


@pytest.mark.parametrize("fault", ["missing image", "truncated image", "not finite", "channels"])
def test_inference_names_a_faulty_file(bundle: Any, ct_run: Any, data: Path, tmp_path: Path, fault: str) -> None:
    """Of five volumes the last is faulty: none is segmented."""
    _, spoil, _, problem = FAULTS[fault]
    path = data / "images" / "ct_004.nii.gz"
    (data / "datalist.json").write_text(json.dumps({"test": [f"images/ct_{index:03d}.nii.gz" for index in range(5)]}))
    spoil(path)
    ids = {**ct_run.model, "dataset_dir": str(data)}
    error = bundle.refuse("inference+ct", output_dir=str(tmp_path / "pred"), **ids)
    assert error.key == "image"
    assert str(path) in str(error)
    assert problem in error.problem


@pytest.mark.parametrize("fault", ["missing label", "values", "position", "shape"])
def test_evaluation_names_a_faulty_label(bundle: Any, ct_run: Any, data: Path, tmp_path: Path, fault: str) -> None:
    _, spoil, _, problem = FAULTS[fault]
    path = data / "labels" / "ct_004.nii.gz"
    spoil(path)
    ids = {**ct_run.model, "dataset_dir": str(data), "report_dir": str(tmp_path / "report")}
    error = bundle.refuse("train+evaluate+ct", output_dir=str(tmp_path / "report"), **ids)
    assert error.key == "label"
    assert str(path) in str(error)
    assert problem in error.problem


def test_evaluation_refuses_a_case_without_label_and_inference_takes_it(
    bundle: Any, ct_run: Any, data: Path, tmp_path: Path
) -> None:
    """Before anything is computed: the labelled case comes first."""
    lists(data, lambda content: content["test"].append("images/extra.nii.gz"))
    shutil.copyfile(data / "images" / "ct_004.nii.gz", data / "images" / "extra.nii.gz")
    ids = {**ct_run.model, "dataset_dir": str(data)}
    report = {"output_dir": str(tmp_path / "report"), "report_dir": str(tmp_path / "report")}
    error = bundle.refuse("train+evaluate+ct", **report, **ids)
    assert (error.key, error.value) == ("image", str(data / "images" / "extra.nii.gz"))
    assert (error.problem, error.remedy) == ("has no label in test", "add its label to evaluate it")
    bundle.run("inference+ct", output_dir=str(tmp_path / "pred"), **ids)
    assert {path.name for path in (tmp_path / "pred" / "images").glob("*_seg.nii.gz")} == {
        "ct_004_seg.nii.gz",
        "extra_seg.nii.gz",
    }


def lists(data: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((data / "datalist.json").read_text(encoding="utf-8"))
    edit(content)
    (data / "datalist.json").write_text(json.dumps(content), encoding="utf-8")


SPLITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "empty split": (lambda content: content.update(training=[]), "section='training': no items"),
    "no sections": (lambda content: [content.pop(k) for k in ("training", "validation", "test")], "has no section"),
    "subject twice": (
        lambda content: content["validation"][0].update(subject="ct_000"),
        "subject='ct_000': is in training and in validation",
    ),
    "image twice": (lambda content: content["training"].append(content["training"][0]), "is twice in training"),
    "no label": (lambda content: content["training"][1].pop("label"), "has no label"),
}


@pytest.mark.parametrize("fault", SPLITS)
def test_faulty_split_is_refused(
    bundle: Any, ct_training: dict[str, Any], data: Path, tmp_path: Path, fault: str
) -> None:
    edit, line = SPLITS[fault]
    lists(data, edit)
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **{**ct_training, "dataset_dir": str(data)})
    assert line in str(error)


PICTURES: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "truncated": ("images/fundus_000.png", truncate, "cannot be read"),
    "size": ("labels/fundus_000.png", lambda path: Image.open(path).resize((20, 20)).save(path), "shape"),
    "values": ("labels/fundus_000.png", lambda path: Image.new("L", (63, 49), 9).save(path), "has values 9"),
    "mask size": ("masks/fundus_000.png", lambda path: Image.new("L", (49, 63), 255).save(path), "shape"),
}


@pytest.mark.parametrize("fault", PICTURES)
def test_faulty_picture_is_named(bundle: Any, picture_run: Any, picture_data: Path, tmp_path: Path, fault: str) -> None:
    name, spoil, problem = PICTURES[fault]
    data = Path(shutil.copytree(picture_data, tmp_path / "data"))
    spoil(data / name)
    ids = {**picture_run.ids, "checkpoint": "random", "dataset_dir": str(data)}
    error = bundle.refuse("train+image2d", output_dir=str(tmp_path / "run"), **ids)
    assert str(data / name) in str(error)
    assert problem in error.problem


def test_unknown_folder_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    ids = {**ct_training, "dataset_dir": str(tmp_path / "nowhere")}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert (error.key, error.problem) == ("dataset_dir", "no such folder")
