"""Networks made again from the files of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_samadapt.engines.artefacts import load_weights, network_from_adapter, write_adapter, write_model
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
