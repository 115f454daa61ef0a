"""Wrong settings end a training run in one line with the key, the value and the remedy, before anything is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_samadapt.engines import memory
from monai_samadapt.engines.memory_advice import StepModel
from monai_samadapt.errors import OneLineExit
from monai_samadapt.losses import FocalDiceLoss
from monai_samadapt.networks import SSam

TRAINING = [
    ({"resume": "false"}, "resume='false': is a word to MONAI's command line; write False"),
    ({"rank": 4}, "rank=4: S-SAM trains singular values, it has no rank; leave rank null"),
    ({"variant": "vit_x"}, "variant='vit_x': unknown SAM variant; choose one of vit_b"),
    ({"image_size": 100}, "image_size=100: not a multiple of 16 of at least 32; give e.g. 256 or 1024"),
    ({"modality": "pet"}, "modality='pet': is unknown; give one of ct, mri, image2d"),
    ({"window": [240, -160]}, "window=[240, -160]: is no lower and upper bound; give lowest"),
    ({"spacing": -1.0}, "spacing=-1.0: is no size of a pixel; give"),
    ({"labels": []}, "labels=[]: no list of label names; give"),
    ({"labels": ["Liver", "Liver"]}, "labels=['Liver', 'Liver']: a name is empty or given twice; give"),
    ({"labels": ["Tumor #1"]}, "labels='Tumor ::1': MONAI's configuration reads '#' as '::'; name it without '#'"),
    ({"label_embeddings": "nowhere.safetensors"}, "label_embeddings='nowhere.safetensors': no such file; make it by"),
    ({"device": "gpu"}, "device='gpu': unknown device; give cpu"),
    ({"amp_dtype": "float8"}, "amp_dtype='float8': is unknown; give one of bfloat16, float16"),
    ({"batch_size": 0}, "batch_size=0: is no positive number; give 1 or more"),
    ({"seed": "x"}, "seed='x': is not a whole number from 0; give e.g. 1"),
    ({"num_workers": -1}, "num_workers=-1: is not a whole number from 0; give e.g. 1"),
    ({"prefix_copies": 0.5}, "prefix_copies=0.5: is not a whole number from 0; give e.g. 1"),
    ({"early_stop_patience": -1}, "early_stop_patience=-1: is not a whole number from 0; give e.g. 1"),
    ({"cache_rate": 2}, "cache_rate=2: is not a number from 0 to 1; give e.g. 1"),
    ({"samples_per_volume": 0}, "samples_per_volume=0: is no positive number; give 1 or more"),
    ({"max_epochs": 0}, "max_epochs=0: is no positive number; give 1 or more"),
    ({"val_interval": 0}, "val_interval=0: is no positive number; give 1 or more"),
    (
        {"checkpoint": "sam_vit_b"},
        "checkpoint='sam_vit_b': these are sam vit_b weights, not sam vit_nano; set variant to vit_b",
    ),
    (
        {"checkpoint": "nowhere.pth"},
        "checkpoint='nowhere.pth': no such file, and no name of",
    ),
    (
        {"checkpoint": "base#1.pth"},
        "checkpoint='base::1.pth': MONAI's configuration reads '#' as '::'; rename",
    ),
    ({"max_epoch": 3}, "max_epoch=3: this bundle has no such id; did you mean max_epochs?"),
    ({"sam2_version": "2.0"}, "sam2_version='2.0': this bundle has no such id; leave it out"),
    ({"datalist": "nowhere.json"}, "nowhere.json': no such file; give a JSON file"),
]


@pytest.mark.parametrize(("ids", "line"), TRAINING, ids=lambda value: str(value)[:30])
def test_training_refuses(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, ids: dict[str, Any], line: str
) -> None:
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **{**ct_training, **ids})
    assert line in str(error)


def test_path_with_a_hash_sign_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a#b").mkdir()
    for key in ("dataset_dir", "output_dir", "datalist"):
        ids = {**ct_training, "output_dir": str(tmp_path / "run"), key: str(tmp_path / "a#b" / "c")}
        with pytest.raises(OneLineExit) as caught:
            bundle.run("train+ct", **ids)
        assert caught.value.error.key == key
        assert "rename the folder so that it has no '#'" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a#b"]
    assert not list((tmp_path / "a#b").iterdir())


def write_vit_b_names(path: Path) -> None:
    """The names and sizes by which weights of ViT-B are known, and no more."""
    state = {"image_encoder.patch_embed.proj.weight": torch.zeros(768, 3, 1, 1)}
    torch.save(state | {f"image_encoder.blocks.{index}.norm1.bias": torch.zeros(1) for index in range(12)}, path)


def test_weights_of_another_variant_are_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    write_vit_b_names(tmp_path / "base.pth")
    ids = {**ct_training, "checkpoint": str(tmp_path / "base.pth")}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert error.key == "checkpoint"
    assert error.problem == "holds vit_b, not vit_nano"
    assert error.remedy == "set variant to vit_b or give the weights of vit_nano"


def test_file_that_holds_no_weights_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "base.pth").write_text("<html>404</html>")
    ids = {**ct_training, "checkpoint": str(tmp_path / "base.pth")}
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ids)
    assert error.problem.startswith("cannot be read as weights")


def test_setting_named_for_too_little_memory_fits(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ct_training["labels"]

    def step(checkpointing: bool) -> tuple[SSam, FocalDiceLoss]:
        return SSam("vit_nano", 64, labels, activation_checkpointing=checkpointing), FocalDiceLoss(labels)

    model = StepModel(step, 64, half=False)
    for free in (model.total(8, False) - 1, model.total(4, True)):
        with monkeypatch.context() as patch:
            patch.setattr(memory, "budget_bytes", lambda device, free=free: free)
            error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ct_training)
        assert (error.key, error.value) == ("batch_size", 8)
        assert re.fullmatch(r"needs about \d+\.\d GiB on cpu, \d+\.\d can be had", error.problem)
        assert error.remedy.startswith("set activation_checkpointing True")
        found = re.search(r"batch_size (\d+)", error.remedy)
        assert model.total(int(found[1]) if found else 8, True) <= free


def test_loss_that_is_not_finite_stops_with_the_files(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, ct_data: Path
) -> None:
    with pytest.raises(OneLineExit) as caught:
        bundle.run("train+ct", output_dir=str(tmp_path), **{**ct_training, "learning_rate": 1e30})
    line = str(caught.value)
    assert line.startswith("loss=nan: not finite in step 2, files ")
    assert line.endswith("; look at these files; else lower learning_rate or set amp False")
    training = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))["training"]
    images = {str(ct_data / item["image"]) for item in training}
    named = set(re.findall(r"/\S+\.nii\.gz", line))
    assert named
    assert named < images  # those of the batch, not all
    assert {path.name for path in tmp_path.iterdir()} == {"preflight.json", "datalist.json"}
