"""Networks made again from the files of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_samadapt.engines.artefacts import network_from_adapter, write_adapter
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks import PlainUNet
from monai_samadapt.transforms import DataSpec


def test_a_network_without_base_is_its_model_file(tmp_path: Path) -> None:
    network = PlainUNet(64, ["Disc"])
    spec = DataSpec.from_dict({"modality": "image2d", "labels": ["Disc"], "image_size": 64})
    write_adapter(tmp_path, network, spec)
    with pytest.raises(SamAdaptError, match=r"unet has no base weights; use its model\.pt as it is$"):
        network_from_adapter(tmp_path)
