"""The commands as a user types them: from the bundle's folder and from another, and what a wrong one prints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

pytestmark = pytest.mark.slow  # each command imports torch and MONAI anew


def monai_bundle(cwd: Path | str, *words: str, **ids: Any) -> subprocess.CompletedProcess[str]:
    """``python -m monai.bundle run`` in a folder."""
    options = [word for key, value in ids.items() for word in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "monai.bundle", "run", *words, *options]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(bundle: Any, ct_data: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with its data in ``data``, where the configs look by default."""
    shutil.copytree(bundle.root / "configs", tmp_path / "s_sam" / "configs")
    shutil.copytree(ct_data, tmp_path / "s_sam" / "data")
    return tmp_path / "s_sam"


SMALL = {"variant": "vit_nano", "image_size": 64, "labels": "['Liver','Spleen','Kidneys','Lesion']"}


def test_training_from_the_folder_of_the_bundle(copy: Path) -> None:
    files = "['configs/train.json','configs/ct.json']"
    done = monai_bundle(copy, config_file=files, checkpoint="random", max_epochs=1, **SMALL)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "s_sam trains 84,352 parameters, 2.356 % of 3,581,024" in done.stdout
    assert "epoch 1/1 loss" in done.stdout
    assert (copy / "runs" / "latest" / "model.pt").is_file()
    assert sorted(path.name for path in copy.iterdir()) == ["configs", "data", "runs"]


def test_inference_from_another_folder(bundle: Any, ct_run: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": ct_data, "output_dir": tmp_path, "model_file": ct_run.folder / "model.pt"}
    files = str(bundle.files("inference+ct"))
    done = monai_bundle("/", config_file=files, bundle_root=bundle.root, **ids, **SMALL)
    assert done.returncode == 0, done.stderr[-2000:]
    source, result = ct_data / "images" / "ct_004.nii.gz", tmp_path / "images" / "ct_004_seg.nii.gz"
    assert nib.load(result).shape == nib.load(source).shape


def test_wrong_setting_prints_one_line_and_no_traceback(bundle: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": ct_data, "output_dir": tmp_path / "run", "checkpoint": "random", **SMALL}
    done = monai_bundle("/", config_file=str(bundle.files("train+ct")), bundle_root=bundle.root, rank=4, **ids)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "rank=4: S-SAM trains singular values, it has no rank; leave rank null"
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()


def test_loss_that_is_not_finite_prints_one_line_and_no_traceback(bundle: Any, ct_data: Path, tmp_path: Path) -> None:
    ids = {"dataset_dir": ct_data, "output_dir": tmp_path, "checkpoint": "random", "learning_rate": 1e30, **SMALL}
    done = monai_bundle("/", config_file=str(bundle.files("train+ct")), bundle_root=bundle.root, **ids)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("loss=nan: not finite in step ")
    assert "Traceback" not in done.stderr + done.stdout
