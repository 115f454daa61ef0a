"""The three bundles differ in what a method is, and in nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
OTHERS = ("sam2_lora", "balr_sam")
OVERLAYS = ("ct", "mri", "image2d", "fundus_vessel", "fundus_disc", "fundus_disc_cup", "evaluate")
OVERLAYS += ("low_memory", "multi_gpu_train", "multi_gpu_evaluate")
# what makes a method: its network, loss, optimiser and their ids
OWN = {
    "train": {"network_def", "loss", "optimizer", "lr_scheduler", "prompted_batch"},
    "inference": {"network_def"},
}
# what one command may set for every method
COMMON = {
    *("dataset_dir", "datalist", "output_dir", "modality", "labels", "overlapping", "nested", "variant", "image_size"),
    *("channels", "crop", "window", "spacing", "neighbours", "rank", "amp", "amp_dtype", "device", "slice_batch"),
}
TRAINING = {
    *("checkpoint", "batch_size", "samples_per_volume", "max_epochs", "val_interval", "early_stop_patience", "seed"),
    *("learning_rate", "cache_rate", "num_workers", "activation_checkpointing", "compile", "resume"),
    *("tracking_uri", "experiment"),
}
DEFAULTS = {"checkpoint", "variant", "image_size", "batch_size", "learning_rate", "rank"}


def read(bundle: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((BUNDLES / bundle / "configs" / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("bundle", OTHERS)
@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays_are_the_same(bundle: str, name: str) -> None:
    assert read(bundle, name) == read("s_sam", name)


@pytest.mark.parametrize("bundle", OTHERS)
@pytest.mark.parametrize("name", OWN)
def test_ids_of_data_and_run_are_the_same(bundle: str, name: str) -> None:
    """Top-level ids of the first bundle are in the others with the same default, but for those of its own method."""
    first, other = read("s_sam", name), read(bundle, name)
    shared = set(first) - OWN[name] - {"label_embeddings", "train", "initialize"}
    for key in shared:
        assert key in other, key
        assert key in DEFAULTS or other[key] == first[key], key


@pytest.mark.parametrize("bundle", ["s_sam", *OTHERS])
def test_one_command_fits_all(bundle: str) -> None:
    assert set(read(bundle, "train")) >= COMMON | TRAINING
    assert set(read(bundle, "inference")) >= COMMON


@pytest.mark.parametrize("bundle", OTHERS)
def test_training_differs_in_its_batches_and_clipping_only(bundle: str) -> None:
    first, other = read("s_sam", "train")["train"], read(bundle, "train")["train"]
    other["handlers"] = [item for item in other["handlers"] if not item["_target_"].endswith("ClipGradients")]
    first["trainer"].pop("prepare_batch"), other["trainer"].pop("prepare_batch")
    assert other == first
