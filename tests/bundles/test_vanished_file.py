"""A file that vanishes after the preflight ends a training in one line, also when a worker process reads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from monai_samadapt.errors import OneLineExit


@pytest.mark.parametrize("workers", [0, 1])
def test_vanished_file_is_named(
    bundle: Any, picture_data: Path, tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]
) -> None:
    data = Path(shutil.copytree(picture_data, tmp_path / "data"))
    ids = {"dataset_dir": str(data), "labels": {"Rim": 1, "Cup": 2}, "output_dir": str(tmp_path / "run")}
    small = {"variant": "vit_nano", "image_size": 64, "device": "cpu", "checkpoint": "random", "tracking_uri": "off"}
    small |= {
        "logging_file": str(bundle.root / "configs" / "logging.conf"),
        "cache_rate": 0.0,
        "num_workers": workers,
        "max_epochs": 1,
        "val_interval": 1,
    }
    workflow = ConfigWorkflow(
        bundle.files("train+image2d"), workflow_type="train", bundle_root=str(bundle.root), **ids, **small
    )
    workflow.initialize()
    items = workflow.parser.get_parsed_content("train::dataset::data")
    for item in items:
        Path(item["image"]).unlink()
    with pytest.raises(OneLineExit) as caught:
        workflow.run()
    line = str(caught.value)
    assert "\n" not in line
    assert any(line.startswith(f"image='{item['image']}': ") for item in items)
    assert caught.value.code == line  # python prints such a code and exits with 1
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert "exception" not in printed  # what ignite logs
