"""MR volumes, each in its own arbitrary scale, through training, evaluation and inference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture(scope="module")
def mri_data(ct_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CT volumes as unsigned integers, each with a gain of its own."""
    folder = tmp_path_factory.mktemp("mri")
    shutil.copytree(ct_data, folder, dirs_exist_ok=True)
    for index, path in enumerate(sorted((folder / "images").iterdir())):
        _rescale(path, path, 1 + index, 1024)
    return folder


def _rescale(source: Path, target: Path, gain: int, offset: int) -> None:
    volume: Any = nib.load(source)
    values = gain * (np.asarray(volume.dataobj).astype(np.int64) + offset)
    header = volume.header.copy()
    header.set_data_dtype(np.uint16)
    nib.save(nib.Nifti1Image(values.astype(np.uint16), volume.affine, header), target)


def test_train_evaluate_infer_whatever_the_gain(
    bundle: Any, mri_data: Path, ct_training: dict[str, Any], tmp_path: Path
) -> None:
    learning = {"checkpoint": "sam_vit_nano", "learning_rate": 2e-2, "max_epochs": 10, "val_interval": 5}
    run, ids = tmp_path / "run", {**ct_training, **learning, "dataset_dir": str(mri_data)}
    bundle.run("train+mri", output_dir=str(run), **ids)
    shared = {"labels": ids["labels"], "model_file": str(run / "model.pt")}
    bundle.run("train+evaluate+mri", output_dir=str(run), dataset_dir=str(mri_data), **shared)
    summary = json.loads((run / "evaluation" / "summary.json").read_text(encoding="utf-8"))
    assert summary["labels"]["Liver"]["metrics"]["dice"]["mean"] > 0.4
    assert json.loads((run / "adapter.json").read_text(encoding="utf-8"))["preprocessing"]["modality"] == "mri"
    maps = []
    (test,) = json.loads((mri_data / "datalist.json").read_text(encoding="utf-8"))["test"]
    for gain in (1, 3):
        new, output = tmp_path / f"new_{gain}", tmp_path / f"maps_{gain}"
        new.mkdir()
        _rescale(mri_data / test["image"], new / "case.nii.gz", gain, 5)
        bundle.run("inference+mri", dataset_dir=str(new), output_dir=str(output), **shared)
        (result,) = output.rglob("*.nii.gz")
        maps.append(np.asarray(nib.load(result).dataobj))  # type: ignore[attr-defined]
    assert (maps[0] > 0).sum() > 100
    assert (maps[0] != maps[1]).mean() < 1e-4
