"""Networks made again from the files of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_samadapt.engines.artefacts import load_weights, network_from_adapter, write_adapter, write_model
from monai_samadapt.engines.trained import same_setting
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import PlainUNet, Sam2LoRA
from monai_samadapt.transforms import DataSpec


def test_a_network_without_base_is_its_model_file(tmp_path: Path) -> None:
    network = PlainUNet(64, ["Disc"])
    spec = DataSpec.from_dict({"modality": "image2d", "labels": ["Disc"], "image_size": 64})
    write_adapter(tmp_path, network, spec)
    with pytest.raises(SamAdaptError, match=r"unet has no base weights; use its model\.pt as it is$"):
        network_from_adapter(tmp_path)


def test_the_scale_of_an_adapter_must_be_the_trained_one(tmp_path: Path) -> None:
    """The weights fit with any, so that nothing else would show it."""
    trained = Sam2LoRA("hiera_nano", 64, ["Disc"], checkpoint="random", rank=4, alpha=2.0)
    spec = DataSpec.from_dict({"modality": "image2d", "labels": ["Disc"], "image_size": 64})
    write_adapter(tmp_path, trained, spec)
    write_model(tmp_path, trained)
    load_weights(Sam2LoRA("hiera_nano", 64, ["Disc"], rank=4, alpha=2.0), str(tmp_path / "model.pt"))
    with pytest.raises(SamAdaptError, match=r"alpha=8.0: the model was trained with 2.0; pass --alpha as trained"):
        load_weights(Sam2LoRA("hiera_nano", 64, ["Disc"], rank=4), str(tmp_path / "model.pt"))


def test_other_files_of_a_run_and_other_methods_are_named(tmp_path: Path) -> None:
    unet, spec = PlainUNet(64, ["Disc"]), DataSpec.from_dict({"modality": "image2d", "labels": ["Disc"]})
    write_adapter(tmp_path, unet, spec)
    write_model(tmp_path, unet)
    for name in ("adapter.safetensors", "checkpoint_last.pt"):
        (tmp_path / name).touch()
        with pytest.raises(SamAdaptError, match=rf"{name}': is no model\.pt; give the model\.pt of that folder"):
            load_weights(unet, str(tmp_path / name))
    network = Sam2LoRA("hiera_nano", 64, ["Disc"])
    with pytest.raises(SamAdaptError, match=r"was trained by unet, this is sam2_lora; run the bundle unet"):
        load_weights(network, str(tmp_path / "model.pt"))


def test_labels_by_name_are_the_same_as_with_their_values() -> None:
    assert same_setting("labels", {"A": 1, "B": 2}, ["A", "B"])
    assert not same_setting("labels", {"A": 2, "B": 1}, ["A", "B"])
    assert not same_setting("labels", {"B": 2, "A": 1}, ["A", "B"])  # another order of channels
    assert not same_setting("labels", {"A": 1}, ["A"])  # which may be 255 in the files
    assert same_setting("image_size", 64, 64) and not same_setting("spacing", [1, 2], [2, 1])
