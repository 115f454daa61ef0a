"""One Dice through all ways: validation during training, evaluation, and inference with the metrics on its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_samadapt.labels import LabelSpec
from monai_samadapt.metrics import case_metrics

METRICS = ("dice", "iou", "hd95", "nsd", "sensitivity", "specificity", "auc", "truth_voxels", "pred_voxels")


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def best_dice(folder: Path) -> float:
    return max(float(row["val_mean_dice"]) for row in read_csv(folder / "history.csv"))


@pytest.fixture(scope="module")
def validation_datalist(ct_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A datalist whose test section, which inference takes, is the validation section."""
    content = json.loads((ct_data / "datalist.json").read_text(encoding="utf-8"))
    path = tmp_path_factory.mktemp("lists") / "validation.json"
    path.write_text(json.dumps({"test": content["validation"]}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ct_report(bundle: Any, ct_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    ids = {**ct_run.model, "section": "validation", "report_dir": str(folder)}
    bundle.run("train+evaluate+ct", output_dir=str(ct_run.folder), **ids)
    return folder


def test_evaluation_of_the_validation_cases_gives_the_best_dice_of_training(ct_run: Any, ct_report: Path) -> None:
    dice = [float(row["dice"]) for row in read_csv(ct_report / "cases.csv") if row["dice"]]
    assert len(dice) == 4
    assert np.mean(dice) > 0.005
    assert np.mean(dice) == pytest.approx(best_dice(ct_run.folder), abs=1e-6)
    summary = json.loads((ct_report / "summary.json").read_text(encoding="utf-8"))
    assert summary["overall"]["metrics"]["dice"]["mean"] == pytest.approx(best_dice(ct_run.folder), abs=1e-6)


def test_metrics_of_the_predicted_files_are_those_of_the_evaluation(
    bundle: Any, ct_run: Any, ct_data: Path, ct_report: Path, validation_datalist: Path, tmp_path: Path
) -> None:
    ids = {**ct_run.model, "datalist": str(validation_datalist), "probabilities": True}
    bundle.run("inference+ct", output_dir=str(tmp_path), **ids)
    pred, prob = (nib.load(tmp_path / "images" / f"ct_003_{kind}.nii.gz") for kind in ("seg", "prob"))
    truth = nib.load(ct_data / "labels" / "ct_003.nii.gz")
    spec = LabelSpec.parse(ct_run.ids["labels"])
    arrays = [np.asarray(item.dataobj)[None] for item in (pred, truth)]
    scores = np.moveaxis(np.asarray(prob.dataobj), -1, 0)
    rows = case_metrics(*arrays, [float(step) for step in truth.header.get_zooms()], spec, prob=scores)
    reported = read_csv(ct_report / "cases.csv")
    assert [row["label"] for row in reported] == [row["label"] for row in rows] == ct_run.ids["labels"]
    for found, row in zip(reported, rows, strict=True):
        for name in METRICS:
            assert float(found[name]) == pytest.approx(float(row[name]), rel=1e-6, abs=1e-6), (found["label"], name)


def by_hand(pred: Path, truth: Path, values: list[int]) -> list[float]:
    """2 |A ∩ B| / (|A| + |B|) for each value."""
    first, second = (np.asarray(Image.open(path)) for path in (pred, truth))
    pairs = [(first == value, second == value) for value in values]
    return [2 * float((a & b).sum()) / float(a.sum() + b.sum()) for a, b in pairs]


def test_pictures_have_the_dice_counted_by_hand_from_the_files(
    bundle: Any, picture_run: Any, picture_data: Path, tmp_path: Path
) -> None:
    test = json.loads((picture_data / "datalist.json").read_text(encoding="utf-8"))["test"]
    for item in test:
        item.pop("mask")  # the field of view would leave pixels out
    (tmp_path / "list.json").write_text(json.dumps({"test": test}), encoding="utf-8")
    ids = {**picture_run.model, "datalist": str(tmp_path / "list.json")}
    bundle.run("train+evaluate+image2d", output_dir=str(tmp_path), report_dir=str(tmp_path / "report"), **ids)
    bundle.run("inference+image2d", output_dir=str(tmp_path / "pred"), **ids)
    name = Path(test[0]["image"]).stem
    files = (tmp_path / "pred" / "images" / f"{name}_seg.png", picture_data / "labels" / f"{name}.png")
    rows = read_csv(tmp_path / "report" / "cases.csv")
    assert max(float(row["dice"]) for row in rows) > 0.01
    assert [float(row["dice"]) for row in rows] == pytest.approx(by_hand(*files, [1, 2]), abs=1e-6)
