"""The weights in the package load by name and segment shapes they were never trained on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.registry import REGISTRY, WEIGHTS_FOLDER
from monai_samadapt.files import sha256
from monai_samadapt.pretrain.evaluate import mean_scores
from monai_samadapt.pretrain.samples import REAL_SETS, procedural_samples, real_samples

PATH = WEIGHTS_FOLDER / "sam_vit_nano.safetensors"
DATA = Path(os.environ.get("SAMADAPT_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_the_embedded_weights_are_the_registered_ones() -> None:
    entry = REGISTRY["sam_vit_nano"]
    assert entry.sha256 == sha256(PATH) and entry.size == PATH.stat().st_size <= 8_000_000
    assert entry.licence == "Apache-2.0"
    with safe_open(PATH, "pt") as file:
        metadata = file.metadata()
    assert metadata["licence"] == "Apache-2.0" and json.loads(metadata["recipe"])["variant"] == "vit_nano"


def test_the_embedded_weights_load_by_name() -> None:
    sam = build_sam("vit_nano", 256, "sam_vit_nano")
    assert sum(value.numel() for value in sam.parameters()) == 3_581_024
    assert all(torch.isfinite(value).all() for value in sam.state_dict().values())
    assert sam.base_weights.checkpoint == "sam_vit_nano"


@pytest.mark.slow
@pytest.mark.parametrize(("family", "box"), [("star", 0.628), ("crescent", 0.534), ("gland_ring", 0.742)])
def test_held_out_shapes_by_box(family: str, box: float) -> None:
    sam = build_sam("vit_nano", 256, "sam_vit_nano")
    assert mean_scores(sam, procedural_samples(family, 256, 32))["box"] == pytest.approx(box, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "box"), list(zip(REAL_SETS, (0.782, 0.769, 0.627, 0.842), strict=True)))
def test_real_samples_by_box(name: str, box: float) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is missing; set SAMADAPT_DATA")
    sam = build_sam("vit_nano", 256, "sam_vit_nano")
    assert mean_scores(sam, real_samples(DATA / name, 256))["box"] == pytest.approx(box, abs=0.02)
