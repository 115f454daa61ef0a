"""Checks of settings and files before a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from monai_samadapt.datasets.procedural.files import write_ct
from monai_samadapt.engines.checks import check_device, check_folder, check_items, check_path
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.transforms import DataSpec


def test_a_cuda_device_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in ("cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(device)
    with pytest.raises(SamAdaptError) as raised:
        check_device("cuda:2")
    assert str(raised.value) == "device='cuda:2': no such device; give one from cuda:0 to cuda:1"


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"centre": [3, 2]}, {"centre": [300, 2]}, "centre=[300, 2]"),
        ({}, {"centre": [300, 2]}, "centre=[300, 2]"),
        ({"prompts": {"Disc": {"box": [0, 0, 2, 2]}}}, {"prompts": {"Disc": {"box": [0, 0, 200, 2]}}}, "lies outside"),
    ],
)
def test_a_changed_datalist_is_checked_again(tmp_path: Path, before: Any, after: Any, line: str) -> None:
    for name in ("image", "label"):
        Image.fromarray(np.full((6, 8, 3) if name == "image" else (6, 8), 0, np.uint8)).save(tmp_path / f"{name}.png")
    item = {name: str(tmp_path / f"{name}.png") for name in ("image", "label")}
    spec, memory = DataSpec("fundus", ["Disc"], image_size=16), tmp_path / "preflight.json"
    check_items([{**item, **before}], spec, memory)
    check_items([{**item, **before}], spec, memory)
    with pytest.raises(SamAdaptError) as raised:
        check_items([{**item, **after}], spec, memory)
    assert line in str(raised.value)


def test_a_changed_slice_of_a_series_is_checked_again(tmp_path: Path) -> None:
    pytest.importorskip("itk")
    folder = write_ct(tmp_path / "series", np.zeros((6, 5, 4), np.int16), np.diag([-1.0, -1.0, 2.0, 1.0]))
    nib.save(nib.Nifti1Image(np.zeros((6, 5, 4), np.uint8), np.diag([-1.0, -1.0, 2.0, 1.0])), tmp_path / "label.nii")
    item = {"image": str(folder), "label": str(tmp_path / "label.nii")}
    spec, memory = DataSpec("ct", ["Liver"], image_size=32, window=(0, 1)), tmp_path / "preflight.json"
    check_items([item], spec, memory)
    stamp = os.stat(folder)
    last = sorted(Path(folder).iterdir())[-1]
    last.write_bytes(last.read_bytes()[:200])
    os.utime(folder, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(SamAdaptError, match="has shape"):
        check_items([item], spec, memory)


def test_a_folder_that_cannot_be_written_is_told_before_a_run(tmp_path: Path) -> None:
    check_folder("output_dir", str(tmp_path / "a" / "b"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for folder in (str(tmp_path / "file" / "b"), "/proc/x"):
        with pytest.raises(
            SamAdaptError, match=rf"output_dir='{folder}': cannot be written \(.+\); give another folder"
        ):
            check_folder("output_dir", folder)
    with pytest.raises(
        SamAdaptError, match=r"dataset_dir=20240101: was read as a number; put ./ before it: ./20240101"
    ):
        check_path("dataset_dir", 20240101)  # type: ignore[arg-type]
