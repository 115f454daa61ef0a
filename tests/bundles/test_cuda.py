"""The three bundles on a CUDA device: train, evaluate, infer, and the memory that was predicted."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from monai_samadapt.engines.memory_trace import step_memory
from monai_samadapt.losses import CEDiceLoss, CompositeLoss, FocalDiceLoss
from monai_samadapt.networks import METHODS

pytestmark = pytest.mark.gpu

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
NANO = {"s_sam": "vit_nano", "balr_sam": "vit_nano", "sam2_lora": "hiera_nano"}
BASES = {"s_sam": "sam_vit_nano", "balr_sam": "sam_vit_nano", "sam2_lora": "sam2.1_hiera_nano"}
LOSSES = {"s_sam": FocalDiceLoss, "balr_sam": CEDiceLoss, "sam2_lora": CompositeLoss}
LABELS = ["Rim", "Cup"]
KINDS = [(False, False), (True, False), (False, True)]  # of steps: bfloat16, checkpointing


def dice(folder: Path) -> float:
    """Mean Dice of an evaluation."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return float(summary["overall"]["metrics"]["dice"]["mean"])


@pytest.mark.parametrize("method", NANO)
def test_a_bundle_learns_on_the_device_and_its_model_gives_the_same_on_a_cpu(
    method: str, bundle: Any, picture_data: Path, tmp_path: Path
) -> None:
    here = type(bundle)(BUNDLES / method)
    ids = {"dataset_dir": str(picture_data), "labels": {"Rim": 1, "Cup": 2}, "amp": False}
    ids |= {"variant": NANO[method], "image_size": 128}
    training = {"checkpoint": BASES[method], "max_epochs": 30, "val_interval": 10, "batch_size": 1, "num_workers": 0}
    run = tmp_path / "run"
    here.run("train+image2d", output_dir=str(run), device="cuda", learning_rate=3e-3, **ids, **training)
    with open(run / "history.csv", newline="", encoding="utf-8") as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses[-1] < 0.9 * losses[0]
    ids["model_file"] = str(run / "model.pt")
    for device in ("cuda", "cpu"):
        folder = {"output_dir": str(run), "report_dir": str(tmp_path / device)}
        here.run("train+evaluate+image2d", device=device, **folder, **ids)
        here.run("inference+image2d", output_dir=str(tmp_path / f"{device}_maps"), device=device, **ids)
    assert dice(tmp_path / "cuda") > 0.15
    assert dice(tmp_path / "cuda") == pytest.approx(dice(tmp_path / "cpu"), abs=2e-3)
    for path in sorted((tmp_path / "cuda_maps").rglob("*_seg.png")):
        found = np.asarray(Image.open(path))
        other = np.asarray(Image.open(tmp_path / "cpu_maps" / path.relative_to(tmp_path / "cuda_maps")))
        assert (found == other).mean() > 0.998, path.name


@pytest.mark.parametrize(("half", "checkpointing"), KINDS)
@pytest.mark.parametrize("method", NANO)
def test_memory_is_what_was_predicted(method: str, half: bool, checkpointing: bool) -> None:
    variant, size, batch = {"sam2_lora": "hiera_t"}.get(method, "vit_b"), 256, 4

    def make(checkpoint: str | None = None) -> tuple[Any, nn.Module]:
        network = METHODS[method](variant, size, LABELS, checkpoint=checkpoint, activation_checkpointing=checkpointing)
        return network, LOSSES[method](LABELS)

    network, loss = make("random")
    network.cuda().train()
    target = torch.zeros(batch, 1, size, size, dtype=torch.uint8, device="cuda")
    peaks = []
    for _ in range(2):  # the first also has what libraries take once
        network.zero_grad(set_to_none=True)
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            value = loss(network(torch.randn(batch, 3, size, size, device="cuda")), target)
        value.backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    said = step_memory(make, size, batch, half)
    ratio = (said.peak + said.training // 3) / peaks[1]  # a third of `training` are the gradients
    print(f"{method} {variant} half={half} checkpointing={checkpointing}: {ratio:.3f}")
    assert 0.8 < ratio < 1.2
