"""Fundus photographs through the bundle: vessels, disc, disc with cup; the files of inference have the Dice told."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TRAINING = {"checkpoint": "random", "num_workers": 0, "learning_rate": 1e-4, "max_epochs": 1, "val_interval": 1}
TASKS = {
    "fundus_vessel": ("datalist_vessels.json", {"Vessel": [255]}),
    "fundus_disc": ("datalist.json", {"Disc": [1, 2]}),
    "fundus_disc_cup": ("datalist.json", {"Disc": [1, 2], "Cup": [2]}),
}


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path))


def dice(pred: Any, truth: Any) -> float:
    return 2 * float((pred & truth).sum()) / float(pred.sum() + truth.sum())


def case_dice(report: Path) -> list[float]:
    with open(report / "cases.csv", newline="", encoding="utf-8") as stream:
        return [float(row["dice"]) for row in csv.DictReader(stream)]


def run_all(bundle: Any, overlay: str, folder: Path, **ids: Any) -> None:
    """Train, evaluate the test part, and segment it."""
    bundle.run(f"train+{overlay}", output_dir=str(folder), **ids, **TRAINING)
    ids["model_file"] = str(folder / "model.pt")
    bundle.run(f"train+evaluate+{overlay}", output_dir=str(folder), report_dir=str(folder / "report"), **ids)
    bundle.run(f"inference+{overlay}", output_dir=str(folder / "pred"), probabilities=True, **ids)


@pytest.mark.parametrize("overlay", TASKS)
def test_each_overlay_trains_evaluates_and_segments(
    bundle: Any, picture_data: Path, tmp_path: Path, overlay: str
) -> None:
    name, labels = TASKS[overlay]
    run_all(bundle, overlay, tmp_path, dataset_dir=str(picture_data), datalist=name)
    case = json.loads((picture_data / name).read_text(encoding="utf-8"))["test"][0]
    truth, view = pixels(picture_data / case["label"]), pixels(picture_data / case["mask"]) > 0
    folder, stem = tmp_path / "pred" / "images", case["subject"]
    expected = []
    for label, values in labels.items():
        pred = pixels(folder / (f"{stem}_seg_{label}.png" if len(labels) > 1 else f"{stem}_seg.png")) > 0
        prob = pixels(folder / f"{stem}_prob_{label}.png")
        assert not pred[~view].any() and not prob[~view].any()
        assert prob[view].min() > 0  # nowhere inside is nothing said
        expected.append(dice(pred & view, np.isin(truth, values) & view))
    assert max(expected) > 0
    assert case_dice(tmp_path / "report") == pytest.approx(expected, abs=1e-6)
    if overlay == "fundus_disc_cup":
        disc, cup = (pixels(folder / f"{stem}_seg_{label}.png") > 0 for label in labels)
        assert not (cup & ~disc).any() and cup.any()


def test_crop_green_and_a_found_view_go_all_the_way(bundle: Any, picture_data: Path, tmp_path: Path) -> None:
    """Without mask files and with the disc's place given for the test case only."""
    content = json.loads((picture_data / "datalist.json").read_text(encoding="utf-8"))
    for section in ("training", "validation", "test"):
        for item in content[section]:
            del item["mask"]
    case = content["test"][0]
    case["centre"] = [30, 20]
    (tmp_path / "list.json").write_text(json.dumps(content), encoding="utf-8")
    ids = {"dataset_dir": str(picture_data), "datalist": str(tmp_path / "list.json"), "crop": 24, "channels": "green"}
    run_all(bundle, "fundus_disc", tmp_path, **ids)
    prob = pixels(tmp_path / "pred" / "images" / f"{case['subject']}_prob_Disc.png")
    rows, columns = np.nonzero(prob)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 31, 18, 41)
    settings = json.loads((tmp_path / "adapter.json").read_text(encoding="utf-8"))["preprocessing"]
    assert (settings["crop"], settings["channels"], settings["nested"]) == (24, "green", False)
    pred = pixels(tmp_path / "pred" / "images" / f"{case['subject']}_seg.png") > 0
    truth = pixels(picture_data / case["label"]) > 0
    assert case_dice(tmp_path / "report") == pytest.approx([dice(pred, truth)], abs=1e-6)


def test_wrong_settings_end_in_one_line(bundle: Any, ct_data: Path, picture_data: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    training = {**TRAINING, "output_dir": run}
    error = bundle.refuse("train+ct", dataset_dir=str(ct_data), labels=["Liver"], crop=0.4, **training)
    assert (error.key, error.value) == ("crop", 0.4)
    error = bundle.refuse("train+fundus_disc", dataset_dir=str(picture_data), nested=True, **training)
    assert error.key == "nested"
