"""Training on fixed copies with the frozen blocks' tokens computed once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_samadapt.engines.prefix import PrefixCache


def losses(folder: Path) -> torch.Tensor:
    with open(folder / "history.csv", newline="", encoding="utf-8") as stream:
        return torch.tensor([[float(row["loss"]), float(row["val_mean_dice"])] for row in csv.DictReader(stream)])


def test_training_with_kept_tokens_equals_that_without(
    bundle: Any, ct_training: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {**ct_training, "adapt_from_block": 4, "prefix_copies": 2, "max_epochs": 2, "batch_size": 4}
    caches = []
    whole = PrefixCache.__init__
    monkeypatch.setattr(PrefixCache, "__init__", lambda self, *args: caches.append(self) or whole(self, *args))
    bundle.run("train+ct", output_dir=str(tmp_path / "kept"), **ids)
    assert sorted(caches[0].kept) == list(range(3 * 2 * 4))  # volumes, copies, slices
    plain = {**ids, "train::trainer::prepare_batch": "$engines.prepare_batch"}
    bundle.run("train+ct", output_dir=str(tmp_path / "plain"), **plain)
    torch.testing.assert_close(losses(tmp_path / "kept"), losses(tmp_path / "plain"), atol=1e-5, rtol=0)
    model = {"dataset_dir": ct_training["dataset_dir"], "labels": ct_training["labels"], "adapt_from_block": 4}
    predictions = {"output_dir": str(tmp_path / "maps"), "model_file": str(tmp_path / "kept" / "model.pt")}
    bundle.run("inference+ct", **model, **predictions)
    assert list((tmp_path / "maps").rglob("*_seg.nii.gz"))


def test_block_that_is_not_there_is_refused(bundle: Any, ct_training: dict[str, Any], tmp_path: Path) -> None:
    error = bundle.refuse("train+ct", output_dir=str(tmp_path / "run"), **ct_training, adapt_from_block=8)
    assert (error.key, error.problem) == ("adapt_from_block", "vit_nano has blocks 0 to 7")
